//! The sandbox: what a running server has given up, seen from outside in procfs and
//! tried from inside; and that it serves all the same.

mod inside;
mod page;
mod promises;
mod reload;
mod required;
mod status;

use std::env;
use std::process::{Command, Stdio};

/// Whether this process was started by [`again`], to be confined; what it is given
/// stands in the variable.
fn told() -> Option<String> {
    env::var(TOLD).ok()
}

const TOLD: &str = "SANDBOX_TEST_TOLD";

/// A test once more, in a process of its own that [`told`] finds `text` in: what is
/// given up is given up for good, and this process runs other tests too.
fn again(module: &str, test: &str, text: &str) -> Command {
    let (_crate, module) = module.split_once("::").expect("a module of this crate");
    let mut command = Command::new(env::current_exe().expect("a test has a file"));
    command
        .arg(format!("{module}::{test}"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .env(TOLD, text)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

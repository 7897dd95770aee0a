//! Where the programs under test run: without the right to set the clock, and, where
//! a fixed port is needed, in a network of their own.
//!
//! Every program is started through `setpriv`, which takes `CAP_SYS_TIME` out of the
//! bounding set: neither the program nor anything it starts can get it back, root or
//! not. So a slip in a client's command line is an error message and no more.
//!
//! # Why a network without a name
//!
//! A namespace that only its server holds ends with the server, however that ends;
//! one that `ip netns add` named would outlive a test that was killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::running;

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The host's own network, of which the tests use the loopback only.
    Host,
    /// The one of the process with this id.
    Of(u32),
}

/// Finds a program on the path or among the administrator's programs, which are not
/// on everybody's path.
///
/// # Panics
///
/// If there is none, naming the Debian `package` that has it.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is missing: install Debian's package {package} (docs/testing.md)")
        })
}

/// A command for a client in `network`. It replaces itself by the program, so its
/// process is the program's.
pub fn client(network: Network, program: &Path) -> Command {
    let mut command = match network {
        Network::Host => without_clock(Command::new(setpriv())),
        Network::Of(pid) => {
            let mut command = Command::new(self::program("nsenter", "util-linux"));
            command.args(["--target", &pid.to_string(), "--net"]);
            command.arg(setpriv());
            without_clock(command)
        }
    };
    // What they print shall not depend on who runs the tests.
    command.arg(program).env("LC_ALL", "C").env("TZ", "UTC");
    command
}

/// A command for a server on the host's network.
pub fn server(program: &Path) -> Command {
    let mut command = without_clock(Command::new(setpriv()));
    command.arg(program);
    command
}

/// A command for a server in a new network that has a loopback and nothing else.
pub fn server_alone(program: &Path) -> Command {
    let mut command = Command::new(self::program("unshare", "util-linux"));
    command.arg("--net").arg(setpriv());
    let mut command = without_clock(command);
    command
        .args(["sh", "-c", r#""$0" link set lo up && exec "$@""#])
        .arg(self::program("ip", "iproute2"))
        .arg(program);
    command
}

fn setpriv() -> PathBuf {
    program("setpriv", "util-linux")
}

/// Adds what `setpriv` takes away. Whoever is started ends with the test, too.
fn without_clock(mut command: Command) -> Command {
    command.args([
        "--bounding-set=-sys_time",
        "--inh-caps=-sys_time",
        "--no-new-privs",
        "--pdeathsig=KILL",
    ]);
    command
}

/// Runs a client to its end and returns what it printed to standard output and to
/// standard error.
///
/// # Panics
///
/// If it cannot be started or does not end well, with what it printed.
pub fn run(command: &mut Command) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = running::run(command);
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(
        status.success(),
        "{command:?} ended with {status}\n{}stdout: {stdout}\nstderr: {stderr}",
        if stderr.contains("setpriv") || stderr.contains("unshare") {
            "these tests need root: see docs/testing.md\n"
        } else {
            ""
        }
    );
    (stdout, stderr)
}

/// The capability sets that a client has, by the kernel's names for them.
pub fn capabilities() -> Vec<(String, u64)> {
    let mut command = client(Network::Host, &program("cat", "coreutils"));
    let (status, _) = run(command.arg("/proc/self/status"));
    let sets: Vec<_> = status
        .lines()
        .filter_map(|line| line.strip_prefix("Cap")?.split_once(":\t"))
        .map(|(set, mask)| {
            let mask = u64::from_str_radix(mask, 16).expect("the kernel writes hexadecimal");
            (format!("Cap{set}"), mask)
        })
        .collect();
    assert_eq!(sets.len(), 5, "{status}");
    sets
}

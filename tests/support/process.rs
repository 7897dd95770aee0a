//! The `timeball` program itself, as a child process.

use super::running::Running;
use super::{PATIENCE, wait_for};
use rustix::process::Signal;
use serde::Deserialize;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use tempfile::TempDir;

/// The program, ready to be given arguments; it sees none of the settings that
/// stand in this process's environment.
pub fn timeball() -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_timeball")))
}

/// The same without a capability (`net_admin`), even if root runs the tests.
pub fn timeball_without(capability: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return timeball();
    }
    let mut command = isolated(Command::new("setpriv"));
    command
        .arg(format!("--bounding-set=-{capability}"))
        .arg(format!("--inh-caps=-{capability}"))
        .arg(env!("CARGO_BIN_EXE_timeball"));
    command
}

fn isolated(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.to_lowercase().starts_with("timeball_"));
        if is_ours || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Waits until `file` has whole lines, and returns them.
pub fn wait_for_lines(file: &Path) -> String {
    let what = file.display().to_string();
    let whole = |text: &String| text.ends_with('\n');
    wait_for(&what, || fs::read_to_string(file).ok().filter(whole))
}

/// A listener, as the ports file tells it.
#[derive(Debug, Deserialize)]
pub struct Listener {
    pub protocol: String,
    pub address: SocketAddr,
    pub source: String,
}

/// Where something is asked over HTTP, as the ports file tells it.
#[derive(Debug, Deserialize)]
pub struct Control {
    pub address: SocketAddr,
    pub url: String,
}

#[derive(Deserialize)]
struct Ports {
    listeners: Vec<Listener>,
    control: Option<Control>,
    http: Option<Control>,
}

/// The listeners that a ports file tells, once they are all bound.
pub fn listeners_of(ports_file: &Path) -> Vec<Listener> {
    ports_of(ports_file).listeners
}

fn ports_of(file: &Path) -> Ports {
    serde_json::from_str(&wait_for_lines(file)).expect("the file is JSON")
}

/// A `timeball serve` that runs until it is told to stop or is dropped.
pub struct Serve {
    program: Running,
    folder: TempDir,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Serve {
    /// Starts it on the settings in `toml`, with more arguments.
    pub fn start(toml: &str, arguments: &[&str]) -> Self {
        Self::start_as(timeball().args(arguments), toml)
    }

    /// Starts `program` on the settings in `toml`.
    pub fn start_as(program: &mut Command, toml: &str) -> Self {
        Self::start_with(program, toml, &[])
    }

    /// Starts `program` on the settings in `toml`, with more arguments of `serve`.
    pub fn start_with(program: &mut Command, toml: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let settings = folder.path().join("settings.toml");
        fs::write(&settings, toml).expect("the folder takes a file");
        let mut program = Running::start(
            program
                .arg("serve")
                .arg("--settings")
                .arg(settings)
                .arg("--ports-file")
                .arg(folder.path().join("ports.json"))
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        let stderr = program.stderr();
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            program,
            folder,
            log,
            seen: Vec::new(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Waits for a log line with `text` in it and returns it.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                panic!(
                    "no log line has {text:?}; there are\n{}",
                    self.seen.join("\n")
                );
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The listeners, once all are bound.
    pub fn listeners(&self) -> Vec<Listener> {
        self.ports().listeners
    }

    /// Where control is asked, once all listeners are bound; the settings must
    /// have it.
    pub fn control(&self) -> Control {
        self.ports().control.expect("the settings have control")
    }

    /// Where metrics and status are asked, once all listeners are bound; the
    /// settings must have them.
    pub fn http(&self) -> Control {
        self.ports().http.expect("the settings have http")
    }

    /// The file that tells where the listeners are bound.
    pub fn ports_file(&self) -> PathBuf {
        self.folder.path().join("ports.json")
    }

    /// Puts `toml` in the place of its settings, at once. It is not told.
    pub fn rewrite(&self, toml: &str) {
        let file = self.folder.path().join("settings.toml");
        let beside = file.with_extension("new");
        fs::write(&beside, toml).expect("the folder takes a file");
        fs::rename(beside, file).expect("the folder is ours");
    }

    fn ports(&self) -> Ports {
        ports_of(&self.ports_file())
    }

    /// Sends `signal` and returns how the program ended, what it wrote to
    /// stdout, and its whole log.
    pub fn end(self, signal: Signal) -> (ExitStatus, String, Vec<String>) {
        self.program.signal(signal);
        self.wait()
    }

    /// The same of a program that ends by itself.
    pub fn wait(mut self) -> (ExitStatus, String, Vec<String>) {
        let output = self.program.end();
        // The log ends with the program.
        self.seen.extend(self.log.iter());
        let stdout = String::from_utf8(output.stdout).expect("text");
        (output.status, stdout, self.seen)
    }
}

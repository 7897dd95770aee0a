//! The `timeball` program itself, as a child process.

use super::PATIENCE;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use tempfile::TempDir;

/// The program, ready to be given arguments; it sees none of the settings that
/// stand in this process's environment.
pub fn timeball() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timeball"));
    for (name, _) in std::env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.to_lowercase().starts_with("timeball__"));
        if is_ours || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

/// A listener, as the ports file tells it.
#[derive(Debug, Deserialize)]
pub struct Listener {
    pub protocol: String,
    pub address: SocketAddr,
    pub source: String,
}

#[derive(Deserialize)]
struct Ports {
    listeners: Vec<Listener>,
}

/// A `timeball serve` that runs until it is told to stop or is dropped.
pub struct Serve {
    child: Child,
    folder: TempDir,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Serve {
    /// Starts it on the settings in `toml`, with more arguments.
    pub fn start(toml: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let settings = folder.path().join("settings.toml");
        std::fs::write(&settings, toml).expect("the folder takes a file");
        let mut child = timeball()
            .args(arguments)
            .arg("serve")
            .arg("--settings")
            .arg(settings)
            .arg("--ports-file")
            .arg(folder.path().join("ports.json"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            folder,
            log,
            seen: Vec::new(),
        }
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

    /// The listeners, once all are bound: a log line a listener says so, and
    /// then comes the file.
    pub fn listeners(&self) -> Vec<Listener> {
        let file: PathBuf = self.folder.path().join("ports.json");
        // The file appears whole, by a rename; there is no event to wait for.
        for _ in 0..2_000 {
            if let Ok(text) = std::fs::read_to_string(&file) {
                let ports: Ports = serde_json::from_str(&text).expect("the file is JSON");
                return ports.listeners;
            }
            thread::sleep(PATIENCE / 2_000);
        }
        panic!("the ports file does not appear");
    }

    /// Sends `signal` and returns how the program ended, what it wrote to
    /// stdout, and its whole log.
    pub fn end(mut self, signal: rustix::process::Signal) -> (ExitStatus, String, Vec<String>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the program runs");
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .expect("stdout is piped")
            .read_to_string(&mut stdout)
            .expect("text");
        let status = self.child.wait().expect("the program ends");
        self.seen.extend(self.log.iter());
        let log = std::mem::take(&mut self.seen);
        (status, stdout, log)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

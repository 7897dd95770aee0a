//! What procfs says of a running server.

use crate::server::burst::FOUR;
use crate::support::process::{Serve, timeball};
use crate::support::{ask, ntp_request, wait_for};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

const CAP_SETPCAP: u32 = 8;
const CAP_SYS_TIME: u32 = 25;

/// The lines of a `status` in procfs.
struct Status(BTreeMap<String, String>);

impl Status {
    fn read(folder: &str) -> Self {
        let text = fs::read_to_string(format!("{folder}/status")).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let lines = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self(lines.collect())
    }

    /// One for each thread of a process.
    fn of_threads(process: u32) -> Vec<Self> {
        let folders = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        folders
            .map(|folder| Self::read(folder.unwrap().path().to_str().unwrap()))
            .collect()
    }

    fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    fn capabilities(&self, set: &str) -> u64 {
        u64::from_str_radix(self.get(set), 16).unwrap()
    }

    /// That there is no right to set the clock, in any set that means anything. The
    /// bounding set can be narrowed by those alone who have CAP_SETPCAP.
    fn assert_cannot_set_the_clock(&self) {
        let may_narrow = Self::read("/proc/self").capabilities("CapEff") >> CAP_SETPCAP & 1 == 1;
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            if set != "CapBnd" || may_narrow {
                let has = self.capabilities(set) >> CAP_SYS_TIME & 1;
                assert_eq!(has, 0, "{} has it in {set}", self.get("Name"));
            }
        }
        assert_eq!(self.get("NoNewPrivs"), "1");
    }
}

/// The four protocols and control, and no sandbox that is not whole.
fn confined() -> Serve {
    let settings = format!(
        "control.address = '127.0.0.1:0'\nsandbox.required = true\nthreads = 2\n{FOUR}\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n\
         responder_threads = 2\n"
    );
    let mut server = Serve::start(&settings, &[]);
    // Told once all threads are there.
    server.wait_for_log("control address=");
    server
}

#[test]
fn every_thread_of_a_server_is_filtered_and_has_no_capability_and_gains_none() {
    let server = confined();
    // A thread takes its name once it runs.
    let threads = wait_for("every thread", || {
        let threads = Status::of_threads(server.id());
        let has = |name: &str| threads.iter().any(|thread| thread.get("Name") == name);
        let expected = ["timeball", "signals", "shard-0", "ntp-0", "ntp-1", "upkeep"];
        expected.into_iter().all(has).then_some(threads)
    });
    for thread in &threads {
        let name = thread.get("Name");
        assert_eq!(thread.get("Seccomp"), "2", "{name}");
        assert_eq!(thread.get("NoNewPrivs"), "1", "{name}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread.capabilities(set), 0, "{set} of {name}");
        }
        thread.assert_cannot_set_the_clock();
        // Whoever runs the tests: the server is not root, in any of the four ways.
        let is_root = thread.get("Uid").split_whitespace().any(|uid| uid == "0");
        assert!(!is_root, "{name}: {}", thread.get("Uid"));
    }
}

#[test]
fn a_confined_server_answers_every_protocol_and_control_and_stops_cleanly() {
    let server = confined();
    let listeners = server.listeners();
    assert_eq!(ask(listeners[0].address, b"Send time").len(), 26);
    assert!(!ask(listeners[1].address, b"").is_empty());
    assert_eq!(ask(listeners[2].address, b"").len(), 4);
    for number in [3, 4] {
        assert_eq!(ask(listeners[number].address, &ntp_request(1)).len(), 48);
    }
    let mut control = TcpStream::connect(server.control().address).unwrap();
    let host = server.control().address;
    write!(control, "GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, _, log) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(log.last().unwrap().contains("replied=5"), "{log:?}");
}

#[test]
fn with_no_sandbox_nothing_is_given_up_but_the_clock_and_the_log_warns() {
    // The flag comes before what the file says, `required` included.
    let settings = format!("sandbox.required = true\n{FOUR}");
    let mut server = Serve::start_with(&mut timeball(), &settings, &["--no-sandbox"]);
    let warning = server.wait_for_log("there is no sandbox");
    assert!(warning.contains("WARN"), "{warning}");
    server.wait_for_log("listening");
    let own = Status::read("/proc/self");
    for thread in Status::of_threads(server.id()) {
        assert_eq!(thread.get("Seccomp"), own.get("Seccomp"));
        assert_eq!(thread.get("Uid"), own.get("Uid"));
        let given_up = own.capabilities("CapEff") & !(1 << CAP_SYS_TIME);
        assert_eq!(thread.capabilities("CapEff"), given_up);
        thread.assert_cannot_set_the_clock();
    }
}

#[test]
fn a_subcommand_without_a_sandbox_cannot_set_the_clock_either() {
    use crate::support::process::listeners_of;
    use crate::support::running::Running;
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports.json");
    let mut play = timeball();
    let play = play.args(["play", "asymmetric-delay", "--listen", "127.0.0.1:0"]);
    let play = play.arg("--ports-file").arg(&ports);
    let play = Running::start(
        play.stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    assert!(!listeners_of(&ports).is_empty());
    for thread in Status::of_threads(play.id()) {
        thread.assert_cannot_set_the_clock();
    }
}

//! `timeball play` and `timeball replay`: files, exit codes, fences.

use crate::support::process::timeball;
use crate::support::running::run;
use crate::support::{PATIENCE, client_of, ntp_request, receive};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A client passes that asks three times at least.
pub(super) const THREE: &str = "
name = 'three'
description = 'A test'
time.base = 'per-request'
[[rules]]
name = 'second'
request = 2
kiss = { code = 'RATE' }
[[expect]]
name = 'asks three times'
requests = { at_least = 3 }
";

pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A folder with a scenario in it.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn with(scenario: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is a place for files");
        std::fs::write(folder.path().join("it.toml"), scenario).expect("it takes a file");
        Self(folder)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn scenario(&self) -> PathBuf {
        self.file("it.toml")
    }

    /// Runs `timeball play` to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        run(timeball().arg("play").arg(self.scenario()).args(arguments))
    }

    /// Starts `timeball play`, and waits until it is bound.
    pub(super) fn start(&self, arguments: &[&str]) -> Playing {
        self.start_as(&mut timeball(), arguments)
    }

    /// The same by way of `program`, which is given the arguments of `timeball`.
    pub(super) fn start_as(&self, program: &mut Command, arguments: &[&str]) -> Playing {
        let ports = self.file("ports.json");
        // That of an earlier start; there may be none.
        let _ = std::fs::remove_file(&ports);
        let child = program
            .arg("play")
            .arg(self.scenario())
            .arg("--ports-file")
            .arg(&ports)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut playing = Playing {
            child: Some(child),
            addresses: Vec::new(),
        };
        playing.addresses = addresses(&ports);
        playing
    }
}

/// The bound addresses, once the file is there. It appears whole; there is no
/// event to wait for.
fn addresses(ports: &Path) -> Vec<SocketAddr> {
    for _ in 0..2_000 {
        if let Ok(text) = std::fs::read_to_string(ports) {
            let ports: Value = serde_json::from_str(&text).expect("the file is JSON");
            let listeners = ports["listeners"].as_array().expect("a list").iter();
            let address = |it: &Value| it["address"].as_str().expect("a text").parse();
            return listeners
                .map(|it| address(it).expect("an address"))
                .collect();
        }
        std::thread::sleep(PATIENCE / 2_000);
    }
    panic!("the ports file does not appear");
}

/// A `timeball play` that runs until it ends or is dropped.
pub(super) struct Playing {
    child: Option<Child>,
    addresses: Vec<SocketAddr>,
}

impl Playing {
    pub(super) fn ask(&self, count: u64) {
        let client = client_of(self.addresses[0]);
        for n in 0..count {
            client.send_to(&ntp_request(n), self.addresses[0]).unwrap();
            receive(&client);
        }
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Output {
        let child = self.child.take().expect("it is there until the end");
        child.wait_with_output().expect("the program ends")
    }

    fn signal(self, signal: Signal) -> Output {
        let child = self.child.as_ref().expect("it is there until the end");
        kill_process(Pid::from_child(child), signal).expect("the program runs");
        self.end()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_run_ends_after_its_requests_with_the_verdict_as_a_table() {
    let folder = Folder::with(THREE);
    let playing = folder.start(&["--requests", "3"]);
    playing.ask(3);
    let output = playing.end();
    let (table, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}{log}");
    assert!(table.starts_with("three: requests 3, "), "{table}");
    assert!(table.contains("rule second: requests 1\n"), "{table}");
    assert!(table.contains("held        asks three times"), "{table}");
    assert!(
        table.contains("PASSED: 1 held, 0 failed, 0 not tested"),
        "{table}"
    );
    assert!(log.contains("TEST TIME"), "{log}");
    assert!(log.contains("mode=\"test\""), "{log}");
    assert!(
        log.contains("requests 0"),
        "a plain line says how it goes: {log}"
    );
}

#[test]
fn the_phase_of_each_clock_is_told_with_the_name_of_its_endpoint() {
    let folder = Folder::with(
        "name = 'pool'\ndescription = 'A test'\ntime.base = 'manual'\n\
         [[endpoints]]\nname = 'good'\n[[endpoints]]\nname = 'twin'\n[[endpoints]]\nname = 'liar'\n\
         clock.events = [{ name = 'lies', elapsed = 0, step = '1h' }]\n",
    );
    let log = text(&folder.run(&["--duration", "1ms"]).stderr);
    let lies: Vec<&str> = log
        .lines()
        .filter(|line| line.ends_with("  lies"))
        .collect();
    assert_eq!(lies.len(), 1, "{log}");
    assert!(lies[0].starts_with("liar: "), "{log}");
}

#[test]
fn a_verdict_that_fails_is_exit_code_1_as_json_and_as_junit_too() {
    let folder = Folder::with(THREE);
    let junit = folder.file("junit.xml");
    let playing = folder.start(&["--json", "--junit", junit.to_str().unwrap(), "--seed", "9"]);
    playing.ask(2);
    let output = playing.signal(Signal::TERM);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(told["mode"], "test");
    assert_eq!(told["scenario"], "three");
    assert_eq!((&told["seed"], &told["requests"]), (&9.into(), &2.into()));
    assert_eq!(told["rules"]["second"], 1);
    assert_eq!(told["passes"], false);
    assert_eq!(told["expectations"][0]["outcome"], "failed");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("asks three times"));
}

#[test]
fn a_run_ends_after_its_duration_and_at_either_signal() {
    let folder = Folder::with(THREE);
    let output = folder.run(&["--duration", "50ms"]);
    assert_eq!(output.status.code(), Some(1), "nobody asked");
    for signal in [Signal::INT, Signal::TERM] {
        let playing = folder.start(&[]);
        playing.ask(3);
        assert_eq!(playing.signal(signal).status.code(), Some(0));
    }
}

#[test]
fn the_transcript_replays_and_one_damaged_octet_is_found() {
    let folder = Folder::with(
        "name = 'wall'\ndescription = 'A test'\n\
         rules = [{ probability = 0.5, flip_bits = { count = 1 } }]",
    );
    let file = folder.file("out.jsonl");
    let (path, pcap) = (file.to_str().unwrap(), folder.file("out.pcapng"));
    // Another rate and another seed than the scenario's: the transcript has them.
    let playing = folder.start(&[
        "--transcript",
        path,
        "--pcap",
        pcap.to_str().unwrap(),
        "--rate",
        "1000/3",
        "--seed",
        "5",
        "--requests",
        "20",
    ]);
    playing.ask(20);
    assert_eq!(playing.end().status.code(), Some(0));
    assert_eq!(
        std::fs::read(pcap).unwrap()[..4],
        0x0a0d_0d0a_u32.to_le_bytes()
    );

    let replay = |file: &Path| run(timeball().arg("replay").arg(file));
    let output = replay(&file);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).ends_with("the same: requests 20, replies 20\n"));

    let whole = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    let damaged = lines[10].replacen("58545354", "58545355", 1);
    assert_ne!(damaged, lines[10], "the reference id is XTST");
    lines[10] = &damaged;
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    let output = replay(&file);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(
        told.contains("request 5") && told.contains("reference_id"),
        "{told}"
    );

    for (unreadable, why) in [
        ("", "line 1"),
        ("{}\n", "line 1"),
        (&whole[..whole.len() - 9], "cut off"),
    ] {
        std::fs::write(&file, unreadable).unwrap();
        let output = replay(&file);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains(why),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(replay(&folder.file("none")).status.code(), Some(2));
}

#[test]
fn the_first_endpoint_is_moved_by_listen() {
    let folder = Folder::with(
        "name = 'two'\ndescription = 'A test'\nendpoints = [{ name = 'a' }, { name = 'b' }]",
    );
    let playing = folder.start(&["--listen", "127.0.0.8:0", "--duration", "1h"]);
    let ips: Vec<_> = playing
        .addresses
        .iter()
        .map(|it| it.ip().to_string())
        .collect();
    assert_eq!(ips, ["127.0.0.8", "127.0.0.1"]);
}

#[test]
fn test_time_is_not_served_where_it_could_be_taken_for_true() {
    let folder = Folder::with(THREE);
    for address in ["127.0.0.1:123", "0.0.0.0:0", "[::]:8123", "192.0.2.1:8123"] {
        let ports = folder.file("ports.json");
        let ports_file = ports.to_str().unwrap();
        let output = folder.run(&["--listen", address, "--ports-file", ports_file]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains(address) && told.contains("--serve-test-time"),
            "{told}"
        );
        assert!(
            !told.contains("listening") && !ports.exists(),
            "nothing is bound: {told}"
        );
    }
    let playing = folder.start(&["--listen", "0.0.0.0:0", "--serve-test-time"]);
    assert_ne!(playing.addresses[0].port(), 0);
    // An address in the file is refused as well.
    let public = Folder::with(&format!("{THREE}\n[[endpoints]]\naddress = '0.0.0.0:0'"));
    let refused = public.run(&[]);
    assert_eq!(refused.status.code(), Some(2));
    let line = 1 + THREE.lines().count() + 2;
    let place = format!("it.toml:{line}: endpoints[0].address: endpoint `ntp` on 0.0.0.0:0: ");
    assert!(text(&refused.stderr).contains(&place), "{refused:?}");
    // The scenario is right all the same.
    let checked = public.run(&["--check"]);
    assert_eq!(checked.status.code(), Some(0));
    let note = text(&checked.stderr);
    assert!(
        note.starts_with("note: ") && note.contains(&place) && note.contains("--serve-test-time"),
        "{note}"
    );
    assert_eq!(text(&folder.run(&["--check"]).stderr), "");
}

#[test]
fn an_address_that_no_interface_has_is_told_in_words_of_a_scenario() {
    // Of TEST-NET-1, so no host has it (RFC 5737).
    let arguments = ["--listen", "192.0.2.1:8123", "--serve-test-time"];
    let output = Folder::with(THREE).run(&arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("endpoint `ntp` (ntp on 192.0.2.1:8123): ")
            && told.contains("no interface has this address"),
        "{told}"
    );
    assert!(
        !told.contains("listeners") && !told.contains("freebind"),
        "{told}"
    );
}

#[test]
fn replies_leave_from_nowhere_that_an_endpoint_may_not_be() {
    for (address, expected) in [
        ("198.51.100.7", "--serve-test-time"),
        (
            "::1",
            "of the family of endpoint `ntp`, which is on 127.0.0.1",
        ),
        ("0.0.0.0", "no wildcard"),
        ("::", "no wildcard"),
        ("224.0.1.1", "multicast"),
        ("255.255.255.255", "broadcast"),
    ] {
        let rule = format!("[[rules]]\nname = 'away'\nreply_from = '{address}'");
        let folder = Folder::with(&format!("{THREE}\n{rule}"));
        let ports = folder.file("ports.json");
        let output = folder.run(&["--ports-file", ports.to_str().unwrap()]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(address) && told.contains(expected), "{told}");
        assert!(!ports.exists(), "nothing is bound: {told}");
    }
    let rule = "[[rules]]\nname = 'away'\nreply_from = '198.51.100.7'";
    let folder = Folder::with(&format!("{THREE}\n{rule}"));
    drop(folder.start(&["--serve-test-time"]));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_bound() {
    let folder = Folder::with(THREE);
    let nowhere = folder.file("no/such/folder");
    let nowhere = nowhere.to_str().unwrap();
    for (arguments, expected) in [
        (&["--rate", "2"][..], "not `wall`"),
        (&["--rate", "x"], "a number such as"),
        (&["--rate", "-1"], "--rate -1: accepted is above 0"),
        (
            &["--seed", "-1"],
            "a whole number, 0 to 18446744073709551615",
        ),
        (
            &["--seed", "99999999999999999999"],
            "0 to 18446744073709551615",
        ),
        (&["--duration", "-1s"], "above 0"),
        (&["--requests", "-1"], "a whole number, 1 to "),
        (&["--duration", "0s"], "above 0"),
        (&["--duration", "soon"], "soon"),
        (&["--requests", "0"], "a whole number, 1 to "),
        (&["--listen", "here"], "--listen"),
        (&["--listen", "localhost:0"], "write 127.0.0.1:0 or [::1]:0"),
        (&["--listen", "[::ffff:127.0.0.1]:0"], "write 127.0.0.1:0"),
        (&["--control", "[::ffff:127.0.0.1]:0"], "write 127.0.0.1:0"),
        (&["--transcript", nowhere], "--transcript"),
        (&["--pcap", nowhere], "--pcap"),
        (&["--junit", nowhere], "--junit"),
        (&["--plot", nowhere], "--plot"),
        (&["--ports-file", nowhere], "--ports-file"),
        (&["--ports-file", "/"], "--ports-file"),
    ] {
        let output = folder.run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
        assert!(!told.contains("listening"), "{arguments:?}: {told}");
    }
    let wrong = Folder::with(&format!("{THREE}\nsede = 1"));
    assert_eq!(wrong.run(&[]).status.code(), Some(2));
    let nothing = run(timeball().arg("play"));
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn an_address_that_is_taken_is_exit_code_1() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Folder::with(THREE).run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn a_plot_needs_no_network() {
    let folder = Folder::with(THREE);
    let file = folder.file("out.svg");
    let output = folder.run(&["--plot", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("<svg"));
    // There are no datagrams and no verdict that could be written.
    let file = file.to_str().unwrap();
    for also in [
        &["--json"][..],
        &["--transcript", "x"],
        &["--listen", "127.0.0.1:0"],
    ] {
        let output = folder.run(&[&["--plot", file][..], also].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(also[0]), "{output:?}");
    }
    // A built-in one goes by its name.
    let file = folder.file("leap.svg");
    let output = run(timeball().args(["play", "leap-2016", "--plot"]).arg(&file));
    assert_eq!(output.status.code(), Some(0));
    assert!(std::fs::read_to_string(file).unwrap().contains("leap-2016"));
}

#[test]
fn the_expected_offset_error_of_delays_is_told() {
    let folder = Folder::with(&format!(
        "{THREE}\n[[rules]]\nname = 'crooked'\ndelay = {{ request = '10ms', reply = '40ms' }}"
    ));
    let output = folder.run(&["--duration", "1ms"]);
    let told = text(&output.stderr);
    assert!(
        told.contains("rule crooked") && told.contains("off by -15ms"),
        "{told}"
    );
}

//! `timeball play --control`, driven by `timeball ctl` while it runs.

use super::command::Folder;
use crate::support::process::timeball;
use crate::support::running::run;
use std::process::Output;

/// A client passes that asks once at most.
const ONCE: &str = "
name = 'once'
description = 'A test'
time.base = 'manual'
clock.events = [{ name = 'later', elapsed = '1h', stratum = 4 }]
[[expect]]
name = 'asks once'
requests = { at_most = 1 }
";

/// Where control is to be: any free port of loopback.
const HERE: [&str; 2] = ["--control", "127.0.0.1:0"];

fn ctl(folder: &Folder, arguments: &[&str]) -> Output {
    run(timeball()
        .args(["ctl", "--ports-file"])
        .arg(folder.file("ports.json"))
        .args(arguments))
}

#[track_caller]
fn told(folder: &Folder, arguments: &[&str]) -> String {
    let output = ctl(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ctl_moves_judges_and_ends_a_run() {
    let folder = Folder::with(ONCE);
    let playing = folder.start(&HERE);
    let status = told(&folder, &["status"]);
    assert!(status.starts_with("test time"), "{status}");
    assert!(status.contains("scenario once"), "{status}");
    assert!(told(&folder, &["next"]).starts_with("event later\n"));
    playing.ask(1);
    assert!(told(&folder, &["verdict"]).contains("PASSED"));
    assert!(told(&folder, &["stop"]).contains("PASSED"));
    let output = playing.end();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("PASSED: 1 held"), "{table}");
}

#[test]
fn a_run_that_is_stopped_with_a_bad_verdict_exits_1() {
    let folder = Folder::with(ONCE);
    let playing = folder.start(&HERE);
    playing.ask(2);
    assert_eq!(ctl(&folder, &["verdict"]).status.code(), Some(1));
    assert!(told(&folder, &["stop"]).contains("FAILED"));
    assert_eq!(playing.end().status.code(), Some(1));
}

#[test]
fn control_asks_for_the_token_of_its_file() {
    let folder = Folder::with(ONCE);
    let token = folder.file("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    let token = token.to_str().unwrap();
    // Beyond loopback there is no other way.
    let _playing = folder.start(&["--control", "0.0.0.0:0", "--control-token-file", token]);
    assert_eq!(ctl(&folder, &["status"]).status.code(), Some(1));
    told(&folder, &["--token-file", token, "status"]);
}

#[test]
fn control_that_may_not_be_is_bad_usage_and_nothing_is_bound() {
    let folder = Folder::with(ONCE);
    let ports = folder.file("ports.json");
    let ports = ports.to_str().unwrap();
    for (arguments, part) in [
        (&["--control", "0.0.0.0:0"][..], "needs a token"),
        (&["--control", "[::]:0"], "needs a token"),
        (&["--control", "localhost"], "not an address; accepted: "),
        (&["--control-token-file", "x"], "--control"),
        (
            &[
                "--control",
                "127.0.0.1:0",
                "--control-token-file",
                "/nosuch",
            ],
            "--control-token-file /nosuch: cannot be read",
        ),
    ] {
        let arguments = [&["--ports-file", ports], arguments].concat();
        let output = folder.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(!said.contains("listening"), "{said}");
        assert!(!folder.file("ports.json").exists());
    }
}

//! `timeball ctl`, as a shell runs it.

use super::LAB;
use crate::support::process::{Serve, timeball};
use crate::support::running::run;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Output;

/// `timeball ctl` on `server` with these arguments.
fn ctl(server: &Serve, arguments: &[&str]) -> Output {
    run(timeball()
        .arg("ctl")
        .arg("--ports-file")
        .arg(server.ports_file())
        .args(arguments))
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What it prints when all is well.
#[track_caller]
fn told(server: &Serve, arguments: &[&str]) -> String {
    let output = ctl(server, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout).to_owned()
}

/// What it says when it exits with this code.
#[track_caller]
pub fn failed(output: &Output, code: i32) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(text(&output.stdout), "");
    assert!(said.starts_with("error: "), "{said}");
    said.to_owned()
}

/// A lab that is bound.
fn lab(more: &str) -> Serve {
    let server = Serve::start(&format!("{LAB}{more}"), &[]);
    server.listeners();
    server
}

#[test]
fn every_verb_of_a_clock_is_told_in_a_line() {
    let server = lab("");
    for (arguments, line) in [
        (
            &["advance", "10s"][..],
            "2030-01-01T00:00:10.000000000Z  manual  elapsed 10s",
        ),
        (
            &["step", "-1s"],
            "2030-01-01T00:00:09.000000000Z  manual  elapsed 10s",
        ),
        (
            &["step", "-0.5"],
            "2030-01-01T00:00:08.500000000Z  manual  elapsed 10s",
        ),
        (
            &["set", "2036-02-07T06:28:06Z", "--clock", "lab"],
            "2036-02-07T06:28:06.000000000Z  manual  elapsed 10s",
        ),
    ] {
        let expected = format!("clock lab  {line}  served 0\n");
        assert_eq!(told(&server, arguments), expected, "{arguments:?}");
    }
    assert!(told(&server, &["pause"]).ends_with("served 0  paused\n"));
    assert!(told(&server, &["resume"]).ends_with("served 0\n"));
}

#[test]
fn the_status_is_told_to_people_and_to_programs() {
    let server = lab("");
    let listener = &server.listeners()[0];
    assert_eq!(
        told(&server, &["status"]),
        format!(
            "test time, timeball {}\n\
             clock lab  2030-01-01T00:00:00.000000000Z  manual  elapsed 0s  served 0\n\
             listener ntp {}  source lab  received 0  replied 0  dropped 0\n",
            env!("CARGO_PKG_VERSION"),
            listener.address
        )
    );
    let line = told(&server, &["--json", "status"]);
    assert_eq!(line.lines().count(), 1);
    let status: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&status["mode"], &status["clocks"][0]["name"]),
        (&json!("test"), &json!("lab"))
    );
}

#[test]
fn the_rate_of_a_wall_clock_is_told() {
    let server = lab("sources.lab.advance = 'wall'\n");
    let line = told(&server, &["rate", "1/60"]);
    assert!(line.contains("  wall x 1/60  "), "{line}");
    let line = told(&server, &["rate", "-2"]);
    assert!(line.contains("  wall x -2  "), "{line}");
}

#[test]
fn what_the_server_refuses_exits_1_with_its_reason() {
    let server = lab("");
    let said = failed(&ctl(&server, &["rate", "60"]), 1);
    assert!(
        said.contains("only a clock on the time base `wall` has a rate"),
        "{said}"
    );
    let said = failed(&ctl(&server, &["pause", "--clock", "leb"]), 1);
    assert!(said.contains("did you mean `lab`?"), "{said}");
    for verb in [
        &["verdict"][..],
        &["stop"],
        &["load", "leap-2016"],
        &["fault", "remove", "x"],
    ] {
        let said = failed(&ctl(&server, verb), 1);
        assert!(said.contains("`timeball play`"), "{verb:?}: {said}");
    }
    let output = ctl(&server, &["--json", "next"]);
    assert_eq!(output.status.code(), Some(1));
    let refused: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(refused["error"], "no event is still to come");
}

#[test]
fn bad_usage_exits_2_and_asks_nobody() {
    // Whoever is asked here would wait for ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "kiss = ").unwrap();
    let bad = file.to_str().unwrap();
    for arguments in [
        &["advance", "soon"][..],
        &["advance"],
        &["advance", "-1s"],
        &["set", "tomorrow"],
        &["step", "-1 fortnight"],
        &["rate", "fast"],
        &["rate", "1/0"],
        &["fault", "add", "/nosuch/rules.toml"],
        &["fault", "add", bad],
        &["load", "/nosuch/scenario.toml"],
        &["frobnicate"],
        &["--token-file", "/nosuch/token", "status"],
        &["--ports-file", "x", "status"],
    ] {
        let output = run(timeball().args(["ctl", "--url", &url]).args(arguments));
        failed(&output, 2);
    }
    for (arguments, part) in [
        (["--url", "ftp://x"], "accepted: http://HOST:PORT"),
        (
            ["--ports-file", "/nosuch/ports.json"],
            "/nosuch/ports.json: ",
        ),
    ] {
        let said = failed(&run(timeball().arg("ctl").args(arguments).arg("status")), 2);
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_ports_file_without_control_is_told() {
    let server = Serve::start(&LAB.replace("control.address = '127.0.0.1:0'", ""), &[]);
    server.listeners();
    let said = failed(&ctl(&server, &["status"]), 2);
    assert!(said.contains("has no control"), "{said}");
}

#[test]
fn a_server_that_is_not_there_exits_1() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{gone}");
    let said = failed(&run(timeball().args(["ctl", "--url", &url, "status"])), 1);
    assert!(said.contains(&url), "{said}");
}

#[test]
fn no_proxy_comes_between() {
    let server = lab("");
    let output = run(timeball()
        .args(["ctl", "--url", &server.control().url, "status"])
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn the_token_is_shown_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let token = "0123456789-abcdef";
    std::fs::write(&file, token).unwrap();
    let server = lab(&format!("control.token_file = {file:?}\n"));
    let said = failed(&ctl(&server, &["status"]), 1);
    assert!(said.contains("a token is needed"), "{said}");
    told(&server, &["--token-file", file.to_str().unwrap(), "status"]);
    let by_variable = |token: &str| {
        run(timeball()
            .args(["ctl", "--url", &server.control().url, "advance", "1s"])
            .env("TIMEBALL_CONTROL_TOKEN", token))
    };
    assert_eq!(by_variable(token).status.code(), Some(0));
    let said = failed(&by_variable("0123456789-abcdeF"), 1);
    assert!(said.contains("another token"), "{said}");
    let said = failed(&by_variable("short"), 2);
    assert!(said.contains("TIMEBALL_CONTROL_TOKEN: no token"), "{said}");
}

//! Control in the settings, and a server that starts with it.

use super::{LAB, get};
use crate::support::process::{Serve, timeball};
use crate::support::running::run;
use crate::support::serve;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use timeball::settings::{Environment, Loader, Settings, SettingsErrors};

/// The settings of the lab with `control` in the place of its own.
fn lab(control: &str) -> String {
    LAB.replace("control.address = '127.0.0.1:0'", control)
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    let environment: Environment = variables.iter().copied().collect();
    Loader::text("lab.toml", text)
        .environment(environment)
        .load()
}

#[track_caller]
fn error(text: &str, variables: &[(&str, &str)]) -> String {
    match load(text, variables) {
        Ok(settings) => panic!("accepted as {settings:?}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn without_the_table_there_is_no_control() {
    let server = serve(&lab(""));
    assert_eq!(server.control(), None);
    // With it, and nothing in it, there is control at the usual address.
    let settings = load(&lab("control = {}"), &[]).unwrap();
    let control = settings.control.unwrap();
    assert_eq!(control.address.to_string(), "127.0.0.1:8090");
    assert_eq!((control.token_file, control.token), (None, None));
}

#[test]
fn beyond_loopback_control_without_a_token_is_an_error() {
    for address in [
        "0.0.0.0:8090",
        "[::]:8090",
        "192.0.2.1:0",
        "[2001:db8::1]:0",
    ] {
        let text = lab(&format!("control.address = '{address}'"));
        assert_eq!(
            error(&text, &[]),
            format!(
                "lab.toml:2: control.address = \"{address}\": not loopback, so whoever controls \
                 there has to show a token: set control.token_file, or the variable \
                 TIMEBALL_CONTROL_TOKEN"
            )
        );
        let token = ("TIMEBALL_CONTROL_TOKEN", "0123456789abcdef");
        let control = load(&text, &[token]).unwrap().control.unwrap();
        assert_eq!(control.token().unwrap().unwrap().reveal(), token.1);
        load(&format!("{text}control.token_file = 'x'\n"), &[]).unwrap();
    }
    for address in ["127.0.0.1:0", "127.1.2.3:0", "[::1]:0"] {
        load(&lab(&format!("control.address = '{address}'")), &[]).unwrap();
    }
    // The variable that names the address is the one that is told.
    let told = error(
        &lab("control = {}"),
        &[("TIMEBALL__CONTROL__ADDRESS", "0.0.0.0:1")],
    );
    assert!(
        told.starts_with("environment variable TIMEBALL__CONTROL__ADDRESS: control.address"),
        "{told}"
    );
}

#[test]
fn what_is_wrong_with_control_is_told_with_its_place() {
    for (control, variables, part) in [
        (
            "control = 3",
            &[][..],
            "lab.toml:2: control = 3: not a table; write [control]",
        ),
        (
            "control.adress = '127.0.0.1:0'",
            &[],
            "lab.toml:2: control.adress: unknown key; did you mean `address`?",
        ),
        (
            "control.address = 8090",
            &[],
            "lab.toml:2: control.address = 8090: refused",
        ),
        (
            "control.token_file = 1",
            &[],
            "lab.toml:2: control.token_file = 1: refused",
        ),
        (
            "controll = {}",
            &[],
            "controll: unknown key; did you mean `control`?",
        ),
        (
            "control = {}",
            &[("TIMEBALL_CONTROL_TOKEN", "short")],
            "environment variable TIMEBALL_CONTROL_TOKEN: no token; accepted: 16 to 512",
        ),
        (
            "control = {}",
            &[("TIMEBALL_CONTROL_TOKEN", "")],
            "environment variable TIMEBALL_CONTROL_TOKEN: no token",
        ),
        ("", &[("TIMEBALL__CONTROL", "1")], "names no setting"),
        (
            "control = 3",
            &[("TIMEBALL__CONTROL__ADDRESS", "127.0.0.1:0")],
            "control = 3: not a table",
        ),
    ] {
        let told = error(&lab(control), variables);
        assert!(told.contains(part), "{control}: {told}");
        assert_eq!(told.lines().count(), 1, "{control}: {told}");
    }
}

#[test]
fn the_environment_can_be_all_there_is_of_control() {
    let variables = [
        ("TIMEBALL__CONTROL__ADDRESS", "[::1]:0"),
        ("TIMEBALL__CONTROL__TOKEN_FILE", "elsewhere"),
    ];
    let control = load(&lab(""), &variables).unwrap().control.unwrap();
    assert_eq!(control.address.to_string(), "[::1]:0");
    assert_eq!(control.token_file.as_deref(), Some("elsewhere"));
}

#[test]
fn the_token_of_the_variable_comes_before_that_of_the_file_and_is_never_shown() {
    let text = lab("control.token_file = '/nosuch/token'");
    let token = "0123456789abcdef";
    let settings = load(&text, &[("TIMEBALL_CONTROL_TOKEN", token)]).unwrap();
    let control = settings.control.as_ref().unwrap();
    assert_eq!(control.token().unwrap().unwrap().reveal(), token);
    let shown = format!("{settings:?}{}", settings.to_toml());
    assert!(!shown.contains(token), "{shown}");
}

#[test]
fn the_log_and_the_ports_file_tell_where_control_is() {
    let mut server = Serve::start(LAB, &[]);
    let control = server.control();
    assert_ne!(control.address.port(), 0);
    assert_eq!(control.url, format!("http://{}", control.address));
    let line = server.wait_for_log("control");
    assert!(
        line.contains(&format!("address={}", control.address)),
        "{line}"
    );
    assert_eq!(get(control.address, "/status").done()["mode"], "test");
    let (status, stdout, log) = server.end(Signal::TERM);
    assert!(status.success());
    assert_eq!(stdout, "");
    // What the HTTP server says of its threads is nobody's business.
    assert_eq!(
        log.iter().filter(|line| line.contains("worker")).count(),
        0,
        "{log:?}"
    );
}

#[test]
fn an_open_connection_does_not_hold_up_the_end() {
    let server = Serve::start(LAB, &[]);
    let silent = TcpStream::connect(server.control().address).unwrap();
    let (status, ..) = server.end(Signal::TERM);
    assert!(status.success());
    drop(silent);
}

/// How the subcommand ends on these settings, and what it says.
fn fails_to(subcommand: &str, text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.toml");
    std::fs::write(&file, text).unwrap();
    let output = run(timeball().arg(subcommand).arg("--settings").arg(file));
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_server_whose_control_cannot_be_had_does_not_start() {
    for (control, part) in [
        (
            "control.address = '0.0.0.0:0'",
            "control.address = \"0.0.0.0:0\": not loopback",
        ),
        (
            "control.token_file = '/nosuch/token'",
            "control.token_file = \"/nosuch/token\": cannot be read",
        ),
        (
            "control.token_file = '/dev/zero'",
            "no token; accepted: 16 to 512",
        ),
    ] {
        for subcommand in ["serve", "check"] {
            let (code, said) = fails_to(subcommand, &lab(control));
            assert_eq!(code, Some(2), "{subcommand}: {said}");
            assert!(said.contains(part), "{subcommand}: {said}");
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, said) = fails_to("serve", &lab(&format!("control.address = '{address}'")));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("control on {address}: ")), "{said}");
    assert!(!said.contains("listening"), "{said}");
}

#[test]
fn what_is_no_http_makes_no_line_in_the_log() {
    let server = Serve::start(LAB, &[]);
    let control = server.control().address;
    for _ in 0..300 {
        let mut stream = TcpStream::connect(control).unwrap();
        stream.write_all(b"\0\r\n\r\n").unwrap();
        // Refused, and closed.
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    let (_, _, log) = server.end(Signal::TERM);
    assert!(log.len() < 20, "{} lines: {:?}", log.len(), &log[..20]);
}

//! The log of `timeball serve`: its formats, where it goes, what it leaves out.

use super::burst::FOUR;
use super::process::text_on;
use super::signals::fill;
use crate::support::ask;
use crate::support::process::{Serve, listeners_of, timeball};
use crate::support::running::{Running, run};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::pipe;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

/// `settings` with `[log]` over it.
fn with_log(log: &str, settings: &str) -> String {
    format!("log = {{ {log} }}\n{settings}")
}

/// How `timeball serve` with these arguments ends that cannot start.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    fs::write(&settings, text_on("127.0.0.1:0")).unwrap();
    let mut command = timeball();
    command.arg("serve").arg("--settings").arg(&settings);
    let Output { status, stderr, .. } = run(command.args(arguments));
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn as_json_each_line_is_an_object_with_the_same_four_keys_and_what_else_it_says() {
    let server = Serve::start(&with_log("format = 'json'", FOUR), &[]);
    let listeners = server.listeners();
    let (_, stdout, log) = server.end(Signal::TERM);
    assert_eq!(stdout, "");
    let lines: Vec<serde_json::Map<String, Value>> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key} of {line:?}");
        }
        let timestamp = line["timestamp"].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(timestamp).unwrap();
    }
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "listening" && line["level"] == "INFO")
        .map(|line| (line["protocol"].clone(), line["address"].clone()))
        .collect();
    let expected = listeners
        .iter()
        .map(|listener| (listener.protocol.clone(), listener.address.to_string()))
        .map(|(protocol, address)| (protocol.into(), address.into()));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[test]
fn a_flag_comes_before_the_settings_of_the_log() {
    let mut command = timeball();
    command.env("TIMEBALL__LOG__LEVEL", "off");
    let server = Serve::start_with(
        &mut command,
        &text_on("127.0.0.1:0"),
        &["--log-format", "json", "--log-level", "info"],
    );
    server.listeners();
    let (_, _, log) = server.end(Signal::TERM);
    assert!(log[0].starts_with('{'), "{log:?}");
}

#[test]
fn levels_are_by_target_and_the_variable_overrides_them() {
    let quiet = with_log("level = 'info,timeball::server=off'", FOUR);
    for (variable, is_told) in [(None, false), (Some("info"), true)] {
        let mut command = timeball();
        command.envs(variable.map(|level| ("RUST_LOG", level)));
        let server = Serve::start_with(&mut command, &quiet, &[]);
        server.listeners();
        let (_, _, log) = server.end(Signal::TERM);
        let told = log.iter().any(|line| line.contains("listening"));
        assert_eq!(told, is_told, "{log:?}");
        assert!(log.iter().any(|line| line.contains("stopped")), "{log:?}");
    }
}

#[test]
fn what_the_variable_says_wrong_is_told_and_left_aside() {
    let mut command = timeball();
    command.env("RUST_LOG", "timeball=loud");
    let mut server = Serve::start_with(&mut command, &text_on("127.0.0.1:0"), &[]);
    let line = server.wait_for_log("RUST_LOG");
    assert!(line.contains("\"timeball=loud\" is left aside"), "{line}");
    server.wait_for_log("listening");
}

#[test]
fn a_bad_flag_of_the_log_is_told_by_its_name_and_exits_2() {
    for (arguments, expected) in [
        (
            ["--log-format", "xml"],
            "--log-format: log.format = \"xml\": refused; accepted: `text` or `json`",
        ),
        (
            ["--log-to", "syslog"],
            "--log-to: log.to = \"syslog\": refused; accepted: `stderr` or `journald`",
        ),
        (
            ["--log-level", "loud"],
            "--log-level: log.level = \"loud\": \"loud\" is no level; accepted: `error`",
        ),
    ] {
        let (code, errors) = refused(&arguments);
        assert_eq!(code, Some(2));
        assert!(errors.starts_with(expected), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

/// The program where `/run` has nothing in it but `journal`, at the place of the
/// journal, if there is one.
fn timeball_in_a_run_of_its_own(journal: Option<&Path>) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let of_whom: &[&str] = if is_root { &[] } else { &["--map-root-user"] };
    let put = "mount -t tmpfs tmpfs /run && \
               if [ -n \"$1\" ]; then mkdir -p /run/systemd/journal && \
               mount --bind \"$1\" /run/systemd/journal; fi && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(of_whom)
        .args(["--mount", "sh", "-c", put, "sh"])
        .arg(journal.unwrap_or(Path::new("")))
        .arg(env!("CARGO_BIN_EXE_timeball"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

#[test]
fn no_journal_is_an_error_that_says_so_before_anything_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, ports) = (
        folder.path().join("settings.toml"),
        folder.path().join("ports.json"),
    );
    fs::write(&settings, text_on("127.0.0.1:0")).unwrap();
    let output = run(timeball_in_a_run_of_its_own(None)
        .args(["serve", "--log-to", "journald", "--settings"])
        .arg(&settings)
        .arg("--ports-file")
        .arg(&ports));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let expected = "error: log.to = \"journald\": journald cannot be written to: ";
    assert!(errors.starts_with(expected), "{errors}");
    assert!(
        errors.contains("accepted everywhere: \"stderr\""),
        "{errors}"
    );
    assert!(!ports.exists());
}

#[test]
fn the_journal_gets_each_line_with_its_fields_and_stderr_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    // As systemd's is: the server that writes to it may have been root.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path().join("socket"), open).unwrap();
    journal
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    let mut command = timeball_in_a_run_of_its_own(Some(folder.path()));
    let server = Serve::start_with(
        &mut command,
        &text_on("127.0.0.1:0"),
        &["--log-to", "journald"],
    );
    let address = server.listeners()[0].address;
    let mut entry = [0; 4096];
    let line = loop {
        let len = journal.recv(&mut entry).expect("a line comes");
        let text = String::from_utf8_lossy(&entry[..len]).into_owned();
        if text.contains("listening") {
            break text;
        }
    };
    for part in [
        "PRIORITY\n\u{1}\0\0\0\0\0\0\x006\n",
        "SYSLOG_IDENTIFIER",
        "timeball",
        "F_ADDRESS",
    ] {
        assert!(line.contains(part), "{part} in {line:?}");
    }
    assert!(line.contains(&address.to_string()), "{line:?}");
    // Nobody takes the rest, which is little.
    let (_, _, log) = server.end(Signal::TERM);
    assert_eq!(log, Vec::<String>::new());
}

/// Settings with `count` listeners.
fn listeners(count: usize) -> String {
    let listener =
        "[[listeners]]\nprotocol = 'time'\naddress = '127.0.0.1:0'\nsource = 'wall'\n".to_owned();
    "[sources.wall]\nkind = 'monotonic-offset'\n".to_owned() + &listener.repeat(count)
}

/// What a line says was left out.
fn left_out(line: &str) -> Option<usize> {
    line.split("left_out=").nth(1)?.trim().parse().ok()
}

#[test]
fn more_lines_than_the_cap_are_left_out_and_a_second_later_counted() {
    const COUNT: usize = 12;
    let log = "level = 'off,timeball::server=info,timeball::log=info', lines_per_second = 1, \
               burst = 3";
    let mut server = Serve::start(&with_log(log, &listeners(COUNT)), &[]);
    server.listeners();
    let line = server.wait_for_log("there was more than the log takes");
    let counted = left_out(&line).unwrap();
    assert!(line.contains("WARN"), "{line}");
    let (_, _, log) = server.end(Signal::TERM);
    let shown = log.iter().filter(|line| line.contains("listening")).count();
    let more: usize = log.iter().filter_map(|line| left_out(line)).sum();
    assert_eq!(shown + more, COUNT, "{log:?}");
    assert!(counted <= more && shown >= 3, "{log:?}");
    let ports: BTreeSet<_> = log
        .iter()
        .filter_map(|line| line.split("address=").nth(1))
        .collect();
    assert_eq!(ports.len(), shown, "no line comes twice: {log:?}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_answer_and_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports.json");
    let (_unread, log) = pipe().unwrap();
    let server = Running::start(
        super::process::serve_in(folder.path(), &["-v"])
            .arg("--ports-file")
            .arg(&ports)
            .stderr(log.try_clone().unwrap()),
    );
    let address = listeners_of(&ports)[0].address;
    fill(&log);
    for _ in 0..3 {
        ask(address, b"Send time");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.end().status.code(), Some(0));
}

#[test]
fn a_reader_that_comes_late_gets_every_line_that_waited_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    let ports = folder.path().join("ports.json");
    fs::write(&settings, text_on("127.0.0.1:0")).unwrap();
    let (reader, log) = pipe().unwrap();
    fill(&log);
    let mut command = timeball();
    let server = Running::start(
        command
            .arg("serve")
            .arg("--settings")
            .arg(&settings)
            .arg("--ports-file")
            .arg(&ports)
            .stderr(log),
    );
    // The pipe is the server's alone, so reading it ends with the server.
    drop(command);
    let address = listeners_of(&ports)[0].address;
    ask(address, b"Send time");
    let read = thread::spawn(move || std::io::read_to_string(reader).unwrap());
    server.signal(Signal::TERM);
    assert_eq!(server.end().status.code(), Some(0));
    let text = read.join().unwrap();
    let log = text.trim_start_matches('x');
    let [listening, stopped] = ["listening", "stopped"].map(|part| log.find(part));
    assert!(listening.is_some() && listening < stopped, "{log}");
}

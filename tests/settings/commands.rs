//! The subcommands that are about settings, as a shell runs them.

use super::SMALL;
use crate::support::running::{Running, run};
use std::fs;
use std::process::{Command, Output, Stdio};
use timeball::settings::{DEFAULT_FILE, Settings, reference};

/// The program in an empty folder, with an environment of `TZ=UTC` alone.
fn timeball(arguments: &[&str]) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_timeball"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("TZ", "UTC");
    (folder, command)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_prints_settings_that_read_back() {
    let (_folder, mut command) = timeball(&["check"]);
    let output = run(command.env("TIMEBALL__THREADS", "5"));
    assert_eq!(output.status.code(), Some(0));
    let printed = Settings::from_toml(&text(&output.stdout)).unwrap();
    assert_eq!(printed.threads, 5);
    assert_eq!(printed.listeners, super::accepted(DEFAULT_FILE).listeners);
}

#[test]
fn check_prints_every_error_to_stderr_and_exits_2() {
    let (folder, mut command) = timeball(&["check", "--settings", "mine.toml"]);
    let wrong = format!("threads = -1\nbatch = 0\n{SMALL}");
    fs::write(folder.path().join("mine.toml"), wrong).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = run(&mut command);
    assert_eq!(status.code(), Some(2));
    assert!(stdout.is_empty());
    assert_eq!(
        text(&stderr),
        "mine.toml:1: threads = -1: outside 0..=1024\nmine.toml:2: batch = 0: outside 1..=64\n"
    );
}

#[test]
fn check_reads_the_file_of_the_folder() {
    let (folder, mut command) = timeball(&["check"]);
    fs::write(folder.path().join("settings.toml"), SMALL).unwrap();
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(0));
    let printed = Settings::from_toml(&text(&output.stdout));
    assert_eq!(printed, Ok(super::accepted(SMALL)));
}

#[test]
fn check_warns_of_a_source_that_nobody_serves() {
    let (folder, mut command) = timeball(&["check"]);
    let text_of_file = format!("{SMALL}[sources.spare]\nkind = \"mock\"\n");
    fs::write(folder.path().join("settings.toml"), text_of_file).unwrap();
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(0));
    let warnings = text(&output.stderr);
    assert!(
        warnings.contains("warning: sources.spare is served by no listener"),
        "{warnings}"
    );
}

#[test]
fn check_looks_for_the_user_and_the_interface_as_a_server_would() {
    let (folder, mut command) = timeball(&["check"]);
    let file = folder.path().join("settings.toml");
    fs::write(&file, format!("[sandbox]\nuser = 'no-such'\n{SMALL}")).unwrap();
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(errors.contains("sandbox.user = \"no-such\": "), "{errors}");

    fs::write(&file, format!("[xdp]\ninterface = 'no-such'\n{SMALL}")).unwrap();
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(0));
    let warnings = text(&output.stderr);
    let expected = "warning: xdp.interface = \"no-such\": ";
    assert!(warnings.contains(expected), "{warnings}");
}

#[test]
fn settings_prints_the_shipped_file_and_the_reference() {
    let (_folder, mut command) = timeball(&["settings"]);
    assert_eq!(text(&run(&mut command).stdout), DEFAULT_FILE);
    let (_folder, mut command) = timeball(&["settings", "--reference"]);
    assert_eq!(text(&run(&mut command).stdout), reference::markdown());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for subcommand in ["sources", "settings", "check"] {
        let (_folder, mut command) = timeball(&[subcommand]);
        // A pipe whose reading end is closed before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Running::start(command.stdout(writer).stderr(Stdio::piped())).end();
        assert_eq!(output.status.code(), Some(0), "{subcommand}");
        assert!(!text(&output.stderr).contains("panic"), "{subcommand}");
    }
}

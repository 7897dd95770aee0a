//! The files that `timeball play` writes.

use super::command::{Folder, THREE, text};
use crate::support::process::timeball;
use crate::support::running::run;
use std::process::Command;

#[test]
fn a_full_disk_costs_neither_the_verdict_nor_the_other_files() {
    let folder = Folder::with(THREE);
    let junit = folder.file("junit.xml");
    let junit = junit.to_str().unwrap();
    for (arguments, lost) in [
        (&["--pcap", "/dev/full", "--junit", junit][..], 1),
        (&["--pcap", "/dev/full", "--junit", "/dev/full"], 2),
    ] {
        let playing = folder.start(&[arguments, &["--requests", "3"]].concat());
        playing.ask(3);
        let output = playing.end();
        let (table, log) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{table}{log}");
        assert!(table.contains("PASSED: 1 held"), "{table}{log}");
        assert!(log.contains("error: --pcap /dev/full: "), "{log}");
        assert_eq!(log.matches("error: --").count(), lost, "{log}");
    }
    assert!(
        std::fs::read_to_string(junit)
            .unwrap()
            .contains("asks three times")
    );
}

#[test]
fn a_transcript_that_cannot_be_written_is_told_once_while_it_runs() {
    let folder = Folder::with(THREE);
    let transcript = folder.file("out.jsonl");
    // No file may have more than 2 KiB, as on a disk that fills up: the first
    // line and some of the datagrams.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"])
        .arg(timeball().get_program())
        .env_remove("RUST_LOG");
    let path = transcript.to_str().unwrap();
    let playing = folder.start_as(
        &mut limited,
        &[
            "--transcript",
            path,
            "--pcap",
            "/dev/null",
            "--requests",
            "9",
        ],
    );
    playing.ask(9);
    let output = playing.end();
    let (table, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{table}{log}");
    assert!(table.contains("PASSED: 1 held"), "{table}{log}");
    assert_eq!(log.matches("nothing more is written").count(), 1, "{log}");
    assert!(
        log.contains(&format!("error: --transcript {path}: ")),
        "{log}"
    );
    assert_eq!(std::fs::metadata(transcript).unwrap().len(), 2048);
}

#[test]
fn no_file_is_written_twice_or_in_the_place_of_one_that_is_read() {
    let folder = Folder::with(THREE);
    let file = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let (scenario, link, hard) = (file("it.toml"), file("link"), file("hard"));
    let (new, roundabout, dangling) = (file("new"), file("sub/../new"), file("dangling"));
    let token = file("token");
    std::fs::write(&token, "a token of 32 characters at least").unwrap();
    std::fs::create_dir(folder.file("sub")).unwrap();
    std::os::unix::fs::symlink("it.toml", &link).unwrap();
    std::os::unix::fs::symlink("sub/../new", &dangling).unwrap();
    std::fs::hard_link(&scenario, &hard).unwrap();
    let token_file = ["--control", "127.0.0.1:0", "--control-token-file", &token];
    for (arguments, other) in [
        (&["--transcript", &scenario][..], "the scenario"),
        (&["--pcap", &link], "the scenario"),
        (&["--junit", &hard], "the scenario"),
        (&["--ports-file", &scenario], "the scenario"),
        (&["--plot", &scenario], "the scenario"),
        (
            &["--transcript", &new, "--pcap", &roundabout],
            "--transcript",
        ),
        (&["--pcap", &dangling, "--junit", &new], "--pcap"),
        (&["--junit", &new, "--ports-file", &new], "--junit"),
        (
            &[&token_file[..], &["--junit", &token]].concat(),
            "--control-token-file",
        ),
    ] {
        let output = folder.run(arguments);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {log}");
        assert!(log.contains(&format!("{other} is the same file")), "{log}");
        assert!(!log.contains("listening"), "{log}");
        assert_eq!(std::fs::read_to_string(&scenario).unwrap(), THREE);
        assert!(!folder.file("new").exists(), "{arguments:?}");
    }
    // Nothing is lost in these, and a built-in scenario is no file.
    let twice = ["--transcript", "/dev/null", "--pcap", "/dev/null"];
    let short = ["--duration", "1ms", "--junit", "leap-2016"];
    let output = run(timeball()
        .current_dir(folder.file("sub"))
        .args(["play", "leap-2016"])
        .args([twice, short].concat()));
    assert!(text(&output.stdout).contains("leap-2016: requests 0"));
    assert!(folder.file("sub/leap-2016").exists());
}

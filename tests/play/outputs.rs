//! The files that `timeball play` writes.

use super::command::{Folder, THREE, text};
use crate::support::process::timeball;
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

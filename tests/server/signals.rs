//! How a signal ends the program, and a second one.

use super::burst::FOUR;
use super::process::serve_in;
use crate::support::process::{Serve, listeners_of};
use crate::support::running::Running;
use crate::support::{ask, client_of, ntp_request};
use rustix::process::Signal;
use std::fs::OpenOptions;
use std::io::{PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

#[test]
fn both_signals_end_it_with_a_summary_and_exit_code_0_and_nothing_on_stdout() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Serve::start(FOUR, &[]);
        let listeners = server.listeners();
        for _ in 0..3 {
            ask(listeners[3].address, &ntp_request(1));
        }
        let client = client_of(listeners[0].address);
        client.send_to(b"hello", listeners[0].address).unwrap();
        ask(listeners[0].address, b"Send time");
        let (status, stdout, log) = server.end(signal);
        assert_eq!(status.code(), Some(0));
        assert_eq!(stdout, "");
        let summaries: Vec<_> = log.iter().filter(|line| line.contains("stopped")).collect();
        assert_eq!(summaries.len(), 1, "{log:?}");
        let expected = "received=5 replied=4 dropped=1 not_the_question=1";
        assert!(summaries[0].contains(expected), "{}", summaries[0]);
    }
}

/// Fills a pipe: the next who writes to it waits until somebody reads.
pub fn fill(pipe: &PipeWriter) {
    // Opened anew, so that this does not wait, and whoever else has the pipe does.
    let itself = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut pipe = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(itself)
        .unwrap();
    for len in [4096, 1] {
        while pipe.write(&[b'x'; 4096][..len]).is_ok() {}
    }
}

#[test]
fn a_second_signal_ends_it_at_once_though_lines_still_wait_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports.json");
    let (_unread, log) = pipe().unwrap();
    let server = Running::start(
        serve_in(folder.path(), &["-v"])
            .arg("--ports-file")
            .arg(&ports)
            .stderr(log.try_clone().unwrap()),
    );
    let address = listeners_of(&ports)[0].address;
    // The line that -v logs of this request is never taken: a stop would wait a second
    // for whoever might.
    fill(&log);
    ask(address, b"Send time");
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    assert_eq!(server.end().status.code(), Some(1));
}

//! A program that may open few files, and whose HTTP port takes them all.

use crate::support::process::timeball;
use crate::support::{ask, ntp_request, wait_for};
use crate::watched::Watched;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// `prlimit`, so that the program may have so many descriptors.
fn with_descriptors(count: usize) -> Command {
    let program = timeball();
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={count}:{count}"));
    command.arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The status line that `server` answers to a request, if any comes.
fn status_line(server: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // What came before an error is looked at.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().map(str::to_owned)
}

#[test]
fn without_a_descriptor_left_datagrams_are_answered_and_http_again_later() {
    // About sixty are in use when it serves, one for each socket and two for each
    // that is watched.
    let watched = Watched::start_as(
        &mut with_descriptors(96),
        "control.address = '127.0.0.1:0'\n",
    );
    let control = watched.server.control().address;
    assert_eq!(status_line(control).as_deref(), Some("HTTP/1.1 200 OK"));
    let hoard: Vec<_> = (0..200)
        .map_while(|_| TcpStream::connect(control).ok())
        .collect();
    assert!(
        hoard.len() > 96,
        "the kernel takes connections that nobody accepts"
    );
    for mark in 0..200 {
        ask(watched.addresses[3], &ntp_request(mark));
        ask(watched.addresses[0], b"Send time");
    }
    drop(hoard);
    let good = |line: &String| line == "HTTP/1.1 200 OK";
    wait_for("an answer over HTTP", || status_line(control).filter(good));
    let (status, _, log) = watched.server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
}

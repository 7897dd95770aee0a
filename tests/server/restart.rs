//! A server that takes the place of another, and what systemd gives and is told.

use super::reload::asks_on;
use crate::support::process::{Serve, timeball};
use crate::support::web::{request, send};
use crate::support::{PATIENCE, ask, client_of, mark_of, ntp_request, wait_for};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tempfile::TempDir;

/// However busy the machine is, nothing is dropped for having waited.
const NTP: &str = "threads = 2\nmax_queue_delay = 0\n[sources.it]\nkind = 'monotonic-offset'\n[[listeners]]\nprotocol = \
                   'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n[admission.rate_limit]\nrate = \
                   100000\nburst = 100000\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a place for files")
}

fn in_place_of_another(toml: &str, file: &Path) -> Serve {
    let mut server = timeball();
    Serve::start_with(&mut server, toml, &["--hand-over", file.to_str().unwrap()])
}

/// How many requests the last line of a log says were received and answered.
fn counted(log: &[String], what: &str) -> u64 {
    let line = log.iter().find(|line| line.contains(what));
    let line = line.unwrap_or_else(|| panic!("no {what:?} in {log:?}"));
    let count = |key: &str| -> u64 {
        let value = line
            .split_whitespace()
            .find_map(|part| part.strip_prefix(key));
        value.and_then(|it| it.parse().ok()).expect("a count")
    };
    assert_eq!(count("received="), count("replied="), "{line}");
    count("received=")
}

#[test]
fn one_server_after_the_other_takes_the_place_and_no_request_is_lost() {
    let folder = folder();
    let file = folder.path().join("hand-over");
    let toml = NTP.replace("threads", "control.address = '127.0.0.1:0'\nthreads");
    let mut server = in_place_of_another(&toml, &file);
    let address = server.listeners()[0].address;
    let control = server.control().address;
    let (is_over, marks) = (&AtomicBool::new(false), &AtomicU64::new(1));
    let mut received = 0;
    let (asked, server) = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(move || asks_on(address, marks, is_over)))
            .collect();
        for _ in 0..4 {
            let before = marks.load(Ordering::Relaxed);
            wait_for("requests", || {
                (marks.load(Ordering::Relaxed) > before + 500).then_some(())
            });
            let mut next = in_place_of_another(&toml, &file);
            next.wait_for_log("serving in the place");
            assert_eq!(next.listeners()[0].address, address);
            assert_eq!(next.control().address, control);
            let (status, _, log) = server.wait();
            assert_eq!(status.code(), Some(0), "{log:?}");
            received += counted(&log, "handed over");
            server = next;
        }
        is_over.store(true, Ordering::Relaxed);
        let asked = clients.into_iter().map(|client| client.join().unwrap());
        (asked.sum::<u64>(), server)
    });
    let (_, _, log) = server.end(Signal::TERM);
    received += counted(&log, "stopped");
    assert_eq!(received, asked);
}

#[test]
fn a_server_that_cannot_start_takes_nobodys_place() {
    let folder = folder();
    let file = folder.path().join("hand-over");
    let server = in_place_of_another(NTP, &file);
    let address = server.listeners()[0].address;
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "{NTP}[[listeners]]\nprotocol = 'time'\naddress = '{}'\nsource = 'it'\n",
        taken.local_addr().unwrap()
    );
    let (status, _, log) = in_place_of_another(&more, &file).wait();
    assert_eq!(status.code(), Some(1), "{log:?}");
    ask(address, &ntp_request(1));
    // And the next one finds it where it was.
    let mut next = in_place_of_another(NTP, &file);
    next.wait_for_log("serving in the place");
    server.wait();
    ask(address, &ntp_request(2));
}

#[test]
fn where_sockets_cannot_be_handed_over_it_is_said_before_anything_is_bound() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let missing = folder.path().join("missing/hand-over");
    for file in [&file, &missing] {
        let (status, _, log) = in_place_of_another(NTP, file).wait();
        assert_eq!(status.code(), Some(2), "{log:?}");
        let said = log.iter().find(|line| line.contains("--hand-over"));
        assert!(
            said.is_some_and(|line| line.contains(file.to_str().unwrap())),
            "{log:?}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

/// Starts the program as systemd does, with this socket as descriptor 3.
fn activated(socket: OwnedFd) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"",
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_timeball"))
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::from(socket));
    command
}

#[test]
fn a_listener_takes_the_socket_that_systemd_opened_and_what_waits_in_it() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let client = client_of(address);
    // Asked before there is a server.
    client.send_to(&ntp_request(7), address).unwrap();
    let toml = NTP.replace("127.0.0.1:0", &address.to_string());
    let server = Serve::start_as(&mut activated(socket.into()), &toml);
    let mut reply = [0; 64];
    let (len, from) = client.recv_from(&mut reply).expect("it is answered");
    assert_eq!((mark_of(&reply[..len]), from), (7, address));
    for mark in 0..64 {
        assert_eq!(mark_of(&ask(address, &ntp_request(mark))), mark);
    }
    let (status, _, log) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0));
    assert_eq!(counted(&log, "stopped"), 65);
}

#[test]
fn a_socket_of_systemds_that_is_in_no_settings_is_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let mut server = Serve::start_as(&mut activated(socket.into()), NTP);
    let line = server.wait_for_log("is in no settings");
    assert!(line.contains(&address), "{line}");
}

/// Where systemd would be told how the service does.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = folder();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        // As systemd's is: the server that writes to it may have been root.
        for (path, mode) in [
            (folder.path().to_owned(), 0o755),
            (folder.path().join("notify"), 0o777),
        ] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    fn program(&self) -> Command {
        let mut command = timeball();
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command
    }

    /// The next message, and the descriptors that come with it.
    fn next(&self) -> (String, Vec<OwnedFd>) {
        let mut text = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let iov = &mut [IoSliceMut::new(&mut text)];
        let len = loop {
            match recvmsg(&self.socket, iov, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received.expect("a message comes").bytes,
            }
        };
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors = descriptors.flatten().collect();
        (
            String::from_utf8(text[..len].to_vec()).unwrap(),
            descriptors,
        )
    }

    /// The next message that says `what`, and the descriptors that come with it.
    fn wait_for(&self, what: &str) -> (String, Vec<OwnedFd>) {
        loop {
            let (text, descriptors) = self.next();
            if text.lines().any(|line| line.starts_with(what)) {
                return (text, descriptors);
            }
        }
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_reloads_lives_and_ends() {
    let manager = Manager::new();
    let mut program = manager.program();
    program.env("WATCHDOG_USEC", "100000");
    let toml = format!("http.address = '127.0.0.1:0'\n{NTP}");
    let server = Serve::start_as(&mut program, &toml);
    manager.wait_for("READY=1");
    server.listeners();
    manager.wait_for("WATCHDOG=1");
    let is_told_of_a_reload = || {
        let (text, _) = manager.wait_for("RELOADING=1");
        assert!(text.contains("MONOTONIC_USEC="), "{text}");
        let (_, kept) = manager.wait_for("FDSTORE=1");
        assert_eq!(kept.len(), 2, "one for each thread");
        manager.wait_for("READY=1");
    };
    server.signal(Signal::HUP);
    is_told_of_a_reload();
    let lines = ["Host: localhost", "Content-Type: application/json"];
    let reload = request("POST", "/reload", &lines, "");
    assert_eq!(send(server.http().address, &reload).status, 200);
    is_told_of_a_reload();
    manager.wait_for("WATCHDOG=1");
    server.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
}

#[test]
fn a_restart_by_systemd_loses_no_request_where_it_keeps_the_sockets() {
    let manager = Manager::new();
    let toml = NTP.replace("threads = 2", "threads = 1");
    let first = Serve::start_as(&mut manager.program(), &toml);
    let address = first.listeners()[0].address;
    let (text, mut kept) = manager.wait_for("FDSTORE=1");
    assert!(text.contains("FDNAME=timeball"), "{text}");
    assert_eq!(kept.len(), 1, "one for each thread");
    manager.wait_for("READY=1");
    ask(address, &ntp_request(1));
    let (status, _, _) = first.end(Signal::TERM);
    assert_eq!(status.code(), Some(0));

    // While there is no server, requests wait.
    let client = client_of(address);
    for mark in 10..20 {
        client.send_to(&ntp_request(mark), address).unwrap();
    }
    let toml = toml.replace("127.0.0.1:0", &address.to_string());
    let _second = Serve::start_as(&mut activated(kept.pop().unwrap()), &toml);
    let marks = (10..20).map(|_| {
        let mut reply = [0; 64];
        let (len, _) = client.recv_from(&mut reply).expect("it is answered");
        mark_of(&reply[..len])
    });
    assert!(marks.eq(10..20));
}

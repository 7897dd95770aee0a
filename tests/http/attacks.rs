//! Whoever means harm at the HTTP port: the time is served meanwhile, and the
//! port answers afterwards.

use super::HONEST;
use crate::support::process::Serve;
use crate::support::web::{connect, get, request};
use crate::support::{ask, mark_of, ntp_request, wait_for};
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server in a process of its own.
struct Attacked {
    server: Serve,
    ntp: SocketAddr,
    http: SocketAddr,
}

impl Attacked {
    fn new() -> Self {
        let server = Serve::start(HONEST, &[]);
        Self {
            ntp: server.listeners()[0].address,
            http: server.http().address,
            server,
        }
    }

    /// Clients that ask for the time get it.
    #[track_caller]
    fn serves(&self) {
        for mark in 1..=50 {
            assert_eq!(mark_of(&ask(self.ntp, &ntp_request(mark))), mark);
        }
    }

    /// Whoever asks over HTTP is answered, and nothing was lost.
    fn is_well(&self) {
        for path in ["/healthz", "/readyz", "/status", "/metrics", "/"] {
            assert_eq!(get(self.http, path).status, 200, "{path}");
        }
    }

    /// Octets of memory that its process has.
    fn resident(&self) -> u64 {
        let file = format!("/proc/{}/status", self.server.id());
        let status = std::fs::read_to_string(file).unwrap();
        let mut lines = status.lines();
        let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|it| it.trim().strip_suffix(" kB"));
        kibibytes.unwrap().parse::<u64>().unwrap() << 10
    }
}

/// Reads until the server ends the connection; what it said, if anything.
fn read_to_its_end(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        // It may end it without having read all that was sent.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        ended => {
            ended.expect("the server ends it");
        }
    }
    said
}

/// Has this process open many sockets.
fn allow_many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // None is as many as there are.
    assert!(
        limit.maximum.is_none_or(|most| most >= MANY as u64 + 1_000),
        "this needs descriptors: ulimit -Hn {}",
        MANY + 1_000
    );
    setrlimit(Resource::Nofile, limit).expect("as many as may be");
}

/// Connections at once.
const MANY: usize = 10_000;

#[test]
fn ten_thousand_connections_one_after_the_other_cost_nobody_the_time() {
    allow_many_descriptors();
    let attacked = Attacked::new();
    let half = b"GET /status HTTP/1.1\r\nHost: localhost\r\n";
    // As many at a time as the kernel lets wait until the server takes them.
    for _ in 0..10 {
        let connections: Vec<_> = (0..MANY / 10)
            .map(|number| {
                let mut stream = connect(attacked.http);
                if number % 2 == 0 {
                    // One that was ended already does not take it.
                    let _ = stream.write_all(half);
                }
                stream
            })
            .collect();
        attacked.serves();
        drop(connections);
    }
    attacked.is_well();
    attacked.serves();
}

/// Begins to connect, and does not wait until the server takes it.
fn begin_to_connect(server: SocketAddr) -> Socket {
    let stream = Socket::new(Domain::for_address(server), Type::STREAM, None).unwrap();
    stream.set_nonblocking(true).unwrap();
    match stream.connect(&server.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        begun => begun.expect("the server listens"),
    }
    stream
}

#[test]
fn ten_thousand_connections_begun_at_once_cost_nobody_the_time() {
    allow_many_descriptors();
    let attacked = Attacked::new();
    let half = b"GET /status HTTP/1.1\r\nHost: localhost\r\n";
    let mut connections = Vec::new();
    while connections.len() < MANY {
        let mut stream = begin_to_connect(attacked.http);
        if connections.len() % 2 == 0 {
            // One that the server has not taken yet does not take it either.
            let _ = stream.write_all(half);
        }
        connections.push(stream);
        if connections.len() % (MANY / 10) == 0 {
            attacked.serves();
        }
    }
    attacked.serves();
    drop(connections);
    attacked.is_well();
    attacked.serves();
}

#[test]
fn whoever_does_not_come_to_the_end_of_a_header_is_sent_away() {
    let attacked = Attacked::new();
    let drip = |octets: &'static [u8]| {
        let mut stream = connect(attacked.http);
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let mut octets = octets.iter().cycle();
        // An octet now and then, for as long as the server likes.
        wait_for("the end of the connection", || {
            let is_gone = stream.write_all(&[*octets.next().unwrap()]).is_err();
            let is_ended = match stream.read(&mut [0; 512]) {
                Ok(read) => read == 0,
                Err(error) => !matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ),
            };
            (is_gone || is_ended).then_some(())
        });
    };
    drip(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX: ");
    attacked.serves();
    drip(b"\r\n");
    // Nothing at all.
    assert!(!read_to_its_end(connect(attacked.http)).starts_with(b"HTTP/1.1 200"));
    attacked.is_well();
}

#[test]
fn a_header_without_an_end_is_refused_and_takes_no_memory() {
    let attacked = Attacked::new();
    attacked.is_well();
    let before = attacked.resident();
    let begin = b"GET /status HTTP/1.1\r\nHost: localhost\r\n";
    for line in [&b"X-Filler: 0123456789abcdef\r\n"[..], b"X"] {
        let mut stream = connect(attacked.http);
        stream.write_all(begin).unwrap();
        // 16 MiB, or what the server takes of it.
        let filler = line.repeat((64 << 10) / line.len());
        let is_cut = (0..256).any(|_| stream.write_all(&filler).is_err());
        let said = read_to_its_end(stream);
        assert!(is_cut || !said.is_empty(), "it took all of it");
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
    }
    attacked.is_well();
    attacked.serves();
    let grown = attacked.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} octets more");
}

#[test]
fn a_body_that_nobody_asked_for_is_not_waited_for() {
    let attacked = Attacked::new();
    let mut stream = connect(attacked.http);
    let lines = "Host: localhost\r\nContent-Length: 1000000000000\r\n";
    write!(stream, "GET /healthz HTTP/1.1\r\n{lines}\r\nx").unwrap();
    // It may be answered; the connection ends either way.
    read_to_its_end(stream);
    let mut stream = connect(attacked.http);
    let lines = "Host: localhost\r\nTransfer-Encoding: chunked\r\n";
    write!(stream, "POST /status HTTP/1.1\r\n{lines}\r\nffffffff\r\nx").unwrap();
    assert!(!read_to_its_end(stream).starts_with(b"HTTP/1.1 200"));
    attacked.is_well();
    attacked.serves();
}

#[test]
fn rubbish_is_refused_or_cut_off() {
    let attacked = Attacked::new();
    let mut long_path = b"GET /".to_vec();
    long_path.extend(b"x".repeat(100_000));
    long_path.extend(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let two = b"Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nGET /";
    for rubbish in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /status HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /status\r\nHost: localhost\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET http://example.com/status HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        &[b"GET /healthz HTTP/1.1\r\n", &two[..]].concat(),
        &long_path,
        &[0xff; 70_000],
    ] {
        let mut stream = connect(attacked.http);
        let _ = stream.write_all(rubbish);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let said = read_to_its_end(stream);
        let shown = String::from_utf8_lossy(&rubbish[..rubbish.len().min(60)]);
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{shown:?}");
    }
    attacked.is_well();
    attacked.serves();
}

#[test]
fn requests_that_are_sent_ahead_end_with_the_connection() {
    let attacked = Attacked::new();
    let mut stream = connect(attacked.http);
    let asked = request("GET", "/healthz", &["Host: localhost"], "");
    // Those that came before it is ended may be answered; nobody waits for more.
    stream.write_all(&asked.repeat(100)).unwrap();
    let said = String::from_utf8(read_to_its_end(stream)).unwrap();
    let answers = said.matches("HTTP/1.1 200").count();
    assert!((1..=100).contains(&answers), "{said}");
    attacked.is_well();
}

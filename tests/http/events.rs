//! The status once a second, to whoever listens.

use super::{HONEST, http};
use crate::support::web::{connect, get, request, send};
use crate::support::{serve, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// Somebody who listens.
struct Listening(BufReader<TcpStream>);

impl Listening {
    /// Listens; `None` if there is no place.
    fn begin(server: SocketAddr) -> Option<Self> {
        let mut stream = connect(server);
        let asked = request("GET", "/events", &["Host: localhost"], "");
        stream.write_all(&asked).unwrap();
        let mut lines = Self(BufReader::new(stream));
        let is_told = lines.line().starts_with("HTTP/1.1 200");
        is_told.then_some(lines)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        line
    }

    /// The next event.
    fn event(&mut self) -> Value {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the stream ends");
            if line == "event: status\n" {
                let data = self.line();
                assert_eq!(self.line(), "\n", "an empty line ends it");
                let json = data.strip_prefix("data: ").expect("there is data");
                return serde_json::from_str(json).expect("it is JSON");
            }
        }
    }
}

#[test]
fn the_status_comes_at_once_and_then_again_and_again() {
    let server = serve(HONEST);
    let mut listening = Listening::begin(http(&server)).expect("there is a place");
    let first = listening.event();
    let status = get(http(&server), "/status").json();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&first), keys(&status));
    let uptime = |event: &Value| event["uptime_s"].as_f64().unwrap();
    let (second, third) = (listening.event(), listening.event());
    assert!(uptime(&first) < uptime(&second), "{first} {second}");
    // The beat may have come just behind the first; from then on it is even.
    let apart = uptime(&third) - uptime(&second);
    assert!(apart > 0.5, "{apart} s");
}

#[test]
fn sixteen_listen_and_a_seventeenth_when_one_has_gone() {
    let server = serve(HONEST);
    let begin = || Listening::begin(http(&server));
    let mut all: Vec<_> = (0..16).map(|_| begin().expect("a place")).collect();
    let asked = request("GET", "/events", &["Host: localhost"], "");
    let refused = send(http(&server), &asked);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.json()["error"].is_string(), "{refused:?}");
    // Whoever asks for something else is answered.
    assert_eq!(get(http(&server), "/status").status, 200);
    let head = request("HEAD", "/events", &["Host: localhost"], "");
    assert_eq!(send(http(&server), &head).status, 200);
    all.pop();
    let mut last = wait_for("a place", begin);
    last.event();
    for listening in &mut all {
        listening.event();
    }
}

#[test]
fn a_server_that_stops_ends_every_stream() {
    let server = serve(HONEST);
    let mut listening = Listening::begin(http(&server)).expect("there is a place");
    listening.event();
    server.stop();
    wait_for("the end", || listening.line().is_empty().then_some(()));
}

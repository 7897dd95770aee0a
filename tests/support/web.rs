//! HTTP as it is on the wire.

use super::PATIENCE;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// In lower case.
    pub header: String,
    pub body: String,
}

impl Reply {
    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A connection to `server`.
pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Sends `request` as it is, and reads until the server ends the connection.
pub fn send(server: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = connect(server);
    // A server that refuses may not read all of it.
    let _ = stream.write_all(request);
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a reply comes");
    let reply = String::from_utf8(reply).expect("the reply is text");
    let (header, body) = reply
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no header ends in {reply:?}"));
    let status = header.split(' ').nth(1).expect("a status line");
    Reply {
        status: status.parse().expect("a status"),
        header: header.to_lowercase(),
        body: body.to_owned(),
    }
}

/// A request of these lines above its body, which get their lengths right.
pub fn request(method: &str, path: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let len = body.len();
    format!("{method} {path} HTTP/1.1\r\n{lines}Content-Length: {len}\r\n\r\n{body}").into_bytes()
}

/// What `server` answers to whoever asks for `path`.
pub fn get(server: SocketAddr, path: &str) -> Reply {
    send(server, &request("GET", path, &["Host: localhost"], ""))
}

//! Control over HTTP, as a client in any language sees it, and `timeball ctl`.

mod clocks;
mod ctl;
mod doors;
mod page;
mod stage;
mod started;

use crate::support::PATIENCE;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One mock source, and control on a port that the kernel chooses.
pub const LAB: &str = "
control.address = '127.0.0.1:0'
sources.lab.kind = 'mock'
listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'lab' }]
";

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub header: String,
    pub body: Value,
}

impl Reply {
    /// The body of a reply that says that it was done.
    #[track_caller]
    pub fn done(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// The body of a reply of this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.body["error"].is_string(), "{self:?}");
        self.body
    }
}

/// Sends `request` as it is, and reads until the server ends the connection.
pub fn send(server: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(server).expect("control listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
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
        body: match body {
            "" => Value::Null,
            body => {
                serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body:?}"))
            }
        },
    }
}

/// A request of these lines above its body, which get their lengths right.
pub fn request(method: &str, path: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let len = body.len();
    format!("{method} {path} HTTP/1.1\r\n{lines}Content-Length: {len}\r\n\r\n{body}").into_bytes()
}

pub fn get(server: SocketAddr, path: &str) -> Reply {
    send(server, &request("GET", path, &["Host: localhost"], ""))
}

pub fn post(server: SocketAddr, path: &str, body: &str) -> Reply {
    let lines = ["Host: localhost", "Content-Type: application/json"];
    send(server, &request("POST", path, &lines, body))
}

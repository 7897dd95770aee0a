//! Control over HTTP, as a client in any language sees it, and `timeball ctl`.

mod clocks;
mod ctl;
mod doors;
mod page;
mod stage;
mod started;

pub use crate::support::web::request;

use crate::support::web;
use serde_json::Value;
use std::net::SocketAddr;

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
    let reply = web::send(server, request);
    Reply {
        body: match &*reply.body {
            "" => Value::Null,
            _ => reply.json(),
        },
        status: reply.status,
        header: reply.header,
    }
}

pub fn get(server: SocketAddr, path: &str) -> Reply {
    send(server, &request("GET", path, &["Host: localhost"], ""))
}

pub fn post(server: SocketAddr, path: &str, body: &str) -> Reply {
    let lines = ["Host: localhost", "Content-Type: application/json"];
    send(server, &request("POST", path, &lines, body))
}

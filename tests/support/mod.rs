//! What several subjects share.

pub mod gate;
pub mod process;
pub mod running;
pub mod web;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;
use timeball::api::NtpTimestamp;
use timeball::protocol::ntp::header::Header;
use timeball::{RunningServer, Server, Settings};

/// How long a test waits for what must come. Nothing is decided by it: it only
/// turns a hang into a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `what`, which `look` sees and no event tells of.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    const LOOKS: u32 = 2_000;
    for _ in 0..LOOKS {
        if let Some(seen) = look() {
            return seen;
        }
        thread::sleep(PATIENCE / LOOKS);
    }
    panic!("{what} does not come");
}

/// The settings in `toml`, which must be good.
pub fn settings(toml: &str) -> Settings {
    Settings::from_toml(toml).unwrap_or_else(|errors| panic!("{errors}\nin\n{toml}"))
}

/// A running server with the settings in `toml`.
pub fn serve(toml: &str) -> RunningServer {
    Server::new(settings(toml))
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A socket on the same host as `server`, of the same family.
pub fn client_of(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let socket = UdpSocket::bind(any).expect("loopback has a free port");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("20 s is a time-out");
    socket
}

/// The next datagram on `socket`, and who sent it.
pub fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut reply = [0; 2048];
    let (len, from) = loop {
        match socket.recv_from(&mut reply) {
            // A child process of another test has ended.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received.expect("a reply comes"),
        }
    };
    (reply[..len].to_vec(), from)
}

/// What `server` answers to `request`.
pub fn ask(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let socket = client_of(server);
    socket
        .send_to(request, server)
        .expect("loopback takes a datagram");
    let (reply, from) = receive(&socket);
    assert_eq!(from, server, "the reply comes from where the request went");
    reply
}

/// An NTP request of version 4 in client mode, marked by its transmit
/// timestamp.
pub fn ntp_request(mark: u64) -> [u8; 48] {
    let mut request = [0; 48];
    request[0] = 0x23;
    request[40..].copy_from_slice(&mark.to_be_bytes());
    request
}

/// The header of an NTP reply, which must have one and nothing else.
pub fn ntp_header(reply: &[u8]) -> Header {
    Header::decode(reply.try_into().expect("a reply has 48 octets"))
}

/// The mark of an NTP request that `reply` answers.
pub fn mark_of(reply: &[u8]) -> u64 {
    let origin: NtpTimestamp = ntp_header(reply).origin_timestamp;
    origin.to_bits()
}

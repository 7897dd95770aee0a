//! Servers that are asked in the place of an endpoint's own: the way there and
//! back again.
//!
//! Each question has a socket of its own, at a port of the kernel's choice,
//! connected to the server: so an answer belongs to its question whatever it
//! says, and nobody else can answer. The first datagram is the answer.
//!
//! # Why so much is not handed on
//! Who asks is not who it claims to be, as UDP shows nobody's face. One request
//! asks the upstream server once and brings one answer at most; only requests
//! for the time are handed on, and not from the ports of services that answer
//! to anything. Servers answer the queries of NTP's modes 6 and 7 with much more
//! than they were asked, so these are not for strangers to send through here.
//! Where the client is on no private network, an answer may not be longer than
//! one of this server's own.

use super::run::Answer;
use super::traffic::Copy;
use crate::admission::Admission;
use crate::admission::ports::PortSet;
use crate::load::is_private;
use crate::protocol::ProtocolName;
use crate::protocol::ntp::header::mode;
use crate::server::admission;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use socket2::SockRef;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// How many questions may be under way, over all endpoints; each has a socket.
pub(super) const MOST_QUESTIONS: usize = 256;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// The octets that a UDP datagram can have at most.
const MOST_OCTETS: usize = 65_535;
/// The longest line of text or daytime that leaves to strangers.
const MOST_STRANGE: usize = 514;

/// An upstream server, and who may ask it.
pub(super) struct Upstream {
    protocol: ProtocolName,
    address: SocketAddr,
    admission: Admission,
}

impl Upstream {
    /// The server at `address`, for who asks one that listens on `own_ports`.
    pub(super) fn new(
        protocol: ProtocolName,
        address: SocketAddr,
        own_ports: &Arc<PortSet>,
    ) -> Self {
        Self {
            protocol,
            address,
            admission: admission(protocol, own_ports),
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a request from `peer` is handed on.
    pub(super) fn may_be_asked(&self, request: &[u8], peer: SocketAddr) -> bool {
        self.admission.admits_port(peer.port())
            && (self.protocol != ProtocolName::Ntp || is_ntp_request(request))
    }

    /// Whether what was answered to `request` goes back to `peer`.
    pub(super) fn may_be_told(&self, request: &[u8], answer: &[u8], peer: SocketAddr) -> bool {
        let most = match self.protocol {
            ProtocolName::Ntp => request.len(),
            _ => MOST_STRANGE,
        };
        answer.len() <= most || is_private(peer.ip())
    }
}

/// Whether it asks for the time: a client does, a peer does, and version 1 has
/// no modes. RFC 5905 section 3, RFC 1059 appendix B.
fn is_ntp_request(request: &[u8]) -> bool {
    let Some(first) = request.first() else {
        return false;
    };
    match first & 0b111 {
        mode::CLIENT | mode::SYMMETRIC_ACTIVE => true,
        mode::RESERVED => first >> 3 & 0b111 == 1,
        _ => false,
    }
}

/// What an upstream server is to be asked.
pub(super) struct Question {
    /// Which run it belongs to.
    pub(super) epoch: u64,
    pub(super) copy: Copy,
    pub(super) address: SocketAddr,
}

/// What came of a question.
pub(super) struct Heard {
    pub(super) question: Question,
    /// The answer, or why there is none.
    pub(super) outcome: Result<Answer, String>,
}

/// Questions that are under way. Dropping them closes their sockets.
#[derive(Default)]
pub(super) struct Questions(FuturesUnordered<BoxFuture<'static, Heard>>);

impl Questions {
    /// Asks, as soon as it is polled.
    pub(super) fn ask(&mut self, question: Question) {
        self.0.push(Box::pin(ask(question)));
    }

    /// What came of one of them, or has `context` woken when something has.
    pub(super) fn poll_heard(&mut self, context: &mut Context<'_>) -> Option<Heard> {
        match Pin::new(&mut self.0).poll_next(context) {
            Poll::Ready(heard) => heard,
            Poll::Pending => None,
        }
    }
}

async fn ask(question: Question) -> Heard {
    let Question { address, copy, .. } = &question;
    let exchange = exchange(*address, &copy.asked.octets);
    let outcome = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_elapsed) => Err(format!("{address}: nothing within {PATIENCE:?}")),
    };
    Heard { question, outcome }
}

async fn exchange(server: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let socket = connected(server)?;
    socket.send(request).await?;
    loop {
        // An error makes a socket neither readable nor writable.
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        // `try_io` knows what to clear for one interest only.
        let interest = match ready.is_error() {
            true => Interest::ERROR,
            false => Interest::READABLE,
        };
        // Here and not before: what waits for an answer holds no room for it.
        let mut octets = vec![0; MOST_OCTETS];
        match socket.try_io(interest, || (&*SockRef::from(&socket)).read(&mut octets)) {
            Ok(len) => {
                octets.truncate(len);
                octets.shrink_to_fit();
                return Ok(Answer {
                    octets,
                    from: server,
                    to: socket.local_addr()?,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// A socket for one question to `server`.
fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(
        match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        },
        0,
    ))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(protocol: ProtocolName) -> Upstream {
        let own_ports = Arc::new(PortSet::from_iter([4_460]));
        Upstream::new(protocol, ([192, 0, 2, 1], 123).into(), &own_ports)
    }

    #[test]
    fn requests_for_the_time_are_handed_on_and_nothing_else() {
        let ntp = upstream(ProtocolName::Ntp);
        let client = ([10, 0, 0, 7], 123).into();
        for first in 0..=u8::MAX {
            let (version, mode) = (first >> 3 & 7, first & 7);
            let is_request = mode == 3 || mode == 1 || (mode == 0 && version == 1);
            assert_eq!(
                ntp.may_be_asked(&[first; 48], client),
                is_request,
                "{first}"
            );
        }
        assert!(!ntp.may_be_asked(b"", client));
        for reflector in [0, 7, 13, 17, 19, 37] {
            let peer = ([10, 0, 0, 7], reflector).into();
            assert!(!ntp.may_be_asked(&[0x23; 48], peer), "{reflector}");
        }
        let daytime = upstream(ProtocolName::Daytime);
        assert!(daytime.may_be_asked(b"", ([10, 0, 0, 7], 40_000).into()));
        for port in [7, 123, 4_460] {
            assert!(
                !daytime.may_be_asked(b"", ([10, 0, 0, 7], port).into()),
                "{port}"
            );
        }
    }

    #[test]
    fn strangers_get_no_more_than_a_server_of_this_program_gives() {
        let (near, far) = (([127, 0, 0, 1], 9).into(), ([198, 51, 100, 7], 9).into());
        for (protocol, most) in [(ProtocolName::Ntp, 48), (ProtocolName::Daytime, 514)] {
            let upstream = upstream(protocol);
            assert!(upstream.may_be_told(&[0; 48], &[0; 65_000], near));
            assert!(upstream.may_be_told(&[0; 48], &vec![0; most], far));
            assert!(!upstream.may_be_told(&[0; 48], &vec![0; most + 1], far));
        }
    }
}

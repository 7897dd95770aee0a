//! What the engine is told, and what it says.

use crate::api::Delta;
use crate::protocol::ProtocolName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where requests come to, as far as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub name: Arc<str>,
    /// What is spoken there.
    pub protocol: ProtocolName,
}

/// A request, and the moment at which the engine is told of it or of its reply.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Which endpoint it came to, by its position in those of
    /// [`Engine::new`](super::Engine::new).
    pub endpoint: usize,
    /// Who asks.
    pub peer: SocketAddr,
    /// The octets of the request.
    pub octets: &'a [u8],
    /// Host time since the run began.
    pub at: Delta,
    /// Mock time since the run began.
    pub elapsed: Delta,
}

/// The number of a request, from 1 in the order of arrival over all endpoints:
/// what ties a reply to it. It travels as the mark of the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals {
    /// What its replies are known by.
    pub ticket: Ticket,
    /// When it reaches the server, counted from [`Ask::at`]: once for each
    /// element, in any order. Empty: it is lost. At most 17.
    pub copies: Vec<Delta>,
    /// What leaves now, whatever becomes of the request: replies that were
    /// held until it came.
    pub departures: Vec<Departure>,
    /// The rules that did something to the request.
    pub rules: Vec<Arc<str>>,
}

/// A datagram that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// How long from the moment the engine was told; those of one moment leave
    /// in the order of the list.
    pub after: Delta,
    /// Where from.
    pub from: Via,
    /// Where to.
    pub to: SocketAddr,
    /// Its octets, at most 65,507.
    pub octets: Vec<u8>,
    /// The request that caused it.
    pub ticket: Ticket,
    /// The rules that did something to it.
    pub rules: Vec<Arc<str>>,
}

/// Where a datagram leaves from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Where the request went to.
    Same,
    /// Another port of the address that the request went to.
    OtherPort,
    /// This address of the host.
    OtherAddress(IpAddr),
}

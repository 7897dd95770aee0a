//! One datagram of a run, and whoever looks on.

use super::change::Change;
use crate::api::{Delta, Timestamp};
use crate::protocol::ProtocolName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which way a datagram went, as seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client: what it sent, whether or not a rule then lost it.
    In,
    /// To the client: what really left, after all rules.
    Out,
    /// From the upstream server of the endpoint, which was asked in the place
    /// of a clock: what it answered, before any rule.
    Upstream,
    /// To the client, and it did not leave: the kernel did not take it, too much
    /// was delayed already, or the run ended first. Nobody was told it.
    Unsent,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Upstream => "upstream",
            Self::Unsent => "unsent",
        })
    }
}

/// One datagram, when it came or left.
///
/// A request is recorded once, as it came from the client: copies that a rule
/// makes of it on the way in are not. Each copy of a reply that leaves is one
/// record; a reply that a rule lost is none, and one that left all rules behind
/// and could not be sent is [`Unsent`](Direction::Unsent). What an upstream server answers is
/// recorded as it came, beside what leaves because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which way it went.
    pub direction: Direction,
    /// Which request it is, or belongs to: all requests of a run are counted
    /// together, from 1, in the order in which they came.
    pub number: u64,
    /// Host time since the run began, not negative: when it came, or left; of
    /// one that was not sent when it should have left.
    pub at: Delta,
    /// Host time since the run began when the reply was made; it may have been
    /// held back since. `None` of a request, and where the host's clock does
    /// not move that of the endpoint.
    pub made: Option<Delta>,
    /// How much of its endpoint's mock time had elapsed: when it came, or, of
    /// a reply, when the reply was made (which may be long before it left).
    /// Negative where control has taken time back.
    pub elapsed: Delta,
    /// Mock time at `elapsed`: the endpoint's start and what has elapsed since,
    /// before any event of its clock bends it.
    pub time: Timestamp,
    /// The endpoint, by its place in the scenario, from 0.
    pub endpoint: usize,
    /// What the endpoint speaks.
    pub protocol: ProtocolName,
    /// The client, or the upstream server.
    pub peer: SocketAddr,
    /// The address of the server that it came to, or left from; for an upstream
    /// server that from which it was asked.
    pub local: SocketAddr,
    /// The payload.
    pub octets: Vec<u8>,
    /// The names of the rules, in the order in which they stand in the
    /// scenario: of a request those that matched it, wherever they act; of a
    /// reply those that acted on it.
    pub rules: Vec<Arc<str>>,
}

/// What became of a copy of a request where no datagram shows it as it happens:
/// no reply to it left at once, as a rule lost it or held it back.
///
/// Without it the run could not be made again: the moment for which a reply is
/// made moves the clock whether or not the reply leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    /// Which request it is.
    pub number: u64,
    /// Which of its copies, from 0.
    pub copy: u32,
    /// Host time since the run began when a reply to it was made; `None` where
    /// it did not get to the server: too much was delayed already, or the run
    /// ended first.
    pub made: Option<Delta>,
}

/// Sees every datagram of a run, and what control changes between them.
///
/// Called in the order in which things happened, from one thread at a time, on
/// the way of the datagram: it must not wait and must not panic. What goes
/// wrong (a full disk) it keeps to itself until it is asked.
pub trait Witness: Send {
    /// A datagram came or left.
    fn saw(&mut self, record: &Record);

    /// Control changed something between two datagrams.
    fn changed(&mut self, _change: &Change) {}

    /// Something became of a copy of a request that no datagram shows.
    fn unseen(&mut self, _unseen: &Unseen) {}
}

impl<W: Witness + ?Sized> Witness for Box<W> {
    fn saw(&mut self, record: &Record) {
        (**self).saw(record);
    }

    fn changed(&mut self, change: &Change) {
        (**self).changed(change);
    }

    fn unseen(&mut self, unseen: &Unseen) {
        (**self).unseen(unseen);
    }
}

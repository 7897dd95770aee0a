//! Bytes in, bytes out: what a protocol is asked and what it answers.

use crate::source::Reading;
use crate::time::Timestamp;
use std::net::{IpAddr, SocketAddr};

/// A way to ask for the time and to be told.
///
/// A pure function of the request's bytes and of the exchange: no socket, no
/// clock, no randomness of its own.
pub trait Protocol: Send + Sync {
    /// Writes the reply to `request` to the front of `reply`, or says why
    /// there is none. Never writes beyond `reply`, never panics.
    fn respond(&self, request: &[u8], exchange: &Exchange, reply: &mut [u8]) -> Outcome;

    /// Writes a reply to `request` that gives no time but asks the client to stay
    /// away, as `kiss` says, and returns its length; `None` where the protocol
    /// has no such reply, or the request would get none. Never longer than what
    /// [`respond`](Self::respond) writes.
    fn refuse(
        &self,
        kiss: Kiss,
        request: &[u8],
        exchange: &Exchange,
        reply: &mut [u8],
    ) -> Option<usize> {
        let _ = (kiss, request, exchange, reply);
        None
    }

    /// Whether a request that was cut off at the end is as good as a whole
    /// one, since the protocol ignores what it says (RFC 867, RFC 868).
    fn ignores_payload(&self) -> bool {
        false
    }
}

/// One request and its reply, as far as time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The source's reading for the moment the request arrived.
    pub receive: Reading,
    /// The source's reading for the moment the reply leaves.
    pub transmit: Reading,
    /// Random bits for whatever wants them; zero under a mock clock.
    pub entropy: u64,
    /// Who asks.
    pub peer: SocketAddr,
}

/// What a client is asked for that gets no time: a kiss-o'-death. RFC 5905
/// section 7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kiss {
    /// To ask less often: every 2^`poll` s at most.
    Rate {
        /// The logarithm to base 2 of the seconds between two requests.
        poll: i8,
    },
    /// To ask no more.
    Deny,
}

impl Kiss {
    /// The code as it stands in place of the reference id.
    #[must_use]
    pub const fn code(self) -> [u8; 4] {
        match self {
            Self::Rate { .. } => *b"RATE",
            Self::Deny => *b"DENY",
        }
    }
}

/// One datagram as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its octets, as many as there was room for.
    pub payload: &'a [u8],
    /// Whether it was longer than the room for it.
    pub is_truncated: bool,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address of ours that it was sent to, where the kernel told.
    pub local: Option<IpAddr>,
    /// When the kernel received it, on its realtime clock, where it told.
    pub arrived: Option<Timestamp>,
}

/// What came of one datagram.
#[must_use = "an outcome is to be counted"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is a reply of `len` octets.
    Reply {
        /// Octets of the reply.
        len: usize,
    },
    /// There is no reply.
    Drop(DropReason),
}

/// Why a datagram gets no reply. Feeds the counters; never sent to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// Fewer octets than the protocol's fixed header.
    TooShort {
        /// Octets of the request.
        len: usize,
    },
    /// Longer than any request, so that its end was cut off.
    Truncated,
    /// A length, an extension field or a trailer that cannot be right.
    Malformed,
    /// A version that is not spoken here.
    UnsupportedVersion {
        /// The version it claims.
        version: u8,
    },
    /// A reply, a broadcast or a reflected packet; answering could loop.
    NotARequest {
        /// The mode it claims.
        mode: u8,
    },
    /// Not the words of the text protocol, or what a server of Daytime or Time sends;
    /// answering could loop.
    NotTheQuestion,
    /// Authenticated with a key that is not known here.
    UnknownKey,
    /// It came from a port at which a service answers; replying could loop.
    ReflectionPort {
        /// The port it came from.
        port: u16,
    },
    /// Its address is not one of those that are served here.
    Denied,
    /// Its client asks more often than it may.
    RateLimited,
    /// As many replies have left as may, in the protocols whose replies are
    /// longer than their requests.
    OverCeiling,
    /// The source is not synchronised and the protocol cannot say so.
    Unsynchronised,
    /// The source has no time to give.
    Unavailable,
    /// It waited too long; a late answer is a wrong answer.
    Late,
    /// Every responder's mailbox was full.
    Overload,
    /// There was not enough room for the reply.
    ReplyTooLong,
    /// The handler panicked.
    Panic,
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = 17;

    /// Every reason's name, in the order of [`index`](Self::index).
    pub const NAMES: [&'static str; Self::COUNT] = [
        "too_short",
        "truncated",
        "malformed",
        "unsupported_version",
        "not_a_request",
        "not_the_question",
        "unknown_key",
        "reflection_port",
        "unsynchronised",
        "unavailable",
        "late",
        "overload",
        "reply_too_long",
        "panic",
        "denied",
        "rate_limited",
        "over_ceiling",
    ];

    /// The number of the reason, 0 to [`COUNT`](Self::COUNT) - 1: what it is
    /// counted under.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::TooShort { .. } => 0,
            Self::Truncated => 1,
            Self::Malformed => 2,
            Self::UnsupportedVersion { .. } => 3,
            Self::NotARequest { .. } => 4,
            Self::NotTheQuestion => 5,
            Self::UnknownKey => 6,
            Self::ReflectionPort { .. } => 7,
            Self::Unsynchronised => 8,
            Self::Unavailable => 9,
            Self::Late => 10,
            Self::Overload => 11,
            Self::ReplyTooLong => 12,
            Self::Panic => 13,
            Self::Denied => 14,
            Self::RateLimited => 15,
            Self::OverCeiling => 16,
        }
    }

    /// The name of the reason, as the counters show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

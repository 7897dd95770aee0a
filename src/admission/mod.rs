//! Who gets an answer at all, and how often.
//!
//! | module | what it decides |
//! |---|---|
//! | this one | which ports get none, and in what order the rest is asked |
//! | [`networks`] | who is let in, by address |
//! | [`limiter`] | how often each client is answered |
//! | [`ports`] | at which ports this server listens, which it does not answer |
//! | [`ceiling`] | how many replies leave in all, where they are longer than the requests |
//!
//! Pure in the peer, the moment and the random bits: no socket and no clock.
//! The tables are shared by all threads, without a lock, and never grow.
//!
//! # Ports
//! A server that answers nearly anything can be made to talk to another one
//! without end, or to a service that echoes (CERT advisory CA-1996-01). Such a
//! datagram has to come from the port at which the other service answers, so
//! those ports get no reply.

pub mod ceiling;
pub mod limiter;
pub mod networks;
pub mod ports;

use crate::api::{DropReason, Kiss, Monotonic};
use ceiling::Ceiling;
use limiter::Limiter;
use networks::Networks;
use ports::PortSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Ports at which a service answers to nearly any datagram: 0 (not a port at
/// all), echo, daytime, quote of the day, chargen, time.
pub(crate) const REFLECTORS: [u16; 6] = [0, 7, 13, 17, 19, 37];
/// NTP, which asks from its own port and so is let through to NTP itself.
const NTP_PORT: u16 = 123;

/// What a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The time.
    Answer,
    /// A kiss, where the protocol has one; the reason is counted.
    Kiss(Kiss, DropReason),
    /// Nothing.
    Drop(DropReason),
}

/// A share of what happens by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// It happens where a number drawn from all of 32 bits is less than this: 0
    /// to 2^32.
    #[must_use]
    pub const fn threshold(self) -> u64 {
        self.0
    }

    /// So many millionths of it, 0 to 1,000,000.
    #[must_use]
    pub const fn of_millionths(millionths: u32) -> Self {
        Self(((millionths as u64) << 32) / 1_000_000)
    }
}

/// What happens to clients that are not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDeny {
    /// Nothing.
    #[default]
    Silent,
    /// They get a kiss-o'-death with code DENY, as often as anybody is answered.
    Kiss,
}

/// What happens to clients that ask too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnRate {
    /// Which share of what is too much is answered all the same: whoever asks in
    /// the name of a victim cannot cut it off.
    pub leak: Share,
    /// Which share of it gets a kiss-o'-death with code RATE.
    pub kiss: Share,
    /// The poll that the kiss asks for, log2 s.
    pub poll: i8,
    /// Whether clients on this host may ask as often as they like.
    pub spares_loopback: bool,
}

/// What all listeners share: one table and one ceiling.
pub struct Limits {
    /// How often a client is answered.
    pub limiter: Limiter,
    /// What else it gets.
    pub on_rate: OnRate,
    /// How many replies leave that are longer than their requests.
    pub ceiling: Ceiling,
}

/// Who is served at a listener, and within what limits.
#[derive(Clone)]
pub struct Gate {
    /// Who is served at all.
    pub networks: Arc<Networks>,
    /// What the others get.
    pub on_deny: OnDeny,
    /// What holds for those who are; `None` is no limit.
    pub limits: Option<Arc<Limits>>,
    /// Whether the limits say how often each client is answered. Without that they
    /// still say how often somebody who is not served gets a kiss, and how many
    /// replies leave that are longer than their requests.
    pub limits_clients: bool,
}

/// Decides who gets an answer.
#[derive(Clone)]
pub struct Admission {
    /// The ports that this server listens on, for a protocol whose replies may
    /// be longer than its requests, and may be taken for some.
    amplifies: Option<Arc<PortSet>>,
    /// `None` lets everybody in.
    gate: Option<Gate>,
}

impl Admission {
    /// For a protocol whose replies are never requests and never longer than
    /// those (NTP): refuses the ports of services that answer to anything.
    #[must_use]
    pub const fn for_checked_requests() -> Self {
        Self {
            amplifies: None,
            gate: None,
        }
    }

    /// For a protocol that answers nearly any datagram: refuses the port of
    /// NTP too, and `own_ports`, those that this server listens on.
    #[must_use]
    pub fn for_any_datagram(own_ports: Arc<PortSet>) -> Self {
        Self {
            amplifies: Some(own_ports),
            gate: None,
        }
    }

    /// Lets in whom `gate` lets in.
    #[must_use]
    pub fn with_gate(self, gate: Gate) -> Self {
        Self {
            gate: Some(gate),
            ..self
        }
    }

    /// What lets in whom, if anything does but the ports, for a protocol whose
    /// replies are never requests; `None` for any other.
    #[must_use]
    pub fn gate_of_checked_requests(&self) -> Option<Option<&Gate>> {
        self.amplifies.is_none().then_some(self.gate.as_ref())
    }

    /// Whether anybody is answered that asks from this port.
    #[must_use]
    pub fn admits_port(&self, port: u16) -> bool {
        let is_own = |own: &Arc<PortSet>| port == NTP_PORT || own.holds(port);
        !REFLECTORS.contains(&port) && !self.amplifies.as_ref().is_some_and(is_own)
    }

    /// What `peer` gets that asks at the moment `now`; chance has it by `bits`,
    /// which are asked for only where chance decides.
    #[must_use]
    pub fn admit(&self, peer: SocketAddr, now: Monotonic, bits: impl FnOnce() -> u32) -> Verdict {
        if !self.admits_port(peer.port()) {
            return Verdict::Drop(DropReason::ReflectionPort { port: peer.port() });
        }
        let Some(gate) = &self.gate else {
            return Verdict::Answer;
        };
        if !gate.networks.serves(peer.ip()) {
            return gate.deny(peer, now);
        }
        let Some(limits) = &gate.limits else {
            return Verdict::Answer;
        };
        let spared = limits.on_rate.spares_loopback && peer.ip().to_canonical().is_loopback();
        let is_limited = gate.limits_clients;
        if spared {
            Verdict::Answer
        } else if self.amplifies.is_some() {
            limits.admit_amplified(peer, now, is_limited)
        } else if is_limited {
            limits.admit(peer, now, bits)
        } else {
            Verdict::Answer
        }
    }
}

impl Gate {
    fn deny(&self, peer: SocketAddr, now: Monotonic) -> Verdict {
        let may_kiss = |limits: &Arc<Limits>| limits.limiter.take(peer.ip(), now);
        if self.on_deny == OnDeny::Kiss && self.limits.as_ref().is_none_or(may_kiss) {
            Verdict::Kiss(Kiss::Deny, DropReason::Denied)
        } else {
            Verdict::Drop(DropReason::Denied)
        }
    }
}

impl Limits {
    fn admit(&self, peer: SocketAddr, now: Monotonic, bits: impl FnOnce() -> u32) -> Verdict {
        if self.limiter.take(peer.ip(), now) {
            return Verdict::Answer;
        }
        let drawn = u64::from(bits());
        let OnRate {
            leak: Share(leak),
            kiss: Share(kiss),
            poll,
            ..
        } = self.on_rate;
        if drawn < leak {
            Verdict::Answer
        } else if drawn < leak + kiss {
            Verdict::Kiss(Kiss::Rate { poll }, DropReason::RateLimited)
        } else {
            Verdict::Drop(DropReason::RateLimited)
        }
    }

    /// For replies that are longer than their requests: what is too much gets
    /// none, by chance or otherwise.
    fn admit_amplified(&self, peer: SocketAddr, now: Monotonic, is_limited: bool) -> Verdict {
        if is_limited && !self.limiter.take(peer.ip(), now) {
            Verdict::Drop(DropReason::RateLimited)
        } else if self.ceiling.take(now) {
            Verdict::Answer
        } else {
            Verdict::Drop(DropReason::OverCeiling)
        }
    }
}

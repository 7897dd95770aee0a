//! What load to make, and whether it may be made.

use crate::api::Delta;
use crate::client::Question;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// How fast to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A closed loop: as many requests in flight as `window` says; each reply
    /// makes room for the next request. It asks as fast as it is answered.
    Window(usize),
    /// An open loop: so many requests a second, whether or not they are
    /// answered. A latency counts from the moment at which the request was due,
    /// so that a wait of the generator, too, is seen in it.
    Rate(u64),
}

/// What load to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The server.
    pub target: SocketAddr,
    /// What it is asked.
    pub question: Question,
    /// How fast.
    pub pace: Pace,
    /// For how long requests are sent.
    pub duration: Delta,
    /// After how many requests to stop before that.
    pub requests: Option<u64>,
    /// When a request that has no reply is lost.
    pub timeout: Delta,
    /// From how many ports to ask.
    pub sockets: usize,
    /// From how many addresses to ask: above 1 only on IPv4 loopback, from
    /// 127.0.0.1 on.
    pub addresses: usize,
    /// How many threads ask. Sockets, window and rate are divided among them.
    pub threads: usize,
    /// The CPUs to pin the threads to, in turn; none: wherever the kernel likes.
    pub cpus: Vec<usize>,
    /// The processes of the server, whose CPU time and memory to report.
    pub server: Vec<u32>,
    /// Whether the user says that the server is theirs, wherever it is.
    pub is_own_server: bool,
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Load is made on one's own servers only.
    #[error(
        "{0} is neither a loopback nor a private address: load on somebody else's server is an \
         attack on it; if the server is yours, say --i-own-this-server"
    )]
    NotYours(IpAddr),
    /// A multicast, broadcast or unspecified address.
    #[error("{0} is not the address of one host")]
    NotOneHost(IpAddr),
    /// Only 127.0.0.0/8 has as many addresses as one likes.
    #[error("many source addresses are there on IPv4 loopback only, and {0} is not on it")]
    Addresses(IpAddr),
    /// A number outside of what is accepted.
    #[error("{what} = {value}: outside 1..={max}")]
    Range {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
        /// The largest one accepted.
        max: u64,
    },
    /// Some threads would have nothing to do.
    #[error("{threads} threads need as many {what} at least; there are {count}")]
    Threads {
        /// The threads.
        threads: usize,
        /// What is to be divided.
        what: &'static str,
        /// How many of it there are.
        count: usize,
    },
}

impl Plan {
    /// The requests in flight of a closed loop unless another number is asked
    /// for.
    pub const WINDOW: usize = 256;
    /// The sockets unless another number is asked for.
    pub const SOCKETS: usize = 16;
    /// The most requests in flight.
    pub const MAX_WINDOW: usize = 1 << 20;
    /// The most requests a second.
    pub const MAX_RATE: u64 = 100_000_000;
    /// The most sockets; each needs a descriptor.
    pub const MAX_SOCKETS: usize = 4_096;
    /// The most source addresses: all of 127.0.0.0/8 but the first and the last.
    pub const MAX_ADDRESSES: usize = (1 << 24) - 2;
    /// The most threads.
    pub const MAX_THREADS: usize = 64;

    /// A closed loop of 256 requests in flight for 5 s, from 16 sockets, with a
    /// time-out of 1 s.
    #[must_use]
    pub fn new(target: SocketAddr, question: Question) -> Self {
        Self {
            target,
            question,
            pace: Pace::Window(Self::WINDOW),
            duration: Delta::from_seconds(5),
            requests: None,
            timeout: Delta::from_seconds(1),
            sockets: Self::SOCKETS,
            addresses: 1,
            threads: 1,
            cpus: Vec::new(),
            server: Vec::new(),
            is_own_server: false,
        }
    }

    /// Checks that the load may be made and can be.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        let ip = self.target.ip().to_canonical();
        if ip.is_unspecified() || ip.is_multicast() || is_broadcast(ip) {
            return Err(PlanError::NotOneHost(ip));
        }
        if !self.is_own_server && !is_private(ip) {
            return Err(PlanError::NotYours(ip));
        }
        let (what, value, max) = match self.pace {
            Pace::Window(window) => ("window", window as u64, Self::MAX_WINDOW as u64),
            Pace::Rate(rate) => ("rate", rate, Self::MAX_RATE),
        };
        within(what, value, max)?;
        within("sockets", self.sockets as u64, Self::MAX_SOCKETS as u64)?;
        within(
            "addresses",
            self.addresses as u64,
            Self::MAX_ADDRESSES as u64,
        )?;
        within("threads", self.threads as u64, Self::MAX_THREADS as u64)?;
        if self.addresses > 1 && !(ip.is_ipv4() && ip.is_loopback() && self.target.is_ipv4()) {
            return Err(PlanError::Addresses(ip));
        }
        let enough = |what, count| match count < self.threads {
            true => Err(PlanError::Threads {
                threads: self.threads,
                what,
                count,
            }),
            false => Ok(()),
        };
        enough("sockets", self.sockets)?;
        match self.pace {
            Pace::Window(window) => enough("requests in flight", window),
            Pace::Rate(_) => Ok(()),
        }
    }
}

fn within(what: &'static str, value: u64, max: u64) -> Result<(), PlanError> {
    if (1..=max).contains(&value) {
        Ok(())
    } else {
        Err(PlanError::Range { what, value, max })
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

/// Whether an address is nobody's on the internet: loopback, private (RFC 1918,
/// RFC 4193) or link-local (RFC 3927, RFC 4291).
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The part of `total` that falls to the `index`th of `count`: the parts differ
/// by 1 at most.
pub(super) fn part(total: u64, index: usize, count: usize) -> u64 {
    let (index, count) = (index as u64, count.max(1) as u64);
    total / count + u64::from(index < total % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(target: &str) -> Plan {
        Plan::new(SocketAddr::new(target.parse().unwrap(), 123), Question::NTP)
    }

    #[test]
    fn only_loopback_and_private_addresses_are_asked_without_a_word() {
        for own in [
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.1.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(plan(own).check(), Ok(()), "{own}");
        }
        for other in [
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.255.255",
            "192.169.0.0",
            "100.64.0.1",
            "192.0.2.1",
            "2001:db8::1",
            "fec0::1",
            "fbff::1",
            "::ffff:8.8.8.8",
            "::2",
        ] {
            let mut plan = plan(other);
            assert!(
                matches!(plan.check(), Err(PlanError::NotYours(_))),
                "{other}"
            );
            plan.is_own_server = true;
            assert_eq!(plan.check(), Ok(()), "{other}");
        }
    }

    #[test]
    fn nobody_owns_a_multicast_address() {
        for nobody in ["224.0.1.1", "255.255.255.255", "ff02::101", "0.0.0.0", "::"] {
            let mut plan = plan(nobody);
            plan.is_own_server = true;
            assert!(
                matches!(plan.check(), Err(PlanError::NotOneHost(_))),
                "{nobody}"
            );
        }
    }

    #[test]
    fn many_source_addresses_are_for_ipv4_loopback() {
        for (target, is_fine) in [
            ("127.0.0.9", true),
            ("10.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
        ] {
            let mut plan = plan(target);
            plan.addresses = 2;
            assert_eq!(plan.check().is_ok(), is_fine, "{target}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let mut none = plan("127.0.0.1");
        none.pace = Pace::Window(0);
        assert_eq!(
            none.check().unwrap_err().to_string(),
            "window = 0: outside 1..=1048576"
        );
        let mut idle = plan("127.0.0.1");
        idle.threads = 17;
        assert_eq!(
            idle.check().unwrap_err().to_string(),
            "17 threads need as many sockets at least; there are 16"
        );
    }

    #[test]
    fn parts_make_up_the_whole() {
        for (total, count) in [(256, 16), (256, 7), (3, 5), (0, 2), (1_000_003, 64)] {
            let parts: Vec<u64> = (0..count).map(|index| part(total, index, count)).collect();
            assert_eq!(parts.iter().sum::<u64>(), total);
            assert!(parts[0] - parts[count - 1] <= 1);
        }
    }
}

//! Who gets an answer at all.
//!
//! A server that answers nearly anything can be made to talk to another one
//! without end, or to a service that echoes (CERT advisory CA-1996-01). Such a
//! datagram has to come from the port at which the other service answers, so
//! those ports get no reply.

use crate::api::DropReason;
use std::net::SocketAddr;

/// Ports at which a service answers to nearly any datagram: 0 (not a port at
/// all), echo, daytime, quote of the day, chargen, time.
const REFLECTORS: [u16; 6] = [0, 7, 13, 17, 19, 37];
/// NTP, which asks from its own port and so is let through to NTP itself.
const NTP_PORT: u16 = 123;

/// Decides who gets an answer; pure in the peer.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Sorted.
    refused_ports: Box<[u16]>,
}

impl Admission {
    /// For a protocol whose replies are never requests (NTP, by their mode):
    /// refuses the ports of services that answer to anything.
    #[must_use]
    pub fn for_checked_requests() -> Self {
        Self::refusing(REFLECTORS.to_vec())
    }

    /// For a protocol that answers nearly any datagram: refuses the port of
    /// NTP too, and `own_ports`, the ports that this server listens on.
    #[must_use]
    pub fn for_any_datagram(own_ports: &[u16]) -> Self {
        let mut ports = REFLECTORS.to_vec();
        ports.push(NTP_PORT);
        ports.extend_from_slice(own_ports);
        Self::refusing(ports)
    }

    fn refusing(mut ports: Vec<u16>) -> Self {
        ports.sort_unstable();
        ports.dedup();
        Self {
            refused_ports: ports.into(),
        }
    }

    /// Whether `peer` gets an answer.
    ///
    /// # Errors
    /// The reason to drop its datagram.
    pub fn admit(&self, peer: SocketAddr) -> Result<(), DropReason> {
        match self.refused_ports.binary_search(&peer.port()) {
            Ok(_found) => Err(DropReason::ReflectionPort { port: peer.port() }),
            Err(_absent) => Ok(()),
        }
    }
}

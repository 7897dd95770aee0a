//! Which ports can still be bound.

use super::capabilities::may;
use caps::Capability;
use std::fs;
use std::net::SocketAddr;

/// Where the kernel says from which port on everybody may bind.
const FIRST_FREE: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// The same where the kernel does not say.
const USUAL_FIRST_FREE: u16 = 1024;

/// A port that cannot be bound any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this running server cannot take a port below {first_free}: it has not, or has given up when \
     it started, the capability that this needs, CAP_NET_BIND_SERVICE; restart it, or start it with \
     sandbox.reload_low_ports = true"
)]
pub struct LowPort {
    /// From where on everybody may bind.
    pub first_free: u16,
}

/// Whether the present thread may bind `address`, as far as it is a matter of
/// rights. Asks the kernel, so it is right with a sandbox and without one.
///
/// # Errors
/// [`LowPort`], which says what to do about it.
pub fn may_bind(address: SocketAddr) -> Result<(), LowPort> {
    let told = fs::read_to_string(FIRST_FREE);
    let first_free = told.ok().and_then(|text| text.trim().parse().ok());
    let first_free = first_free.unwrap_or(USUAL_FIRST_FREE);
    // Any port that is free is above those.
    if address.port() == 0 || address.port() >= first_free || may(Capability::CAP_NET_BIND_SERVICE)
    {
        return Ok(());
    }
    Err(LowPort { first_free })
}

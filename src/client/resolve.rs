//! From a host's name to the addresses to ask.

use super::{Failure, Family, Target};
use crate::api::Delta;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use tokio::sync::oneshot;

/// The addresses of `target`, in the resolver's order and each once.
///
/// # Why a thread of its own
/// The C library's resolver blocks for as long as it likes. Tokio's pool of
/// blocking threads is waited for when the runtime ends; a thread that nobody
/// waits for lets the program end when its time is up.
///
/// # Errors
/// [`Failure::Unresolved`] when the name has no address or the resolver does
/// not say so within `timeout`; [`Failure::NoAddress`] when it has none of the
/// family.
pub(crate) async fn resolve(
    target: &Target,
    family: Family,
    timeout: Delta,
) -> Result<Vec<SocketAddr>, Failure> {
    let found = if let Ok(address) = target.host().parse::<IpAddr>() {
        vec![SocketAddr::new(address, target.port())]
    } else {
        look_up(target, timeout).await?
    };
    let mut addresses = Vec::with_capacity(found.len());
    for address in found {
        let is_wanted = match family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        if is_wanted && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(Failure::NoAddress {
            host: target.host().to_owned(),
            family,
        });
    }
    Ok(addresses)
}

async fn look_up(target: &Target, timeout: Delta) -> Result<Vec<SocketAddr>, Failure> {
    let unresolved = |reason: String| Failure::Unresolved {
        host: target.host().to_owned(),
        reason,
    };
    let (found, finding) = oneshot::channel();
    let (host, port) = (target.host().to_owned(), target.port());
    let resolver = move || {
        let addresses = (host.as_str(), port).to_socket_addrs();
        // Nobody listens when the time is up.
        let _ = found.send(addresses.map(|addresses| addresses.collect::<Vec<_>>()));
    };
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(resolver)
        .map_err(|error| unresolved(error.to_string()))?;
    match tokio::time::timeout(timeout.to_std(), finding).await {
        Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(Ok(_none))) => Err(unresolved("it has no address".to_owned())),
        Ok(Ok(Err(error))) => Err(unresolved(error.to_string())),
        Ok(Err(_gone)) => Err(unresolved("the resolver failed".to_owned())),
        Err(_elapsed) => Err(unresolved(format!(
            "no word from the resolver within {} s",
            timeout.as_seconds_f64()
        ))),
    }
}

//! Where the upstream servers of a scenario are: found out before anything is
//! bound, and the same for the whole run.

use super::error::PlayError;
use crate::api::Delta;
use crate::client::resolve::resolve;
use crate::client::{Family, Target};
use crate::scenario::{Endpoint, Scenario};
use crate::settings::{Place, conflict};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// How long the resolver may take for one name.
const PATIENCE: Delta = Delta::from_seconds(10);

/// The address of each endpoint's upstream server, where it has one: the first
/// that the resolver gives, of either family, to which this host knows a way.
///
/// # Errors
/// [`PlayError::Upstream`] where there is none, [`PlayError::Endpoint`] where it
/// is the endpoint itself.
pub(super) async fn find(scenario: &Scenario) -> Result<Vec<Option<SocketAddr>>, PlayError> {
    let mut found = Vec::with_capacity(scenario.endpoints.len());
    for endpoint in &scenario.endpoints {
        found.push(match &endpoint.upstream {
            Some(target) => Some(find_one(endpoint, target).await?),
            None => None,
        });
    }
    Ok(found)
}

/// [`find`], for who cannot await it.
///
/// # Errors
/// Those, and [`PlayError::Threads`].
pub(super) fn find_now(scenario: &Scenario) -> Result<Vec<Option<SocketAddr>>, PlayError> {
    if scenario.without_upstream().is_ok() {
        return Ok(vec![None; scenario.endpoints.len()]);
    }
    // On a thread of its own: this one may be in an asynchronous runtime already.
    let find = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        runtime.block_on(find(scenario))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, find)?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the resolver failed").into()))
    })
}

async fn find_one(endpoint: &Endpoint, target: &Target) -> Result<SocketAddr, PlayError> {
    let failed = |why: String| PlayError::Upstream {
        endpoint: endpoint.name.clone(),
        upstream: target.clone(),
        why,
    };
    let resolved = resolve(target, Family::Any, PATIENCE).await;
    let addresses = resolved.map_err(|failure| failed(failure.said_of(target)))?;
    let mut ways = addresses.iter().map(|&address| way_to(address));
    let first = ways.next();
    let address = match first {
        Some(Err(error)) => ways
            .find_map(Result::ok)
            .ok_or_else(|| failed(error.to_string()))?,
        Some(Ok(address)) => address,
        None => return Err(failed("it has no address".to_owned())),
    };
    let place = |address| Place {
        address,
        interface: None,
    };
    if conflict(place(endpoint.address), place(address)) {
        return Err(PlayError::Endpoint {
            endpoint: endpoint.name.clone(),
            why: "its `upstream` is the endpoint itself",
        });
    }
    Ok(address)
}

/// `address`, if this host knows a way to it. Nothing is sent.
fn way_to(address: SocketAddr) -> io::Result<SocketAddr> {
    let any = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind(SocketAddr::new(any, 0))?.connect(address)?;
    Ok(address)
}

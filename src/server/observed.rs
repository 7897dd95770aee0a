//! What is told of a server over HTTP.

use super::reloaded::{ReloadError, Reloaded};
use super::running::{Handle, Shown};
use crate::admission::limiter::LimiterState;
use crate::api::{HostClock, HostInstant};
use crate::host::OsClock;
use crate::http::{Observed, ObservedListener, ObservedSource};
use crate::metrics::{Latencies, ShardCounters};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Observed for Handle {
    fn started(&self) -> HostInstant {
        self.started
    }

    fn listeners(&self) -> Vec<ObservedListener> {
        self.state().listeners.iter().map(observed).collect()
    }

    fn sources(&self) -> Vec<ObservedSource> {
        self.state().sources.clone()
    }

    fn limiter(&self) -> Option<LimiterState> {
        let limits = self.state().limits.clone()?;
        // Buckets are filled by the clocks of honest sources, which are the host's.
        Some(limits.limiter.state(OsClock.now().monotonic))
    }

    fn clients(&self) -> BTreeMap<IpAddr, u64> {
        let mut clients = BTreeMap::new();
        for listener in &self.state().listeners {
            for shard in &listener.counters {
                shard.add_clients_to(&mut clients);
            }
        }
        clients
    }

    fn reload(&self) -> BoxFuture<'static, Result<Reloaded, ReloadError>> {
        let orders = self.orders.clone();
        Box::pin(async move { orders.reload(None).await })
    }

    fn is_tended(&self) -> bool {
        let now = OsClock.now().monotonic;
        self.pulse.get().is_none_or(|pulse| pulse.is_felt(now))
    }
}

fn observed(listener: &Shown) -> ObservedListener {
    let mut latencies = Latencies::default();
    for shard in &listener.counters {
        shard.add_latencies_to(&mut latencies);
    }
    ObservedListener {
        listener: listener.told.clone(),
        is_bound: listener.counters.iter().all(ShardCounters::is_open),
        totals: listener.totals(),
        latencies,
    }
}

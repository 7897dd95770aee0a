//! One look at all of it.

use super::observed::{Observed, ObservedListener, ObservedSource};
use super::readings::{self, Readings};
use super::recent::{Recent, named};
use crate::admission::limiter::LimiterState;
use crate::api::{HostClock, HostInstant};
use crate::host::OsClock;
use futures_util::future::join_all;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many clients are told of.
const TOP: usize = 20;

/// What a server was like at one moment.
pub(super) struct Seen {
    pub now: HostInstant,
    pub started: HostInstant,
    pub listeners: Vec<ObservedListener>,
    pub sources: Vec<(ObservedSource, readings::Observed)>,
    pub limiter: Option<LimiterState>,
    /// Those who ask most, most first.
    pub top_clients: Vec<(IpAddr, u64)>,
    /// What an operator should be told.
    pub hints: Vec<String>,
}

impl Seen {
    /// Looks at `observed`.
    pub async fn of(observed: &dyn Observed, readings: &Readings, recent: &Mutex<Recent>) -> Self {
        // Those that block are waited for together.
        let sources = join_all(observed.sources().into_iter().map(async |source| {
            let reading = readings.read(&source).await;
            (source, reading)
        }))
        .await;
        let listeners = observed.listeners();
        let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            now: OsClock.now(),
            started: observed.started(),
            hints: recent.hints(&listeners),
            listeners,
            sources,
            limiter: observed.limiter(),
            top_clients: top(observed.clients()),
        }
    }

    /// Whether some of the time that is served is made up.
    pub fn is_test(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|(source, _)| source.source.test_time)
    }

    /// How long the server has been running, in seconds.
    pub fn uptime_s(&self) -> f64 {
        (self.now.monotonic - self.started.monotonic).as_nanos() as f64 / 1e9
    }

    /// Why no client should be sent here; empty when it is ready.
    pub fn reasons(&self) -> Vec<String> {
        let closed = self.listeners.iter().enumerate();
        let closed = closed.filter(|(_, listener)| !listener.is_bound);
        let closed = closed.map(|(number, it)| format!("{}: it is not bound", named(number, it)));
        let silent = self.sources.iter().filter_map(|(source, reading)| {
            let error = reading.as_ref().err()?;
            Some(format!("source {}: {error}", source.name))
        });
        closed.chain(silent).collect()
    }
}

/// Those who ask most, most first; of those who ask as much, by address.
fn top(clients: BTreeMap<IpAddr, u64>) -> Vec<(IpAddr, u64)> {
    let mut clients: Vec<_> = clients.into_iter().collect();
    clients.sort_by_key(|(client, requests)| (Reverse(*requests), *client));
    clients.truncate(TOP);
    clients
}

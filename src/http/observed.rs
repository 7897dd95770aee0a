//! What is looked at: a server that serves.

use crate::admission::limiter::LimiterState;
use crate::api::{HostInstant, Source};
use crate::metrics::{Latencies, Totals};
use crate::server::{BoundListener, ReloadError, Reloaded};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A server as it can be seen from outside its shards, at any moment and from any
/// thread; and the one thing that can be asked of it. No method waits for anything.
pub trait Observed: Send + Sync {
    /// When it was started, on the host's clock.
    fn started(&self) -> HostInstant;

    /// Where time is served, in the order of the settings.
    fn listeners(&self) -> Vec<ObservedListener>;

    /// The sources that listeners name, in the order of their names.
    fn sources(&self) -> Vec<ObservedSource>;

    /// The table of clients; `None` where nobody is limited.
    fn limiter(&self) -> Option<LimiterState>;

    /// Clients, and how many requests of each were seen, in any order.
    fn clients(&self) -> BTreeMap<IpAddr, u64>;

    /// Has the settings read anew and the server become what they say.
    fn reload(&self) -> BoxFuture<'static, Result<Reloaded, ReloadError>>;

    /// Whether the thread that tends the sources does so, where there is one.
    fn is_tended(&self) -> bool;
}

/// A listener, and what it counted.
#[derive(Debug, Clone)]
pub struct ObservedListener {
    /// Where it is and what it serves.
    pub listener: BoundListener,
    /// Whether all of its sockets are open.
    pub is_bound: bool,
    /// What it counted.
    pub totals: Totals,
    /// How long its replies took; nothing under test time.
    pub latencies: Latencies,
}

/// A time source.
#[derive(Clone)]
pub struct ObservedSource {
    /// Its name in the settings.
    pub name: String,
    /// What kind it is; `given` for one that a program brought.
    pub kind: &'static str,
    /// The source, marked as blocking where a listener gives it threads.
    pub source: Source,
}

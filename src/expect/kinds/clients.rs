//! What is remembered of each client, within bounds.

use crate::transcript::Record;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The most clients that an expectation watches; one at two endpoints counts
/// twice.
pub const MAX_CLIENTS: usize = 1024;

/// A client at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) endpoint: usize,
    pub(super) client: IpAddr,
}

impl Pair {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            endpoint: record.endpoint,
            client: record.peer.ip().to_canonical(),
        }
    }
}

/// A state for each client, in a fixed order.
#[derive(Debug)]
pub(super) struct Clients<T> {
    states: BTreeMap<Pair, T>,
    is_full: bool,
}

impl<T: Default> Clients<T> {
    pub(super) const fn new() -> Self {
        Self {
            states: BTreeMap::new(),
            is_full: false,
        }
    }

    /// The state of the client of this datagram; `None` if there are too many.
    pub(super) fn of(&mut self, record: &Record) -> Option<&mut T> {
        self.at(Pair::of(record))
    }

    /// The state of `pair`; `None` if there are too many.
    pub(super) fn at(&mut self, pair: Pair) -> Option<&mut T> {
        if self.states.len() >= MAX_CLIENTS && !self.states.contains_key(&pair) {
            self.is_full = true;
            return None;
        }
        Some(self.states.entry(pair).or_default())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Pair, &T)> {
        self.states.iter()
    }

    /// Why this is not everyone, if it is not.
    pub(super) fn unwatched(&self) -> Option<String> {
        self.is_full
            .then(|| format!("there were more than {MAX_CLIENTS} clients: limit it with `client`"))
    }
}

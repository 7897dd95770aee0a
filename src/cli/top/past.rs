//! What was told so far, and the rates that come of it.

use std::collections::{BTreeMap, VecDeque};
use timeball::http::status::{Listener, Status};

/// How many looks are kept: as many as the widest screen has columns.
const LOOKS: usize = 512;

/// The last looks at one server.
#[derive(Debug, Default)]
pub(super) struct Past {
    looks: VecDeque<Look>,
    /// The process that was looked at, and since when it runs.
    of: Option<(u32, String)>,
}

/// What was counted at one moment.
#[derive(Debug)]
struct Look {
    /// The server's uptime, in seconds.
    at_s: f64,
    by_listener: BTreeMap<String, u64>,
    by_protocol: BTreeMap<String, u64>,
}

impl Past {
    /// Notes a look. A server that was started anew has no past.
    pub fn note(&mut self, status: &Status) {
        let of = Some((status.pid, status.started.clone()));
        if self.of != of {
            self.looks.clear();
            self.of = of;
        }
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        let mut by_protocol = BTreeMap::new();
        for it in &status.listeners {
            *by_protocol.entry(it.protocol.clone()).or_insert(0) += it.received;
        }
        let by_listener = status.listeners.iter().map(|it| (key(it), it.received));
        self.looks.push_back(Look {
            at_s: status.uptime_s,
            by_listener: by_listener.collect(),
            by_protocol,
        });
    }

    /// Requests a second of a listener; `None` where one look is not enough.
    pub fn of_listener(&self, listener: &Listener) -> Option<f64> {
        let key = key(listener);
        self.last(|look| look.by_listener.get(&key).copied())
    }

    /// Requests a second of a protocol.
    pub fn of_protocol(&self, protocol: &str) -> Option<f64> {
        self.last(|look| look.by_protocol.get(protocol).copied())
    }

    /// Requests a second of all listeners, the oldest first; 0 where a look is
    /// missing.
    pub fn of_all(&self) -> Vec<u64> {
        let all = |look: &Look| Some(look.by_listener.values().sum());
        let pairs = self.looks.iter().zip(self.looks.iter().skip(1));
        pairs
            .map(|(before, now)| rate(before, now, all).unwrap_or(0.0).round() as u64)
            .collect()
    }

    fn last(&self, count: impl Fn(&Look) -> Option<u64>) -> Option<f64> {
        let mut looks = self.looks.iter().rev();
        let (now, before) = (looks.next()?, looks.next()?);
        rate(before, now, count)
    }
}

/// How fast a count rose between two looks; `None` for one that was not there, or
/// began anew.
fn rate(before: &Look, now: &Look, count: impl Fn(&Look) -> Option<u64>) -> Option<f64> {
    let risen = count(now)?.checked_sub(count(before)?)?;
    let elapsed_s = now.at_s - before.at_s;
    (elapsed_s > 0.0).then(|| risen as f64 / elapsed_s)
}

/// What a listener is known by from one look to the next.
fn key(listener: &Listener) -> String {
    let Listener {
        number,
        protocol,
        address,
        ..
    } = listener;
    format!("{number} {protocol} {address}")
}

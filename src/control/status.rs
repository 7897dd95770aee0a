//! What control tells: the JSON that `timeball ctl` and every other client
//! reads. It grows only by new keys.

use crate::metrics::Totals;
use crate::server::BoundListener;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Whether the time is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Test time is served, by a scenario or a mock source.
    Test,
    /// Every source is an honest one.
    Real,
}

/// All there is to know of a server at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the time is made up.
    pub mode: Mode,
    /// The version of timeball.
    pub version: String,
    /// What is played; absent under `timeball serve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioStatus>,
    /// The clocks that can be moved.
    pub clocks: Vec<ClockStatus>,
    /// Where time is served, in the order of the settings or the scenario.
    pub listeners: Vec<ListenerStatus>,
    /// The fault rules, in the order in which they match.
    pub faults: Vec<FaultStatus>,
}

/// A scenario that is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioStatus {
    /// Its name.
    pub name: String,
    /// What decides its noise and its chances.
    pub seed: u64,
    /// Requests that have come so far, answered or not.
    pub requests: u64,
    /// Whether the run has ended.
    pub is_over: bool,
}

/// A mock clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// The name of its source, or of its endpoint.
    pub name: String,
    /// What it shows, in RFC 3339 with nanoseconds.
    pub time: String,
    /// What moves its time: `manual`, `per-request` or `wall`.
    pub base: String,
    /// On the wall, how much time elapses in a second of the host's: `60`, or
    /// `1/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Whether no time elapses until it is resumed.
    pub paused: bool,
    /// What has elapsed since the start, in nanoseconds.
    pub elapsed_ns: i64,
    /// The latest event that has happened and has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Requests that it answered.
    pub served: u64,
    /// 0 to 3, as on the wire. RFC 5905 section 7.3.
    pub leap_indicator: u8,
    /// Hops from a reference clock; 16 is unsynchronised.
    pub stratum: u8,
}

/// A listener and what it counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// The protocol's name.
    pub protocol: String,
    /// Where it is bound.
    pub address: SocketAddr,
    /// The name of its source, or of its endpoint.
    pub source: String,
    /// Whether its time is made up.
    pub test_time: bool,
    /// Datagrams that reached it.
    pub received: u64,
    /// Replies that the kernel took.
    pub replied: u64,
    /// Datagrams without a reply.
    pub dropped: u64,
}

impl ListenerStatus {
    /// What is told of `listener`, which counted `totals`.
    #[must_use]
    pub fn new(listener: &BoundListener, totals: &Totals) -> Self {
        Self {
            protocol: listener.protocol.to_owned(),
            address: listener.address,
            source: listener.source.clone(),
            test_time: listener.test_time,
            received: totals.received,
            replied: totals.replied,
            dropped: totals.dropped.iter().sum(),
        }
    }
}

/// A fault rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultStatus {
    /// Its name.
    pub name: String,
    /// How often it was applied.
    pub applied: u64,
}

/// The clocks that a verb moved, as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Each of them.
    pub clocks: Vec<ClockStatus>,
}

/// Where `next` led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The event that happens now, if it has a name.
    pub event: Option<String>,
    /// The clocks.
    pub clocks: Vec<ClockStatus>,
}

/// The fault rules after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// In the order in which they match.
    pub faults: Vec<FaultStatus>,
}

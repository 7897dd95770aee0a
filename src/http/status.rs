//! The look as JSON: what `GET /status` and every event say. It grows only by new
//! keys.

use super::observed::{ObservedListener, ObservedSource};
use super::readings;
use super::seen::Seen;
use crate::admission::limiter::LimiterState;
use crate::api::{DropReason, LeapIndicator};
use crate::metrics::Latencies;
use crate::web::rfc3339;
use crate::xdp::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Whether the time is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// At least one source that is served is test time.
    Test,
    /// Every source is an honest one.
    Live,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

/// All there is to know of a server at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the time is made up.
    pub mode: Mode,
    /// The version of timeball.
    pub version: String,
    /// The number of its process.
    pub pid: u32,
    /// When it was started, in RFC 3339 with nanoseconds.
    pub started: String,
    /// How long ago that is, by the monotonic clock, in seconds.
    pub uptime_s: f64,
    /// What the host's clock shows, in RFC 3339 with nanoseconds.
    pub now: String,
    /// Whether clients should be sent here.
    pub readiness: Readiness,
    /// Where time is served, in the order of the settings.
    pub listeners: Vec<Listener>,
    /// The sources that listeners name, in the order of their names.
    pub sources: Vec<Source>,
    /// The table of clients; absent where nobody is limited.
    pub limiter: Option<Limiter>,
    /// Those who ask most, by sampling; most first, 20 at most.
    pub top_clients: Vec<Client>,
}

/// Whether clients should be sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether every source gives readings, and every listener is bound.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// What else an operator should know.
    pub hints: Vec<String>,
}

/// A listener and what it counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its number in the settings, from 0.
    pub number: usize,
    /// The protocol's name.
    pub protocol: String,
    /// Where it is bound.
    pub address: SocketAddr,
    /// The name of its source.
    pub source: String,
    /// Whether its time is made up.
    pub test_time: bool,
    /// Datagrams that reached it.
    pub received: u64,
    /// Replies that the kernel took, kisses among them.
    pub replied: u64,
    /// Replies that gave no time but asked the client to stay away.
    pub kissed: Kissed,
    /// Datagrams without a reply, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Replies that the kernel did not take.
    pub send_failed: u64,
    /// Receives that failed.
    pub receive_errors: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full.
    pub kernel_drops: u64,
    /// What of all this was done in the network driver.
    #[serde(default)]
    pub in_driver: Counts,
    /// How long replies took inside the server; nothing under test time.
    pub latency: Latency,
}

/// How often clients were asked to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kissed {
    /// To ask less often.
    pub rate: u64,
    /// To ask no more.
    pub deny: u64,
}

/// A histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The upper bounds of all buckets but the last, in seconds.
    pub upper_bounds_s: Vec<f64>,
    /// How many replies fell into each bucket, each counted once.
    pub counts: Vec<u64>,
    /// How many there were.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum_s: f64,
}

/// A time source and what it says now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name in the settings.
    pub name: String,
    /// What kind it is.
    pub kind: String,
    /// Whether its time is made up.
    pub test_time: bool,
    /// Whether it gives a reading.
    pub available: bool,
    /// Why it gives none.
    pub error: Option<String>,
    /// What it says, absent where it says nothing.
    #[serde(flatten)]
    pub reading: Option<Reading>,
}

/// What a source says, and how good that is. RFC 5905 section 7.3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// UTC, in RFC 3339 with nanoseconds.
    pub time: String,
    /// By how much that is ahead of the host's realtime clock, in seconds.
    pub offset_s: f64,
    /// `none`, `insert`, `delete` or `unsynchronised`.
    pub leap_indicator: String,
    /// Hops from a reference clock; 16 is unsynchronised.
    pub stratum: u8,
    /// How finely the clock can be read, in seconds as a power of two.
    pub precision_log2_s: i8,
    /// Where the time comes from.
    pub reference_id: String,
    /// When the clock was last set or checked, in RFC 3339.
    pub reference_timestamp: Option<String>,
    /// Round trip to the reference clock, in seconds.
    pub root_delay_s: f64,
    /// Bound on the error, in seconds.
    pub root_dispersion_s: f64,
    /// Whether clients may use the time.
    pub synchronised: bool,
}

/// The table of clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limiter {
    /// How many clients it can tell apart at a time.
    pub clients: usize,
    /// How many octets it takes.
    pub octets: usize,
    /// How many clients have asked so lately that they may not yet have their
    /// whole burst again.
    pub in_use: usize,
    /// Requests a second of one client that are answered in the long run.
    pub rate_per_s: f64,
    /// Requests at once that are answered.
    pub burst: u32,
}

/// A client and about how often it has asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its address.
    pub client: IpAddr,
    /// How many requests of its were seen, at the least, by sampling.
    pub requests: u64,
}

impl Status {
    pub(super) fn of(seen: &Seen) -> Self {
        Self {
            mode: mode(seen),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(seen.started.realtime),
            uptime_s: seen.uptime_s(),
            now: rfc3339(seen.now.realtime),
            readiness: Readiness::of(seen),
            listeners: seen.listeners.iter().enumerate().map(listener).collect(),
            sources: seen.sources.iter().map(source).collect(),
            limiter: seen.limiter.as_ref().map(limiter),
            top_clients: seen
                .top_clients
                .iter()
                .map(|&(client, requests)| Client { client, requests })
                .collect(),
        }
    }
}

impl Readiness {
    pub(super) fn of(seen: &Seen) -> Self {
        let reasons = seen.reasons();
        Self {
            ready: reasons.is_empty(),
            reasons,
            hints: seen.hints.clone(),
        }
    }
}

pub(super) fn mode(seen: &Seen) -> Mode {
    if seen.is_test() {
        Mode::Test
    } else {
        Mode::Live
    }
}

fn listener((number, observed): (usize, &ObservedListener)) -> Listener {
    let (it, totals) = (&observed.listener, &observed.totals);
    let dropped = DropReason::NAMES.iter().zip(totals.dropped);
    Listener {
        number,
        protocol: it.protocol.to_owned(),
        address: it.address,
        source: it.source.clone(),
        test_time: it.test_time,
        received: totals.received,
        replied: totals.replied,
        kissed: Kissed {
            rate: totals.kissed_rate,
            deny: totals.kissed_deny,
        },
        dropped: dropped
            .map(|(name, count)| ((*name).to_owned(), count))
            .collect(),
        send_failed: totals.send_failed,
        receive_errors: totals.receive_errors,
        kernel_drops: totals.kernel_drops,
        in_driver: totals.in_driver,
        latency: latency(&observed.latencies),
    }
}

fn latency(latencies: &Latencies) -> Latency {
    Latency {
        upper_bounds_s: Latencies::upper_bounds_us()
            .map(|bound| bound as f64 / 1e6)
            .collect(),
        counts: latencies.counts.to_vec(),
        count: latencies.count(),
        sum_s: latencies.sum_ns as f64 / 1e9,
    }
}

fn source((observed, reading): &(ObservedSource, readings::Observed)) -> Source {
    Source {
        name: observed.name.clone(),
        kind: observed.kind.to_owned(),
        test_time: observed.source.test_time,
        available: reading.is_ok(),
        error: reading.as_ref().err().cloned(),
        reading: reading.as_ref().ok().map(|observation| {
            let quality = &observation.reading.quality;
            Reading {
                time: rfc3339(observation.reading.time),
                offset_s: observation.offset_s(),
                leap_indicator: leap_indicator(quality.leap_indicator).to_owned(),
                stratum: quality.stratum,
                precision_log2_s: quality.precision_log2_s,
                reference_id: quality.reference_id.to_string(),
                reference_timestamp: quality.reference_timestamp.map(rfc3339),
                root_delay_s: quality.root_delay.as_nanos() as f64 / 1e9,
                root_dispersion_s: quality.root_dispersion.as_nanos() as f64 / 1e9,
                synchronised: quality.is_synchronised(),
            }
        }),
    }
}

/// The word for it, as settings have it.
fn leap_indicator(leap_indicator: LeapIndicator) -> &'static str {
    match leap_indicator {
        LeapIndicator::None => "none",
        LeapIndicator::InsertSecond => "insert",
        LeapIndicator::DeleteSecond => "delete",
        LeapIndicator::Unsynchronised => "unsynchronised",
    }
}

fn limiter(state: &LimiterState) -> Limiter {
    Limiter {
        clients: state.clients,
        octets: state.octets,
        in_use: state.in_use,
        rate_per_s: state.rate.per_second,
        burst: state.rate.burst,
    }
}

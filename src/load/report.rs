//! What a measurement found.

use super::check::InvalidCounts;
use super::latencies::{Latencies, Percentiles};
use super::plan::{Pace, Plan};
use super::process::ServerUsage;
use super::tally::Tally;
use serde::Serialize;
use std::net::SocketAddr;

/// What a measurement found. Serialised, it is the object of `timeball bench
/// --json`; docs/bench.md has the schema.
///
/// Of the requests, `sent` = `valid` + `lost` + `unfinished`. Replies that are
/// invalid or late are counted beside them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The protocol.
    pub protocol: &'static str,
    /// The server.
    pub target: SocketAddr,
    /// `closed` or `open`.
    #[serde(rename = "loop")]
    pub kind: &'static str,
    /// The requests in flight of a closed loop.
    pub window: Option<usize>,
    /// The requests a second of an open loop.
    pub rate: Option<u64>,
    /// From how many ports it was asked.
    pub sockets: usize,
    /// From how many addresses.
    pub addresses: usize,
    /// By how many threads.
    pub threads: usize,
    /// How long requests were sent.
    pub seconds: f64,
    /// Whether it was stopped before its time.
    pub interrupted: bool,
    /// Requests sent.
    pub sent: u64,
    /// Right replies within the time-out, at most one a request.
    pub valid: u64,
    /// Wrong replies.
    pub invalid: u64,
    /// Requests without a right reply within the time-out.
    pub lost: u64,
    /// Right replies after the time-out.
    pub late: u64,
    /// Requests that still waited when it was stopped.
    pub unfinished: u64,
    /// NTP: valid replies of a server that says that it has no time to give.
    pub unsynchronised: u64,
    /// The wrong replies by the rule that they broke.
    pub invalid_by_rule: InvalidCounts,
    /// Valid replies a second.
    pub replies_per_second: f64,
    /// How long valid replies took, in microseconds; `None` when there was
    /// none.
    pub latency_us: Option<Percentiles>,
    /// How well the generator did.
    pub generator: GeneratorReport,
    /// What the server used, if its processes were given.
    pub server: Option<ServerUsage>,
    /// The latencies themselves.
    #[serde(skip)]
    pub latencies: Latencies,
}

/// How well the generator did its own part.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratorReport {
    /// Open loop: requests that were due and not sent before the time was up.
    pub unsent: u64,
    /// Open loop: requests that left more than 1 ms after they were due.
    pub delayed: u64,
    /// Open loop: how long after they were due requests left, in microseconds.
    pub delay_us: Option<Percentiles>,
    /// Replies that the kernel dropped since the generator did not take them in
    /// time; they are among the lost.
    pub dropped_replies: u64,
    /// Errors from the network.
    pub network_errors: u64,
    /// The last of them: a closed port, no route.
    pub last_network_error: Option<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan, tally: Tally, server: Option<ServerUsage>) -> Self {
        let (kind, window, rate) = match plan.pace {
            Pace::Window(window) => ("closed", Some(window), None),
            Pace::Rate(rate) => ("open", None, Some(rate)),
        };
        Self {
            protocol: plan.question.protocol(),
            target: plan.target,
            kind,
            window,
            rate,
            sockets: plan.sockets,
            addresses: plan.addresses,
            threads: plan.threads,
            seconds: tally.span.as_seconds_f64(),
            interrupted: tally.is_interrupted,
            sent: tally.sent,
            valid: tally.valid,
            invalid: tally.invalid.total(),
            lost: tally.lost,
            late: tally.late,
            unfinished: tally.unfinished,
            unsynchronised: tally.unsynchronised,
            invalid_by_rule: tally.invalid,
            replies_per_second: (tally.per_second * 10.0).round() / 10.0,
            latency_us: tally.latencies.percentiles(),
            generator: GeneratorReport {
                unsent: tally.unsent,
                delayed: tally.delayed,
                delay_us: tally.delays.percentiles(),
                dropped_replies: tally.dropped,
                network_errors: tally.errors,
                last_network_error: tally.last_error.map(|error| error.to_string()),
            },
            server,
            latencies: tally.latencies,
        }
    }

    /// The share of the requests that were lost, 0 to 1; 0 when none was sent.
    #[must_use]
    pub fn loss(&self) -> f64 {
        match self.sent {
            0 => 0.0,
            sent => self.lost as f64 / sent as f64,
        }
    }

    /// Whether the generator sent what it was to send, and on time: all but one
    /// in a hundred. One that is too slow falls behind with nearly all; one
    /// that was held up for a moment with a few.
    #[must_use]
    pub fn generator_kept_up(&self) -> bool {
        let behind = self.generator.unsent + self.generator.delayed;
        behind * 100 <= self.sent + self.generator.unsent
    }
}

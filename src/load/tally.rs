//! What one thread has counted.

use super::check::InvalidCounts;
use super::latencies::Latencies;
use crate::api::Delta;
use std::io;

/// How late a request of an open loop may leave and still count as on time.
pub(super) const ON_TIME: Delta = Delta::from_millis(1);

/// What one thread has counted, or all of them together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Requests that the kernel took.
    pub(super) sent: u64,
    /// Right replies within the time-out.
    pub(super) valid: u64,
    /// Of these, the ones that say that the server has no time to give.
    pub(super) unsynchronised: u64,
    /// Wrong replies.
    pub(super) invalid: InvalidCounts,
    /// Requests without a right reply within the time-out.
    pub(super) lost: u64,
    /// Right replies after the time-out; their requests are lost.
    pub(super) late: u64,
    /// Requests that still waited when the measurement was interrupted.
    pub(super) unfinished: u64,
    /// Requests of an open loop that were due and never sent.
    pub(super) unsent: u64,
    /// Requests of an open loop that left more than [`ON_TIME`] late.
    pub(super) delayed: u64,
    /// Replies that the kernel dropped at our sockets.
    pub(super) dropped: u64,
    /// Errors from the network.
    pub(super) errors: u64,
    /// The last of them.
    pub(super) last_error: Option<io::Error>,
    /// Right replies a second.
    pub(super) per_second: f64,
    /// How long requests were sent.
    pub(super) span: Delta,
    /// Whether it ended before its time.
    pub(super) is_interrupted: bool,
    /// How long the right replies took.
    pub(super) latencies: Latencies,
    /// How late the requests of an open loop left.
    pub(super) delays: Latencies,
}

impl Tally {
    /// Adds what another thread counted.
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.valid += other.valid;
        self.unsynchronised += other.unsynchronised;
        self.invalid.add(&other.invalid);
        self.lost += other.lost;
        self.late += other.late;
        self.unfinished += other.unfinished;
        self.unsent += other.unsent;
        self.delayed += other.delayed;
        self.dropped += other.dropped;
        self.errors += other.errors;
        self.last_error = other.last_error.or(self.last_error.take());
        self.per_second += other.per_second;
        self.span = self.span.max(other.span);
        self.is_interrupted |= other.is_interrupted;
        self.latencies.add(&other.latencies);
        self.delays.add(&other.delays);
    }

    /// Counts an error that came from a socket.
    pub(super) fn error(&mut self, error: io::Error) {
        self.errors += 1;
        self.last_error = Some(error);
    }
}

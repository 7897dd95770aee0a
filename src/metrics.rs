//! Counters: one line counts what came of a datagram.

mod clients;
mod latency;

pub use clients::{Sampler, TopClients};
pub use latency::{Histogram, Latencies};

use crate::api::{Delta, DropReason, Kiss, Outcome};
use crate::transport::SendReport;
use crate::transport::udp::DropMeter;
use crate::xdp::Counts;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one actor counts. Each actor has its own and is the only one to write
/// to it, so counting costs no locked instruction; anybody may read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    received: AtomicU64,
    replied: AtomicU64,
    kissed_rate: AtomicU64,
    kissed_deny: AtomicU64,
    dropped: [AtomicU64; DropReason::COUNT],
    send_failed: AtomicU64,
    receive_errors: AtomicU64,
    kernel_drops: AtomicU64,
    latencies: Histogram,
    clients: TopClients,
}

/// Adds to a counter that only this thread writes to.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(count),
        Ordering::Relaxed,
    );
}

impl Counters {
    /// Counts one datagram and what came of it.
    pub fn record(&self, outcome: Outcome) {
        add(&self.received, 1);
        if let Outcome::Drop(reason) = outcome {
            add(&self.dropped[reason.index()], 1);
        }
    }

    /// Counts a reply that gives no time but asks its client to stay away.
    pub fn record_kiss(&self, kiss: Kiss) {
        match kiss {
            Kiss::Rate { .. } => add(&self.kissed_rate, 1),
            Kiss::Deny => add(&self.kissed_deny, 1),
        }
    }

    /// Counts the replies of a batch.
    pub fn record_sends(&self, report: SendReport) {
        add(&self.replied, report.sent as u64);
        add(&self.send_failed, report.failed as u64);
    }

    /// Counts how long a reply took inside the server.
    pub fn record_latency(&self, latency: Delta) {
        self.latencies.record(latency);
    }

    /// Counts `weight` requests of a client, as [`Sampler`] says.
    pub fn record_client(&self, client: IpAddr, weight: u64) {
        self.clients.saw(client, weight);
    }

    /// Counts a receive that failed.
    pub fn record_receive_error(&self) {
        add(&self.receive_errors, 1);
    }

    /// Counts datagrams that the kernel dropped before they were received.
    pub fn record_kernel_drops(&self, count: u64) {
        add(&self.kernel_drops, count);
    }

    /// How many datagrams were counted that the kernel dropped.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.kernel_drops.load(Ordering::Relaxed)
    }

    /// Adds these counters to `totals`.
    pub fn add_to(&self, totals: &mut Totals) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        totals.received += read(&self.received);
        totals.replied += read(&self.replied);
        totals.kissed_rate += read(&self.kissed_rate);
        totals.kissed_deny += read(&self.kissed_deny);
        for (total, counter) in totals.dropped.iter_mut().zip(&self.dropped) {
            *total += read(counter);
        }
        totals.send_failed += read(&self.send_failed);
        totals.receive_errors += read(&self.receive_errors);
        totals.kernel_drops += read(&self.kernel_drops);
    }
}

/// What the actors of a listener count on one shard, and what the kernel counts
/// for them.
#[derive(Debug, Clone)]
pub struct ShardCounters {
    /// What the listener counts.
    pub listener: Arc<Counters>,
    /// What each of its responders counts.
    pub responders: Vec<Arc<Counters>>,
    kernel: DropMeter,
}

impl ShardCounters {
    /// Zeros, for so many responders, beside what the kernel drops at `kernel`.
    #[must_use]
    pub fn new(responders: usize, kernel: DropMeter) -> Self {
        Self {
            listener: Arc::default(),
            responders: (0..responders).map(|_| Arc::default()).collect(),
            kernel,
        }
    }

    /// The same counts, with counters for so many responders at least.
    #[must_use]
    pub fn with_responders(mut self, count: usize) -> Self {
        let more = count.saturating_sub(self.responders.len());
        self.responders
            .extend(std::iter::repeat_with(Arc::default).take(more));
        self
    }

    /// Whether the socket is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.kernel.is_open()
    }

    /// Adds how long replies took to `latencies`.
    pub fn add_latencies_to(&self, latencies: &mut Latencies) {
        for responder in &self.responders {
            responder.latencies.add_to(latencies);
        }
    }

    /// Adds what was seen of the clients that ask most to `clients`.
    pub fn add_clients_to(&self, clients: &mut BTreeMap<IpAddr, u64>) {
        for responder in &self.responders {
            responder.clients.add_to(clients);
        }
    }

    /// Adds all of it to `totals`, with the drops that no datagram has told the
    /// listener of yet.
    pub fn add_to(&self, totals: &mut Totals) {
        let mut listener = Totals::default();
        self.listener.add_to(&mut listener);
        if let Some(now) = self.kernel.total() {
            listener.kernel_drops += ahead(now, listener.kernel_drops);
        }
        *totals += listener;
        for responder in &self.responders {
            responder.add_to(totals);
        }
    }
}

/// How far the kernel's count `now`, which wraps at 2^32, is ahead of what was
/// counted of it; 0 where it is behind, because it was read before.
fn ahead(now: u32, counted: u64) -> u64 {
    let ahead = now.wrapping_sub(counted as u32).cast_signed();
    u64::try_from(ahead).unwrap_or(0)
}

/// Counts summed over actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Datagrams that reached the server.
    pub received: u64,
    /// Replies that the kernel took, kisses among them.
    pub replied: u64,
    /// Replies that asked a client to ask less often (RATE).
    pub kissed_rate: u64,
    /// Replies that asked a client to ask no more (DENY).
    pub kissed_deny: u64,
    /// Datagrams without a reply, by [`DropReason::index`].
    pub dropped: [u64; DropReason::COUNT],
    /// Replies that the kernel did not take.
    pub send_failed: u64,
    /// Receives that failed.
    pub receive_errors: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full.
    pub kernel_drops: u64,
    /// What of all this the program in the network driver did.
    pub in_driver: Counts,
}

impl Totals {
    /// Adds what the program in the network driver did, to all of these.
    pub fn add_of_driver(&mut self, counts: Counts) {
        let Counts {
            replies,
            kisses,
            denied,
            rate_limited,
        } = counts;
        self.received += replies + kisses + denied + rate_limited;
        self.replied += replies + kisses;
        self.kissed_rate += kisses;
        self.dropped[DropReason::Denied.index()] += denied;
        self.dropped[DropReason::RateLimited.index()] += rate_limited;
        self.in_driver += counts;
    }

    /// How many datagrams were dropped for `reason`, whatever its details.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason.index()]
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.in_driver += other.in_driver;
        self.replied += other.replied;
        self.kissed_rate += other.kissed_rate;
        self.kissed_deny += other.kissed_deny;
        for (total, count) in self.dropped.iter_mut().zip(other.dropped) {
            *total += count;
        }
        self.send_failed += other.send_failed;
        self.receive_errors += other.receive_errors;
        self.kernel_drops += other.kernel_drops;
    }
}

impl fmt::Display for Totals {
    /// One line of `key=value`; reasons that never occurred are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped: u64 = self.dropped.iter().sum();
        write!(
            f,
            "received={} replied={} dropped={dropped}",
            self.received, self.replied
        )?;
        for (name, &count) in DropReason::NAMES.iter().zip(&self.dropped) {
            if count > 0 {
                write!(f, " {name}={count}")?;
            }
        }
        for (name, count) in [
            ("kissed_rate", self.kissed_rate),
            ("kissed_deny", self.kissed_deny),
            ("send_failed", self.send_failed),
            ("receive_errors", self.receive_errors),
            ("kernel_drops", self.kernel_drops),
        ] {
            if count > 0 {
                write!(f, " {name}={count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_told_from_what_was_counted_of_it_across_its_turn() {
        for (now, counted, expected) in [
            (0, 0, 0),
            (7, 0, 7),
            (7, 7, 0),
            (6, 7, 0),
            (2, (1 << 32) - 3, 5),
            (u32::MAX, 1 << 32, 0),
            (9, (1 << 32) + 4, 5),
        ] {
            assert_eq!(ahead(now, counted), expected, "{now}, {counted}");
        }
    }
}

//! How long replies took inside the server.

use super::add;
use crate::api::Delta;
use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram that one actor writes to and anybody may read.
///
/// Its buckets are bounded by powers of two of a microsecond, fixed for good:
/// what is counted here is found by counting bits, and sums over threads.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; Latencies::BUCKETS],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one reply; a negative latency counts as none at all.
    pub fn record(&self, latency: Delta) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(0);
        add(&self.counts[bucket(nanos)], 1);
        add(&self.sum_ns, nanos);
    }

    /// Adds what was counted to `latencies`.
    pub fn add_to(&self, latencies: &mut Latencies) {
        for (total, count) in latencies.counts.iter_mut().zip(&self.counts) {
            *total += count.load(Ordering::Relaxed);
        }
        latencies.sum_ns += self.sum_ns.load(Ordering::Relaxed);
    }
}

/// The bucket of a latency: the first whose bound is not below it.
fn bucket(nanos: u64) -> usize {
    // Begun microseconds, less one: 0 is up to 1 µs.
    let micros = nanos.saturating_sub(1) / 1_000;
    let bits = u64::BITS - micros.leading_zeros();
    (bits as usize).min(Latencies::BUCKETS - 1)
}

/// Latencies summed over actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// How many replies fell into each bucket; the last has no bound.
    pub counts: [u64; Self::BUCKETS],
    /// All of them together, in nanoseconds.
    pub sum_ns: u64,
}

impl Latencies {
    /// How many buckets there are.
    pub const BUCKETS: usize = 21;

    /// The upper bounds of all buckets but the last, in microseconds: 1 to 2^19
    /// (0.52 s). A bound belongs to its bucket.
    pub fn upper_bounds_us() -> impl Iterator<Item = u64> {
        (0..Self::BUCKETS - 1).map(|power| 1 << power)
    }

    /// How many replies there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl std::ops::AddAssign for Latencies {
    fn add_assign(&mut self, other: Self) {
        for (total, count) in self.counts.iter_mut().zip(other.counts) {
            *total += count;
        }
        self.sum_ns += other.sum_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_latency_falls_into_the_first_bucket_that_holds_it() {
        let bounds: Vec<u64> = Latencies::upper_bounds_us().collect();
        assert_eq!((bounds[0], bounds[19], bounds.len()), (1, 524_288, 20));
        let by_search = |nanos: u64| {
            let holds = |bound: &u64| nanos <= bound * 1_000;
            bounds.iter().position(holds).unwrap_or(bounds.len())
        };
        let edges = bounds.iter().map(|bound| bound * 1_000);
        let near = edges.flat_map(|edge| [edge - 1, edge, edge + 1]);
        for nanos in near.chain([0, 1, 1_500, 524_288_001, u64::MAX]) {
            assert_eq!(bucket(nanos), by_search(nanos), "{nanos}");
        }
    }

    #[test]
    fn what_is_recorded_is_summed_over_histograms() {
        let (one, other) = (Histogram::default(), Histogram::default());
        for nanos in [-5, 900, 1_000, 1_001] {
            one.record(Delta::from_nanos(nanos));
        }
        other.record(Delta::from_seconds(2));
        let mut total = Latencies::default();
        one.add_to(&mut total);
        other.add_to(&mut total);
        assert_eq!((total.counts[0], total.counts[1]), (3, 1));
        assert_eq!((total.counts[20], total.count()), (1, 5));
        assert_eq!(total.sum_ns, 2_000_002_901);
    }
}

//! How long replies took.

use crate::api::Delta;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart: 100 s, above every time-out.
const MAX_NANOS: u64 = 100_000_000_000;
/// Decimal digits that are kept of each.
const DIGITS: u8 = 3;

/// A histogram of latencies from 1 ns to 100 s, exact to 0.1 %. Its memory does
/// not grow.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// Some latencies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The lower bound, in microseconds.
    pub from_us: f64,
    /// The upper bound, in microseconds.
    pub to_us: f64,
    /// How many lie between.
    pub count: u64,
}

/// Latencies in a few figures, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// The shortest.
    pub min: f64,
    /// Half of all are not above it.
    pub p50: f64,
    /// 90 % are not above it.
    pub p90: f64,
    /// 99 % are not above it.
    pub p99: f64,
    /// 99.9 % are not above it.
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, MAX_NANOS, DIGITS)
            .expect("the bounds are in order and there are 3 digits");
        Self { histogram }
    }
}

impl Latencies {
    /// Takes note of a latency. One outside the range counts as its end.
    pub fn record(&mut self, latency: Delta) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(0);
        self.histogram.saturating_record(nanos.max(1));
    }

    /// Adds what another one took note of.
    pub fn add(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("both have the same bounds");
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The figures; `None` when there are no latencies.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        let all = &self.histogram;
        let at = |quantile| micros(all.value_at_quantile(quantile).min(all.max()));
        (!all.is_empty()).then(|| Percentiles {
            min: micros(all.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(all.max()),
            mean: (all.mean()).round() / 1_000.0,
        })
    }

    /// The latencies in `count` bins (at least one) whose bounds grow by the
    /// same factor each, from the shortest to the longest. Empty when there are
    /// none.
    #[must_use]
    pub fn bins(&self, count: usize) -> Vec<Bin> {
        if self.histogram.is_empty() {
            return Vec::new();
        }
        let count = count.max(1);
        // Latencies that are all the same still have a bin with a width.
        let low = micros(self.histogram.min());
        let high = micros(self.histogram.max()).max(low * 1.01);
        let step = (high / low).ln() / count as f64;
        let bound = |index: usize| low * (step * index as f64).exp();
        let mut bins: Vec<Bin> = (0..count)
            .map(|index| Bin {
                from_us: bound(index),
                to_us: bound(index + 1),
                count: 0,
            })
            .collect();
        for value in self.histogram.iter_recorded() {
            let least = self.histogram.lowest_equivalent(value.value_iterated_to());
            let place = (micros(least) / low).ln() / step;
            bins[(place.max(0.0) as usize).min(count - 1)].count += value.count_at_value();
        }
        bins
    }
}

/// Nanoseconds as microseconds.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(nanos: impl IntoIterator<Item = i64>) -> Latencies {
        let mut latencies = Latencies::default();
        for nanos in nanos {
            latencies.record(Delta::from_nanos(nanos));
        }
        latencies
    }

    #[test]
    fn percentiles_are_exact_to_a_thousandth() {
        let all = latencies((1..=100_000).map(|number| number * 1_000));
        let found = all.percentiles().unwrap();
        for (value, expected) in [
            (found.min, 1.0),
            (found.p50, 50_000.0),
            (found.p90, 90_000.0),
            (found.p99, 99_000.0),
            (found.p99_9, 99_900.0),
            (found.max, 100_000.0),
            (found.mean, 50_000.5),
        ] {
            assert!(
                (value / expected - 1.0).abs() <= 0.001,
                "{value} {expected}"
            );
        }
    }

    #[test]
    fn there_are_no_figures_of_nothing() {
        let none = Latencies::default();
        assert_eq!(none.percentiles(), None);
        assert!(none.bins(10).is_empty());
    }

    #[test]
    fn latencies_outside_the_range_are_kept_at_its_ends() {
        let all = latencies([i64::MIN, -1, 0, i64::MAX]);
        assert_eq!(all.count(), 4);
        let found = all.percentiles().unwrap();
        assert_eq!(found.min, 0.001);
        assert!(found.max >= 100_000_000.0);
    }

    #[test]
    fn every_latency_is_in_a_bin_and_the_bins_touch() {
        for all in [
            latencies((1..5_000).map(|number| number * number)),
            latencies([20_000; 3]),
            latencies([1, 100_000_000_000]),
        ] {
            let bins = all.bins(16);
            assert_eq!(bins.len(), 16);
            assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), all.count());
            assert!(bins.windows(2).all(|pair| pair[0].to_us == pair[1].from_us));
            assert!(bins[0].count > 0);
        }
    }

    #[test]
    fn adding_up_threads_loses_nothing() {
        let mut all = latencies([1_000, 2_000]);
        all.add(&latencies([3_000]));
        assert_eq!(all.count(), 3);
    }
}

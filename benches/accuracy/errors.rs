//! Errors of timestamps, in a few figures.

use serde::Serialize;
use timeball::api::Delta;

/// How far timestamps lie from the truth, in nanoseconds. Above zero: after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Errors {
    /// The mean: what they have in common.
    pub mean: f64,
    /// Half of them are not above it.
    pub median: i64,
    /// The earliest.
    pub min: i64,
    /// The latest.
    pub max: i64,
    /// The mean of how large they are, early or late.
    pub mean_absolute: f64,
    /// 99 % are not larger, early or late.
    pub p99_absolute: i64,
}

impl Errors {
    /// The figures; none if there are no errors.
    #[must_use]
    pub fn of(errors: &[Delta]) -> Option<Self> {
        let mut signed: Vec<i64> = errors.iter().map(|error| error.as_nanos()).collect();
        signed.sort_unstable();
        let mut absolute: Vec<i64> = signed.iter().map(|error| error.saturating_abs()).collect();
        absolute.sort_unstable();
        Some(Self {
            mean: mean(&signed),
            median: quantile(&signed, 50)?,
            min: *signed.first()?,
            max: *signed.last()?,
            mean_absolute: mean(&absolute),
            p99_absolute: quantile(&absolute, 99)?,
        })
    }
}

/// The mean, to a tenth.
fn mean(values: &[i64]) -> f64 {
    let sum: f64 = values.iter().map(|&value| value as f64).sum();
    (sum / values.len() as f64 * 10.0).round() / 10.0
}

/// The least of the `sorted` values that `percent` of them are not above.
fn quantile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(nanos: impl IntoIterator<Item = i64>) -> Option<Errors> {
        let errors: Vec<Delta> = nanos.into_iter().map(Delta::from_nanos).collect();
        Errors::of(&errors)
    }

    #[test]
    fn early_and_late_cancel_in_the_mean_and_not_in_its_size() {
        let found = errors([-30, 10, 20, -4]).unwrap();
        assert_eq!((found.mean, found.mean_absolute), (-1.0, 16.0));
        assert_eq!((found.min, found.median, found.max), (-30, -4, 20));
    }

    #[test]
    fn one_of_a_hundred_may_be_larger_than_the_99th_percentile() {
        assert_eq!(
            errors((1..=100).map(|each| -each)).unwrap().p99_absolute,
            99
        );
        assert_eq!(errors(1..=1_000).unwrap().p99_absolute, 990);
        assert_eq!(errors([7]).unwrap().p99_absolute, 7);
    }

    #[test]
    fn there_are_no_figures_of_nothing() {
        assert_eq!(errors([]), None);
    }
}

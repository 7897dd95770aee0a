//! What several samples of one server say together. Pure.

use super::comparison::Interval;
use super::measurement::Measurement;
use crate::api::Delta;

/// Twice the least root distance that is told apart when servers are compared:
/// RFC 5905's `MINDISP`, sections 7.2 and A.5.5.2.
const MINIMUM_DISPERSION: Delta = Delta::from_millis(5);

/// Several samples of one server, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many there were.
    pub count: usize,
    /// The least offset.
    pub offset_min: Delta,
    /// The mean of the offsets.
    pub offset_mean: Delta,
    /// The greatest offset.
    pub offset_max: Delta,
    /// The mean of the delays.
    pub delay_mean: Delta,
    /// How far the offsets scatter around the best one: the root of the mean
    /// square of their differences from it. Zero for one sample. RFC 5905
    /// section 10.
    pub jitter: Delta,
    /// The sample with the least delay (the first of several): what queues in
    /// the network add, they add to one direction, so the offset of a short
    /// round trip is the most nearly right. RFC 5905 section 10.
    pub best: Measurement,
}

impl Summary {
    /// The summary of `samples`; `None` for none.
    #[must_use]
    pub fn of(samples: &[Measurement]) -> Option<Self> {
        let best = *samples.iter().min_by_key(|sample| sample.delay)?;
        let offsets = samples.iter().map(|sample| sample.offset);
        Some(Self {
            count: samples.len(),
            offset_min: offsets.clone().min()?,
            offset_mean: mean(offsets.clone()),
            offset_max: offsets.clone().max()?,
            delay_mean: mean(samples.iter().map(|sample| sample.delay)),
            jitter: jitter(offsets, best.offset),
            best,
        })
    }

    /// What the server's offset is known to lie within: the best offset, give
    /// or take its root distance and the jitter, and at least 2.5 ms, below
    /// which no disagreement is held against a server. RFC 5905 section A.5.5.2.
    #[must_use]
    pub fn interval(&self) -> Interval {
        let floor = MINIMUM_DISPERSION - (self.best.root_delay + self.best.delay);
        let raised = Delta::from_nanos(floor.max(Delta::ZERO).as_nanos() / 2);
        Interval {
            offset: self.best.offset,
            distance: self.best.root_distance() + raised + self.jitter,
        }
    }
}

/// The mean, rounded towards zero; zero of none.
fn mean(spans: impl Iterator<Item = Delta>) -> Delta {
    let (sum, count) = spans.fold((0_i128, 0_i128), |(sum, count), span| {
        (sum + i128::from(span.as_nanos()), count + 1)
    });
    // A mean lies between the least and the greatest, so it is a span again.
    Delta::from_nanos((sum / count.max(1)) as i64)
}

/// The root of the mean square of the differences from `best`, the mean taken
/// over one less than there are (the best itself adds nothing).
fn jitter(offsets: impl Iterator<Item = Delta>, best: Delta) -> Delta {
    let (squares, count) = offsets.fold((0_u128, 0_u128), |(squares, count), offset| {
        let difference = i128::from(offset.as_nanos()) - i128::from(best.as_nanos());
        let square = difference
            .unsigned_abs()
            .saturating_mul(difference.unsigned_abs());
        (squares.saturating_add(square), count + 1)
    });
    let mean_square = squares / count.saturating_sub(1).max(1);
    Delta::from_nanos(i64::try_from(mean_square.isqrt()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(offset: i64, delay: i64) -> Measurement {
        Measurement {
            offset: Delta::from_nanos(offset),
            delay: Delta::from_nanos(delay),
            dispersion: Delta::ZERO,
            root_delay: Delta::ZERO,
            root_dispersion: Delta::ZERO,
            stepped: Delta::ZERO,
            held_too_long: Delta::ZERO,
        }
    }

    #[test]
    fn no_samples_have_no_summary_and_one_has_no_jitter() {
        assert_eq!(Summary::of(&[]), None);
        let summary = Summary::of(&[sample(-7, 3)]).unwrap();
        assert_eq!(summary.jitter, Delta::ZERO);
        assert_eq!(
            (summary.offset_min, summary.offset_max),
            (summary.offset_mean, summary.offset_mean)
        );
    }

    #[test]
    fn the_best_sample_is_the_first_with_the_least_delay() {
        let samples = [sample(10, 9), sample(13, 5), sample(6, 5), sample(9, 20)];
        let summary = Summary::of(&samples).unwrap();
        assert_eq!(summary.best, samples[1]);
        assert_eq!(summary.offset_min, Delta::from_nanos(6));
        assert_eq!(summary.offset_mean, Delta::from_nanos(9));
        assert_eq!(summary.offset_max, Delta::from_nanos(13));
        // The root of (9 + 0 + 49 + 16) / 3 = 24.67.
        assert_eq!(summary.jitter, Delta::from_nanos(4));
    }

    #[test]
    fn the_interval_is_never_narrower_than_rfc_5905_makes_it() {
        let near = Summary::of(&[sample(0, 1_000)]).unwrap().interval();
        assert_eq!(near.distance, Delta::from_micros(2_500));
        let far = Summary::of(&[sample(0, 80_000_000)]).unwrap().interval();
        assert_eq!(far.distance, Delta::from_millis(40));
    }

    proptest! {
        #[test]
        fn no_offsets_panic_and_the_mean_lies_between_the_ends(
            offsets in proptest::collection::vec((any::<i64>(), any::<i64>()), 1..20)
        ) {
            let samples: Vec<_> = offsets.iter().map(|&(offset, delay)| sample(offset, delay)).collect();
            let summary = Summary::of(&samples).unwrap();
            prop_assert!(summary.offset_min <= summary.offset_mean);
            prop_assert!(summary.offset_mean <= summary.offset_max);
            prop_assert!(summary.jitter >= Delta::ZERO);
        }
    }
}

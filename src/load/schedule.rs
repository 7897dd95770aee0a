//! When each request of an open loop is due.

use crate::api::{Delta, Monotonic};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// One thread's share of so many requests a second: of all requests, numbered
/// from 0 and spread evenly, those that fall to this thread in turn.
///
/// # Why the moments are fixed beforehand
/// A generator that waits for a slow reply, or is held up itself, and then asks
/// less, leaves out the very requests that would have seen the delay. Here each
/// has its moment, whatever happens, and its latency counts from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    start: Monotonic,
    per_second: u64,
    index: u64,
    count: u64,
}

impl Schedule {
    /// The `index`th of `count` shares of `per_second` requests a second from
    /// `start` on.
    pub(super) fn new(start: Monotonic, per_second: u64, index: usize, count: usize) -> Self {
        Self {
            start,
            per_second: per_second.max(1),
            index: index as u64,
            count: count.max(1) as u64,
        }
    }

    /// When the `number`th request (from 0) of this share is due.
    pub(super) fn due(&self, number: u64) -> Monotonic {
        let overall = u128::from(number) * u128::from(self.count) + u128::from(self.index);
        let nanos = overall * NANOS_PER_SECOND / u128::from(self.per_second);
        self.start + Delta::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// How many requests of this share are due before `end`.
    pub(super) fn count_before(&self, end: Monotonic) -> u64 {
        let Ok(span) = u128::try_from((end - self.start).as_nanos()) else {
            return 0;
        };
        // All that lie before the end, then those of them that are ours.
        let overall = (span * u128::from(self.per_second)).div_ceil(NANOS_PER_SECOND);
        let ours = overall
            .saturating_sub(u128::from(self.index))
            .div_ceil(u128::from(self.count));
        u64::try_from(ours).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_spread_evenly_over_threads_and_time() {
        let start = Monotonic::from_nanos(1_000);
        let shares: Vec<_> = (0..3).map(|i| Schedule::new(start, 1_000, i, 3)).collect();
        let mut due: Vec<i64> = (0..9)
            .map(|n| shares[n % 3].due(n as u64 / 3).as_nanos())
            .collect();
        assert!(due.is_sorted());
        due.dedup();
        let expected: Vec<i64> = (0..9).map(|n| 1_000 + n * 1_000_000).collect();
        assert_eq!(due, expected);
    }

    proptest! {
        #[test]
        fn the_count_before_a_moment_is_of_those_due_before_it(
            per_second in 1_u64..10_000_000,
            index in 0_usize..4,
            span in 0_i64..3_000_000_000,
        ) {
            let start = Monotonic::from_nanos(77);
            let schedule = Schedule::new(start, per_second, index, 4);
            let end = start + Delta::from_nanos(span);
            let count = schedule.count_before(end);
            prop_assert!(count == 0 || schedule.due(count - 1) < end);
            prop_assert!(schedule.due(count) >= end);
        }

        #[test]
        fn nothing_is_lost_between_the_threads(per_second in 1_u64..1_000_000, threads in 1_usize..9) {
            let start = Monotonic::from_nanos(0);
            let end = start + Delta::from_seconds(1);
            let total: u64 = (0..threads)
                .map(|index| Schedule::new(start, per_second, index, threads).count_before(end))
                .sum();
            prop_assert_eq!(total, per_second);
        }
    }
}

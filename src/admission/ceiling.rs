//! How many replies leave in all.

use crate::api::Monotonic;
use std::sync::atomic::{AtomicI64, Ordering};

/// A bound on the replies a second of everybody together, for the protocols whose
/// replies are longer than their requests: whoever sends in the name of a victim
/// cannot have more than that sent at it.
pub struct Ceiling {
    /// When the one bucket will be full again, in nanoseconds.
    full_at: AtomicI64,
    /// What a reply costs, in nanoseconds.
    cost: i64,
}

/// What a bucket holds, in nanoseconds: as much as comes in a tenth of a second.
const DEPTH: i64 = 100_000_000;

impl Ceiling {
    /// So many replies a second: 1 to 1,000,000,000.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            full_at: AtomicI64::new(i64::MIN),
            cost: 1_000_000_000 / i64::from(per_second.max(1)),
        }
    }

    /// Takes one of the replies there may be; says whether there was one.
    #[must_use]
    pub fn take(&self, now: Monotonic) -> bool {
        let now = now.as_nanos();
        let next = |full_at: i64| {
            let next = full_at.max(now) + self.cost;
            (next - now <= DEPTH.max(self.cost)).then_some(next)
        };
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_and_a_tenth_of_them_at_once() {
        for (per_second, at_once) in [(1_000, 100), (10, 1), (1, 1)] {
            let ceiling = Ceiling::new(per_second);
            let take = |millis: i64| ceiling.take(Monotonic::from_nanos(millis * 1_000_000));
            let first = (0..1_000).filter(|_| take(5_000)).count();
            assert_eq!(first, at_once, "{per_second}");
            let later = (5_001..15_001)
                .filter(|millis| (0..9).any(|_| take(*millis)))
                .count();
            assert!(later <= 10 * per_second as usize, "{later}");
            assert!(later >= 10 * per_second as usize - 1, "{later}");
        }
    }
}

//! How long a reply still waits once its transmit timestamp is taken: for the
//! datagrams behind it to be served, for the replies before it to be sent, and for
//! the kernel to get so far with its own that it leaves. The timestamp allows for
//! all of that.
//!
//! Where within its sending a reply leaves cannot be known without asking the kernel
//! for it, which costs. Half way is near: it was between 0.4 and 0.5 for one reply
//! and for many, cold and warm, on loopback. `benches/accuracy` measures what is left.

use crate::api::Delta;

/// What serving and sending cost, as far as was seen.
#[derive(Debug)]
pub(super) struct Pace {
    /// One that comes alone, served and sent. Often the thread has slept before it
    /// and everything takes longer, so it says nothing of others.
    alone: Cost,
    /// Serving one of several.
    serve: Cost,
    /// Sending one of several.
    send: Cost,
}

impl Default for Pace {
    /// Knows nothing yet.
    fn default() -> Self {
        Self {
            alone: Cost::over(8),
            serve: Cost::over(512),
            send: Cost::over(512),
        }
    }
}

impl Pace {
    /// Serving `count` of several took `taken`.
    pub(super) fn served(&mut self, count: usize, taken: Delta) {
        self.serve.learn(taken, count);
    }

    /// Sending `count` of several took `taken`.
    pub(super) fn sent(&mut self, count: usize, taken: Delta) {
        self.send.learn(taken, count);
    }

    /// Serving and sending one alone took `taken`.
    pub(super) fn answered_alone(&mut self, taken: Delta) {
        self.alone.learn(taken, 1);
    }

    /// The wait of a reply that is alone. Its timestamp is taken early in its
    /// serving, which is little beside its sending.
    pub(super) fn head_start_alone(&self) -> Delta {
        Delta::from_nanos((self.alone.nanos / 2.0) as i64)
    }

    /// The wait of a reply that has `before` replies before it and `behind`
    /// datagrams behind it. Its timestamp is taken half way through its serving.
    pub(super) fn head_start(&self, before: usize, behind: usize) -> Delta {
        let sends = self.send.nanos * (before as f64 + 0.5);
        let serves = self.serve.nanos * (behind as f64 + 0.5);
        Delta::from_nanos((sends + serves) as i64)
    }
}

/// What one of something costs: a running mean.
#[derive(Debug)]
struct Cost {
    nanos: f64,
    /// How many the mean is of, up to `memory`.
    seen: usize,
    /// Of about how many, the newest, it is to be.
    memory: usize,
}

impl Cost {
    /// Nothing here takes longer; what does was a preemption.
    const MOST_NANOS: f64 = 100_000.0;
    /// How far above the mean the next may lie; beyond that it counts as this, so
    /// that one preemption does not make a hundred replies late.
    const MOST_GROWTH: f64 = 2.0;
    /// A mean that is nearly nothing may grow to this.
    const LEAST_GROWTH_NANOS: f64 = 1_000.0;

    const fn over(memory: usize) -> Self {
        Self {
            nanos: 0.0,
            seen: 0,
            memory,
        }
    }

    /// Learns that `count` of them (at least one) took `taken`.
    fn learn(&mut self, taken: Delta, count: usize) {
        let most = match self.seen {
            0 => Self::MOST_NANOS,
            _ => (self.nanos * Self::MOST_GROWTH).clamp(Self::LEAST_GROWTH_NANOS, Self::MOST_NANOS),
        };
        let each = (taken.as_nanos() as f64 / count as f64).clamp(0.0, most);
        self.seen = (self.seen + count).min(self.memory.max(count));
        self.nanos += (each - self.nanos) * count as f64 / self.seen as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_known_at_once_and_follows_what_is_measured() {
        let mut cost = Cost::over(512);
        cost.learn(Delta::from_micros(64 * 3), 64);
        assert_eq!(cost.nanos, 3_000.0);
        for _ in 0..50 {
            cost.learn(Delta::from_micros(64 * 5), 64);
        }
        assert!((4_900.0..=5_000.0).contains(&cost.nanos), "{cost:?}");
    }

    #[test]
    fn a_few_that_took_long_say_little_of_many() {
        let mut cost = Cost::over(512);
        cost.learn(Delta::from_micros(2 * 30), 2);
        cost.learn(Delta::from_micros(64 * 3), 64);
        assert!(cost.nanos < 4_000.0, "{cost:?}");
    }

    #[test]
    fn one_preemption_does_not_spoil_a_cost() {
        let mut cost = Cost::over(512);
        for taken in [Delta::from_micros(64 * 3); 20] {
            cost.learn(taken, 64);
        }
        cost.learn(Delta::from_seconds(3), 64);
        assert!(cost.nanos <= 3_400.0, "{cost:?}");
        let mut fresh = Cost::over(512);
        fresh.learn(Delta::from_seconds(3), 64);
        assert!(fresh.nanos <= 100_000.0, "{fresh:?}");
    }

    #[test]
    fn a_reply_waits_for_what_is_served_behind_it_and_sent_before_it() {
        let known = |nanos| Cost {
            nanos,
            ..Cost::over(8)
        };
        let pace = Pace {
            alone: known(9_000.0),
            serve: known(100.0),
            send: known(3_000.0),
        };
        for (before, behind, nanos) in [
            (0, 0, 1_500 + 50),
            (0, 7, 1_500 + 750),
            (7, 0, 22_500 + 50),
            (1, 6, 4_500 + 650),
        ] {
            let found = pace.head_start(before, behind);
            assert_eq!(
                found,
                Delta::from_nanos(nanos),
                "{before} before, {behind} behind"
            );
        }
        assert_eq!(pace.head_start_alone(), Delta::from_nanos(4_500));
    }
}

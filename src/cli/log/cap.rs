//! How many lines the log takes.

use super::writer::Lines;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use timeball::api::{Delta, HostClock, Monotonic};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Parts of the program that are never capped: the line for each request under
/// `-v`, which has a cap of its own, and what the log says of itself.
const FREE: [&str; 2] = ["timeball::served", super::writer::TARGET];

/// So many lines a second in the long run, and so many at once. Takes no lock: a
/// thread that serves may log.
#[derive(Debug)]
pub struct Cap {
    /// What a line costs, in nanoseconds.
    cost: i64,
    /// How far ahead of the clock the lines taken may be paid for.
    credit: i64,
    /// Until when the lines taken are paid for: nanoseconds of the monotonic clock.
    paid_until: AtomicI64,
    left_out: AtomicU64,
}

impl Cap {
    /// A cap of `rate` lines a second and `burst` at once, both at least 1.
    pub fn new(rate: u32, burst: u32) -> Self {
        let cost = 1_000_000_000 / i64::from(rate.max(1));
        Self {
            cost,
            credit: cost.saturating_mul(i64::from(burst.max(1)) - 1),
            paid_until: AtomicI64::new(i64::MIN),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line is taken that is to be written at `now`.
    pub fn takes(&self, now: Monotonic) -> bool {
        let now = (now - Monotonic::default()).as_nanos();
        let pay = |paid_until: i64| {
            let from = paid_until.max(now);
            (from - now <= self.credit).then(|| from.saturating_add(self.cost))
        };
        let paid = self
            .paid_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        paid.is_ok()
    }

    /// Counts a line that is left out; true for the first since they were told of.
    pub fn leave_out(&self) -> bool {
        self.left_out.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Whether lines were left out that nobody was told of.
    pub fn has_left_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed) > 0
    }

    /// How many they are, to be told now.
    pub fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }
}

/// The layer that leaves lines out.
pub struct Capped {
    cap: Arc<Cap>,
    clock: Arc<dyn HostClock>,
    lines: Lines,
}

impl Capped {
    /// Has `cap` decide by `clock`; what is left out is told by whoever writes `lines`.
    pub fn new(cap: Arc<Cap>, clock: Arc<dyn HostClock>, lines: Lines) -> Self {
        Self { cap, clock, lines }
    }
}

impl<S: Subscriber> Layer<S> for Capped {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        if FREE.contains(&event.metadata().target()) || self.cap.takes(self.clock.now().monotonic) {
            return true;
        }
        self.lines.leave_out();
        false
    }
}

/// How long after a line was left out that is told.
pub const TOLD_AFTER: Delta = Delta::from_seconds(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use timeball::api::HostInstant;
    use tracing_subscriber::layer::SubscriberExt;

    fn at(millis: i64) -> Monotonic {
        Monotonic::default() + Delta::from_millis(millis)
    }

    fn taken(cap: &Cap, now: Monotonic, offered: usize) -> usize {
        (0..offered).filter(|_| cap.takes(now)).count()
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_the_rate_and_never_more() {
        let cap = Cap::new(10, 5);
        assert_eq!(taken(&cap, at(0), 100), 5);
        assert_eq!(taken(&cap, at(99), 100), 0);
        assert_eq!(taken(&cap, at(100), 100), 1);
        assert_eq!(taken(&cap, at(350), 100), 2);
        // A long silence gives back the burst, and no more.
        assert_eq!(taken(&cap, at(1_000_000), 100), 5);
    }

    #[test]
    fn a_clock_that_began_long_before_zero_is_a_clock() {
        let cap = Cap::new(1, 1);
        let early = Monotonic::default() - Delta::from_seconds(1_000_000);
        assert_eq!(taken(&cap, early, 3), 1);
        assert_eq!(taken(&cap, early + Delta::from_seconds(1), 3), 1);
    }

    #[test]
    fn the_first_that_is_left_out_is_known_and_all_are_counted_once() {
        let cap = Cap::new(1, 1);
        assert!(!cap.has_left_out());
        assert_eq!([0; 3].map(|_| cap.leave_out()), [true, false, false]);
        assert!(cap.has_left_out());
        assert_eq!((cap.take_left_out(), cap.take_left_out()), (3, 0));
        assert!(cap.leave_out());
    }

    /// A clock in the hands of a test.
    #[derive(Default)]
    struct ByHand(Mutex<HostInstant>);

    impl HostClock for ByHand {
        fn now(&self) -> HostInstant {
            *self.0.lock().unwrap()
        }
    }

    /// A layer that counts what reaches it, by target.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let target = event.metadata().target().to_owned();
            self.0.lock().unwrap().push(target);
        }
    }

    #[test]
    fn all_targets_share_one_cap_but_the_two_that_are_free() {
        let cap = Arc::new(Cap::new(1, 2));
        let clock = Arc::new(ByHand::default());
        let (lines, _queue) = super::super::writer::queue(cap.clone());
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry()
            .with(Capped::new(cap.clone(), clock.clone(), lines))
            .with(seen.clone());
        tracing::subscriber::with_default(subscriber, || {
            let say = || {
                tracing::info!(target: "one", "1");
                tracing::warn!(target: "two", "2");
                tracing::error!(target: "three", "3");
                tracing::debug!(target: "timeball::served", "4");
            };
            say();
            let mut now = clock.0.lock().unwrap();
            *now = now.later_by(Delta::from_seconds(1));
            drop(now);
            say();
        });
        let seen = seen.0.lock().unwrap();
        let expected = ["one", "two", "timeball::served", "one", "timeball::served"];
        assert_eq!(*seen, expected);
        assert_eq!(cap.take_left_out(), 3);
    }
}

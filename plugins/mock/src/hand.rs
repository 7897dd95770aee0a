//! How much time has elapsed in a run: the moments of a clock, real or virtual,
//! laid on the time base.

use crate::base::{Base, NotAWallClock, Starts};
use crate::ratio::Ratio;
use timeball_api::{Delta, Monotonic};

/// Where the elapsed time stands and how it moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand {
    base: Base,
    /// The moment at which `elapsed` nanoseconds had elapsed. On a virtual
    /// clock: now.
    since: Monotonic,
    elapsed: i64,
    is_paused: bool,
    /// Whether the first request has yet to start it.
    is_waiting: bool,
}

impl Hand {
    /// Nothing has elapsed at the moment `now`.
    pub(crate) fn new(base: Base, now: Monotonic) -> Self {
        let is_waiting = matches!(
            base,
            Base::Wall {
                starts: Starts::FirstRequest,
                ..
            }
        );
        Self {
            base,
            since: now,
            elapsed: 0,
            is_paused: false,
            is_waiting,
        }
    }

    pub(crate) fn base(&self) -> Base {
        self.base
    }

    pub(crate) fn is_on_the_wall(&self) -> bool {
        matches!(self.base, Base::Wall { .. })
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// This moment on the virtual monotonic clock.
    pub(crate) fn virtual_now(&self) -> Monotonic {
        self.since
    }

    /// The moment that counts as now, if it is `now` on the host's clock.
    pub(crate) fn moment(&self, now: Monotonic) -> Monotonic {
        if self.is_on_the_wall() {
            now
        } else {
            self.since
        }
    }

    /// What has elapsed at the moment `at`, in nanoseconds.
    ///
    /// On the wall no moment lies before that at which the time began to run as
    /// it does: a datagram that had come by then has waited for it.
    pub(crate) fn elapsed(&self, at: Monotonic) -> i64 {
        let passed = at - self.since;
        let passed = match self.base {
            Base::Manual | Base::PerRequest(_) => passed,
            Base::Wall { .. } if self.is_paused || self.is_waiting => Delta::ZERO,
            Base::Wall { rate, .. } => multiple(passed.max(Delta::ZERO), rate),
        };
        self.elapsed.saturating_add(passed.as_nanos())
    }

    /// Moves the elapsed time by `span`. A virtual monotonic clock moves too,
    /// but never back.
    pub(crate) fn advance(&mut self, span: Delta) {
        self.elapsed = self.elapsed.saturating_add(span.as_nanos());
        if !self.is_on_the_wall() {
            self.since = self.since + span.max(Delta::ZERO);
        }
    }

    /// So many requests were answered.
    pub(crate) fn replied(&mut self, count: u64) {
        if let Base::PerRequest(step) = self.base
            && !self.is_paused
        {
            self.advance(step * i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The first request was answered at the moment `now`.
    pub(crate) fn start(&mut self, now: Monotonic) {
        self.since = now;
        self.is_waiting = false;
    }

    /// From the moment `now` the time base moves, or does not.
    pub(crate) fn pause(&mut self, is_paused: bool, now: Monotonic) {
        self.anchor(now);
        self.is_paused = is_paused;
    }

    /// From the moment `now` this much elapses in a second of the host's.
    pub(crate) fn set_rate(&mut self, new: Ratio, now: Monotonic) -> Result<(), NotAWallClock> {
        self.anchor(now);
        match &mut self.base {
            Base::Wall { rate, .. } => *rate = new,
            Base::Manual | Base::PerRequest(_) => return Err(NotAWallClock),
        }
        Ok(())
    }

    fn anchor(&mut self, now: Monotonic) {
        if self.is_on_the_wall() {
            self.elapsed = self.elapsed(now);
            self.since = now;
        }
    }
}

/// `span` times `rate`, rounded towards the past; saturates.
fn multiple(span: Delta, rate: Ratio) -> Delta {
    let nanos = i128::from(span.as_nanos()) * i128::from(rate.numerator());
    let nanos = nanos.div_euclid(rate.denominator().into());
    let within = nanos.clamp(i64::MIN.into(), i64::MAX.into());
    Delta::from_nanos(i64::try_from(within).expect("it was clamped"))
}

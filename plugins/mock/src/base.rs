//! What moves the mock's time: the time base of a run.

use crate::ratio::Ratio;
use std::fmt;
use timeball_api::Delta;

/// What moves the elapsed time of a run. A step or a drift of the served clock
/// is another matter: that is the [`Script`](crate::Script)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Nothing but the handle.
    Manual,
    /// Each request that got a reply, by this much, which may be negative. The
    /// n-th request of a run, n from 0, is served at `n * step`.
    PerRequest(Delta),
    /// The host's monotonic clock.
    Wall {
        /// How much time elapses in a second of the host's.
        rate: Ratio,
        /// When it begins to.
        starts: Starts,
    },
}

/// When the time of a wall clock begins to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Starts {
    /// At once.
    #[default]
    Now,
    /// With the first reply, which still tells the start, to the nanosecond
    /// and twice. A request that is dropped does not start it.
    /// [`MockClock::begin`](crate::MockClock::begin) starts it before.
    FirstRequest,
}

/// The clock is no wall clock: it has no rate by the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAWallClock;

impl fmt::Display for NotAWallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only a clock on the time base `wall` has a rate")
    }
}

impl std::error::Error for NotAWallClock {}

//! Points and spans of time, in whole nanoseconds.
//!
//! Arithmetic saturates at the ends of the range: a hostile or absurd value
//! must never panic on the path of a datagram, and the ends (1677 and 2262)
//! lie outside of what any protocol here is asked to carry.

use std::ops::{Add, AddAssign, Neg, Sub};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point of UTC: signed nanoseconds since 1970-01-01T00:00:00Z, as POSIX
/// counts them (every day has 86 400 s; 23:59:60 has no number of its own).
///
/// Spans 1677-09-21 to 2262-04-11. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);
    /// The earliest point, in 1677.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest point, in 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// The point `nanos` nanoseconds after 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The point `seconds` seconds after 1970; saturates outside 1677 to 2262.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded towards the past, and the
    /// nanoseconds (0 to 999 999 999) above them.
    #[must_use]
    pub const fn to_unix_parts(self) -> (i64, u32) {
        let subsecond = self.0.rem_euclid(NANOS_PER_SECOND);
        (self.0.div_euclid(NANOS_PER_SECOND), subsecond as u32)
    }
}

impl Add<Delta> for Timestamp {
    type Output = Self;
    fn add(self, span: Delta) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Delta> for Timestamp {
    fn add_assign(&mut self, span: Delta) {
        *self = *self + span;
    }
}

impl Sub<Delta> for Timestamp {
    type Output = Self;
    fn sub(self, span: Delta) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Delta;
    fn sub(self, earlier: Self) -> Delta {
        Delta(self.0.saturating_sub(earlier.0))
    }
}

/// A point on the host's monotonic clock: nanoseconds since some moment that
/// is fixed while the process lives. Comparable only within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(i64);

impl Monotonic {
    /// The point `nanos` nanoseconds after the clock's own zero.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's own zero.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl Add<Delta> for Monotonic {
    type Output = Self;
    fn add(self, span: Delta) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Delta> for Monotonic {
    type Output = Self;
    fn sub(self, span: Delta) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Monotonic {
    type Output = Delta;
    fn sub(self, earlier: Self) -> Delta {
        Delta(self.0.saturating_sub(earlier.0))
    }
}

/// A signed span of time in nanoseconds: an offset, a delay, a dispersion.
///
/// Spans about 292 years either way. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Delta(i64);

impl Delta {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span, about 292 years.
    pub const MAX: Self = Self(i64::MAX);
    /// The most negative span, about -292 years.
    pub const MIN: Self = Self(i64::MIN);

    /// A span of `nanos` nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A span of `micros` microseconds; saturates.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// A span of `millis` milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A span of `seconds` seconds; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds, as near as a float comes: for people, never for arithmetic.
    #[must_use]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// The span without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// The span as the standard library's type; a negative one becomes zero.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<std::time::Duration> for Delta {
    /// Saturates above 292 years.
    fn from(span: std::time::Duration) -> Self {
        Self(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Add for Delta {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Delta {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Delta {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl std::ops::Mul<i64> for Delta {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

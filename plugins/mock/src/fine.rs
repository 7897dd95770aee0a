//! Nanoseconds with an exact fraction.

use crate::ratio::Ratio;
use std::ops::{Add, Sub};

/// A day of elapsed time in nanoseconds.
pub(crate) const DAY: i128 = 86_400_000_000_000;

/// A point or a span in nanoseconds, exact to 1 / 1.728e23 of one: the grid on
/// which the phase of a clock lies whose frequency changes by whole parts per
/// billion a day.
///
/// # Why
/// Sums and differences are exact. Of a [`Ratio`] whose denominator is no
/// divisor of the grid, a multiple is rounded down to it; that loses less than
/// 10^-23 ns where the rate changes, and nothing in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Fine {
    nanos: i128,
    /// 0 to [`Fine::PARTS`] - 1.
    parts: i128,
}

impl Fine {
    /// How many parts a nanosecond has.
    pub(crate) const PARTS: i128 = 1_000_000_000 * 2 * DAY;

    pub(crate) const fn from_nanos(nanos: i128) -> Self {
        Self { nanos, parts: 0 }
    }

    /// `nanos` and a number of parts, which may be negative or more than a
    /// nanosecond has.
    pub(crate) const fn new(nanos: i128, parts: i128) -> Self {
        Self {
            nanos: nanos.saturating_add(parts.div_euclid(Self::PARTS)),
            parts: parts.rem_euclid(Self::PARTS),
        }
    }

    /// Whole nanoseconds, rounded towards the past.
    pub(crate) const fn floor(self) -> i128 {
        self.nanos
    }

    /// This many times as much. Up to 10^29 ns there is no overflow, and no
    /// clock here comes near that.
    pub(crate) fn times(self, ratio: Ratio) -> Self {
        let (above, below): (i128, i128) = (ratio.numerator().into(), ratio.denominator().into());
        if above == below {
            return self;
        }
        // The whole multiple and the rest apart: each is 10^9 at most, where
        // what is above the line may be 10^18.
        let (whole, rest) = (above.div_euclid(below), above.rem_euclid(below));
        let nanos = self.nanos.saturating_mul(rest);
        let parts = nanos.rem_euclid(below) * Self::PARTS + self.parts * rest;
        let rest = Self::new(nanos.div_euclid(below), parts.div_euclid(below));
        Self::new(self.nanos.saturating_mul(whole), self.parts * whole) + rest
    }
}

impl Add for Fine {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let parts = self.parts + other.parts;
        let carry = parts >= Self::PARTS;
        Self {
            nanos: self
                .nanos
                .saturating_add(other.nanos)
                .saturating_add(carry.into()),
            parts: if carry { parts - Self::PARTS } else { parts },
        }
    }
}

impl Sub for Fine {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        let parts = self.parts - other.parts;
        let borrow = parts < 0;
        Self {
            nanos: self
                .nanos
                .saturating_sub(other.nanos)
                .saturating_sub(borrow.into()),
            parts: if borrow { parts + Self::PARTS } else { parts },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: i64, denominator: u64) -> Ratio {
        Ratio::new(numerator, denominator).expect("it is within the limits")
    }

    #[test]
    fn a_multiple_is_rounded_towards_the_past_and_keeps_its_fraction() {
        let seven = Fine::from_nanos(7);
        assert_eq!(seven.times(ratio(-1, 2)).floor(), -4);
        assert_eq!(
            seven.times(ratio(-1, 2)) + seven.times(ratio(1, 2)),
            Fine::default()
        );
        let third = seven.times(ratio(1, 7)).times(ratio(1, 3));
        assert_eq!(third + third + third, Fine::from_nanos(1));
        assert_eq!(seven.times(Ratio::ZERO), Fine::default());
    }

    #[test]
    fn nine_decimals_beside_a_large_multiple_are_exact() {
        let most: Ratio = "999999999.999999999".parse().expect("it is a ratio");
        let least: Ratio = "-999999999.999999999".parse().expect("it is a ratio");
        let long = Fine::new(10_i128.pow(20), Fine::PARTS - 1);
        let whole = long.times(ratio(1_000_000_000, 1));
        let billionth = long.times(ratio(1, 1_000_000_000));
        assert_eq!(long.times(most).floor(), (whole - billionth).floor());
        // Rounded down either way, so the sum lacks a part at most.
        let sum = long.times(most) + long.times(least);
        assert!(
            (Fine::new(0, -1)..=Fine::default()).contains(&sum),
            "{sum:?}"
        );
        let fast: Ratio = "1.000000001".parse().expect("it is a ratio");
        let second = Fine::from_nanos(1_000_000_000);
        assert_eq!(second.times(fast), Fine::from_nanos(1_000_000_001));
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        let odd = Fine::new(-3, 5);
        let other = Fine::new(10, Fine::PARTS - 2);
        assert_eq!(odd + other - other, odd);
        assert_eq!(odd - other + other, odd);
        assert_eq!((odd + other).floor(), 8);
    }
}

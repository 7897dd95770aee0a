//! The frequency error of a clock, constant or changing evenly.

use crate::fine::{DAY, Fine};

/// The most that a frequency error or its change in a day may be, in parts per
/// billion.
const LIMIT_PPB: i64 = 1_000_000_000;
const BILLION: i128 = 1_000_000_000;

/// A frequency error, and how it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Drift {
    /// The elapsed time since which it holds, in nanoseconds.
    since: i64,
    /// The frequency error then, in parts per billion / [`DAY`], so that it is
    /// a whole number after any number of nanoseconds of change.
    frequency: i128,
    /// Parts per billion a day.
    change: i64,
}

impl Drift {
    /// `ppb` parts per billion from `elapsed` on, without change.
    pub(crate) fn constant(elapsed: i64, ppb: i64) -> Self {
        Self {
            since: elapsed,
            frequency: i128::from(ppb.clamp(-LIMIT_PPB, LIMIT_PPB)) * DAY,
            change: 0,
        }
    }

    /// The same frequency at `elapsed`, and from there another change.
    pub(crate) fn changing(self, elapsed: i64, ppb_per_day: i64) -> Self {
        let passed = i128::from(elapsed) - i128::from(self.since);
        Self {
            since: elapsed,
            frequency: self.frequency + i128::from(self.change) * passed,
            change: ppb_per_day.clamp(-LIMIT_PPB, LIMIT_PPB),
        }
    }

    /// What the clock has gained by it at `elapsed`.
    ///
    /// With t nanoseconds passed, frequency f and change c that is (f t + c
    /// t^2 / (2 days)) / 10^9. A day's square and a fraction's product would
    /// not fit, so both t and f are taken apart into whole days or parts per
    /// billion and a rest.
    pub(crate) fn gained(&self, elapsed: i64) -> Fine {
        if self.frequency == 0 && self.change == 0 {
            return Fine::default();
        }
        let passed = i128::from(elapsed) - i128::from(self.since);
        let (ppb, rest) = (
            self.frequency.div_euclid(DAY),
            self.frequency.rem_euclid(DAY),
        );
        let mut whole = ppb * passed;
        let mut over_two_days = 2 * rest * passed;
        if self.change != 0 {
            let change = i128::from(self.change);
            let (days, more) = (passed.div_euclid(DAY), passed.rem_euclid(DAY));
            whole += change * (days * days * (DAY / 2) + days * more);
            over_two_days += change * more * more;
        }
        if over_two_days != 0 {
            whole += over_two_days.div_euclid(2 * DAY);
            over_two_days = over_two_days.rem_euclid(2 * DAY);
        }
        Fine::new(
            whole.div_euclid(BILLION),
            whole.rem_euclid(BILLION) * 2 * DAY + over_two_days,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NANOS: i64 = 86_400_000_000_000;

    #[test]
    fn a_constant_error_gains_its_part_of_what_passed() {
        let drift = Drift::constant(5, 1);
        assert_eq!(drift.gained(5), Fine::default());
        assert_eq!(drift.gained(5 + 1_000_000_000), Fine::from_nanos(1));
        assert_eq!(drift.gained(4 + 1_000_000_000).floor(), 0);
        assert_eq!(drift.gained(5 - 1_000_000_000), Fine::from_nanos(-1));
    }

    #[test]
    fn a_changing_error_gains_half_of_its_square() {
        // 1 ppb a day, after 10 days: 10 / 2 ppb on average, of 864 000 s.
        let drift = Drift::default().changing(0, 1);
        let gained = drift.gained(10 * DAY_NANOS);
        assert_eq!(gained, Fine::from_nanos(4_320_000));
        // The same on the way back: the square has no sign.
        assert_eq!(drift.gained(-10 * DAY_NANOS), gained);
    }

    #[test]
    fn an_error_that_is_told_to_change_as_it_does_goes_on_as_it_was() {
        let drift = Drift::constant(0, -7).changing(3, 11);
        let (middle, end) = (12_345_678_901_234_567, 98_765_432_109_876_543);
        let again = drift.changing(middle, 11);
        assert_eq!(drift.gained(end), drift.gained(middle) + again.gained(end));
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_the_range() {
        for (ppb, change) in [(i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (-1, i64::MAX)] {
            let drift = Drift::constant(i64::MIN, ppb).changing(i64::MIN, change);
            let later = drift.changing(i64::MAX, change);
            for elapsed in [i64::MIN, -1, 0, 1, i64::MAX] {
                let _ = (drift.gained(elapsed), later.gained(elapsed));
            }
        }
    }
}

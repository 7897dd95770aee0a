//! Delays drawn from their distributions, in integers only.
//!
//! The same bits give the same nanosecond on every machine: no float and no
//! mathematical library is involved. How near each comes to its distribution:
//!
//! - **Uniform bits** are 64 of a hash.
//! - **Normal**: the sum of twelve uniform numbers of 32 bits less six, whose
//!   mean is 0 and whose variance is 1 to within 2^-64. It ends at six standard
//!   deviations, and its distribution function differs from the normal one by
//!   less than 0.003 anywhere.
//! - **Exponential** and **Pareto** invert the distribution function. The
//!   logarithm is truncated at 2^-32, the power of two is right to 2^-57; the
//!   result is rounded down to the nanosecond. A uniform number is never below
//!   2^-64, so the exponential ends at 44.4 means.

use super::draws::{Draws, Purpose};
use super::network::{Delay, Shape};
use super::value::Span;
use crate::api::Delta;

/// ln 2 in units of 2^-32.
const LN_2: u128 = 2_977_044_472;

/// The roots 2^(1/2), 2^(1/4), … 2^(2^-32), in units of 2^-62.
const ROOTS_OF_2: [u64; 32] = {
    let mut roots = [0; 32];
    let mut root: u128 = 2 << 62;
    let mut index = 0;
    while index < roots.len() {
        root = (root << 62).isqrt();
        roots[index] = root as u64;
        index += 1;
    }
    roots
};

impl Delay {
    /// The delay of one datagram, 0 to [`Delay::LONGEST`].
    pub(super) fn draw(&self, draws: &Draws, purpose: Purpose) -> Delta {
        let nanos = match *self {
            Self::Constant(span) => i128::from(span.0.as_nanos()),
            Self::Normal { mean, deviation } => {
                let deviations = i128::from(normal(draws, purpose));
                let product = i128::from(deviation.0.as_nanos()) * deviations;
                i128::from(mean.0.as_nanos()) + ((product + (1 << 31)) >> 32)
            }
            Self::Exponential { mean, minimum } => {
                let halvings = u128::from(halvings(draws.bits(purpose, 0)));
                let drawn = (unsigned(mean) * halvings * LN_2) >> 64;
                (unsigned(minimum) + drawn) as i128
            }
            Self::Pareto {
                minimum,
                shape,
                maximum,
            } => {
                let drawn = pareto(unsigned(minimum), shape, draws.bits(purpose, 0));
                let maximum = maximum.map_or(u128::MAX, unsigned);
                drawn.min(maximum) as i128
            }
        };
        let longest = i128::from(Self::LONGEST.as_nanos());
        Delta::from_nanos(nanos.clamp(0, longest) as i64)
    }

    /// The mean of the distribution, to the nanosecond; without what the
    /// cuts at zero and at the longest take from it. `None` for a Pareto
    /// distribution that has none.
    #[must_use]
    pub fn mean(&self) -> Option<Delta> {
        match *self {
            Self::Constant(span) => Some(span.0),
            Self::Normal { mean, .. } => Some(mean.0),
            Self::Exponential { mean, minimum } => Some(mean.0 + minimum.0),
            Self::Pareto { minimum, shape, .. } => {
                let shape = u128::from(shape.thousandths);
                let above_one = shape.checked_sub(1000).filter(|above| *above > 0)?;
                let nanos = unsigned(minimum) * shape / above_one;
                Some(Delta::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
            }
        }
    }
}

fn unsigned(span: Span) -> u128 {
    u128::try_from(span.0.as_nanos()).unwrap_or(0)
}

/// A standard normal variate, in units of 2^-32.
fn normal(draws: &Draws, purpose: Purpose) -> i64 {
    let sum: i64 = (0..6)
        .map(|index| draws.bits(purpose, index))
        .map(|bits| (bits >> 32) as i64 + (bits & 0xffff_ffff) as i64)
        .sum();
    // Each of the twelve is half a unit below the middle of its interval.
    sum + 6 - (6 << 32)
}

/// How often one has to be halved to come to `bits` / 2^64: -log2 of it, in
/// units of 2^-32, rounded up; 0 to 64.
fn halvings(bits: u64) -> u64 {
    let bits = bits.max(1);
    let zeros = bits.leading_zeros();
    // From 1 to below 2, in units of 2^-63.
    let mut mantissa = bits << zeros;
    let mut logarithm = 0_u64;
    // Squaring doubles the logarithm and brings its next bit before the point.
    for _ in 0..32 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let is_above_two = square >> 64 != 0;
        logarithm = logarithm << 1 | u64::from(is_above_two);
        mantissa = (square >> u32::from(is_above_two)) as u64;
    }
    (u64::from(zeros + 1) << 32) - logarithm
}

/// `minimum` / u^(1 / shape) for the uniform number u = `bits` / 2^64.
fn pareto(minimum: u128, shape: Shape, bits: u64) -> u128 {
    let thousandths = u128::from(shape.thousandths.max(1));
    let exponent = u128::from(halvings(bits)) * 1000 / thousandths;
    let (doublings, fraction) = (exponent >> 32, exponent as u32);
    // Twice as often is beyond the longest delay, whatever it started from.
    if doublings > 42 {
        return if minimum == 0 { 0 } else { u128::MAX >> 1 };
    }
    let mut factor = 1_u128 << 62;
    for (index, root) in ROOTS_OF_2.iter().enumerate() {
        if fraction & (1 << (31 - index)) != 0 {
            factor = (factor * u128::from(*root)) >> 62;
        }
    }
    (minimum * factor) >> (62 - doublings as u32)
}

#[cfg(test)]
mod tests {
    use super::super::draws::RuleDraws;
    use super::*;

    const COUNT: u64 = 20_000;

    /// Mean and variance of drawn delays, in milliseconds.
    fn moments(delay: Delay) -> (f64, f64) {
        let rule = RuleDraws::new(42, "delays");
        let drawn: Vec<f64> = (1..=COUNT)
            .map(|number| delay.draw(&rule.at(number, 0), Purpose::ReplyDelay))
            .map(|delay| delay.as_nanos() as f64 / 1e6)
            .collect();
        let mean = drawn.iter().sum::<f64>() / COUNT as f64;
        let squares = drawn.iter().map(|one| (one - mean).powi(2));
        (mean, squares.sum::<f64>() / COUNT as f64)
    }

    fn millis(count: i64) -> Span {
        Span(Delta::from_millis(count))
    }

    fn is_near(value: f64, expected: f64, bound: f64) {
        assert!(
            (value - expected).abs() < bound,
            "{value} is not {expected}"
        );
    }

    #[test]
    fn a_normal_delay_has_its_mean_and_deviation() {
        let (mean, variance) = moments(Delay::Normal {
            mean: millis(100),
            deviation: millis(10),
        });
        // The standard errors are 0.071 and 1.0.
        is_near(mean, 100.0, 0.3);
        is_near(variance, 100.0, 4.0);
    }

    #[test]
    fn an_exponential_delay_has_its_mean_as_deviation() {
        let (mean, variance) = moments(Delay::Exponential {
            mean: millis(50),
            minimum: millis(20),
        });
        // The standard errors are 0.35 and 50.
        is_near(mean, 70.0, 1.5);
        is_near(variance, 2_500.0, 200.0);
    }

    #[test]
    fn a_pareto_delay_has_its_mean_variance_and_median() {
        let shape = Shape { thousandths: 5_000 };
        let delay = Delay::Pareto {
            minimum: millis(40),
            shape,
            maximum: None,
        };
        let (mean, variance) = moments(delay);
        // a / (a - 1) and a / ((a - 1)^2 (a - 2)), with a = 5.
        is_near(mean, 50.0, 0.5);
        is_near(variance, 1_600.0 * 5.0 / 48.0, 25.0);
        assert_eq!(delay.mean(), Some(Delta::from_millis(50)));

        // Half of them lie below the median, minimum * 2^(1/a), exactly.
        let median = pareto(40_000_000, shape, 1 << 63);
        assert_eq!(median, 45_947_934);
    }

    #[test]
    fn what_is_drawn_stays_within_its_ends() {
        let rule = RuleDraws::new(1, "ends");
        for number in 1..=2_000 {
            let draws = rule.at(number, 0);
            let delays = [
                Delay::Normal {
                    mean: millis(1),
                    deviation: Span(Delay::LONGEST),
                },
                Delay::Pareto {
                    minimum: millis(1),
                    shape: Shape { thousandths: 1_001 },
                    maximum: None,
                },
            ];
            for delay in delays {
                let drawn = delay.draw(&draws, Purpose::RequestDelay);
                assert!((Delta::ZERO..=Delay::LONGEST).contains(&drawn), "{drawn:?}");
            }
            let capped = Delay::Pareto {
                minimum: millis(1),
                shape: Shape { thousandths: 1_001 },
                maximum: Some(millis(3)),
            };
            let drawn = capped.draw(&draws, Purpose::RequestDelay);
            assert!((millis(1).0..=millis(3).0).contains(&drawn));
        }
    }

    #[test]
    fn the_logarithm_and_the_power_are_right_at_their_ends() {
        assert_eq!(halvings(1 << 63), 1 << 32);
        assert_eq!(halvings(1), 64 << 32);
        assert_eq!(halvings(0), 64 << 32);
        assert_eq!(halvings(u64::MAX), 1);
        // 1 / sqrt(2) is half a halving.
        let half = halvings((1.0 / 2.0_f64.sqrt() * 2.0_f64.powi(64)) as u64);
        assert!(half.abs_diff(1 << 31) <= 1, "{half}");
        let one = Shape { thousandths: 1_000 };
        assert_eq!(pareto(1_000, one, 1 << 63), 2_000);
        assert!(pareto(1, one, 0) > Delay::LONGEST.as_nanos() as u128);
        assert_eq!(pareto(0, one, 0), 0);
    }

    #[test]
    fn the_normal_variate_is_never_beyond_six_deviations() {
        let rule = RuleDraws::new(3, "tails");
        let mut beyond_two = 0;
        for number in 1..=COUNT {
            let deviations = normal(&rule.at(number, 0), Purpose::ReplyDelay);
            assert!(deviations.abs() <= 6 << 32);
            beyond_two += u32::from(deviations.abs() > 2 << 32);
        }
        // 4.55 % of a normal distribution, 910 of these; this one has a little less.
        assert!((820..1_000).contains(&beyond_two), "{beyond_two}");
    }
}

//! Numbers that look random and are a function of where they stand.

/// The step of the sequence whose members are mixed.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of numbers that any member of can be had at once.
///
/// A member is what SplitMix64 gives at that place: Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence(u64);

impl Sequence {
    /// The sequence of a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed ^ STEP))
    }

    /// A sequence of its own for this use of it.
    pub(crate) const fn part(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number.wrapping_add(STEP))))
    }

    /// The number at this place.
    pub(crate) const fn at(self, place: u64) -> u64 {
        mix(self
            .0
            .wrapping_add(STEP.wrapping_mul(place.wrapping_add(1))))
    }

    /// The normal variate at this place, in units of 2^-24 standard deviations.
    ///
    /// The sum of eight uniform ones: its mean is 0 and its variance 1, no
    /// value lies beyond the square root of 24, which is 4.9 (where a normal
    /// variate is once in a million), and its excess kurtosis is -0.15.
    pub(crate) const fn normal(self, place: u64) -> i64 {
        let (one, another) = (
            self.at(place.wrapping_mul(2)),
            self.at(place.wrapping_mul(2).wrapping_add(1)),
        );
        let sum = sum_of_four(one) + sum_of_four(another) - MEAN;
        (sum * PER_UNIT) >> 22
    }
}

/// The mean of the sum of eight numbers of 16 bits.
const MEAN: i64 = 8 * 0xffff / 2;
/// What one of such a sum is in standard deviations, which is the square root
/// of 1.5 / 65 536, in units of 2^-46.
const PER_UNIT: i64 = 1_315_059_792;

/// The sum of the four numbers of 16 bits that make up `bits`.
const fn sum_of_four(bits: u64) -> i64 {
    let pairs = (bits & 0x0000_ffff_0000_ffff) + ((bits >> 16) & 0x0000_ffff_0000_ffff);
    ((pairs & 0xffff_ffff) + (pairs >> 32)) as i64
}

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: f64 = (1 << 24) as f64;

    /// What SplitMix64 gives from the seed 1234567, as published with other
    /// implementations of it.
    #[test]
    fn a_sequence_is_that_of_splitmix64() {
        let sequence = Sequence(1_234_567);
        assert_eq!(
            [0, 1, 2].map(|place| sequence.at(place)),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_normal_variate_has_the_moments_that_it_says() {
        let sequence = Sequence::new(7);
        let count = 1_000_000;
        let (mut mean, mut square, mut fourth) = (0.0, 0.0, 0.0);
        for place in 0..count {
            let z = sequence.normal(place) as f64 / SCALE;
            assert!(z.abs() <= 24_f64.sqrt());
            mean += z / count as f64;
            square += z.powi(2) / count as f64;
            fourth += z.powi(4) / count as f64;
        }
        // Five standard errors: 5 / 1000, and 5 sqrt(kurtosis - 1) / 1000.
        assert!(mean.abs() < 0.005, "{mean}");
        assert!((square - 1.0).abs() < 0.007, "{square}");
        assert!((fourth / square.powi(2) - 2.85).abs() < 0.05, "{fourth}");
    }

    #[test]
    fn places_parts_and_seeds_have_nothing_to_do_with_each_other() {
        let first = Sequence::new(0);
        for other in [Sequence::new(1), first.part(0), first.part(1)] {
            let count = 100_000_u64;
            let product = |place| {
                let (a, b) = (first.normal(place), other.normal(place));
                let neighbour = first.normal(place + 1);
                (a as f64 * b as f64, a as f64 * neighbour as f64)
            };
            let (across, along) = (0..count)
                .map(product)
                .fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
            for sum in [across, along] {
                let correlation = sum / SCALE.powi(2) / count as f64;
                assert!(correlation.abs() < 5.0 / (count as f64).sqrt());
            }
        }
    }
}

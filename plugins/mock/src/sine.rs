//! Sines in whole numbers: the same on every machine.

/// 1 in the fixed point of [`sine`].
pub(crate) const ONE: i128 = 1 << FRACTION_BITS;
const FRACTION_BITS: u32 = 60;

/// A quarter of a turn, pi / 2, on that scale.
const QUARTER_TURN: i128 = 1_811_004_864_519_280_710;

/// The sine of `x` quarter turns, 0 to 1, both in units of 2^-60.
///
/// Taylor's series to the 19th power; off by less than 2^-50.
pub(crate) const fn sine(x: i128) -> i128 {
    let angle = times(x, QUARTER_TURN);
    let square = times(angle, angle);
    let mut sum = ONE;
    let mut power = 19;
    while power > 1 {
        sum = ONE - times(square, sum) / (power * (power - 1));
        power -= 2;
    }
    times(angle, sum)
}

const fn times(a: i128, b: i128) -> i128 {
    (a * b) >> FRACTION_BITS
}

/// How fine the argument of [`quick_sine`] is.
pub(crate) const QUICK_BITS: u32 = 30;
/// Into how many stretches a quarter turn is cut for it.
const STRETCHES: usize = 256;
const STRETCH_BITS: u32 = QUICK_BITS - STRETCHES.ilog2();

static SINES: [i64; STRETCHES + 1] = {
    let mut sines = [0; STRETCHES + 1];
    let mut index = 0;
    while index <= STRETCHES {
        let x = (index as i128) << (FRACTION_BITS - STRETCHES.ilog2());
        sines[index] = (sine(x) >> (FRACTION_BITS - QUICK_BITS)) as i64;
        index += 1;
    }
    sines
};

/// The sine of `x` quarter turns, 0 to 1, both in units of 2^-30; off by less
/// than 2^-17. What lies above 1 counts as 1.
pub(crate) fn quick_sine(x: u64) -> i64 {
    let x = x.min(1 << QUICK_BITS);
    let index = ((x >> STRETCH_BITS) as usize).min(STRETCHES - 1);
    let within = (x - ((index as u64) << STRETCH_BITS)) as i64;
    let (left, right) = (SINES[index], SINES[index + 1]);
    left + (((right - left) * within) >> STRETCH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;

    #[test]
    fn a_sine_is_that_of_the_library_within_its_bound() {
        for step in 0..=10_000 {
            let x = f64::from(step) / 10_000.0;
            let expected = (x * FRAC_PI_2).sin();
            let exact = sine((x * ONE as f64) as i128) as f64 / ONE as f64;
            assert!((exact - expected).abs() < 2_f64.powi(-50), "{x}: {exact}");
            let scale = (1 << QUICK_BITS) as f64;
            let quick = quick_sine((x * scale) as u64) as f64 / scale;
            assert!((quick - expected).abs() < 2_f64.powi(-17), "{x}: {quick}");
        }
        assert!(sine(ONE) <= ONE, "no sine is above 1");
    }
}

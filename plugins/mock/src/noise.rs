//! The noise of a clock: a function of the seed and of the elapsed time.

use crate::fine::DAY;
use crate::hash::Sequence;
use crate::sine::{QUICK_BITS, quick_sine};
use crate::walk::{FRACTION_BITS as WALK_BITS, Walk};
use crate::wander::Wander;

/// How many octaves flicker noise has, as a power of two.
const OCTAVES_LOG2: u32 = 4;
const OCTAVES: usize = 1 << OCTAVES_LOG2;
/// The bits below the point of a normal variate.
const NORMAL_BITS: u32 = 24;
/// The least and the most that the interval may be, in nanoseconds.
const SHORTEST: i64 = 1_000;
const LONGEST: i64 = 86_400_000_000_000;
/// The largest random walk, in parts per billion after a day.
const LARGEST_PPB: u64 = 1_000_000_000;

/// The noise that a [`Wander`] asks for, from a moment on.
#[derive(Debug)]
pub(crate) struct Noise {
    /// The elapsed time at which it begins, in nanoseconds.
    since: i64,
    interval: u64,
    /// Standard deviations in nanoseconds, and what is noisy so; `None` where
    /// there is no noise.
    white: Option<(u64, Octave)>,
    flicker: Option<(u64, [Octave; OCTAVES])>,
    walk: Option<(Scale, Walk)>,
}

/// Noise that is another after each interval.
#[derive(Debug, Clone, Copy)]
struct Octave {
    sequence: Sequence,
    /// By how many intervals of the first octave the nodes are off.
    shift: u64,
    /// The interval is 2^`log2` times that of the first octave.
    log2: u32,
}

impl Noise {
    pub(crate) fn new(wander: &Wander, sequence: Sequence, since: i64) -> Self {
        let interval = wander.interval.as_nanos().clamp(SHORTEST, LONGEST);
        let interval = interval.unsigned_abs();
        let white_phase = wander.white_phase.as_nanos().unsigned_abs();
        let flicker_phase = wander.flicker_phase.as_nanos().unsigned_abs();
        let ppb = wander.random_walk_frequency_ppb.unsigned_abs();
        let octave = |number| Octave::new(sequence.part(1), number);
        Self {
            since,
            interval,
            white: (white_phase > 0).then(|| (white_phase, Octave::new(sequence, 0))),
            flicker: (flicker_phase > 0).then(|| (flicker_phase, std::array::from_fn(octave))),
            walk: (ppb > 0).then(|| {
                let scale = Scale::new(interval, ppb.min(LARGEST_PPB));
                (scale, Walk::new(sequence.part(2)))
            }),
        }
    }

    /// How far the clock has wandered off at `elapsed`, in nanoseconds:
    /// continuous, from 0 at the beginning.
    pub(crate) fn wandered(&self, elapsed: i64) -> i128 {
        let Some((scale, walk)) = &self.walk else {
            return 0;
        };
        let place = self.place(elapsed);
        let part = place.part >> (QUICK_BITS - WALK_BITS);
        scale.times(walk.phase(place.intervals, part))
    }

    /// How much a reading at `elapsed` errs, in nanoseconds, beside that: it
    /// does not add up.
    pub(crate) fn error(&self, elapsed: i64) -> i128 {
        if self.white.is_none() && self.flicker.is_none() {
            return 0;
        }
        let place = self.place(elapsed);
        let white = self.white.map_or(0, |(deviation, octave)| {
            rounded(octave.at(place), deviation, NORMAL_BITS)
        });
        // Noise of equal power in each octave has a density of 1 / f.
        let flicker = self.flicker.as_ref().map_or(0, |(deviation, octaves)| {
            let sum = octaves.iter().map(|octave| octave.at(place)).sum();
            rounded(sum, *deviation, NORMAL_BITS + OCTAVES_LOG2 / 2)
        });
        white + flicker
    }

    fn place(&self, elapsed: i64) -> Place {
        // What is before the beginning counts as the beginning.
        let passed = i128::from(elapsed) - i128::from(self.since);
        let passed = u64::try_from(passed.max(0)).unwrap_or(u64::MAX);
        let rest = passed % self.interval;
        Place {
            intervals: passed / self.interval,
            part: (u128::from(rest) << QUICK_BITS).div_euclid(self.interval.into()) as u64,
        }
    }
}

/// A moment in intervals: whole ones, and a part in units of 2^-30.
#[derive(Debug, Clone, Copy)]
struct Place {
    intervals: u64,
    part: u64,
}

impl Octave {
    /// The octave of this number, with nodes of its own: no moment is special
    /// because all of them have one there.
    fn new(sequence: Sequence, number: usize) -> Self {
        let sequence = sequence.part(number as u64);
        Self {
            sequence,
            shift: sequence.at(u64::MAX) & ((1 << number) - 1),
            log2: number as u32,
        }
    }

    /// A normal variate for each moment, in units of 2^-24 standard deviations:
    /// that of the interval's beginning turns into that of its end.
    ///
    /// # Why
    /// With a cosine and a sine for weights, whose squares add up to 1, the
    /// variance is the same at every moment. And it is continuous: what is sent
    /// a little after something else has come is not sent before it.
    fn at(self, place: Place) -> i64 {
        let intervals = place.intervals.saturating_add(self.shift);
        let within = intervals & ((1 << self.log2) - 1);
        let part = ((within << QUICK_BITS) + place.part) >> self.log2;
        let left = self.sequence.normal(intervals >> self.log2);
        let right = self.sequence.normal((intervals >> self.log2) + 1);
        (left * quick_sine((1 << QUICK_BITS) - part) + right * quick_sine(part)) >> QUICK_BITS
    }
}

/// `variate` of so many fractional bits, times `deviation`, to the nearest whole
/// number.
fn rounded(variate: i64, deviation: u64, bits: u32) -> i128 {
    (i128::from(variate) * i128::from(deviation) + (1 << (bits - 1))) >> bits
}

/// What one unit of a [`Walk`]'s phase is in nanoseconds: `mantissa` / 2^`shift`.
#[derive(Debug)]
struct Scale {
    mantissa: i128,
    shift: u32,
}

impl Scale {
    /// How many bits the mantissa has, or one less.
    const BITS: u32 = 32;
    /// The bits below the point of the square root.
    const ROOT_BITS: u32 = 40;

    /// For a walk of `ppb` parts per billion after a day in steps of `interval`
    /// nanoseconds: a step is `ppb` times the square root of the interval in
    /// days.
    fn new(interval: u64, ppb: u64) -> Self {
        let days = (u128::from(interval) << (2 * Self::ROOT_BITS)) / DAY.unsigned_abs();
        let product = u128::from(interval) * u128::from(ppb) * days.isqrt();
        // Into 62 bits, so that what is left after the division by 10^9 has 32.
        let lost = (u128::BITS - product.leading_zeros()).saturating_sub(62);
        let gained = 62_u32.saturating_sub(u128::BITS - product.leading_zeros());
        Self {
            mantissa: (((product >> lost) << gained) / 1_000_000_000) as i128,
            shift: Self::ROOT_BITS + WALK_BITS + gained - lost,
        }
    }

    fn times(&self, phase: i128) -> i128 {
        // A shift in two steps keeps the product within 128 bits and loses less
        // than a nanosecond.
        let late = self.shift.min(Self::BITS + 8);
        let product = (phase >> (self.shift - late)).saturating_mul(self.mantissa);
        product.saturating_add(1 << (late - 1)) >> late
    }
}

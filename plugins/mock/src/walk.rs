//! Random-walk frequency noise: the phase of a clock whose frequency takes a
//! random step in each interval.
//!
//! # Why
//! A sum over all that went before would take the longer the longer a run
//! lasts, or need a memory. But a walk and its integral are a Gauss-Markov
//! process, so the two of them halfway between two points are known but for two
//! normal variates once they are known at both. That is Lévy's construction of
//! Brownian motion with its integral beside it: each point costs some ten
//! operations for each doubling of the time that passed.

use crate::hash::Sequence;

/// How fine the numbers here are.
pub(crate) const FRACTION_BITS: u32 = 20;
/// The bits below the point of a normal variate.
const NORMAL_BITS: u32 = 24;
/// The bits below the point of a [`Root`].
const ROOT_BITS: u32 = 30;

/// Where the walk stands, in units of 2^-20: the frequency has a variance of 1
/// after one interval, the phase is its integral over intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    frequency: i128,
    phase: i128,
}

/// How many times the time that passed may double, in intervals.
const DOUBLINGS: u32 = 56;

/// A walk that begins at rest, over up to 2^56 intervals.
#[derive(Debug)]
pub(crate) struct Walk {
    frequencies: Sequence,
    phases: Sequence,
    /// The states after 1, 2, 4 and so on intervals.
    milestones: Vec<State>,
}

impl Walk {
    pub(crate) fn new(sequence: Sequence) -> Self {
        let mut walk = Self {
            frequencies: sequence.part(0),
            phases: sequence.part(1),
            milestones: Vec::new(),
        };
        let mut state = walk.after(State::default(), 0, 1);
        for log2 in 0..=DOUBLINGS {
            walk.milestones.push(state);
            state = walk.after(state, log2, 2 << log2);
        }
        walk
    }

    /// The phase after `intervals` and this part of the next one (in units of
    /// 2^-20), in units of 2^-20 intervals.
    pub(crate) fn phase(&self, intervals: u64, part: u64) -> i128 {
        let (left, right) = self.around(intervals);
        let x = i128::from(part);
        // Within an interval, the curve that has the phase and the frequency of
        // both ends.
        let rise = right.phase - left.phase;
        let bend = left.frequency + right.frequency - 2 * rise;
        let sag = rise - left.frequency - bend;
        let within = times(times(times(bend, x) + sag, x) + left.frequency, x);
        left.phase + within
    }

    /// The states after `intervals` and after one more.
    fn around(&self, intervals: u64) -> (State, State) {
        let intervals = intervals.min((1 << DOUBLINGS) - 1);
        let Some(mut span_log2) = intervals.checked_ilog2() else {
            return (State::default(), self.milestones[0]);
        };
        let milestone = span_log2 as usize;
        let (mut left, mut right) = (self.milestones[milestone], self.milestones[milestone + 1]);
        let mut from = 1_u64 << span_log2;
        while span_log2 > 0 {
            span_log2 -= 1;
            let place = from + (1 << span_log2);
            let middle = self.between(left, right, span_log2, place);
            if intervals < place {
                right = middle;
            } else {
                (left, from) = (middle, place);
            }
        }
        (left, right)
    }

    /// The state 2^`log2` intervals after `state`, at `place`.
    fn after(&self, state: State, log2: u32, place: u64) -> State {
        let step = Root::ONE.times(self.frequencies.normal(place), log2);
        let sway = Root::TWELFTH.times(self.phases.normal(place), 3 * log2);
        State {
            frequency: state.frequency + step,
            phase: state.phase + (state.frequency << log2) + ((step << log2) >> 1) + sway,
        }
    }

    /// The state at `place`, which lies h = 2^`log2` intervals from either
    /// side. Given both, its mean is the cubic through them; the frequency has a
    /// variance of h / 8 around it and the phase, independent of that, one of
    /// h^3 / 24.
    fn between(&self, left: State, right: State, log2: u32, place: u64) -> State {
        let step = Root::EIGHTH.times(self.frequencies.normal(place), log2);
        let sway = Root::TWENTY_FOURTH.times(self.phases.normal(place), 3 * log2);
        let rise = right.phase - left.phase;
        let slope = (3 * rise) >> (log2 + 2);
        let turn = left.frequency - right.frequency;
        State {
            frequency: slope - ((left.frequency + right.frequency) >> 2) + step,
            phase: ((left.phase + right.phase) >> 1) + ((turn << log2) >> 2) + sway,
        }
    }
}

const fn times(a: i128, b: i128) -> i128 {
    (a * b) >> FRACTION_BITS
}

/// The square root of a number and that of twice the number, in units of 2^-30.
struct Root {
    even: i64,
    odd: i64,
}

impl Root {
    const ONE: Self = Self {
        even: 1 << ROOT_BITS,
        odd: 1_518_500_249,
    };
    const EIGHTH: Self = Self {
        even: 379_625_062,
        odd: 1 << (ROOT_BITS - 1),
    };
    const TWELFTH: Self = Self {
        even: 309_962_565,
        odd: 438_353_264,
    };
    const TWENTY_FOURTH: Self = Self {
        even: 219_176_632,
        odd: 309_962_565,
    };

    /// `normal` times this, times 2^(`log2` / 2).
    const fn times(&self, normal: i64, log2: u32) -> i128 {
        let root = if log2.is_multiple_of(2) {
            self.even
        } else {
            self.odd
        };
        let product = (normal * root) as i128;
        let (up, down) = (log2 / 2, NORMAL_BITS + ROOT_BITS - FRACTION_BITS);
        if up < down {
            product >> (down - up)
        } else {
            product << (up - down)
        }
    }
}

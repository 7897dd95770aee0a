//! From the count of a clock to what it shows: the leap seconds it knows of.
//!
//! The count runs on through a leap second, in nanoseconds since 1970, and what
//! the clock shows is a function of the count. So a leap or the end of a smear
//! is nothing that has to be found in advance on a clock that drifts and
//! wanders.

use crate::leap::{Cleared, Leap};
use crate::sine::{ONE, sine};
use crate::smear::{Smear, SmearShape};
use timeball_api::{Delta, LeapIndicator};

/// The shortest smear, in nanoseconds.
const SHORTEST_SMEAR: i128 = 10_000_000_000;
/// No count lies beyond this.
const FAR: i128 = 1 << 100;

/// The leap seconds that a clock knows of, in the order in which they come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calendar {
    known: Vec<Known>,
}

/// A leap second that a clock knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Leap(Leap),
    Smear(Smear),
}

impl Known {
    fn at(&self) -> i128 {
        match self {
            Self::Leap(leap) => leap.at.as_nanos().into(),
            Self::Smear(smear) => smear.at.as_nanos().into(),
        }
    }

    /// What it adds to what the clock shows, once it is over.
    fn size(&self) -> i128 {
        match self {
            Self::Leap(leap) if !leap.is_applied => 0,
            Self::Leap(leap) => leap.kind.size().as_nanos().into(),
            Self::Smear(smear) => smear.kind.size().as_nanos().into(),
        }
    }

    /// The count at which its effect begins, if the clock shows its count until
    /// then, and how long that takes to be whole.
    fn span(&self) -> (i128, i128) {
        match self {
            // Of a second left out the clock shows nothing: it leaps before it.
            Self::Leap(_) => (self.at() - self.size().max(0), 0),
            Self::Smear(smear) => {
                let before = nanos(smear.before).max(0);
                let length = before + nanos(smear.after).max(0) - self.size();
                (self.at() - before, length.max(SHORTEST_SMEAR))
            }
        }
    }

    /// What it adds at `count`.
    fn shift(&self, count: i128) -> i128 {
        let (begin, length) = self.span();
        let passed = count - begin;
        match self {
            _ if passed < 0 => 0,
            Self::Smear(smear) if passed < length => {
                smear.shape.part_of(self.size(), passed, length)
            }
            _ => self.size(),
        }
    }
}

impl SmearShape {
    /// How much of `size` is there when `passed` of `length` has passed, which
    /// is less; to the nearest nanosecond towards 0.
    fn part_of(self, size: i128, passed: i128, length: i128) -> i128 {
        let x = (passed << 60) / length;
        let of_size = |part: i128| size * part / ONE;
        match self {
            Self::Linear => size * passed / length,
            // (1 - cos(pi x)) / 2 is the square of the sine of half the angle.
            Self::Cosine => {
                let sine = sine(x);
                of_size(square(sine))
            }
            Self::Quadratic if x < ONE / 2 => of_size(2 * square(x)),
            Self::Quadratic => of_size(ONE - 2 * square(ONE - x)),
        }
    }
}

fn square(x: i128) -> i128 {
    (x * x) / ONE
}

fn nanos(span: Delta) -> i128 {
    span.as_nanos().into()
}

impl Calendar {
    /// The calendar with a leap second more.
    pub(crate) fn with_leap(&self, leap: Leap) -> Self {
        self.with(Known::Leap(leap))
    }

    /// The calendar with a smeared leap second more.
    pub(crate) fn with_smear(&self, smear: Smear) -> Self {
        self.with(Known::Smear(smear))
    }

    fn with(&self, more: Known) -> Self {
        let mut known = self.known.clone();
        let place = known.partition_point(|other| other.at() <= more.at());
        known.insert(place, more);
        Self { known }
    }

    /// What the clock shows at `count`.
    pub(crate) fn shown(&self, count: i128) -> i128 {
        self.shown_and_indicator(count).0
    }

    /// What the clock shows at `count`, and what the leap seconds let the leap
    /// indicator say.
    ///
    /// Each leap second goes by what the clock shows because of those before
    /// it.
    pub(crate) fn shown_and_indicator(&self, count: i128) -> (i128, LeapIndicator) {
        let mut shown = count;
        let mut indicator = LeapIndicator::None;
        let mut whole = 0;
        for known in &self.known {
            let local = count + whole;
            if let Known::Leap(leap) = known {
                indicator = warning(leap, local).unwrap_or(indicator);
            }
            shown += known.shift(local);
            whole += known.size();
        }
        (shown, indicator)
    }

    /// The first count at which the clock shows `time` or later: of the second
    /// that an inserted leap second repeats, the first pass; of one that is left
    /// out, the moment after it.
    pub(crate) fn count(&self, time: i128) -> i128 {
        // Between two edges what is shown grows with the count.
        let mut from = -FAR;
        for edge in self.edges() {
            if self.shown(edge - 1) >= time {
                return self.first(time, from, edge - 1);
            }
            from = edge;
        }
        self.first(time, from, FAR)
    }

    /// The counts at which the clock leaps or a smear begins or ends, in order.
    fn edges(&self) -> Vec<i128> {
        let mut whole = 0;
        let mut edges = Vec::new();
        for known in &self.known {
            let (begin, length) = known.span();
            edges.extend([begin - whole, begin - whole + length]);
            whole += known.size();
        }
        edges.sort_unstable();
        edges
    }

    /// The first count in `from..=to` that shows `time` or later; there is one.
    fn first(&self, time: i128, mut from: i128, mut to: i128) -> i128 {
        while from < to {
            let middle = from + (to - from) / 2;
            if self.shown(middle) >= time {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        from
    }
}

/// What `leap` lets the leap indicator say when the clock would show `count`
/// without it.
fn warning(leap: &Leap, count: i128) -> Option<LeapIndicator> {
    let announced = leap.announce?;
    let at = i128::from(leap.at.as_nanos());
    let size = Known::Leap(*leap).size();
    // The end of the day: after the second inserted, before the one left out.
    let end = at - size;
    if count < at - nanos(announced) {
        return None;
    }
    let cleared = match leap.cleared {
        Cleared::AtOnce => end,
        Cleared::After(more) => end + nanos(more).max(0),
        Cleared::Never => i128::MAX,
    };
    let is_passing = size < 0 && (at..end).contains(&count);
    match is_passing {
        true => Some(leap.passing),
        false => (count < cleared).then(|| leap.kind.warning()),
    }
}

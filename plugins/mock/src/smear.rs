//! A leap second that is spread over hours.

use crate::leap::LeapKind;
use timeball_api::{Delta, Timestamp};

/// A leap second spread over a while, of which the leap indicator says nothing.
///
/// It begins when the clock shows `at - before` and ends when it shows `at +
/// after`, where a clock that leapt shows the same. So it takes `before +
/// after` and the second itself: the smear from noon to noon takes 86 401 s of
/// a second inserted, 86 399 s of one left out. Both spans count as 0 where
/// they are negative, and a smear is never shorter than 10 s, which `after`
/// makes up: the clock never runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smear {
    /// Inserted or left out.
    pub kind: LeapKind,
    /// The midnight at which the leap second would be.
    pub at: Timestamp,
    /// How the offset grows.
    pub shape: SmearShape,
    /// How long before `at` it begins.
    pub before: Delta,
    /// How long after `at` it ends.
    pub after: Delta,
}

impl Smear {
    /// Noon to noon, linear: the one that public smearing servers agreed on.
    #[must_use]
    pub const fn noon_to_noon(kind: LeapKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            shape: SmearShape::Linear,
            before: Delta::from_seconds(43_200),
            after: Delta::from_seconds(43_200),
        }
    }
}

/// How the offset of a smear grows, x being the part of it that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SmearShape {
    /// x: one frequency offset throughout.
    Linear,
    /// (1 - cos(pi x)) / 2.
    Cosine,
    /// 2 x^2 up to the middle and as much mirrored from there: the frequency
    /// offset grows and shrinks evenly.
    Quadratic,
}

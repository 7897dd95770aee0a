//! Leap seconds, as a clock should apply them and as it should not.

use timeball_api::{Delta, LeapIndicator, Timestamp};

/// Which way a leap second goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeapKind {
    /// 23:59:60 is inserted: the last minute of the day has 61 seconds.
    Insert,
    /// 23:59:59 is left out: the last minute of the day has 59 seconds.
    Delete,
}

impl LeapKind {
    /// What the leap second adds to the number that a POSIX clock shows.
    #[must_use]
    pub const fn size(self) -> Delta {
        match self {
            Self::Insert => Delta::from_seconds(-1),
            Self::Delete => Delta::from_seconds(1),
        }
    }

    /// The warning of it. RFC 5905 section 7.3, figure 9.
    #[must_use]
    pub const fn warning(self) -> LeapIndicator {
        match self {
            Self::Insert => LeapIndicator::InsertSecond,
            Self::Delete => LeapIndicator::DeleteSecond,
        }
    }
}

/// A leap second at the end of a day.
///
/// POSIX has no number for 23:59:60. At the midnight at which an inserted
/// second begins, the clock steps back and shows 23:59:59 a second time, from
/// .000 to .999; where a second is left out, 23:59:58.999 is followed by
/// midnight.
///
/// All of it goes by what the clock itself shows, however it got there: a fast
/// clock leaps early, and one that is set back before its leap meets it again.
/// A leap that has passed when the event happens does not step the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    /// Inserted or left out.
    pub kind: LeapKind,
    /// The midnight that ends the day (2017-01-01T00:00:00Z for the leap second
    /// of 2016). Any moment is taken: a leap at the end of a month that has
    /// none is one of the ways to be wrong.
    pub at: Timestamp,
    /// How long before `at` the leap indicator begins to warn; `None`: it never
    /// does. A day, or the length of the month, would be right. RFC 5905
    /// section 7.3.
    pub announce: Option<Delta>,
    /// Whether the clock leaps. If not, it only warns.
    pub is_applied: bool,
    /// What the leap indicator says while an inserted second passes: the
    /// warning as before, or the alarm, as some servers give it since no NTP
    /// timestamp can tell 23:59:60 from 23:59:59. Nothing else but a warning
    /// that was announced is replaced by it.
    pub passing: LeapIndicator,
    /// When the warning ends.
    pub cleared: Cleared,
}

impl Leap {
    /// A leap second as it should be: announced a day ahead, applied, and
    /// cleared with the new day.
    #[must_use]
    pub const fn right(kind: LeapKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            announce: Some(Delta::from_seconds(86_400)),
            is_applied: true,
            passing: kind.warning(),
            cleared: Cleared::AtOnce,
        }
    }
}

/// When the warning of a leap second ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// With the day: right after the leap second.
    AtOnce,
    /// This long after the end of the day; a negative span is none.
    After(Delta),
    /// Not at all.
    Never,
}

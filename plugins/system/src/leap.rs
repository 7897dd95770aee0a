//! When the leap indicator changes, worked out ahead of the leap second.
//!
//! The kernel's state is read once a second, but a client that asks at the
//! very end of the day must not be told what was right up to a second ago. So
//! the moment of the leap is laid on the monotonic clock, which the leap does
//! not bend, and a reading just compares.

use timeball_api::{Delta, HostInstant, LeapIndicator, LeapSchedule, Monotonic, Timestamp};

const SECOND: Delta = Delta::from_seconds(1);
const DAY: Delta = Delta::from_seconds(86_400);
/// Far more than a kernel is late with a leap second, which it makes with a tick, and far
/// enough from the end of the second that is inserted.
const LATE: Delta = Delta::from_millis(500);

/// A leap second, laid on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leap {
    /// None is coming.
    None,
    /// The first 23:59:59 is over `at` this moment, and the kernel counts that
    /// second once more.
    Insert { at: Monotonic },
    /// The clock goes from 23:59:58 to the next day `at` this moment.
    Delete { at: Monotonic },
}

impl Leap {
    /// What the kernel's `schedule`, seen at the moment `now`, means, when
    /// `known` was the meaning of what was seen before.
    pub(crate) fn seen(schedule: LeapSchedule, now: HostInstant, known: Self) -> Self {
        let midnight = now.monotonic + until_midnight(now.realtime);
        match schedule {
            // What is over cannot be withdrawn, and a datagram that came in
            // before it may still be waiting for its reading.
            LeapSchedule::None if known.is_over(now.monotonic) => known,
            LeapSchedule::None => Self::None,
            // It has not come to it, and shows a day that has not begun yet, or is over.
            _ if known.is_owed(now) => known,
            LeapSchedule::InsertToday => Self::Insert { at: midnight },
            LeapSchedule::DeleteToday => Self::Delete {
                at: midnight - SECOND,
            },
            LeapSchedule::InProgress => known
                .if_inserted_about(now.monotonic)
                .unwrap_or_else(|| Self::inserted_just_before(now)),
        }
    }

    /// An insertion that was foreseen for less than a second before `now`, or after it
    /// (and as much more as a kernel is late with the end of it), is the one in progress.
    /// It is known better than it can be told from the clock, which shows the same second
    /// twice.
    fn if_inserted_about(self, now: Monotonic) -> Option<Self> {
        match self {
            Self::Insert { at } if now - at > -SECOND && now - at < SECOND + LATE => Some(self),
            _ => None,
        }
    }

    /// The insertion that is in progress and that nobody foresaw.
    fn inserted_just_before(now: HostInstant) -> Self {
        let left = until_midnight(now.realtime);
        let elapsed = if left <= SECOND {
            SECOND - left
        } else if DAY - left < SECOND {
            // The kernel steps its clock back with its next tick, and until
            // then shows the first moments of the new day.
            DAY - left
        } else {
            Delta::ZERO
        };
        Self::Insert {
            at: now.monotonic - elapsed,
        }
    }

    /// The leap indicator at the moment `now`: the warning from at most 24
    /// hours before, the alarm while the inserted second passes, then none.
    pub(crate) fn indicator(self, now: Monotonic) -> LeapIndicator {
        let (wait, warning, length) = match self {
            Self::None => return LeapIndicator::None,
            Self::Insert { at } => (at - now, LeapIndicator::InsertSecond, SECOND),
            Self::Delete { at } => (at - now, LeapIndicator::DeleteSecond, Delta::ZERO),
        };
        if wait > DAY {
            LeapIndicator::None
        } else if wait > Delta::ZERO {
            warning
        } else if -wait < length {
            LeapIndicator::Unsynchronised
        } else {
            LeapIndicator::None
        }
    }

    /// The next moment after `now` at which the indicator changes, or the clock
    /// jumps.
    pub(crate) fn next_change(self, now: Monotonic) -> Option<Monotonic> {
        let changes = match self {
            Self::None => [None; 3],
            // A warning of exactly 24 hours is one already.
            Self::Insert { at } => [Some(at - DAY), Some(at), Some(at + SECOND)],
            Self::Delete { at } => [Some(at - DAY), Some(at), None],
        };
        changes.into_iter().flatten().find(|&change| change > now)
    }

    /// By how much the host's clock jumps between the moments `now` and `later`.
    pub(crate) fn jump_between(self, now: Monotonic, later: Monotonic) -> Delta {
        match self {
            Self::Insert { at } if now < at && at <= later => -SECOND,
            Self::Delete { at } if now < at && at <= later => SECOND,
            _ => Delta::ZERO,
        }
    }

    /// The moment `now` as it is once the kernel has made its leap second: it does that with
    /// a tick, some milliseconds late, and until then shows a second too many or too few.
    pub(crate) fn made_at(self, now: HostInstant) -> HostInstant {
        let step = match self {
            Self::Insert { .. } if self.is_owed(now) => -SECOND,
            Self::Delete { .. } if self.is_owed(now) => SECOND,
            _ => return now,
        };
        HostInstant {
            realtime: now.realtime + step,
            ..now
        }
    }

    /// Whether the moment of the leap second has come and the host's clock has run on.
    fn is_owed(self, now: HostInstant) -> bool {
        let has_come = |at: Monotonic| (Delta::ZERO..LATE).contains(&(now.monotonic - at));
        let left = || until_midnight(now.realtime);
        match self {
            Self::None => false,
            // It shows the beginning of the next day.
            Self::Insert { at } => has_come(at) && DAY - left() < LATE,
            // It shows the beginning of 23:59:59.
            Self::Delete { at } => has_come(at) && (SECOND - LATE..=SECOND).contains(&left()),
        }
    }

    /// Whether there was a leap second and it has passed by the moment `now`.
    fn is_over(self, now: Monotonic) -> bool {
        match self {
            Self::None => false,
            Self::Insert { at } => at + SECOND <= now,
            Self::Delete { at } => at <= now,
        }
    }

    /// The leap second if it still lies ahead of the moment `now`.
    pub(crate) fn if_ahead_of(self, now: Monotonic) -> Self {
        match self {
            Self::Insert { at } | Self::Delete { at } if at > now => self,
            _ => Self::None,
        }
    }
}

/// How long it is from `time` to the next midnight of UTC: above zero, and 24
/// hours at midnight itself.
fn until_midnight(time: Timestamp) -> Delta {
    let day = DAY.as_nanos();
    Delta::from_nanos(day - time.as_nanos().rem_euclid(day))
}

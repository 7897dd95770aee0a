//! What a clock does, and when.

use crate::leap::Leap;
use crate::ratio::Ratio;
use crate::smear::Smear;
use crate::wander::Wander;
use timeball_api::{Delta, LeapIndicator, ReferenceId, Timestamp};

/// What a clock does, and when. A reading of it is a function of the script, of
/// the elapsed time, and of how many requests were answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Decides the noise.
    pub seed: u64,
    /// What happens; in any order. Those that are due at the same time happen
    /// in this one.
    pub events: Vec<Event>,
}

/// One thing that happens to the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What people call it: the phase of the run that begins with it.
    pub name: Option<String>,
    /// When it happens.
    pub when: When,
    /// What happens.
    pub change: Change,
}

/// When something happens to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this nominal time: the start of the run and what has elapsed since,
    /// whatever the clock itself shows. What lies before the start holds from
    /// the start.
    Time(Timestamp),
    /// Once this much has elapsed. A negative span counts as none.
    Elapsed(Delta),
    /// Once this many requests were answered: the request numbered so, from
    /// 0, is the first to see it, in both of its timestamps.
    Served(u64),
}

/// What happens to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It shows this much more, or less.
    Step(Delta),
    /// It shows this time and goes on from there.
    Set(Timestamp),
    /// It stands.
    Freeze,
    /// It goes on from where it stood.
    Resume,
    /// It runs at this multiple of the elapsed time from now on.
    Rate(Ratio),
    /// Its frequency error from now on, on top of its rate: a constant number
    /// of parts per billion, -10^9 (it stands) to 10^9; what lies outside
    /// counts as the end of the range.
    Drift {
        /// Parts per billion; a clock with a positive drift gains.
        ppb: i64,
    },
    /// From now on its frequency error changes evenly from what it is.
    DriftRate {
        /// Parts per billion in 86 400 s of elapsed time, -10^9 to 10^9; what
        /// lies outside counts as the end of the range.
        ppb_per_day: i64,
    },
    /// Its noise from now on; [`Wander::NONE`] ends it.
    Wander(Wander),
    /// It knows of a leap second from now on.
    Leap(Leap),
    /// It knows of a leap second to be smeared from now on.
    Smear(Smear),
    /// What it says of itself changes.
    Quality(QualityChange),
}

impl Change {
    /// The week number of GPS wraps: 1024 weeks back, as receivers went that
    /// know no more than its ten bits.
    pub const GPS_WEEK_ROLLOVER: Self = Self::Step(Delta::from_seconds(-1024 * 7 * 86_400));
}

/// What changes in what the clock says of itself: one field of
/// [`Quality`](timeball_api::Quality), to the letter, be it true or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityChange {
    /// The leap indicator is this, whatever leap second comes; `None` leaves it
    /// to the leap seconds of the script again.
    LeapIndicator(Option<LeapIndicator>),
    /// The stratum, 0 to 16; 0 and 16 mean unsynchronised.
    Stratum(u8),
    /// The precision in seconds, as a power of two.
    Precision(i8),
    /// The reference id.
    ReferenceId(ReferenceId),
    /// The root delay.
    RootDelay(Delta),
    /// The root dispersion.
    RootDispersion(Delta),
    /// The reference timestamp stands at this; `None` is zero on the wire.
    ReferenceTimestamp(Option<Timestamp>),
    /// The reference timestamp is this old in each reading; a negative age lies
    /// in the future.
    ReferenceAge(Delta),
    /// The alarm, and stratum 16, over whatever else is said.
    Unsynchronised,
    /// No alarm any more: what was said before.
    Synchronised,
}

//! What control changed in a run, between two datagrams.

use super::line::Opening;
use super::record::{Record, Unseen};
use crate::api::{Delta, Timestamp};
use crate::faults::Rule;
use timeball_mock::Ratio;

/// Something that control changed in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Host time since the run began, not negative: when it was changed. What
    /// came or reached the server by then is not touched by it.
    pub at: Delta,
    /// What was changed.
    pub what: Control,
}

/// What control can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Clocks were moved.
    Clocks {
        /// The endpoint whose clock it was; `None`: all of them.
        clock: Option<String>,
        /// What was done to them.
        motion: Motion,
    },
    /// A fault rule was added before all others.
    AddFault(Box<Rule>),
    /// The fault rule of this name was removed.
    RemoveFault(String),
    /// Another scenario took the place of the one before: another run begins,
    /// whose moments and requests are counted anew.
    Load(Box<Opening>),
}

/// What control does to clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Lets so much time elapse at once; a negative span takes time back.
    Advance(Delta),
    /// Has them show so much more, or less if it is negative; nothing elapses.
    Step(Delta),
    /// Has them show this time; nothing elapses.
    Set(Timestamp),
    /// From now on this much time elapses in a second of the host's.
    Rate(Ratio),
    /// No time elapses.
    Pause,
    /// Time elapses again.
    Resume,
    /// Takes them to the next event of any of them.
    Next,
}

/// What stands in a line of a transcript behind the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A datagram came or left.
    Datagram(Record),
    /// Control changed something.
    Change(Change),
    /// Something became of a copy of a request that no datagram shows.
    Unseen(Unseen),
}

impl Entry {
    /// The datagram, if it is one.
    #[must_use]
    pub const fn datagram(&self) -> Option<&Record> {
        match self {
            Self::Datagram(record) => Some(record),
            Self::Change(_) | Self::Unseen(_) => None,
        }
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self::Datagram(record)
    }
}

impl From<&Record> for Entry {
    fn from(record: &Record) -> Self {
        Self::Datagram(record.clone())
    }
}

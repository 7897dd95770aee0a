//! Where time comes from.

use crate::forecast::Forecast;
use crate::host::{HostClock, HostInstant};
use crate::quality::Quality;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// A clock to serve: a function of a moment of the host.
pub trait TimeSource: Send + Sync {
    /// What this clock said, says or will say at the moment `at`.
    ///
    /// Called twice for each request, with the moment of its arrival and the
    /// moment of its reply, from several threads at once. The same moment
    /// gives the same reading while nothing tends or moves the source.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no time to give: the client then gets no
    /// reply. A clock that merely is not synchronised says so in its
    /// [`Quality`] and lets the protocol decide.
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable>;

    /// How this clock goes on from the moment `at`, as long as the host's clock
    /// is not stepped: `None`, the default, where that is not known or cannot be
    /// said so, and for a source that has no time to give. What it says of a
    /// moment is what [`read`](Self::read) says of it then.
    fn forecast(&self, at: HostInstant) -> Option<Forecast> {
        let _ = at;
        None
    }
}

/// What a source says of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// UTC at that moment.
    pub time: Timestamp,
    /// How good that is.
    pub quality: Quality,
}

/// The source has no time to give, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable(pub &'static str);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the time source is unavailable: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Work that a source needs done now and then, away from the datagrams.
pub trait Upkeep: Send {
    /// Does the work: reads the kernel's clock state, for example. Called at
    /// start and then about once a second. Returns what an operator should be
    /// told, each thing once.
    fn tend(&mut self, now: HostInstant) -> Option<Notice>;
}

/// Something that an operator should be told about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it needs attention, rather than being good to know.
    pub is_warning: bool,
    /// One sentence, with the remedy if there is one.
    pub text: String,
}

/// A time source, ready to be served.
#[derive(Clone)]
pub struct Source {
    /// What to read.
    pub time: Arc<dyn TimeSource>,
    /// The clocks that tell its moments: the operating system's, or virtual
    /// ones of its own.
    pub clock: Arc<dyn HostClock>,
    /// Whether the time is made up for a test. The log says so, requests are
    /// served in one order on one thread, and no request is ever too late.
    pub test_time: bool,
    /// Whether a reading may block. A listener on such a source gets threads
    /// of its own.
    pub may_block: bool,
}

impl Source {
    /// An honest source that does not block, on the clocks of `clock`.
    #[must_use]
    pub fn new(time: impl TimeSource + 'static, clock: Arc<dyn HostClock>) -> Self {
        Self {
            time: Arc::new(time),
            clock,
            test_time: false,
            may_block: false,
        }
    }

    /// The same source, marked as one whose readings may block.
    #[must_use]
    pub fn blocking(self) -> Self {
        Self {
            may_block: true,
            ..self
        }
    }
}

//! What this machine's clocks show, and who may read them.

use crate::time::{Delta, Monotonic, Timestamp};
use std::sync::Arc;

/// One moment, as both clocks of the host showed it.
///
/// A time source is a function of this and of nothing else, so a kernel
/// receive timestamp, a clock that is immune to steps and a scripted clock are
/// all the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostInstant {
    /// The host's UTC (`CLOCK_REALTIME`): may be stepped.
    pub realtime: Timestamp,
    /// The host's monotonic clock: never stepped, slewed with the other one.
    pub monotonic: Monotonic,
    /// Under a virtual clock that counts, the number of the request being
    /// served (from 0): only requests that got a reply are counted.
    pub request: Option<u64>,
}

impl HostInstant {
    /// The moment `age` before this one. A negative age counts as zero: the
    /// clock was stepped in between, and nothing arrives in the future.
    #[must_use]
    pub fn earlier_by(self, age: Delta) -> Self {
        let age = age.max(Delta::ZERO);
        Self {
            realtime: self.realtime - age,
            monotonic: self.monotonic - age,
            ..self
        }
    }

    /// The moment `span` after this one. A negative span counts as zero.
    #[must_use]
    pub fn later_by(self, span: Delta) -> Self {
        let span = span.max(Delta::ZERO);
        Self {
            realtime: self.realtime + span,
            monotonic: self.monotonic + span,
            ..self
        }
    }
}

/// Tells the moment: the operating system's clocks, or virtual ones that a
/// test source brings with it.
pub trait HostClock: Send + Sync {
    /// This moment.
    fn now(&self) -> HostInstant;

    /// This moment again, shortly after `base` was taken from the same clock.
    ///
    /// Cheaper than [`now`](Self::now) where one clock can be carried by the
    /// other over the time of a batch. Never earlier than `base`, except on a
    /// virtual clock that a test has moved back.
    fn again(&self, base: HostInstant) -> HostInstant {
        let _ = base;
        self.now()
    }

    /// The moment at which a datagram arrived that the kernel stamped with
    /// `stamp` (its realtime clock) and that was looked at at `now`.
    ///
    /// A virtual clock knows nothing of the kernel's and says this moment.
    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        now.earlier_by(now.realtime - stamp)
    }

    /// Whether time here is made up: a kernel timestamp then says nothing
    /// about how long a datagram waited.
    fn is_virtual(&self) -> bool {
        false
    }

    /// A request was answered. A clock that counts requests moves on.
    fn replied(&self) {}
}

/// Reads the state of the kernel's clock discipline without changing it.
pub trait KernelClock: Send + Sync {
    /// What the kernel says now.
    ///
    /// # Errors
    /// The operating system's error when the call is refused (a sandbox).
    fn state(&self) -> std::io::Result<KernelState>;
}

/// What the kernel knows of its own clock: a read-only `adjtimex(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelState {
    /// Whether something disciplines the clock (`STA_UNSYNC` is clear and the
    /// call did not return `TIME_ERROR`).
    pub synchronised: bool,
    /// The leap second that the kernel will apply, or is applying.
    pub leap: LeapSchedule,
    /// The kernel's bound on its error. It stands at 16 s when nothing
    /// disciplines the clock.
    pub maximum_error: Delta,
}

/// Where the kernel stands with a leap second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeapSchedule {
    /// No leap second is pending (`TIME_OK`, `TIME_WAIT`).
    #[default]
    None,
    /// 23:59:60 will be inserted at the end of this UTC day (`TIME_INS`).
    InsertToday,
    /// 23:59:59 will be left out at the end of this UTC day (`TIME_DEL`).
    DeleteToday,
    /// The inserted second is passing (`TIME_OOP`).
    InProgress,
}

/// What a kind of time source gets to build on.
#[derive(Clone)]
pub struct Host {
    /// The host's clocks.
    pub clock: Arc<dyn HostClock>,
    /// The kernel's clock state.
    pub kernel: Arc<dyn KernelClock>,
    /// How finely the host's clock can be read, in seconds as a power of two
    /// (such as -25): measured at start. RFC 5905 section 7.3.
    pub precision_log2_s: i8,
}

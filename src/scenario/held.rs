//! A host clock that is held until a request was answered.
//!
//! # Why
//! A mock on a wall base can itself wait for its first request. Several that
//! waited each for its own would tell different times, although they are of one
//! scenario and only one of them is meant to be wrong. So they run on one clock,
//! and whichever of them is asked first sets it going for all.

use crate::api::{HostClock, HostInstant, Monotonic, Timestamp};
use std::sync::{Arc, OnceLock};

/// A clock whose monotonic part stands until the first reply.
pub(super) struct Held {
    host: Arc<dyn HostClock>,
    /// What it shows while it is held.
    stands: Monotonic,
    /// The host's clock at the first reply.
    released: OnceLock<Monotonic>,
}

impl Held {
    /// Holds the clock of `host`.
    pub(super) fn new(host: Arc<dyn HostClock>) -> Self {
        Self {
            stands: host.now().monotonic,
            host,
            released: OnceLock::new(),
        }
    }

    /// A moment of the host's clock, as this one shows it. One before the
    /// release is for the mock to judge: no time of its had begun.
    fn held(&self, at: HostInstant) -> HostInstant {
        let monotonic = match self.released.get() {
            Some(&released) => self.stands + (at.monotonic - released),
            None => self.stands,
        };
        HostInstant { monotonic, ..at }
    }
}

impl HostClock for Held {
    fn now(&self) -> HostInstant {
        self.held(self.host.now())
    }

    /// The host's clock has to know for which moment a reply is made: it stays
    /// that moment until the reply is decided upon, and it is the release.
    fn again(&self, base: HostInstant) -> HostInstant {
        let base = match self.released.get() {
            Some(&released) => HostInstant {
                monotonic: released + (base.monotonic - self.stands),
                ..base
            },
            None => self.host.now(),
        };
        self.held(self.host.again(base))
    }

    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        let Some(&released) = self.released.get() else {
            return now;
        };
        let monotonic = released + (now.monotonic - self.stands);
        self.held(self.host.arrival(stamp, HostInstant { monotonic, ..now }))
    }

    fn is_virtual(&self) -> bool {
        self.host.is_virtual()
    }

    fn replied(&self) {
        self.released.get_or_init(|| self.host.now().monotonic);
        self.host.replied();
    }
}

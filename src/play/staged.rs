//! A source whose clock can be exchanged while it is served: a scenario that is
//! loaded takes the place of the one before, on the same sockets.

use crate::api::{HostClock, HostInstant, Reading, Source, TimeSource, Timestamp, Unavailable};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The source of an endpoint: whatever clock it was last given.
#[derive(Clone)]
pub(super) struct Staged(Arc<RwLock<Source>>);

impl Staged {
    pub(super) fn new(source: Source) -> Self {
        Self(Arc::new(RwLock::new(source)))
    }

    /// From now on the time is that of `source`.
    pub(super) fn replace(&self, source: Source) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = source;
    }

    /// What a server is given.
    pub(super) fn source(&self) -> Source {
        Source {
            time: Arc::new(self.clone()),
            clock: Arc::new(self.clone()),
            test_time: true,
            may_block: false,
        }
    }

    fn current(&self) -> RwLockReadGuard<'_, Source> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for Staged {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        self.current().time.read(at)
    }
}

impl HostClock for Staged {
    fn now(&self) -> HostInstant {
        self.current().clock.now()
    }

    fn again(&self, base: HostInstant) -> HostInstant {
        self.current().clock.again(base)
    }

    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        self.current().clock.arrival(stamp, now)
    }

    fn is_virtual(&self) -> bool {
        self.current().clock.is_virtual()
    }

    fn replied(&self) {
        self.current().clock.replied();
    }
}

//! The handle that a test holds, and the clock behind it that the server reads.

use crate::timeline::{Advance, Timeline};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use timeball_api::{
    Delta, HostClock, HostInstant, Monotonic, Quality, Reading, Source, TimeSource, Timestamp,
    Unavailable,
};

/// A clock that a test moves, even while a server serves it.
///
/// Clones are handles of the same clock. A change holds for every reading
/// that begins after the call returns.
#[derive(Clone)]
pub struct MockClock(Arc<Inner>);

struct Inner {
    timeline: Mutex<Timeline>,
    /// The clock that moves the time, if the time is not virtual.
    wall: Option<Arc<dyn HostClock>>,
}

impl MockClock {
    /// A clock that shows `start` until it is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::new(Advance::Manual, start, Quality::default(), None)
    }

    /// A clock that shows `start + n * step` while the n-th request is being
    /// served, counted from 0 over every listener that serves it. Only a
    /// reply moves it: a request that is dropped does not, and a reading that
    /// serves no request (a status page) does not. `step` may be negative.
    #[must_use]
    pub fn per_request(start: Timestamp, step: Delta) -> Self {
        let advance = Advance::PerRequest(step);
        Self::new(advance, start, Quality::default(), None)
    }

    /// A clock that shows `start` now and goes on as `host`'s monotonic clock
    /// does.
    #[must_use]
    pub fn wall(start: Timestamp, host: Arc<dyn HostClock>) -> Self {
        Self::new(Advance::Wall, start, Quality::default(), Some(host))
    }

    pub(crate) fn new(
        advance: Advance,
        start: Timestamp,
        quality: Quality,
        wall: Option<Arc<dyn HostClock>>,
    ) -> Self {
        let since = wall
            .as_ref()
            .map_or(Monotonic::default(), |wall| wall.now().monotonic);
        Self(Arc::new(Inner {
            timeline: Mutex::new(Timeline::new(advance, start, since, quality)),
            wall,
        }))
    }

    /// The source to serve: its readings and its clock are this one's.
    #[must_use]
    pub fn source(&self) -> Source {
        Source {
            time: Arc::<Inner>::clone(&self.0),
            clock: Arc::<Inner>::clone(&self.0),
            test_time: true,
            may_block: false,
        }
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = self.0.now();
        self.0.timeline().time_at(now)
    }

    /// Makes it `time`, later or earlier than it was: a step, as far as a
    /// client can see. The clock goes on from there as it did before.
    pub fn set(&self, time: Timestamp) {
        self.0.change(|timeline, now| timeline.set(time, now));
    }

    /// Moves the time by `span`, back if it is negative; saturates.
    pub fn advance(&self, span: Delta) {
        self.0.change(|timeline, _| timeline.advance(span));
    }

    /// The time stands until [`resume`](Self::resume): nothing but
    /// [`set`](Self::set) and [`advance`](Self::advance) moves it. Requests are
    /// still counted.
    pub fn freeze(&self) {
        self.0.change(Timeline::freeze);
    }

    /// The time goes on from where it stands.
    pub fn resume(&self) {
        self.0.change(Timeline::resume);
    }

    /// The quality of a reading made now.
    #[must_use]
    pub fn quality(&self) -> Quality {
        let now = self.now();
        self.0.timeline().quality_at(now)
    }

    /// Gives every reading from now on this quality, to the letter, be it true
    /// or not: a reference timestamp of `None` is zero on the wire, and one
    /// that lies in the future stays there.
    ///
    /// Until the first call the quality is [`Quality::default`] (or that of
    /// the settings), with the start, or the time of the reading where that is
    /// earlier, as its reference timestamp.
    pub fn set_quality(&self, quality: Quality) {
        let set = |timeline: &mut Timeline, _| timeline.set_quality(quality);
        self.0.change(set);
    }

    /// How many requests got a reply.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.0.timeline().served()
    }
}

impl Inner {
    /// The timeline. A test that panicked while it held the lock left it
    /// whole: no change is ever half done when something can panic.
    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change at this moment.
    fn change(&self, change: impl FnOnce(&mut Timeline, HostInstant)) {
        let mut timeline = self.timeline();
        let now = match &self.wall {
            Some(wall) => wall.now(),
            None => timeline.virtual_now(),
        };
        change(&mut timeline, now);
    }
}

impl TimeSource for Inner {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        Ok(self.timeline().read(at))
    }
}

/// The moments of the mock: virtual ones, or those of the clock that moves it.
impl HostClock for Inner {
    fn now(&self) -> HostInstant {
        match &self.wall {
            Some(wall) => wall.now(),
            None => self.timeline().virtual_now(),
        }
    }

    fn again(&self, base: HostInstant) -> HostInstant {
        match &self.wall {
            Some(wall) => wall.again(base),
            None => self.now(),
        }
    }

    /// Under a virtual clock this is `now` itself: when the kernel received a
    /// datagram must not show in a reply that has to be the same every time.
    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        match &self.wall {
            Some(wall) => wall.arrival(stamp, now),
            None => now,
        }
    }

    fn is_virtual(&self) -> bool {
        self.wall.as_ref().is_none_or(|wall| wall.is_virtual())
    }

    fn replied(&self) {
        self.timeline().replied();
        if let Some(wall) = &self.wall {
            wall.replied();
        }
    }
}

impl fmt::Debug for MockClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MockClock")
            .field(&*self.0.timeline())
            .finish()
    }
}

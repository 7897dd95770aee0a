//! Where the time of a mock stands and how it moves: plain state, no lock and
//! no clock.

use timeball_api::{Delta, HostInstant, Monotonic, Quality, Reading, Timestamp};

/// What moves the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Nothing but the test.
    Manual,
    /// Each request that got a reply, by this much.
    PerRequest(Delta),
    /// The host's monotonic clock.
    Wall,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    advance: Advance,
    /// The time at `since`, if the wall moves it; the time, otherwise.
    time: Timestamp,
    /// What moves with the wall: the moment since which it has run from
    /// `time`. Otherwise: the virtual monotonic clock.
    since: Monotonic,
    is_frozen: bool,
    served: u64,
    quality: Quality,
    /// What the reference timestamp is while the quality is not the test's.
    start: Option<Timestamp>,
}

impl Timeline {
    /// The time `start` at the moment `since`, with `quality`. A quality
    /// without a reference timestamp gets `start` for one.
    pub(crate) fn new(
        advance: Advance,
        start: Timestamp,
        since: Monotonic,
        quality: Quality,
    ) -> Self {
        Self {
            advance,
            time: start,
            since,
            is_frozen: false,
            served: 0,
            quality,
            start: quality.reference_timestamp.is_none().then_some(start),
        }
    }

    /// This moment on the virtual clocks.
    pub(crate) fn virtual_now(&self) -> HostInstant {
        HostInstant {
            realtime: self.time,
            monotonic: self.since,
            request: Some(self.served),
        }
    }

    /// The time at the moment `at`.
    pub(crate) fn time_at(&self, at: HostInstant) -> Timestamp {
        match self.advance {
            Advance::Manual | Advance::PerRequest(_) => at.realtime,
            Advance::Wall if self.is_frozen => self.time,
            Advance::Wall => self.time + (at.monotonic - self.since),
        }
    }

    pub(crate) fn read(&self, at: HostInstant) -> Reading {
        let time = self.time_at(at);
        Reading {
            time,
            quality: self.quality_at(time),
        }
    }

    /// The quality of a reading that shows `time`.
    pub(crate) fn quality_at(&self, time: Timestamp) -> Quality {
        let by_default = self.start.map(|start| start.min(time));
        Quality {
            reference_timestamp: by_default.or(self.quality.reference_timestamp),
            ..self.quality
        }
    }

    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        self.start = None;
    }

    /// Makes it `time` at the moment `now`.
    pub(crate) fn set(&mut self, time: Timestamp, now: HostInstant) {
        self.time = time;
        if self.advance == Advance::Wall {
            self.since = now.monotonic;
        }
    }

    /// Moves the time by `span`. A virtual monotonic clock moves too, but
    /// never back.
    pub(crate) fn advance(&mut self, span: Delta) {
        self.time += span;
        if self.advance != Advance::Wall {
            self.since = self.since + span.max(Delta::ZERO);
        }
    }

    /// From the moment `now` the time stands, but for the test.
    pub(crate) fn freeze(&mut self, now: HostInstant) {
        self.set(self.time_at(now), now);
        self.is_frozen = true;
    }

    /// From the moment `now` the time goes on from where it stands.
    pub(crate) fn resume(&mut self, now: HostInstant) {
        self.set(self.time_at(now), now);
        self.is_frozen = false;
    }

    /// A request got its reply.
    pub(crate) fn replied(&mut self) {
        self.served = self.served.wrapping_add(1);
        match self.advance {
            Advance::PerRequest(step) if !self.is_frozen => self.advance(step),
            _ => {}
        }
    }

    pub(crate) fn served(&self) -> u64 {
        self.served
    }
}

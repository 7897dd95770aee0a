//! The handle that a test holds, and the clock behind it that the server reads.

use crate::base::{Base, NotAWallClock, Starts};
use crate::ratio::Ratio;
use crate::script::{Change, Event, Script};
use crate::timeline::Timeline;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use timeball_api::{
    Delta, HostClock, HostInstant, Monotonic, Quality, Reading, Source, TimeSource, Timestamp,
    Unavailable,
};

/// A clock that a test moves and that follows a script, even while a server
/// serves it.
///
/// Clones are handles of the same clock. A change holds for every reading
/// that begins after the call returns, and for moments before the change too: a
/// request that has waited meanwhile does not see both.
///
/// Two things move. The *elapsed* time of the run is moved by its [`Base`]; it
/// decides what of the script has happened. What the clock *shows* is the start
/// and what has elapsed, as long as nothing has happened to it.
#[derive(Clone)]
pub struct MockClock(Arc<Inner>);

struct Inner {
    timeline: Mutex<Timeline>,
    /// The clock that moves the time, if the time is not virtual.
    host: Option<Arc<dyn HostClock>>,
}

impl MockClock {
    /// A clock that shows `start` until it is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::without_host(start, Base::Manual)
    }

    /// A clock that shows `start + n * step` while the n-th request is being
    /// served, counted from 0 over every listener that serves it. Only a
    /// reply moves it: a request that is dropped does not, and a reading that
    /// serves no request (a status page) does not. `step` may be negative.
    #[must_use]
    pub fn per_request(start: Timestamp, step: Delta) -> Self {
        Self::without_host(start, Base::PerRequest(step))
    }

    /// A clock that shows `start` now and goes on as `host`'s monotonic clock
    /// does.
    #[must_use]
    pub fn wall(start: Timestamp, host: Arc<dyn HostClock>) -> Self {
        let base = Base::Wall {
            rate: Ratio::ONE,
            starts: Starts::Now,
        };
        Self::scripted(start, Quality::default(), base, Script::default(), host)
    }

    /// A clock that follows `script` from `start`, with `quality` until the
    /// script says otherwise.
    ///
    /// A quality without a reference timestamp gets `start` for one, or the time
    /// of the reading where that is earlier; one without a leap indicator leaves
    /// that to the leap seconds of the script. `host` is the clock that moves
    /// the time on [`Base::Wall`], and is not looked at on the others.
    #[must_use]
    pub fn scripted(
        start: Timestamp,
        quality: Quality,
        base: Base,
        script: Script,
        host: Arc<dyn HostClock>,
    ) -> Self {
        Self::new(start, quality, base, script, Some(host))
    }

    fn without_host(start: Timestamp, base: Base) -> Self {
        Self::new(start, Quality::default(), base, Script::default(), None)
    }

    fn new(
        start: Timestamp,
        quality: Quality,
        base: Base,
        script: Script,
        host: Option<Arc<dyn HostClock>>,
    ) -> Self {
        let now = began(base, host.as_ref());
        let timeline = Timeline::new(start, quality, base, script, now);
        Self(Arc::new(Inner {
            timeline: Mutex::new(timeline),
            host,
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
        self.reading().time
    }

    /// The quality of a reading made now.
    #[must_use]
    pub fn quality(&self) -> Quality {
        self.reading().quality
    }

    /// What it says now. No request is counted.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.look(Timeline::read_at)
    }

    /// What it says once this much has elapsed, as far as that is known now:
    /// what happens by request or by hand counts only if it has happened, and
    /// then as if it had from the beginning.
    #[must_use]
    pub fn reading_at(&self, elapsed: Delta) -> Reading {
        self.0.timeline().read_at(elapsed.as_nanos())
    }

    /// How much more it shows once this much has elapsed than the nominal time,
    /// which is the start and what has elapsed. Known as far as
    /// [`reading_at`](Self::reading_at) is.
    #[must_use]
    pub fn offset_at(&self, elapsed: Delta) -> Delta {
        let timeline = self.0.timeline();
        timeline.read_at(elapsed.as_nanos()).time - (timeline.start() + elapsed)
    }

    /// Whether both are handles of the same clock.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The nominal time at which the run began.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.0.timeline().start()
    }

    /// What moves the time, and on the wall how fast it does now.
    #[must_use]
    pub fn base(&self) -> Base {
        self.0.timeline().hand().base()
    }

    /// How much time has elapsed in the run.
    #[must_use]
    pub fn elapsed(&self) -> Delta {
        self.look(|_, elapsed| Delta::from_nanos(elapsed))
    }

    /// How many requests got a reply.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.0.timeline().served()
    }

    /// The name of the latest event that has happened and has one.
    #[must_use]
    pub fn phase(&self) -> Option<String> {
        self.look(|timeline, elapsed| timeline.phase(elapsed).map(str::to_owned))
    }

    /// How much will have elapsed at the next event that comes by elapsed time
    /// or at a nominal time; `None` if none of these is left.
    #[must_use]
    pub fn next_due(&self) -> Option<Delta> {
        self.look(Timeline::next_due)
    }

    /// Goes to the next event of the script and says which it is, the first of
    /// them if several are due together; `None` if none is left. The elapsed
    /// time moves on to the event, or requests are counted up to it as if they
    /// had been served ([`served`](Self::served) goes on counting those that
    /// were). On [`Base::PerRequest`] the earlier one is next; on the others an
    /// event by request comes after all others.
    pub fn next_phase(&self) -> Option<Event> {
        self.0.change(Timeline::next_phase)
    }

    /// Lets this happen to the clock now.
    pub fn apply(&self, change: Change) {
        self.change(|timeline, elapsed| timeline.apply(&change, elapsed));
    }

    /// Makes it show `time`, later or earlier than it did: a step, as far as a
    /// client can see. Nothing elapses, and the clock goes on from there as it
    /// did before.
    pub fn set(&self, time: Timestamp) {
        self.apply(Change::Set(time));
    }

    /// Makes it show so much more, or less if it is negative. Nothing elapses.
    pub fn step(&self, span: Delta) {
        self.apply(Change::Step(span));
    }

    /// Lets `span` elapse at once, which takes the clock along and whatever is
    /// due; takes time back if it is negative; saturates.
    pub fn advance(&self, span: Delta) {
        self.change(|timeline, elapsed| timeline.advance(span, elapsed));
    }

    /// Lets a run that waits for its first request ([`Starts::FirstRequest`])
    /// begin at the moment `at` of the host's clock; has no effect on any other.
    /// So several clocks begin together with the first request to one of them.
    pub fn begin(&self, at: HostInstant) {
        self.0.timeline().begin(at.monotonic);
    }

    /// No time elapses until [`unpause`](Self::unpause), but for what
    /// [`advance`](Self::advance) lets elapse. Requests are still counted.
    pub fn pause(&self) {
        self.0.change(|timeline, now| timeline.pause(true, now));
    }

    /// Time elapses again.
    pub fn unpause(&self) {
        self.0.change(|timeline, now| timeline.pause(false, now));
    }

    /// Whether no time elapses.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.timeline().hand().is_paused()
    }

    /// From now on this much time elapses in a second of the host's.
    ///
    /// # Errors
    /// [`NotAWallClock`] if the host's clock does not move it.
    pub fn set_rate(&self, rate: Ratio) -> Result<(), NotAWallClock> {
        self.0.change(|timeline, now| timeline.set_rate(rate, now))
    }

    /// The clock stands until [`resume`](Self::resume) while time elapses:
    /// nothing but [`set`](Self::set), [`step`](Self::step) and
    /// [`advance`](Self::advance) moves it, and the script's resuming.
    pub fn freeze(&self) {
        self.change(Timeline::freeze);
    }

    /// The clock goes on from where it stands.
    pub fn resume(&self) {
        self.apply(Change::Resume);
    }

    /// Gives every reading from now on this quality, to the letter, be it true
    /// or not: a reference timestamp of `None` is zero on the wire, and one
    /// that lies in the future stays there.
    pub fn set_quality(&self, quality: Quality) {
        self.change(|timeline, elapsed| timeline.set_quality(quality, elapsed));
    }

    /// Begins another run: everything but the host's clock is as if it had just
    /// been made.
    ///
    /// # Errors
    /// [`NoHostClock`] if `base` is [`Base::Wall`] and the clock was made
    /// without one; nothing has changed then.
    pub fn restart(
        &self,
        start: Timestamp,
        quality: Quality,
        base: Base,
        script: Script,
    ) -> Result<(), NoHostClock> {
        if matches!(base, Base::Wall { .. }) && self.0.host.is_none() {
            return Err(NoHostClock);
        }
        let mut timeline = self.0.timeline();
        let now = began(base, self.0.host.as_ref());
        *timeline = Timeline::new(start, quality, base, script, now);
        Ok(())
    }

    /// Looks at the timeline as it is now, with what has elapsed.
    fn look<T>(&self, look: impl FnOnce(&Timeline, i64) -> T) -> T {
        let timeline = self.0.timeline();
        let elapsed = timeline.hand().elapsed(self.0.moment(&timeline));
        look(&timeline, elapsed)
    }

    /// Changes the timeline as it is now, with what has elapsed.
    fn change<T>(&self, change: impl FnOnce(&mut Timeline, i64) -> T) -> T {
        self.0.change(|timeline, now| {
            let elapsed = timeline.hand().elapsed(now);
            change(timeline, elapsed)
        })
    }
}

/// The moment at which a run on this base begins.
fn began(base: Base, host: Option<&Arc<dyn HostClock>>) -> Monotonic {
    match (base, host) {
        (Base::Wall { .. }, Some(host)) => host.now().monotonic,
        _ => Monotonic::default(),
    }
}

/// The clock was made without a clock of the host to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoHostClock;

impl fmt::Display for NoHostClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this mock was made without a clock of the host, so it cannot run on the wall")
    }
}

impl std::error::Error for NoHostClock {}

impl Inner {
    /// The timeline. A test that panicked while it held the lock left it
    /// whole: no change is ever half done when something can panic.
    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that moves the time, if the time is not virtual.
    fn wall(&self, timeline: &Timeline) -> Option<&dyn HostClock> {
        let host = self.host.as_deref();
        host.filter(|_| timeline.hand().is_on_the_wall())
    }

    /// This moment on the clock that moves the time.
    fn moment(&self, timeline: &Timeline) -> Monotonic {
        match self.wall(timeline) {
            Some(wall) => wall.now().monotonic,
            None => timeline.hand().virtual_now(),
        }
    }

    /// Makes a change at this moment.
    fn change<T>(&self, change: impl FnOnce(&mut Timeline, Monotonic) -> T) -> T {
        let mut timeline = self.timeline();
        let now = self.moment(&timeline);
        change(&mut timeline, now)
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
        let timeline = self.timeline();
        match self.wall(&timeline) {
            Some(wall) => wall.now(),
            None => timeline.virtual_now(),
        }
    }

    fn again(&self, base: HostInstant) -> HostInstant {
        let timeline = self.timeline();
        match self.wall(&timeline) {
            Some(wall) => wall.again(base),
            None => timeline.virtual_now(),
        }
    }

    /// Under a virtual clock this is `now` itself: when the kernel received a
    /// datagram must not show in a reply that has to be the same every time.
    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        match self.wall(&self.timeline()) {
            Some(wall) => wall.arrival(stamp, now),
            None => now,
        }
    }

    fn is_virtual(&self) -> bool {
        let timeline = self.timeline();
        self.wall(&timeline).is_none_or(HostClock::is_virtual)
    }

    fn replied(&self) {
        let mut timeline = self.timeline();
        let now = if timeline.awaits_a_reply() {
            self.moment(&timeline)
        } else {
            Monotonic::default()
        };
        timeline.replied(now);
        if let Some(wall) = self.wall(&timeline) {
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

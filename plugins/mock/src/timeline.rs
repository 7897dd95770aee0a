//! Where the time of a mock stands and what has happened to it: plain state, no
//! lock and no clock.

use crate::base::{Base, NotAWallClock};
use crate::course::{Course, Standing};
use crate::hand::Hand;
use crate::ratio::Ratio;
use crate::script::{Change, Event, Script, When};
use std::cmp::Reverse;
use timeball_api::{Delta, HostInstant, Monotonic, Quality, Reading, Timestamp};

/// A script on its way.
///
/// What happens at an elapsed time is worked out ahead, so that a reading is a
/// look at what holds then. What happens by request or by hand is not known
/// ahead: it holds from when it happens, for every reading that is made after
/// that, and what lies ahead is worked out anew.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    start: Timestamp,
    hand: Hand,
    events: Vec<Event>,
    /// Which events are due when, in that order: by elapsed time in
    /// nanoseconds, above 0.
    timed: Vec<(i64, usize)>,
    /// And by requests answered, above 0; the next one stands last.
    counted: Vec<(u64, usize)>,
    /// How the clock runs, in order; the first is never absent, and of two that
    /// begin together the later one holds.
    stretches: Vec<Stretch>,
    served: u64,
    /// Requests that were counted without having been served.
    skipped: u64,
}

/// A course, and from when on it is the one.
#[derive(Debug, Clone)]
struct Stretch {
    from: i64,
    course: Course,
    /// The latest event that has happened and has a name.
    phase: Option<usize>,
}

impl Timeline {
    /// A run that begins at the moment `now`.
    pub(crate) fn new(
        start: Timestamp,
        quality: Quality,
        base: Base,
        script: Script,
        now: Monotonic,
    ) -> Self {
        let mut timeline = Self {
            start,
            hand: Hand::new(base, now),
            events: script.events,
            timed: Vec::new(),
            counted: Vec::new(),
            stretches: vec![Stretch {
                from: i64::MIN,
                course: Course::new(start, quality, script.seed),
                phase: None,
            }],
            served: 0,
            skipped: 0,
        };
        let mut first = Vec::new();
        for (index, event) in timeline.events.iter().enumerate() {
            match due(event.when, start) {
                Due::AtOnce => first.push(index),
                Due::Elapsed(nanos) => timeline.timed.push((nanos, index)),
                Due::Served(count) => timeline.counted.push((count, index)),
            }
        }
        timeline.timed.sort_unstable();
        timeline.counted.sort_unstable_by_key(|&due| Reverse(due));
        for index in first {
            timeline.happen(index, 0);
        }
        timeline.look_ahead(0);
        timeline
    }

    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    pub(crate) fn hand(&self) -> &Hand {
        &self.hand
    }

    pub(crate) fn served(&self) -> u64 {
        self.served
    }

    /// This moment on the virtual clocks.
    pub(crate) fn virtual_now(&self) -> HostInstant {
        let monotonic = self.hand.virtual_now();
        HostInstant {
            realtime: self.read_at(self.hand.elapsed(monotonic)).time,
            monotonic,
            request: Some(self.served),
        }
    }

    /// What the clock says at the moment `at`.
    pub(crate) fn read(&self, at: HostInstant) -> Reading {
        self.read_at(self.hand.elapsed(at.monotonic))
    }

    /// What the clock says once `elapsed` nanoseconds have elapsed.
    pub(crate) fn read_at(&self, elapsed: i64) -> Reading {
        self.stretch(elapsed).course.read(elapsed)
    }

    /// The name of the latest event that has happened by then and has one.
    pub(crate) fn phase(&self, elapsed: i64) -> Option<&str> {
        let event = &self.events[self.stretch(elapsed).phase?];
        event.name.as_deref()
    }

    fn stretch(&self, elapsed: i64) -> &Stretch {
        let after = self.stretches.partition_point(|part| part.from <= elapsed);
        &self.stretches[after.saturating_sub(1)]
    }

    /// Makes a change by hand.
    pub(crate) fn apply(&mut self, change: &Change, elapsed: i64) {
        self.bend(elapsed, |course| course.change(elapsed, change));
    }

    /// Gives every reading from now on this quality.
    pub(crate) fn set_quality(&mut self, quality: Quality, elapsed: i64) {
        self.bend(elapsed, |course| course.set_quality(quality));
    }

    /// The clock stands from now on, but for whoever advances it.
    pub(crate) fn freeze(&mut self, elapsed: i64) {
        self.bend(elapsed, |course| {
            course.change(elapsed, &Change::Freeze);
            course.stand(Standing::ByHand);
        });
    }

    /// Moves the elapsed time by `span`, and a clock that was frozen by hand
    /// with it.
    pub(crate) fn advance(&mut self, span: Delta, elapsed: i64) {
        let is_held = self.stretch(elapsed).course.standing() == Standing::ByHand;
        self.hand.advance(span);
        if is_held {
            let elapsed = elapsed.saturating_add(span.as_nanos());
            self.apply(&Change::Step(span), elapsed);
        }
    }

    pub(crate) fn pause(&mut self, is_paused: bool, now: Monotonic) {
        self.hand.pause(is_paused, now);
    }

    pub(crate) fn set_rate(&mut self, rate: Ratio, now: Monotonic) -> Result<(), NotAWallClock> {
        self.hand.set_rate(rate, now)
    }

    /// Whether it matters to [`replied`](Self::replied) when that is.
    pub(crate) fn awaits_a_reply(&self) -> bool {
        let is_due = |&(count, _): &(u64, usize)| count <= self.counted_so_far().saturating_add(1);
        self.hand.is_waiting() || self.counted.last().is_some_and(is_due)
    }

    /// A request got its reply at the moment `now`.
    pub(crate) fn replied(&mut self, now: Monotonic) {
        self.served = self.served.saturating_add(1);
        self.count(1, now);
    }

    /// Lets a run that waits for its first request begin at the moment `at`.
    pub(crate) fn begin(&mut self, at: Monotonic) {
        if self.hand.is_waiting() {
            self.hand.start(at);
        }
    }

    fn counted_so_far(&self) -> u64 {
        self.served.saturating_add(self.skipped)
    }

    /// What follows from `count` requests more.
    fn count(&mut self, count: u64, now: Monotonic) {
        self.begin(now);
        self.hand.replied(count);
        let so_far = self.counted_so_far();
        while let Some((_, index)) = self.counted.pop_if(|due| due.0 <= so_far) {
            let elapsed = self.hand.elapsed(self.hand.moment(now));
            self.keep_only(elapsed);
            self.happen(index, elapsed);
            self.look_ahead(elapsed);
        }
    }

    /// Goes to the next event, at the moment `now`, and says which it is.
    pub(crate) fn next_phase(&mut self, now: Monotonic) -> Option<Event> {
        let elapsed = self.hand.elapsed(now);
        let after = self.timed.partition_point(|&(due, _)| due <= elapsed);
        let timed = self.timed.get(after).copied();
        let counted = self.counted.last().copied();
        let index = match (timed, counted) {
            (Some((due, _)), Some((count, index))) if self.comes_first(count, due, elapsed) => {
                index
            }
            (Some((_, index)), _) | (None, Some((_, index))) => index,
            (None, None) => return None,
        };
        match due(self.events[index].when, self.start) {
            Due::Elapsed(due) => self
                .hand
                .advance(Delta::from_nanos(due.saturating_sub(elapsed))),
            Due::Served(count) => {
                let more = count.saturating_sub(self.counted_so_far());
                self.skipped = self.skipped.saturating_add(more);
                self.count(more, now);
            }
            Due::AtOnce => {}
        }
        Some(self.events[index].clone())
    }

    /// What will have elapsed at the next event that comes by that.
    pub(crate) fn next_due(&self, elapsed: i64) -> Option<Delta> {
        let after = self.timed.partition_point(|&(due, _)| due <= elapsed);
        let &(due, _) = self.timed.get(after)?;
        Some(Delta::from_nanos(due))
    }

    /// Whether the requests up to this `count` come before `due` has elapsed.
    fn comes_first(&self, count: u64, due: i64, elapsed: i64) -> bool {
        match self.hand.base() {
            Base::PerRequest(step) if !self.hand.is_paused() => {
                let more = i128::from(count) - i128::from(self.counted_so_far());
                i128::from(elapsed) + i128::from(step.as_nanos()) * more <= due.into()
            }
            _ => false,
        }
    }

    /// Bends the course that holds at `elapsed`, for every reading made from
    /// now on, and works out anew what lies ahead.
    fn bend(&mut self, elapsed: i64, bend: impl FnOnce(&mut Course)) {
        self.keep_only(elapsed);
        bend(&mut self.stretches[0].course);
        self.look_ahead(elapsed);
    }

    /// Lets what holds at `elapsed` hold for good.
    fn keep_only(&mut self, elapsed: i64) {
        let from = i64::MIN;
        let now = self.stretch(elapsed).clone();
        self.stretches.clear();
        self.stretches.push(Stretch { from, ..now });
    }

    /// Works out what the events after `elapsed` make of it.
    fn look_ahead(&mut self, elapsed: i64) {
        let after = self.timed.partition_point(|&(due, _)| due <= elapsed);
        for place in after..self.timed.len() {
            let (due, index) = self.timed[place];
            let last = self.stretches[self.stretches.len() - 1].clone();
            self.stretches.push(Stretch { from: due, ..last });
            self.happen(index, due);
        }
    }

    /// Lets an event happen to the last stretch.
    fn happen(&mut self, index: usize, elapsed: i64) {
        let last = self.stretches.len() - 1;
        let stretch = &mut self.stretches[last];
        let event = &self.events[index];
        stretch.course.change(elapsed, &event.change);
        if event.name.is_some() {
            stretch.phase = Some(index);
        }
    }
}

/// When an event is due.
enum Due {
    AtOnce,
    /// Nanoseconds, above 0.
    Elapsed(i64),
    /// Requests answered, above 0.
    Served(u64),
}

fn due(when: When, start: Timestamp) -> Due {
    match when {
        When::Time(time) => due(When::Elapsed(time - start), start),
        When::Elapsed(span) if span > Delta::ZERO => Due::Elapsed(span.as_nanos()),
        When::Served(count) if count > 0 => Due::Served(count),
        When::Elapsed(_) | When::Served(_) => Due::AtOnce,
    }
}

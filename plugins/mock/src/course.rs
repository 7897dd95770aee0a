//! How a clock runs from one event to the next: a function of the elapsed time.

use crate::calendar::Calendar;
use crate::drift::Drift;
use crate::face::Face;
use crate::fine::Fine;
use crate::hash::Sequence;
use crate::noise::Noise;
use crate::ratio::Ratio;
use crate::script::Change;
use std::sync::Arc;
use timeball_api::{Quality, Reading, Timestamp};

/// How a clock runs while nothing happens to it. Elapsed times are in
/// nanoseconds, and may lie before the course begins.
///
/// The clock has a count, which goes on through leap seconds. From `base` it
/// runs at `rate` times the elapsed time and what has drifted; what it has
/// wandered comes on top. What it shows is a function of the count (the
/// calendar), but for the error of each reading.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    base: Fine,
    /// The elapsed time and what had drifted when the count was `base`.
    progress_at_base: Fine,
    rate: Ratio,
    drift: Drift,
    noise: Option<Arc<Noise>>,
    /// How many times the noise has changed: each has variates of its own.
    noises: u64,
    standing: Standing,
    calendar: Arc<Calendar>,
    face: Face,
    sequence: Sequence,
}

/// Whether a clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It runs.
    Not,
    /// It was frozen by an event, and nothing but an event moves it.
    ByEvent,
    /// It was frozen by hand, and who advances it moves it.
    ByHand,
}

impl Course {
    /// A clock that shows `start` at the elapsed time 0 and is right from
    /// there.
    pub(crate) fn new(start: Timestamp, quality: Quality, seed: u64) -> Self {
        Self {
            base: Fine::from_nanos(start.as_nanos().into()),
            progress_at_base: Fine::default(),
            rate: Ratio::ONE,
            drift: Drift::default(),
            noise: None,
            noises: 0,
            standing: Standing::Not,
            calendar: Arc::default(),
            face: Face::new(quality, start),
            sequence: Sequence::new(seed),
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    pub(crate) fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.face = Face::to_the_letter(quality);
    }

    /// What the clock says at `elapsed`.
    pub(crate) fn read(&self, elapsed: i64) -> Reading {
        let count = self.count(elapsed).floor();
        let (shown, indicator) = self.calendar.shown_and_indicator(count);
        let error = match self.standing {
            Standing::Not => self.noise.as_ref().map_or(0, |noise| noise.error(elapsed)),
            Standing::ByEvent | Standing::ByHand => 0,
        };
        let time = timestamp(shown + error);
        Reading {
            time,
            quality: self.face.quality(time, indicator),
        }
    }

    /// The count at `elapsed`.
    fn count(&self, elapsed: i64) -> Fine {
        match self.standing {
            Standing::Not => self.steady(elapsed) + self.wandered(elapsed),
            Standing::ByEvent | Standing::ByHand => self.base,
        }
    }

    /// The count at `elapsed` but for what it has wandered.
    fn steady(&self, elapsed: i64) -> Fine {
        let progress = self.progress(elapsed) - self.progress_at_base;
        self.base + progress.times(self.rate)
    }

    /// How far it has wandered off since the noise is what it is.
    fn wandered(&self, elapsed: i64) -> Fine {
        let noise = self.noise.as_ref();
        Fine::from_nanos(noise.map_or(0, |noise| noise.wandered(elapsed)))
    }

    fn progress(&self, elapsed: i64) -> Fine {
        Fine::from_nanos(elapsed.into()) + self.drift.gained(elapsed)
    }

    /// Lets this happen to the clock at `elapsed`.
    ///
    /// Only what bends the course begins it anew there: a step adds to it and
    /// loses no fraction of a nanosecond.
    pub(crate) fn change(&mut self, elapsed: i64, change: &Change) {
        match *change {
            Change::Step(span) => {
                let shown = self.calendar.shown(self.count(elapsed).floor());
                let span = i128::from(span.as_nanos());
                self.show(elapsed, shown + span, span);
            }
            Change::Set(time) => {
                let count = self.calendar.count(time.as_nanos().into());
                self.begin_at(elapsed, Fine::from_nanos(count));
            }
            Change::Freeze if self.standing == Standing::Not => {
                self.base = self.count(elapsed);
                self.standing = Standing::ByEvent;
            }
            Change::Resume if self.standing != Standing::Not => {
                self.standing = Standing::Not;
                self.begin_at(elapsed, self.base);
            }
            Change::Freeze | Change::Resume => {}
            Change::Rate(rate) => self.bend(elapsed, |course| course.rate = rate),
            Change::Drift { ppb } => {
                let drift = Drift::constant(elapsed, ppb);
                self.bend(elapsed, |course| course.drift = drift);
            }
            Change::DriftRate { ppb_per_day } => {
                let drift = self.drift.changing(elapsed, ppb_per_day);
                self.bend(elapsed, |course| course.drift = drift);
            }
            Change::Wander(wander) => self.bend(elapsed, |course| {
                let sequence = course.sequence.part(course.noises);
                course.noise = Some(Arc::new(Noise::new(&wander, sequence, elapsed)));
                course.noises += 1;
            }),
            Change::Leap(leap) => self.learn(elapsed, self.calendar.with_leap(leap)),
            Change::Smear(smear) => self.learn(elapsed, self.calendar.with_smear(smear)),
            Change::Quality(change) => self.face.change(change),
        }
    }

    /// Changes how it runs from `elapsed` on, where it counts on.
    fn bend(&mut self, elapsed: i64, bend: impl FnOnce(&mut Self)) {
        let count = self.count(elapsed);
        bend(self);
        self.begin_at(elapsed, count);
    }

    /// Makes it count `count` at `elapsed` and run from there.
    fn begin_at(&mut self, elapsed: i64, count: Fine) {
        self.base = match self.standing {
            Standing::Not => count - self.wandered(elapsed),
            Standing::ByEvent | Standing::ByHand => count,
        };
        self.progress_at_base = self.progress(elapsed);
    }

    /// Makes it show `time` at `elapsed`. The count that lies `nearby` is the
    /// right one if it shows that; another may do too, where a second is
    /// repeated.
    fn show(&mut self, elapsed: i64, time: i128, nearby: i128) {
        let count = self.count(elapsed).floor();
        let right = if self.calendar.shown(count + nearby) == time {
            count + nearby
        } else {
            self.calendar.count(time)
        };
        self.base = self.base + Fine::from_nanos(right - count);
    }

    /// Learns of a leap second, without a step by that alone.
    fn learn(&mut self, elapsed: i64, calendar: Calendar) {
        let shown = self.calendar.shown(self.count(elapsed).floor());
        self.calendar = Arc::new(calendar);
        self.show(elapsed, shown, 0);
    }
}

/// The nearest point of time that there is a number for.
fn timestamp(nanos: i128) -> Timestamp {
    let within = nanos.clamp(i64::MIN.into(), i64::MAX.into());
    Timestamp::from_nanos(i64::try_from(within).expect("it was clamped"))
}

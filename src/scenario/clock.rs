//! From the tables `[time]` and `[clock]` to a clock that can be built.

use super::document::Document;
use super::{event, schema};
use crate::api::{Delta, HostClock, Quality, Timestamp};
use crate::settings::join;
use std::sync::Arc;
use timeball_mock as mock;
use timeball_mock::{Base, Change, Event, MockClock, QualityChange, Ratio, Script, When};

/// 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);
/// How much mock time a reply takes on a base that says nothing of it.
const STEP: Delta = Delta::from_seconds(1);
/// The fastest that a wall base runs.
const FASTEST: i64 = 1_000_000;
/// How many events a clock can have.
const MOST_EVENTS: usize = 1_024;
/// How many of them can be leap seconds, smeared or not.
///
/// # Why
/// What a clock shows depends on all that it knows of, and how it runs from
/// each event on is kept beside the others: the cost grows with the square.
const MOST_LEAPS: usize = 64;
/// Sets the noise of clocks apart: 2^64 over the golden ratio.
const APART: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where mock time begins, and what makes it elapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePlan {
    /// Mock time at the start.
    pub start: Timestamp,
    /// What makes it elapse.
    pub base: Base,
}

/// A clock, as it will be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockPlan {
    /// Where its time begins, and what makes it elapse: the same for every
    /// clock of a scenario.
    pub time: TimePlan,
    /// What is said of it at the start.
    pub quality: Quality,
    /// What happens to it, in the order of the file.
    pub events: Vec<Event>,
    /// Which noise of the seed is its own: 0 for `[clock]`, the number of the
    /// endpoint, from 1, for a clock of its own.
    pub stream: u64,
}

impl ClockPlan {
    /// The clock of a run with this seed, on the clock `host` of a wall base.
    #[must_use]
    pub fn build(&self, seed: u64, host: Arc<dyn HostClock>) -> MockClock {
        let TimePlan { start, base } = self.time;
        MockClock::scripted(start, self.quality, base, self.script(seed), host)
    }

    /// What happens to the clock in a run with this seed: what
    /// [`MockClock::restart`] takes beside the fields of this plan.
    #[must_use]
    pub fn script(&self, seed: u64) -> Script {
        Script {
            seed: seed.wrapping_add(self.stream.wrapping_mul(APART)),
            events: self.events.clone(),
        }
    }
}

/// The time base that `[time]` asks for.
pub(super) fn time(document: &mut Document<'_>, table: &schema::Time) -> TimePlan {
    for (key, owner) in [
        ("rate", schema::Base::Wall),
        ("starts", schema::Base::Wall),
        ("step", schema::Base::PerRequest),
    ] {
        let path = join("time", key);
        if table.base != owner && document.has(&path) && document.is_whole("time.base") {
            document.stray(
                &path,
                format!(
                    "it is a key of base `{}`, and this is `{}`",
                    owner.word(),
                    table.base.word()
                ),
            );
        }
    }
    let rate = table.rate.map_or(Ratio::ONE, |rate| rate.0);
    let fastest = rate.denominator().saturating_mul(FASTEST);
    if rate.numerator() <= 0 || rate.numerator() > fastest {
        document.reject(
            "time.rate",
            format!("outside the range; accepted: above 0, up to {FASTEST}"),
        );
    }
    TimePlan {
        start: table.start.map_or(START, |start| start.0),
        base: match table.base {
            schema::Base::Manual => Base::Manual,
            schema::Base::PerRequest => Base::PerRequest(table.step.map_or(STEP, |step| step.0)),
            schema::Base::Wall => Base::Wall {
                rate,
                starts: match table.starts.unwrap_or_default() {
                    schema::Starts::FirstRequest => mock::Starts::FirstRequest,
                    schema::Starts::Start => mock::Starts::Now,
                },
            },
        },
    }
}

/// The clock that the table at `path` asks for.
pub(super) fn clock(
    document: &mut Document<'_>,
    path: &str,
    table: &schema::Clock,
    time: TimePlan,
    stream: u64,
) -> ClockPlan {
    let mut quality = Quality::default();
    if let Some(stratum) = table.stratum {
        quality.stratum = stratum.0;
    }
    if let Some(precision) = table.precision_log2_s {
        quality.precision_log2_s = precision.0;
    }
    if let Some(id) = table.reference_id {
        quality.reference_id = id.0;
    }
    if let Some(delay) = table.root_delay {
        quality.root_delay = delay.0;
    }
    if let Some(dispersion) = table.root_dispersion {
        quality.root_dispersion = dispersion.0;
    }
    // These two are at first what the clock itself makes them.
    let indicator = table.leap_indicator.map(event::leap_indicator);
    let reference = table
        .reference_timestamp
        .map(|time| QualityChange::ReferenceTimestamp(time.0));
    let mut events: Vec<Event> = [indicator, reference]
        .into_iter()
        .flatten()
        .map(|change| Event {
            name: None,
            when: When::Elapsed(Delta::ZERO),
            change: Change::Quality(change),
        })
        .collect();
    let list = join(path, "events");
    let count = table.events.len();
    let is_leap = |event: &&schema::Event| event.leap.is_some() || event.smear.is_some();
    let leaps = table.events.iter().filter(is_leap).count();
    if count > MOST_EVENTS {
        let accepted = format!("too many; accepted: at most {MOST_EVENTS} for a clock");
        document.reject_value(&list, format!("{count} events"), accepted);
    } else if leaps > MOST_LEAPS {
        let accepted = format!("too many; accepted: at most {MOST_LEAPS} for a clock");
        document.reject_value(&list, format!("{leaps} leap seconds and smears"), accepted);
    } else {
        let paths = document.paths(&list, count);
        for (path, table) in paths.iter().zip(&table.events) {
            if document.is_whole(path) {
                events.extend(event::event(document, path, table, time.start));
            }
        }
    }
    ClockPlan {
        time,
        quality,
        events,
        stream,
    }
}

//! The `mock` time source: time that a test decides.
//!
//! The same settings and the same request datagrams in the same order give the
//! same reply bytes, in every run and in any process, because nothing of the
//! host's clocks gets in: the mock brings virtual ones with it. They stand
//! until the test moves them (`manual`), or move by one step with each request
//! served (`per-request`). Only with `advance = "wall"` does the time run as the
//! host's does, from a start of its own.
//!
//! Whatever it serves carries the reference id `XTST`, unless the test says
//! otherwise, so that test time can be told from time.
//!
//! ```
//! use timeball_api::{Delta, LeapIndicator, Quality, Timestamp};
//! use timeball_mock::MockClock;
//!
//! let start = Timestamp::from_unix_seconds(1_893_456_000); // 2030-01-01
//! let clock = MockClock::manual(start);
//! let source = clock.source(); // this is what a server is given
//! let read = || source.time.read(source.clock.now());
//! assert_eq!(read()?.time, start);
//!
//! clock.advance(Delta::from_millis(1_500));
//! assert_eq!(read()?.time, start + Delta::from_millis(1_500));
//!
//! clock.set_quality(Quality {
//!     leap_indicator: LeapIndicator::InsertSecond,
//!     ..clock.quality()
//! });
//! assert_eq!(read()?.quality.leap_indicator, LeapIndicator::InsertSecond);
//! # Ok::<(), timeball_api::Unavailable>(())
//! ```
//!
//! # Scripts
//! A clock can follow a [`Script`]: what happens to it, and when, by the time
//! that has elapsed or by the requests that were answered. Steps and jumps,
//! freezes, rates, drifts, noise, leap seconds and smears, right and wrong, and
//! every field of the quality:
//!
//! ```
//! use timeball_api::{Delta, LeapIndicator, Quality, Timestamp};
//! use timeball_mock::{Base, Change, Event, Leap, LeapKind, MockClock, Script, When};
//!
//! let midnight = Timestamp::from_unix_seconds(1_483_228_800); // 2017-01-01
//! let leap = Leap::right(LeapKind::Insert, midnight);
//! let script = Script {
//!     seed: 1,
//!     events: vec![Event {
//!         name: Some("the last day of 2016".to_owned()),
//!         when: When::Elapsed(Delta::ZERO),
//!         change: Change::Leap(leap),
//!     }],
//! };
//! let second = Delta::from_seconds(1);
//! let base = Base::PerRequest(second);
//! # let host = MockClock::manual(midnight).source().clock; // not looked at
//! let clock = MockClock::scripted(midnight - second, Quality::default(), base, script, host);
//!
//! let source = clock.source();
//! let mut serve = || {
//!     let reading = source.time.read(source.clock.now());
//!     source.clock.replied();
//!     reading
//! };
//! assert_eq!(serve()?.time, midnight - second);
//! let again = serve()?; // 23:59:60
//! assert_eq!(again.time, midnight - second);
//! assert_eq!(again.quality.leap_indicator, LeapIndicator::InsertSecond);
//! let new_year = serve()?;
//! assert_eq!(new_year.time, midnight);
//! assert_eq!(new_year.quality.leap_indicator, LeapIndicator::None);
//! # Ok::<(), timeball_api::Unavailable>(())
//! ```
//!
//! What a clock shows is worked out in whole numbers and exact fractions, noise
//! included, which is a hash of the seed and the moment: the same script gives
//! the same readings on every machine, in any order.
//!
//! # Why
//! Requests, a test or the host move the moments, and a reading stays a function
//! of its moment, as with every other source. So the two readings of one
//! exchange agree without having to know of each other.

mod base;
mod calendar;
mod clock;
mod course;
mod drift;
mod face;
mod fine;
mod hand;
mod hash;
mod leap;
mod noise;
mod quality;
mod ratio;
mod script;
mod sine;
mod smear;
mod timeline;
mod walk;
mod wander;

pub use base::{Base, NotAWallClock, Starts};
pub use clock::{MockClock, NoHostClock};
pub use leap::{Cleared, Leap, LeapKind};
pub use ratio::{NotARatio, Ratio};
pub use script::{Change, Event, QualityChange, Script, When};
pub use smear::{Smear, SmearShape};
pub use wander::Wander;

use std::sync::Arc;
use timeball_api::settings::{Accepts, Default, Key, Kind, Problem, Values};
use timeball_api::{Delta, Host};

/// The declaration of this kind of source: its settings and its builder.
pub const KIND: Kind = Kind {
    name: "mock",
    summary: "test time: scripted, repeatable to the byte, moved by a test or by the requests",
    keys: &[
        Key {
            name: "start",
            accepts: Accepts::Instant,
            default: Default::Is("2030-01-01T00:00:00Z"),
            help: "the time at start",
        },
        Key {
            name: "advance",
            accepts: Accepts::OneOf(&["manual", "per-request", "wall"]),
            default: Default::Is("manual"),
            help: "what moves the time: the test alone, each request served, or the host's clock",
        },
        Key {
            name: "step",
            accepts: Accepts::Duration {
                min: Delta::MIN,
                max: Delta::MAX,
            },
            default: Default::Is("1s"),
            help: "how far a request moves the time (per-request), may be negative; seconds, or with a unit",
        },
        quality::LEAP_INDICATOR,
        quality::STRATUM,
        quality::PRECISION,
        quality::REFERENCE_ID,
        quality::REFERENCE_TIMESTAMP,
        quality::ROOT_DELAY,
        quality::ROOT_DISPERSION,
    ],
    build: |values, host| Ok(clock(values, host)?.source().into()),
};

/// The clock that `values` describe: what [`KIND`] builds, with its handle.
///
/// # Errors
/// [`Problem`] if `advance` is none of the words that it accepts.
pub fn clock(values: &Values, host: &Host) -> Result<MockClock, Problem> {
    let base = match values.text("advance").as_str() {
        "manual" => Base::Manual,
        "per-request" => Base::PerRequest(values.duration("step")),
        "wall" => Base::Wall {
            rate: Ratio::ONE,
            starts: Starts::Now,
        },
        other => {
            return Err(Problem {
                key: "advance",
                text: format!("`{other}` is none of manual, per-request, wall"),
            });
        }
    };
    Ok(MockClock::scripted(
        values.instant("start"),
        quality::quality(values),
        base,
        Script::default(),
        Arc::clone(&host.clock),
    ))
}

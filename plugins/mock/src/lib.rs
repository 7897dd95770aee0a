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
//! # Why
//! The script moves the clock and not the readings: a reading stays a function
//! of its moment, as with every other source, and the two readings of one
//! exchange agree without having to know of each other.

mod clock;
mod quality;
mod timeline;

pub use clock::MockClock;

use std::sync::Arc;
use timeball_api::settings::{Accepts, Default, Key, Kind, Problem, Values};
use timeball_api::{Delta, Host};
use timeline::Advance;

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
    let advance = match values.text("advance").as_str() {
        "manual" => Advance::Manual,
        "per-request" => Advance::PerRequest(values.duration("step")),
        "wall" => Advance::Wall,
        other => {
            return Err(Problem {
                key: "advance",
                text: format!("`{other}` is none of manual, per-request, wall"),
            });
        }
    };
    let wall = (advance == Advance::Wall).then(|| Arc::clone(&host.clock));
    let quality = quality::quality(values);
    Ok(MockClock::new(
        advance,
        values.instant("start"),
        quality,
        wall,
    ))
}

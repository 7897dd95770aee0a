//! The `monotonic-offset` time source: UTC that is anchored once and then
//! carried by the host's monotonic clock.
//!
//! Whoever steps the host's clock (an operator, a virtual machine that was
//! paused, a daemon at start) does not reach the clients of this source. What
//! it gives in exchange: nothing corrects it either, so it drifts as the
//! host's oscillator does, less what `drift_ppm` makes up for.
//!
//! ```
//! use timeball_api::{Delta, HostInstant, TimeSource, Timestamp};
//! use timeball_monotonic_offset::{Course, MonotonicOffset};
//!
//! let start = Timestamp::from_unix_seconds(1_893_456_000); // 2030-01-01
//! let anchor = HostInstant::default();
//! let clock = MonotonicOffset::anchored(anchor, Course::from_start(start), -25);
//!
//! let mut later = anchor.later_by(Delta::from_seconds(60));
//! later.realtime = Timestamp::UNIX_EPOCH; // somebody stepped the host's clock
//! let reading = clock.read(later)?;
//! assert_eq!(reading.time, start + Delta::from_seconds(60));
//! # Ok::<(), timeball_api::Unavailable>(())
//! ```
//!
//! # Why
//! The drift is applied to the whole span since the anchor, in 128-bit
//! integers, and not added up from reading to reading: so nothing accumulates,
//! a reading depends on no earlier one, and after a century the time is still
//! right to the nanosecond.

use std::sync::Arc;
use timeball_api::keys;
use timeball_api::settings::{Accepts, Built, Default, Key, Kind, Problem, Values};
use timeball_api::{
    Delta, Forecast, Host, HostInstant, LeapIndicator, Monotonic, Quality, Reading, ReferenceId,
    Source, Stretch, TimeSource, Timestamp, Unavailable,
};

/// The declaration of this kind of source: its settings and its builder.
pub const KIND: Kind = Kind {
    name: "monotonic-offset",
    summary: "UTC anchored once and carried by the monotonic clock: immune to steps of the host's",
    keys: &[
        Key {
            name: "start",
            accepts: Accepts::Instant,
            default: Default::Absent("the host's UTC at start"),
            help: "UTC at the moment the server starts",
        },
        Key {
            name: "offset",
            accepts: Accepts::Duration {
                min: Delta::MIN,
                max: Delta::MAX,
            },
            default: Default::Is("0"),
            help: "added to the time, may be negative; seconds, or with a unit",
        },
        Key {
            name: "drift_ppm",
            accepts: Accepts::PartsPerMillion {
                min: -500,
                max: 500,
            },
            default: Default::Is("0"),
            help: "how much faster than the monotonic clock; parts per million (1 is 86.4 ms a day)",
        },
        keys::STRATUM,
        keys::REFERENCE_ID,
        keys::ROOT_DISPERSION,
        keys::LEAP_INDICATOR,
    ],
    build,
};

/// Parts per million million in one: the unit of [`Course::drift_ppt`].
const WHOLE: i128 = 1_000_000_000_000;

/// Where the clock starts, how it runs, and what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// UTC at the anchor.
    pub start: Timestamp,
    /// Added to `start`; may be negative.
    pub offset: Delta,
    /// How much faster than the monotonic clock, in parts per million million:
    /// 1 ppm is 1 000 000. The settings allow 500 ppm either way.
    pub drift_ppt: i64,
    /// The stratum, 1 to 15.
    pub stratum: u8,
    /// The reference id.
    pub reference_id: ReferenceId,
    /// The leap indicator: nothing here knows of leap seconds by itself.
    pub leap_indicator: LeapIndicator,
    /// The root dispersion; not negative.
    pub root_dispersion: Delta,
}

impl Course {
    /// The course of a clock that starts at `start`, runs as the monotonic
    /// clock does, and has the defaults of the settings otherwise.
    #[must_use]
    pub const fn from_start(start: Timestamp) -> Self {
        Self {
            start,
            offset: Delta::ZERO,
            drift_ppt: 0,
            stratum: 10,
            reference_id: ReferenceId::LOCAL_CLOCK,
            leap_indicator: LeapIndicator::None,
            root_dispersion: Delta::from_millis(10),
        }
    }
}

/// A clock that was set once and is carried by the monotonic clock.
///
/// Its reference timestamp is the time at its anchor, or that of the reading
/// where that is earlier. Before 1677 and after 2262 it stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonotonicOffset {
    anchor: Monotonic,
    utc_at_anchor: Timestamp,
    drift_ppt: i64,
    quality: Quality,
}

impl MonotonicOffset {
    /// The clock that shows `course.start + course.offset` at the moment
    /// `anchor`, on a host whose clock can be read to `precision_log2_s`.
    #[must_use]
    pub fn anchored(anchor: HostInstant, course: Course, precision_log2_s: i8) -> Self {
        let utc_at_anchor = course.start + course.offset;
        Self {
            anchor: anchor.monotonic,
            utc_at_anchor,
            drift_ppt: course.drift_ppt,
            quality: Quality {
                leap_indicator: course.leap_indicator,
                stratum: course.stratum,
                precision_log2_s,
                reference_id: course.reference_id,
                reference_timestamp: Some(utc_at_anchor),
                root_delay: Delta::ZERO,
                root_dispersion: course.root_dispersion,
            },
        }
    }

    /// The time at `monotonic`: the span since the anchor and its drift,
    /// rounded towards the past to the nanosecond.
    fn time_at(&self, monotonic: Monotonic) -> Timestamp {
        let elapsed = i128::from(monotonic.as_nanos()) - i128::from(self.anchor.as_nanos());
        let drift = (elapsed * i128::from(self.drift_ppt)).div_euclid(WHOLE);
        let nanos = i128::from(self.utc_at_anchor.as_nanos()) + elapsed + drift;
        let in_range = nanos.clamp(i64::MIN.into(), i64::MAX.into());
        Timestamp::from_nanos(i64::try_from(in_range).expect("clamped to the range above"))
    }
}

impl TimeSource for MonotonicOffset {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        let time = self.time_at(at.monotonic);
        let reference_timestamp = self.quality.reference_timestamp.min(Some(time));
        Ok(Reading {
            time,
            quality: Quality {
                reference_timestamp,
                ..self.quality
            },
        })
    }

    fn forecast(&self, _: HostInstant) -> Option<Forecast> {
        let reading = Reading {
            time: self.utc_at_anchor,
            quality: self.quality,
        };
        let now = Stretch {
            from: self.anchor,
            reading,
            drift_ppt: self.drift_ppt,
            dispersion_grows_in: None,
        };
        Some(Forecast { now, next: None })
    }
}

fn build(values: &Values, host: &Host) -> Result<Built, Problem> {
    let anchor = host.clock.now();
    let start = values.find_instant("start").unwrap_or(anchor.realtime);
    let course = Course {
        offset: values.duration("offset"),
        drift_ppt: values.parts_per_trillion("drift_ppm"),
        stratum: keys::stratum(values),
        reference_id: values.reference_id("reference_id"),
        leap_indicator: keys::leap_indicator(values).unwrap_or_default(),
        root_dispersion: values.duration("root_dispersion"),
        ..Course::from_start(start)
    };
    let clock = MonotonicOffset::anchored(anchor, course, host.precision_log2_s);
    Ok(Source::new(clock, Arc::clone(&host.clock)).into())
}

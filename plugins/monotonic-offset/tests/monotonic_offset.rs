//! The `monotonic-offset` source as its users see it, in virtual time.

use std::io;
use std::sync::Arc;
use timeball_api::conformance::check_source;
use timeball_api::settings::{Value, Values};
use timeball_api::{
    Delta, Host, HostClock, HostInstant, KernelClock, KernelState, LeapIndicator, Monotonic,
    Reading, ReferenceId, TimeSource, Timestamp,
};
use timeball_monotonic_offset::{Course, KIND, MonotonicOffset};

/// 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);
const DAY_S: i64 = 86_400;
/// A hundred years with their 24 leap days.
const CENTURY_S: i64 = 36_524 * DAY_S;
/// What the settings allow: 500 ppm.
const FASTEST_PPT: i64 = 500_000_000;

/// The host's clocks at the anchor: they have nothing to do with [`START`].
fn anchor() -> HostInstant {
    HostInstant {
        realtime: Timestamp::from_unix_seconds(1_600_000_000),
        monotonic: Monotonic::from_nanos(123_456_789),
        request: None,
    }
}

fn drifting(drift_ppt: i64) -> MonotonicOffset {
    let course = Course {
        drift_ppt,
        ..Course::from_start(START)
    };
    MonotonicOffset::anchored(anchor(), course, -25)
}

fn read(source: &dyn TimeSource, at: HostInstant) -> Reading {
    source.read(at).expect("this clock always has a time")
}

/// The time `span` after the anchor, less the start.
fn shown(source: &MonotonicOffset, span: Delta) -> Delta {
    let at = HostInstant {
        monotonic: anchor().monotonic + span,
        ..anchor()
    };
    read(source, at).time - START
}

#[test]
fn it_conforms() {
    for drift_ppt in [0, 1, -1, FASTEST_PPT, -FASTEST_PPT] {
        check_source(&drifting(drift_ppt), anchor());
        check_source(&drifting(drift_ppt), HostInstant::default());
    }
}

#[test]
fn a_step_of_the_realtime_clock_does_not_reach_the_reading() {
    let source = drifting(12_345);
    let at = anchor().later_by(Delta::from_seconds(10));
    let undisturbed = read(&source, at);
    for step in [-2, 2, -DAY_S, CENTURY_S, -CENTURY_S].map(Delta::from_seconds) {
        let realtime = at.realtime + step;
        assert_eq!(read(&source, HostInstant { realtime, ..at }), undisturbed);
    }
}

#[test]
fn it_has_no_drift_of_its_own_over_a_century() {
    let source = drifting(0);
    for day in 0..=36_524 {
        let span = Delta::from_seconds(day * DAY_S) + Delta::from_nanos(day);
        assert_eq!(shown(&source, span), span);
    }
}

#[test]
fn its_drift_over_a_century_is_right_to_the_nanosecond() {
    let century = Delta::from_seconds(CENTURY_S);
    // 500 ppm of 3 155 673 600 s; 1 part in 10^12 of it.
    let gained = Delta::from_nanos(1_577_836_800_000_000);
    assert_eq!(shown(&drifting(FASTEST_PPT), century), century + gained);
    assert_eq!(shown(&drifting(-FASTEST_PPT), century), century - gained);
    let gained = Delta::from_nanos(3_155_673);
    assert_eq!(shown(&drifting(1), century), century + gained);
}

#[test]
fn the_drift_is_rounded_towards_the_past_on_both_sides_of_the_anchor() {
    let just_under = Delta::from_nanos(999_999_999_999);
    let whole = Delta::from_nanos(1_000_000_000_000);
    let one = Delta::from_nanos(1);
    assert_eq!(shown(&drifting(1), just_under), just_under);
    assert_eq!(shown(&drifting(1), whole), whole + one);
    assert_eq!(shown(&drifting(-1), one), Delta::ZERO);
    assert_eq!(shown(&drifting(-1), whole), whole - one);
    assert_eq!(shown(&drifting(1), -one), -one - one);
    assert_eq!(shown(&drifting(1), -whole), -whole - one);
}

#[test]
fn it_never_runs_backwards_while_the_monotonic_clock_does_not() {
    for drift_ppt in [-FASTEST_PPT, -999_983, -1, 1, 999_983, FASTEST_PPT] {
        let source = drifting(drift_ppt);
        let mut before = shown(&source, Delta::from_nanos(-30_000));
        for nanos in -29_999..30_000 {
            let now = shown(&source, Delta::from_nanos(nanos));
            assert!(now >= before, "{drift_ppt}: {before:?} then {now:?}");
            before = now;
        }
    }
}

#[test]
fn it_reads_moments_before_its_anchor() {
    let second = Delta::from_seconds(1);
    let reading = read(&drifting(0), anchor().earlier_by(second));
    assert_eq!(reading.time, START - second);
    assert_eq!(reading.quality.reference_timestamp, Some(reading.time));
}

#[test]
fn its_reference_timestamp_is_the_anchor() {
    let course = Course {
        offset: Delta::from_millis(-1_500),
        ..Course::from_start(START)
    };
    let source = MonotonicOffset::anchored(anchor(), course, -25);
    for seconds in [0, 1, CENTURY_S] {
        let reading = read(&source, anchor().later_by(Delta::from_seconds(seconds)));
        let anchored = START - Delta::from_millis(1_500);
        assert_eq!(reading.quality.reference_timestamp, Some(anchored));
    }
}

#[test]
fn it_stands_still_at_the_ends_of_the_range() {
    for (start, drift_ppt, monotonic) in [
        (Timestamp::MAX, FASTEST_PPT, i64::MAX),
        (Timestamp::MIN, -FASTEST_PPT, i64::MIN),
        (Timestamp::MIN, FASTEST_PPT, i64::MIN),
    ] {
        let course = Course {
            drift_ppt,
            ..Course::from_start(start)
        };
        let source = MonotonicOffset::anchored(anchor(), course, -25);
        let at = HostInstant {
            monotonic: Monotonic::from_nanos(monotonic),
            ..anchor()
        };
        assert_eq!(read(&source, at).time, start);
    }
}

/// A host whose clocks stand at [`anchor`].
struct Standing;

impl HostClock for Standing {
    fn now(&self) -> HostInstant {
        anchor()
    }
}

impl KernelClock for Standing {
    fn state(&self) -> io::Result<KernelState> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn host() -> Host {
    Host {
        clock: Arc::new(Standing),
        kernel: Arc::new(Standing),
        precision_log2_s: -24,
    }
}

/// What the settings give when the file says nothing.
fn defaults() -> Values {
    let mut values = Values::default();
    values.insert("offset", Value::Duration(Delta::ZERO));
    values.insert("drift_ppm", Value::PartsPerTrillion(0));
    values.insert("stratum", Value::Integer(10));
    let local = ReferenceId::LOCAL_CLOCK;
    values.insert("reference_id", Value::ReferenceId(local));
    values.insert("root_dispersion", Value::Duration(Delta::from_millis(10)));
    values
}

#[test]
fn without_a_start_it_starts_at_the_time_of_the_host() {
    let built = (KIND.build)(&defaults(), &host()).expect("the defaults build");
    assert!(built.upkeep.is_none());
    assert!(!built.source.test_time && !built.source.may_block);
    let reading = read(&*built.source.time, anchor());
    let course = Course::from_start(anchor().realtime);
    let expected = MonotonicOffset::anchored(anchor(), course, -24);
    assert_eq!(reading, read(&expected, anchor()));
}

#[test]
fn every_setting_reaches_the_reading() {
    let mut values = defaults();
    values.insert("start", Value::Instant(START));
    values.insert("offset", Value::Duration(Delta::from_seconds(-3)));
    values.insert("drift_ppm", Value::PartsPerTrillion(250_000_000));
    values.insert("stratum", Value::Integer(3));
    values.insert("reference_id", Value::ReferenceId(ReferenceId(*b"GPS\0")));
    values.insert("root_dispersion", Value::Duration(Delta::from_seconds(2)));
    values.insert("leap_indicator", Value::Text("insert".to_owned()));
    let built = (KIND.build)(&values, &host()).expect("these values build");
    let at = anchor().later_by(Delta::from_seconds(4));
    let Reading { time, quality } = read(&*built.source.time, at);
    assert_eq!(time, START + Delta::from_seconds(1) + Delta::from_millis(1));
    assert_eq!(quality.stratum, 3);
    assert_eq!(quality.reference_id, ReferenceId(*b"GPS\0"));
    assert_eq!(quality.root_dispersion, Delta::from_seconds(2));
    assert_eq!(quality.root_delay, Delta::ZERO);
    assert_eq!(quality.leap_indicator, LeapIndicator::InsertSecond);
    assert_eq!(quality.precision_log2_s, -24);
    assert_eq!(
        quality.reference_timestamp,
        Some(START - Delta::from_seconds(3))
    );
}

#[test]
fn its_forecast_is_what_it_will_say_to_the_nanosecond() {
    let spans = [
        -1,
        0,
        1,
        999,
        1_999,
        2_000,
        1_000_000,
        999_999_999,
        3_600_000_000_001,
        86_400_000_000_000,
    ];
    for drift_ppt in [0, 1, -1, 12_345, FASTEST_PPT, -FASTEST_PPT] {
        let source = drifting(drift_ppt);
        for made in spans.map(Delta::from_nanos) {
            let made = anchor().later_by(made);
            let forecast = source.forecast(made).expect("it runs straight");
            for later in spans.map(Delta::from_nanos) {
                let later = HostInstant {
                    monotonic: made.monotonic + later,
                    ..made
                };
                assert_eq!(forecast.read(later.monotonic), read(&source, later));
            }
        }
    }
}

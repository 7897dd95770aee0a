//! What a clock event can be, and when it happens.

use super::clocks::host;
use super::{accepted, seconds};
use timeball::api::{Delta, LeapIndicator, ReferenceId, Timestamp};
use timeball::scenario::Scenario;
use timeball_mock::{Base, Change, QualityChange, Ratio, When};

#[test]
fn rates_are_exact_however_they_are_written() {
    for (written, numerator, denominator) in [
        ("60", 60, 1),
        ("0.1", 1, 10),
        ("\"0.1\"", 1, 10),
        ("\"1001/1000\"", 1001, 1000),
        ("1e-3", 1, 1000),
        ("1.000000001", 1_000_000_001, 1_000_000_000),
        ("20.00000001", 2_000_000_001, 100_000_000),
        ("\"999999.999999999\"", 999_999_999_999_999, 1_000_000_000),
    ] {
        let scenario = accepted(&format!("[time]\nrate = {written}"));
        let Base::Wall { rate, .. } = scenario.time.base else {
            panic!("{written}");
        };
        assert_eq!(Some(rate), Ratio::new(numerator, denominator), "{written}");
    }
    let scenario = accepted("[[clock.events]]\nrate = -2");
    assert_eq!(change(&scenario), Change::Rate(Ratio::new(-2, 1).unwrap()));
}

/// The change of the only event.
#[track_caller]
fn change(scenario: &Scenario) -> Change {
    let [event] = scenario.endpoints[0].clock.events.as_slice() else {
        panic!("{:?}", scenario.endpoints[0].clock.events);
    };
    event.change
}

#[test]
fn every_change_can_be_written() {
    use timeball_mock::{Cleared, Leap, LeapKind, Smear, SmearShape, Wander};
    let midnight = seconds("2030-07-01T00:00:00Z");
    let quality = Change::Quality;
    let day = Delta::from_seconds(86_400);
    for (written, expected) in [
        ("step = \"-1024 weeks\"", Change::GPS_WEEK_ROLLOVER),
        (
            "set = \"2036-02-07T06:28:06Z\"",
            Change::Set(seconds("2036-02-07T06:28:06Z")),
        ),
        (
            "set = 2038-01-19T03:14:07Z",
            Change::Set(Timestamp::from_unix_seconds(i32::MAX.into())),
        ),
        ("freeze = true", Change::Freeze),
        ("resume = true", Change::Resume),
        ("drift_ppm = 12.345", Change::Drift { ppb: 12_345 }),
        (
            "drift_change_ppm_per_day = \"-0.001\"",
            Change::DriftRate { ppb_per_day: -1 },
        ),
        (
            "wander = { white_phase = \"1us\", random_walk_ppm = 0.5, interval = \"16s\" }",
            Change::Wander(Wander {
                white_phase: Delta::from_micros(1),
                flicker_phase: Delta::ZERO,
                random_walk_frequency_ppb: 500,
                interval: Delta::from_seconds(16),
            }),
        ),
        ("wander = {}", Change::Wander(Wander::NONE)),
        (
            "leap = { kind = \"insert\", at = \"2030-07-01T00:00:00Z\" }",
            Change::Leap(Leap::right(LeapKind::Insert, midnight)),
        ),
        (
            "leap = { kind = \"delete\", at = \"2030-07-01T00:00:00Z\", announce = \"never\", \
             applied = false, cleared = \"never\", passing = \"alarm\" }",
            Change::Leap(Leap {
                announce: None,
                is_applied: false,
                cleared: Cleared::Never,
                passing: LeapIndicator::Unsynchronised,
                ..Leap::right(LeapKind::Delete, midnight)
            }),
        ),
        (
            "leap = { kind = \"insert\", at = \"2030-07-01T00:00:00Z\", announce = \"31d\", \
             cleared = \"1h\" }",
            Change::Leap(Leap {
                announce: Some(day * 31),
                cleared: Cleared::After(Delta::from_seconds(3_600)),
                ..Leap::right(LeapKind::Insert, midnight)
            }),
        ),
        (
            "smear = { kind = \"insert\", at = \"2030-07-01T00:00:00Z\" }",
            Change::Smear(Smear::noon_to_noon(LeapKind::Insert, midnight)),
        ),
        (
            "smear = { kind = \"insert\", at = \"2030-07-01T00:00:00Z\", shape = \"quadratic\", \
             before = 0, after = \"1d\" }",
            Change::Smear(Smear {
                shape: SmearShape::Quadratic,
                before: Delta::ZERO,
                after: day,
                ..Smear::noon_to_noon(LeapKind::Insert, midnight)
            }),
        ),
        (
            "leap_indicator = \"delete\"",
            quality(QualityChange::LeapIndicator(Some(
                LeapIndicator::DeleteSecond,
            ))),
        ),
        (
            "leap_indicator = \"auto\"",
            quality(QualityChange::LeapIndicator(None)),
        ),
        ("stratum = 16", quality(QualityChange::Stratum(16))),
        (
            "precision_log2_s = 127",
            quality(QualityChange::Precision(127)),
        ),
        (
            "reference_id = \"192.0.2.1\"",
            quality(QualityChange::ReferenceId(ReferenceId([192, 0, 2, 1]))),
        ),
        (
            "reference_timestamp = \"none\"",
            quality(QualityChange::ReferenceTimestamp(None)),
        ),
        (
            "reference_timestamp = \"2030-07-01T00:00:00Z\"",
            quality(QualityChange::ReferenceTimestamp(Some(midnight))),
        ),
        (
            "reference_age = \"-1d\"",
            quality(QualityChange::ReferenceAge(-day)),
        ),
        (
            "root_delay = \"1.5s\"",
            quality(QualityChange::RootDelay(Delta::from_millis(1_500))),
        ),
        (
            "root_dispersion = 3",
            quality(QualityChange::RootDispersion(Delta::from_seconds(3))),
        ),
        (
            "synchronised = false",
            quality(QualityChange::Unsynchronised),
        ),
        ("synchronised = true", quality(QualityChange::Synchronised)),
    ] {
        let scenario = accepted(&format!("[[clock.events]]\n{written}"));
        assert_eq!(change(&scenario), expected, "{written}");
    }
}

#[test]
fn an_event_has_a_moment_and_a_name() {
    let scenario = accepted(
        r#"
        [clock]
        reference_timestamp = "none"
        [[clock.events]]
        step = "1s"
        [[clock.events]]
        at = "2030-01-02T00:00:00Z"
        freeze = true
        [[clock.events]]
        elapsed = "1d"
        resume = true
        [[clock.events]]
        name = "the fifth request"
        request = 5
        step = "1s"
        "#,
    );
    let events: Vec<(Option<&str>, When)> = scenario.endpoints[0]
        .clock
        .events
        .iter()
        .map(|event| (event.name.as_deref(), event.when))
        .collect();
    assert_eq!(
        events,
        [
            // What the table of the clock says is nothing that happens.
            (None, When::Elapsed(Delta::ZERO)),
            (Some("step = \"1s\""), When::Elapsed(Delta::ZERO)),
            (Some("freeze"), When::Time(seconds("2030-01-02T00:00:00Z"))),
            (Some("resume"), When::Elapsed(Delta::from_seconds(86_400))),
            (Some("the fifth request"), When::Served(4)),
        ]
    );
    let clock = &scenario.clocks(&host().1)[0];
    assert_eq!(clock.quality().reference_timestamp, None);
}

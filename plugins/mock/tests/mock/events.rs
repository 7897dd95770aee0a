//! Steps, jumps, freezes and rates: when they happen and what they do.

use crate::{
    DAY, NANOSECOND, SECOND, START, after, event, from_start, ratio, scripted, scripted_from, serve,
};
use proptest::prelude::*;
use timeball_api::conformance::check_source;
use timeball_api::{Delta, LeapIndicator, Quality, ReferenceId, Timestamp};
use timeball_mock::{Base, Change, Leap, LeapKind, QualityChange, Smear, Wander, When};

#[test]
fn a_step_happens_at_its_moment_and_is_exactly_the_step() {
    for span in [SECOND, -SECOND, NANOSECOND, DAY * -10_000] {
        for when in [When::Elapsed(SECOND * 10), When::Time(START + SECOND * 10)] {
            let clock = scripted(vec![event(when, Change::Step(span))]);
            assert_eq!(clock.offset_at(SECOND * 10 - NANOSECOND), Delta::ZERO);
            assert_eq!(clock.offset_at(SECOND * 10), span);
            assert_eq!(clock.offset_at(DAY), span);
        }
    }
}

#[test]
fn what_is_due_before_the_start_holds_from_the_start() {
    let clock = scripted(vec![
        event(When::Time(START - DAY), Change::Step(SECOND)),
        after(-DAY, Change::Step(SECOND)),
        event(When::Served(0), Change::Step(SECOND)),
    ]);
    assert_eq!(clock.now(), START + SECOND * 3);
    assert_eq!(clock.offset_at(-DAY), SECOND * 3);
}

#[test]
fn events_that_are_due_together_happen_in_the_order_of_the_script() {
    let set = Change::Set(Timestamp::UNIX_EPOCH);
    let step = Change::Step(SECOND);
    for (changes, expected) in [([set, step], SECOND), ([step, set], Delta::ZERO)] {
        for when in [When::Elapsed(DAY), When::Served(0), When::Served(1)] {
            let base = Base::PerRequest(DAY);
            let events = changes.map(|change| event(when, change)).to_vec();
            let clock = scripted_from(START, base, events);
            serve(&clock.source());
            let since = match when {
                When::Served(0) => DAY,
                _ => Delta::ZERO,
            };
            assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + since + expected);
        }
    }
}

#[test]
fn a_clock_can_be_set_to_the_rollovers_and_runs_on_from_there() {
    // 2036-02-07T06:28:16Z, 2038-01-19T03:14:08Z: 2^32 s after 1900, 2^31 s after 1970.
    for seconds in [2_085_978_496, 2_147_483_648] {
        let rollover = Timestamp::from_unix_seconds(seconds);
        let clock = scripted(vec![after(SECOND * 5, Change::Set(rollover - SECOND * 3))]);
        assert_eq!(clock.reading_at(SECOND * 5).time, rollover - SECOND * 3);
        assert_eq!(clock.reading_at(SECOND * 8).time, rollover);
    }
    let clock = scripted(vec![after(SECOND, Change::GPS_WEEK_ROLLOVER)]);
    assert_eq!(clock.offset_at(SECOND), Delta::from_seconds(-619_315_200));
}

#[test]
fn a_frozen_clock_stands_and_goes_on_from_where_it_stood() {
    let clock = scripted(vec![
        after(SECOND * 10, Change::Freeze),
        after(SECOND * 15, Change::Freeze),
        after(SECOND * 20, Change::Resume),
        after(SECOND * 25, Change::Resume),
    ]);
    let shown = |elapsed| clock.reading_at(elapsed).time - START;
    assert_eq!(shown(SECOND * 10 - NANOSECOND), SECOND * 10 - NANOSECOND);
    for second in 10..=20 {
        assert_eq!(shown(SECOND * second), SECOND * 10);
    }
    assert_eq!(shown(SECOND * 21), SECOND * 11);
    assert_eq!(shown(SECOND * 30), SECOND * 20);
}

#[test]
fn a_frozen_clock_can_be_stepped_set_and_told_how_to_run_later() {
    let clock = scripted(vec![
        after(SECOND, Change::Freeze),
        after(SECOND * 2, Change::Step(SECOND * 100)),
        after(SECOND * 3, Change::Rate(ratio("2"))),
        after(SECOND * 4, Change::Set(START)),
        after(SECOND * 5, Change::Drift { ppb: 500_000_000 }),
        after(SECOND * 6, Change::Resume),
    ]);
    let shown = |second: i64| clock.reading_at(SECOND * second).time - START;
    assert_eq!(
        [1, 2, 3, 4, 5, 6, 8].map(shown),
        [1, 101, 101, 0, 0, 0, 6].map(|n| SECOND * n)
    );
}

#[test]
fn a_frozen_clock_has_no_noise() {
    let wander = Wander {
        white_phase: SECOND,
        flicker_phase: SECOND,
        random_walk_frequency_ppb: 1_000_000,
        interval: SECOND,
    };
    let clock = scripted(vec![
        from_start(Change::Wander(wander)),
        after(SECOND * 100, Change::Freeze),
        after(SECOND * 200, Change::Resume),
    ]);
    let stands = clock.reading_at(SECOND * 100).time;
    for second in 100..200 {
        assert_eq!(clock.reading_at(SECOND * second).time, stands);
    }
    assert_ne!(clock.offset_at(SECOND * 200), clock.offset_at(SECOND * 201));
}

#[test]
fn a_rate_holds_from_its_moment_on() {
    let clock = scripted(vec![
        after(SECOND * 10, Change::Rate(ratio("60"))),
        after(SECOND * 20, Change::Rate(ratio("0"))),
        after(SECOND * 30, Change::Rate(ratio("-1/2"))),
        after(SECOND * 40, Change::Rate(ratio("1"))),
    ]);
    let shown = |second: i64| clock.reading_at(SECOND * second).time - START;
    for (second, expected) in [
        (10, 10),
        (11, 70),
        (20, 610),
        (25, 610),
        (30, 610),
        (40, 605),
        (50, 615),
    ] {
        assert_eq!(shown(second), SECOND * expected, "{second}");
    }
}

#[test]
fn every_field_of_the_quality_changes_by_itself_and_stays() {
    let id = ReferenceId(*b"XFAK");
    let changes = [
        QualityChange::Stratum(2),
        QualityChange::Precision(127),
        QualityChange::ReferenceId(id),
        QualityChange::RootDelay(SECOND),
        QualityChange::RootDispersion(SECOND * 2),
        QualityChange::ReferenceTimestamp(None),
        QualityChange::LeapIndicator(Some(LeapIndicator::DeleteSecond)),
    ];
    let events = (0_i64..)
        .zip(changes)
        .map(|(n, change)| after(SECOND * (n + 1), Change::Quality(change)));
    let clock = scripted(events.collect());
    let mut expected = Quality {
        reference_timestamp: Some(START),
        ..Quality::default()
    };
    let edits: [fn(&mut Quality); 8] = [
        |_| {},
        |quality| quality.stratum = 2,
        |quality| quality.precision_log2_s = 127,
        |quality| quality.reference_id = ReferenceId(*b"XFAK"),
        |quality| quality.root_delay = SECOND,
        |quality| quality.root_dispersion = SECOND * 2,
        |quality| quality.reference_timestamp = None,
        |quality| quality.leap_indicator = LeapIndicator::DeleteSecond,
    ];
    for (second, edit) in (0..).zip(edits) {
        edit(&mut expected);
        let reading = clock.reading_at(SECOND * second + NANOSECOND);
        assert_eq!(reading.quality, expected, "after {second} s");
        assert_eq!(reading.time, START + SECOND * second + NANOSECOND);
    }
}

#[test]
fn a_reference_timestamp_can_be_of_the_future_zero_stale_or_of_a_fixed_age() {
    let says = |second, change| after(SECOND * second, Change::Quality(change));
    let clock = scripted(vec![
        says(1, QualityChange::ReferenceTimestamp(Some(START + DAY))),
        says(2, QualityChange::ReferenceTimestamp(None)),
        says(3, QualityChange::ReferenceTimestamp(Some(START - DAY * 2))),
        says(4, QualityChange::ReferenceAge(SECOND * 64)),
        says(5, QualityChange::ReferenceAge(-DAY)),
    ]);
    let reference = |elapsed| clock.reading_at(elapsed).quality.reference_timestamp;
    assert_eq!(reference(SECOND), Some(START + DAY));
    assert_eq!(reference(SECOND * 2), None);
    assert_eq!(reference(SECOND * 3), Some(START - DAY * 2));
    assert_eq!(reference(SECOND * 4), Some(START - SECOND * 60));
    assert_eq!(
        reference(SECOND * 5 - NANOSECOND),
        Some(START - SECOND * 59 - NANOSECOND)
    );
    assert_eq!(reference(SECOND * 7), Some(START + DAY + SECOND * 7));
}

#[test]
fn an_unsynchronised_clock_is_what_it_was_once_it_is_synchronised() {
    let says = |second, change| after(SECOND * second, Change::Quality(change));
    let clock = scripted(vec![
        says(1, QualityChange::Unsynchronised),
        says(2, QualityChange::Stratum(3)),
        says(3, QualityChange::Synchronised),
    ]);
    let quality = |second: i64| clock.reading_at(SECOND * second).quality;
    for second in [1, 2] {
        assert_eq!(
            quality(second).leap_indicator,
            LeapIndicator::Unsynchronised
        );
        assert_eq!(quality(second).stratum, 16);
    }
    assert_eq!(
        quality(0),
        Quality {
            stratum: 1,
            ..quality(3)
        }
    );
    assert_eq!(quality(3).stratum, 3);
    assert_eq!(quality(3).leap_indicator, LeapIndicator::None);
}

#[test]
fn a_clock_of_any_script_that_does_not_lie_conforms() {
    let midnight = START + DAY;
    let wander = Wander {
        white_phase: Delta::from_millis(1),
        flicker_phase: Delta::from_millis(1),
        random_walk_frequency_ppb: 1_000,
        interval: SECOND,
    };
    for n in 0..6 {
        let leaps = [
            Change::Leap(Leap::right(LeapKind::Insert, midnight)),
            Change::Smear(Smear::noon_to_noon(LeapKind::Delete, midnight)),
        ];
        let clock = scripted(vec![
            from_start(leaps[n % 2]),
            from_start(Change::Wander(wander)),
            from_start(Change::DriftRate { ppb_per_day: 1_000 }),
            after(SECOND, Change::Rate(ratio("60"))),
            after(SECOND * 3_600, Change::Set(midnight - SECOND)),
            after(
                SECOND * 3_601,
                Change::Quality(QualityChange::Unsynchronised),
            ),
            after(SECOND * 3_602, Change::Freeze),
        ]);
        clock.advance(SECOND * [0, 1, 720, 3_600, 3_601, 3_602][n]);
        let source = clock.source();
        check_source(&*source.time, source.clock.now());
    }
}

/// Any change of a clock's phase or frequency but a jump.
fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        (-100_i64..100, 1_u64..100).prop_map(|(above, below)| {
            Change::Rate(timeball_mock::Ratio::new(above, below).expect("it is small"))
        }),
        (-1_000_000_000_i64..1_000_000_000).prop_map(|ppb| Change::Drift { ppb }),
        (-1_000_000_i64..1_000_000).prop_map(|ppb_per_day| Change::DriftRate { ppb_per_day }),
        (1_i64..1_000_000).prop_map(|random_walk_frequency_ppb| Change::Wander(Wander {
            random_walk_frequency_ppb,
            ..Wander::NONE
        })),
        Just(Change::Wander(Wander::NONE)),
        Just(Change::Freeze),
        Just(Change::Resume),
    ]
}

fn timed(changes: impl Strategy<Value = Change>) -> impl Strategy<Value = Vec<(i64, Change)>> {
    prop::collection::vec((0..100_000_000_000_i64, changes), 0..10)
}

proptest! {
    #[test]
    fn nothing_but_a_jump_moves_the_clock_in_an_instant(changes in timed(changes())) {
        let moments: Vec<_> = changes.iter().map(|&(at, _)| at.max(1)).collect();
        let events = changes.into_iter().map(|(at, change)| after(Delta::from_nanos(at), change));
        let clock = scripted(events.collect());
        for moment in moments {
            let before = clock.reading_at(Delta::from_nanos(moment - 1)).time;
            let now = clock.reading_at(Delta::from_nanos(moment)).time;
            // 100 times as fast, a drift that doubles that, and the roundings
            // of the count and of what it has wandered.
            prop_assert!((now - before).abs() <= Delta::from_nanos(100 * 2 + 3));
        }
    }

    #[test]
    fn a_step_shifts_all_that_follows_and_nothing_before(
        changes in timed(changes()),
        at in 1..100_000_000_000_i64,
        span in -1_000_000_000_000_i64..1_000_000_000_000,
        moments in prop::collection::vec(0..200_000_000_000_i64, 20),
    ) {
        let events: Vec<_> = changes
            .into_iter()
            .map(|(at, change)| after(Delta::from_nanos(at), change))
            .collect();
        let plain = scripted(events.clone());
        let step = after(Delta::from_nanos(at), Change::Step(Delta::from_nanos(span)));
        let stepped = scripted([events, vec![step]].concat());
        for moment in moments.into_iter().chain([at - 1, at]) {
            let elapsed = Delta::from_nanos(moment);
            let difference = stepped.reading_at(elapsed).time - plain.reading_at(elapsed).time;
            prop_assert_eq!(difference.as_nanos(), if moment < at { 0 } else { span });
        }
    }

    #[test]
    fn the_nth_request_sees_the_nth_step_and_what_was_due_by_then(
        step in 1_i64..10_000_000_000,
        at in 0_u64..50,
        due in 0_i64..500_000_000_000,
        jumps in (-1_000_000_i64..1_000_000, -1_000_000_i64..1_000_000),
    ) {
        let clock = scripted_from(START, Base::PerRequest(Delta::from_nanos(step)), vec![
            event(When::Served(at), Change::Step(Delta::from_nanos(jumps.0))),
            after(Delta::from_nanos(due), Change::Step(Delta::from_nanos(jumps.1))),
        ]);
        let source = clock.source();
        for n in 0..100_u64 {
            let elapsed = step * n as i64;
            let by_count = if n >= at { jumps.0 } else { 0 };
            let by_time = if elapsed >= due { jumps.1 } else { 0 };
            let expected = START + Delta::from_nanos(elapsed + by_count + by_time);
            prop_assert_eq!(serve(&source), (expected, expected));
        }
    }
}

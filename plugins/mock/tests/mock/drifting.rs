//! Frequency errors in numbers that can be worked out by hand.

use crate::{DAY, NANOSECOND, SECOND, after, from_start, ratio, scripted};
use timeball_api::Delta;
use timeball_mock::{Change, MockClock};

#[test]
fn ten_ppm_are_864_ms_a_day_and_3155_76_s_in_ten_years() {
    let clock = scripted(vec![from_start(Change::Drift { ppb: 10_000 })]);
    assert_eq!(clock.offset_at(DAY), Delta::from_millis(864));
    let ten_years = Delta::from_seconds(315_576_000);
    assert_eq!(clock.offset_at(ten_years), Delta::from_millis(3_155_760));
    // A nanosecond is gained every 100 us, and no sooner.
    let step = Delta::from_micros(100);
    assert_eq!(clock.offset_at(step - NANOSECOND), Delta::ZERO);
    assert_eq!(clock.offset_at(step), NANOSECOND);
}

#[test]
fn a_slow_clock_loses() {
    let clock = scripted(vec![from_start(Change::Drift { ppb: -1_000 })]);
    assert_eq!(clock.offset_at(SECOND), Delta::from_micros(-1));
    assert_eq!(clock.offset_at(NANOSECOND), -NANOSECOND, "towards the past");
}

#[test]
fn an_ageing_clock_gains_with_the_square_of_time() {
    let clock = scripted(vec![from_start(Change::DriftRate { ppb_per_day: 2 })]);
    // On average 1 ppb on the first day, 10 ppb in the first ten.
    assert_eq!(clock.offset_at(DAY), Delta::from_nanos(86_400));
    assert_eq!(clock.offset_at(DAY * 10), Delta::from_nanos(8_640_000));
}

#[test]
fn a_drift_that_is_set_stands_and_one_that_changes_goes_on_from_where_it_is() {
    let clock = scripted(vec![
        from_start(Change::DriftRate { ppb_per_day: 1_000 }),
        after(DAY, Change::DriftRate { ppb_per_day: 0 }),
        after(DAY * 2, Change::DriftRate { ppb_per_day: 5 }),
        after(DAY * 3, Change::Drift { ppb: 7 }),
    ]);
    let gained =
        |from: i64| (clock.offset_at(DAY * (from + 1)) - clock.offset_at(DAY * from)).as_nanos();
    assert_eq!(gained(0), 86_400 * 500);
    assert_eq!(gained(1), 86_400 * 1_000, "1 000 ppb, as it had become");
    assert_eq!(gained(2), 86_400 * 2_005 / 2);
    assert_eq!(gained(3), 86_400 * 7, "a drift that is set does not change");
    assert_eq!(gained(400), 86_400 * 7);
}

#[test]
fn a_sawtooth_is_a_drift_that_is_stepped_back() {
    let tooth = SECOND * 1_000;
    let mut events = vec![from_start(Change::Drift { ppb: 1_000 })];
    events.extend((1..=5).map(|n| after(tooth * n, Change::Step(Delta::from_millis(-1)))));
    let clock = scripted(events);
    for n in 0..5 {
        let begin = tooth * n;
        assert_eq!(clock.offset_at(begin), Delta::ZERO);
        let end = clock.offset_at(begin + tooth - NANOSECOND);
        assert_eq!(end, Delta::from_millis(1) - NANOSECOND);
    }
}

#[test]
fn a_drift_is_a_part_of_the_rate() {
    let events = |rate: &str| {
        vec![
            from_start(Change::Rate(ratio(rate))),
            from_start(Change::Drift { ppb: 1_000_000 }),
        ]
    };
    let shown = |clock: MockClock| clock.reading_at(SECOND * 1_000).time - clock.start();
    assert_eq!(shown(scripted(events("60"))), SECOND * 60_060);
    assert_eq!(shown(scripted(events("1/2"))), Delta::from_millis(500_500));
    assert_eq!(shown(scripted(events("0"))), Delta::ZERO);
    assert_eq!(shown(scripted(events("-1"))), SECOND * -1_001);
}

#[test]
fn what_lies_outside_of_the_range_of_a_drift_counts_as_its_end() {
    for (ppb, gain) in [(i64::MAX, 1), (1_000_000_000, 1), (i64::MIN, -1)] {
        let clock = scripted(vec![from_start(Change::Drift { ppb })]);
        assert_eq!(clock.offset_at(SECOND), SECOND * gain);
    }
}

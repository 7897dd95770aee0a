//! Leap seconds, done right and done wrong.

use crate::{DAY, NANOSECOND, SECOND, after, event, from_start, ratio, scripted_from};
use proptest::prelude::*;
use timeball_api::{Delta, LeapIndicator, Timestamp};
use timeball_mock::{Base, Change, Cleared, Leap, LeapKind, MockClock, QualityChange, When};

/// 2017-01-01T00:00:00Z, which ended the day of the last leap second so far.
const MIDNIGHT: Timestamp = Timestamp::from_unix_seconds(1_483_228_800);
const HOUR: Delta = Delta::from_seconds(3_600);

/// A clock that starts this long before midnight and knows of the leap second.
fn before(span: Delta, leap: Leap) -> MockClock {
    let events = vec![from_start(Change::Leap(leap))];
    scripted_from(MIDNIGHT - span, Base::Manual, events)
}

/// What it shows this long after the midnight of a clock without a leap second,
/// as a distance from midnight, and the leap indicator.
fn shown(clock: &MockClock, after: Delta) -> (Delta, LeapIndicator) {
    let reading = clock.reading_at(MIDNIGHT - clock.start() + after);
    (reading.time - MIDNIGHT, reading.quality.leap_indicator)
}

const INSERT: Leap = Leap::right(LeapKind::Insert, MIDNIGHT);
const DELETE: Leap = Leap::right(LeapKind::Delete, MIDNIGHT);

#[test]
fn an_inserted_second_is_announced_a_day_ahead_repeats_23_59_59_and_is_cleared() {
    use LeapIndicator::{InsertSecond, None};
    let clock = before(DAY * 2, INSERT);
    for (after, expected) in [
        (-DAY - NANOSECOND, (-DAY - NANOSECOND, None)),
        (-DAY, (-DAY, InsertSecond)),
        (-SECOND, (-SECOND, InsertSecond)),
        (-NANOSECOND, (-NANOSECOND, InsertSecond)),
        (Delta::ZERO, (-SECOND, InsertSecond)),
        (SECOND - NANOSECOND, (-NANOSECOND, InsertSecond)),
        (SECOND, (Delta::ZERO, None)),
        (DAY, (DAY - SECOND, None)),
    ] {
        assert_eq!(shown(&clock, after), expected, "{after:?}");
    }
}

#[test]
fn a_second_left_out_is_announced_a_day_ahead_and_cleared_with_midnight() {
    use LeapIndicator::{DeleteSecond, None};
    let clock = before(DAY * 2, DELETE);
    for (after, expected) in [
        (-DAY - NANOSECOND, (-DAY - NANOSECOND, None)),
        (-DAY, (-DAY, DeleteSecond)),
        (-SECOND - NANOSECOND, (-SECOND - NANOSECOND, DeleteSecond)),
        (-SECOND, (Delta::ZERO, None)),
        (Delta::ZERO, (SECOND, None)),
    ] {
        assert_eq!(shown(&clock, after), expected, "{after:?}");
    }
}

#[test]
fn a_leap_that_is_announced_and_not_applied_warns_until_midnight_and_does_not_step() {
    for right in [INSERT, DELETE] {
        let leap = Leap {
            is_applied: false,
            ..right
        };
        let clock = before(DAY, leap);
        let warning = right.kind.warning();
        for (after, indicator) in [
            (-NANOSECOND, warning),
            (Delta::ZERO, LeapIndicator::None),
            (SECOND, LeapIndicator::None),
        ] {
            assert_eq!(shown(&clock, after), (after, indicator), "{after:?}");
        }
    }
}

#[test]
fn a_leap_that_is_applied_and_not_announced_steps_without_a_word() {
    for right in [INSERT, DELETE] {
        let leap = Leap {
            announce: None,
            passing: LeapIndicator::Unsynchronised,
            cleared: Cleared::Never,
            ..right
        };
        let clock = before(DAY, leap);
        let size = right.kind.size();
        assert_eq!(shown(&clock, HOUR).0, HOUR + size);
        for after in [-DAY, -SECOND, Delta::ZERO, SECOND, HOUR] {
            assert_eq!(shown(&clock, after).1, LeapIndicator::None, "{after:?}");
        }
    }
}

#[test]
fn a_warning_can_outlive_its_leap_for_a_while_or_for_good() {
    for right in [INSERT, DELETE] {
        let warning = right.kind.warning();
        let leap = |cleared| Leap { cleared, ..right };
        let end = -right.kind.size();
        let late = before(DAY, leap(Cleared::After(HOUR)));
        assert_eq!(shown(&late, end + HOUR - NANOSECOND).1, warning);
        assert_eq!(shown(&late, end + HOUR).1, LeapIndicator::None);
        let at_once = before(DAY, leap(Cleared::After(-HOUR)));
        assert_eq!(shown(&at_once, end - NANOSECOND).1, warning);
        assert_eq!(shown(&at_once, end).1, LeapIndicator::None);
        let never = before(DAY, leap(Cleared::Never));
        assert_eq!(shown(&never, DAY * 10_000).1, warning);
    }
}

#[test]
fn the_alarm_can_stand_while_the_inserted_second_passes() {
    let leap = Leap {
        passing: LeapIndicator::Unsynchronised,
        ..INSERT
    };
    let clock = before(DAY, leap);
    for (after, indicator) in [
        (-NANOSECOND, LeapIndicator::InsertSecond),
        (Delta::ZERO, LeapIndicator::Unsynchronised),
        (SECOND - NANOSECOND, LeapIndicator::Unsynchronised),
        (SECOND, LeapIndicator::None),
    ] {
        assert_eq!(shown(&clock, after).1, indicator, "{after:?}");
    }
}

#[test]
fn a_leap_may_come_in_a_month_that_has_none_and_be_announced_a_month_ahead() {
    // 2017-02-01T00:00:00Z.
    let wrong = MIDNIGHT + DAY * 31;
    let leap = Leap {
        announce: Some(DAY * 31),
        ..Leap::right(LeapKind::Insert, wrong)
    };
    let clock = before(HOUR, leap);
    assert_eq!(
        shown(&clock, -NANOSECOND),
        (-NANOSECOND, LeapIndicator::None)
    );
    assert_eq!(shown(&clock, Delta::ZERO).1, LeapIndicator::InsertSecond);
    assert_eq!(shown(&clock, DAY * 31).0, DAY * 31 - SECOND);
}

#[test]
fn a_clock_leaps_at_its_own_midnight() {
    let fast = vec![
        from_start(Change::Leap(INSERT)),
        from_start(Change::Step(SECOND * 5)),
    ];
    let clock = scripted_from(MIDNIGHT - HOUR, Base::Manual, fast);
    let leap = HOUR - SECOND * 5;
    assert_eq!(
        clock.reading_at(leap - NANOSECOND).time,
        MIDNIGHT - NANOSECOND
    );
    assert_eq!(clock.reading_at(leap).time, MIDNIGHT - SECOND);

    let racing = vec![
        from_start(Change::Leap(INSERT)),
        from_start(Change::Rate(ratio("60"))),
    ];
    let clock = scripted_from(MIDNIGHT - HOUR, Base::Manual, racing);
    let minute = Delta::from_seconds(60);
    assert_eq!(clock.reading_at(minute).time, MIDNIGHT - SECOND);
    assert_eq!(clock.reading_at(minute * 2).time, MIDNIGHT + HOUR - SECOND);
}

#[test]
fn a_leap_that_has_passed_does_not_step_the_clock_that_learns_of_it() {
    for leap in [INSERT, DELETE] {
        let leap = Leap {
            cleared: Cleared::After(HOUR),
            ..leap
        };
        let events = vec![after(HOUR, Change::Leap(leap))];
        let clock = scripted_from(MIDNIGHT, Base::Manual, events);
        for elapsed in [HOUR - NANOSECOND, HOUR, HOUR * 2] {
            assert_eq!(clock.offset_at(elapsed), Delta::ZERO, "{elapsed:?}");
        }
        assert_eq!(clock.quality().leap_indicator, LeapIndicator::None);
    }
}

#[test]
fn leaps_follow_each_other_in_whatever_order_they_are_told() {
    let next = MIDNIGHT + DAY * 181;
    let again = Leap::right(LeapKind::Insert, next);
    for told in [[INSERT, again], [again, INSERT]] {
        let events = told.map(|leap| from_start(Change::Leap(leap))).to_vec();
        let clock = scripted_from(MIDNIGHT - HOUR, Base::Manual, events);
        let second = next - MIDNIGHT;
        assert_eq!(shown(&clock, SECOND), (Delta::ZERO, LeapIndicator::None));
        // The clock is a second behind by then.
        assert_eq!(shown(&clock, second).0, second - SECOND);
        assert_eq!(shown(&clock, second).1, LeapIndicator::InsertSecond);
        assert_eq!(shown(&clock, second + SECOND).0, second - SECOND);
        assert_eq!(shown(&clock, second + SECOND * 2).0, second);
        assert_eq!(shown(&clock, second + SECOND * 2).1, LeapIndicator::None);
    }
}

#[test]
fn a_clock_that_is_set_back_meets_its_leap_again() {
    let clock = before(SECOND * 10, INSERT);
    clock.advance(SECOND * 20);
    assert_eq!(clock.now(), MIDNIGHT + SECOND * 9);
    clock.set(MIDNIGHT - SECOND * 10);
    assert_eq!(clock.quality().leap_indicator, LeapIndicator::InsertSecond);
    clock.advance(SECOND * 10);
    assert_eq!(clock.now(), MIDNIGHT - SECOND);
    clock.advance(SECOND);
    assert_eq!(clock.now(), MIDNIGHT);
}

#[test]
fn a_step_in_the_repeated_second_stays_in_it() {
    let clock = before(SECOND * 10, INSERT);
    let quarter = Delta::from_millis(250);
    clock.advance(SECOND * 10 + quarter);
    clock.step(quarter);
    assert_eq!(clock.now(), MIDNIGHT - SECOND + quarter * 2);
    clock.advance(quarter * 2);
    assert_eq!(clock.now(), MIDNIGHT);
    // And a leap that is learned of meanwhile does not disturb it.
    clock.step(-quarter);
    clock.apply(Change::Leap(Leap::right(LeapKind::Insert, MIDNIGHT + DAY)));
    assert_eq!(clock.now(), MIDNIGHT - quarter);
    clock.advance(quarter);
    assert_eq!(clock.now(), MIDNIGHT);
}

#[test]
fn a_clock_that_is_set_to_the_second_left_out_shows_midnight() {
    let clock = before(HOUR, DELETE);
    clock.set(MIDNIGHT - NANOSECOND);
    assert_eq!(clock.now(), MIDNIGHT);
    clock.set(MIDNIGHT - SECOND - NANOSECOND);
    assert_eq!(clock.now(), MIDNIGHT - SECOND - NANOSECOND);
    clock.advance(NANOSECOND);
    assert_eq!(clock.now(), MIDNIGHT);
}

#[test]
fn a_leap_indicator_that_is_set_hides_the_leap_seconds_until_it_is_taken_back() {
    let says = |indicator| Change::Quality(QualityChange::LeapIndicator(indicator));
    let events = vec![
        from_start(Change::Leap(INSERT)),
        event(
            When::Time(MIDNIGHT - HOUR),
            says(Some(LeapIndicator::DeleteSecond)),
        ),
        after(HOUR + SECOND, says(None)),
    ];
    let clock = scripted_from(MIDNIGHT - HOUR * 2, Base::Manual, events);
    let indicator = |elapsed| clock.reading_at(elapsed).quality.leap_indicator;
    assert_eq!(indicator(HOUR - NANOSECOND), LeapIndicator::InsertSecond);
    assert_eq!(indicator(HOUR), LeapIndicator::DeleteSecond);
    assert_eq!(indicator(HOUR + SECOND), LeapIndicator::InsertSecond);
}

proptest! {
    /// However a clock came to its midnight, it leaps there and only there.
    #[test]
    fn a_clock_that_drifts_leaps_once_and_by_one_second(
        ppb in -1_000_000_i64..1_000_000,
        step in -100_000_000_000_i64..100_000_000_000,
        inserted in any::<bool>(),
    ) {
        let leap = if inserted { INSERT } else { DELETE };
        let bent = [
            Change::Drift { ppb },
            Change::Step(Delta::from_nanos(step)),
        ];
        let plain = scripted_from(MIDNIGHT - HOUR, Base::Manual, bent.map(from_start).to_vec());
        let events = [bent[0], bent[1], Change::Leap(leap)];
        let clock = scripted_from(MIDNIGHT - HOUR, Base::Manual, events.map(from_start).to_vec());
        let edge = MIDNIGHT - leap.kind.size().max(Delta::ZERO);
        // The first moment at which the clock without the leap shows the edge.
        let (mut early, mut late) = (0, 2 * HOUR.as_nanos());
        while early < late {
            let middle = early + (late - early) / 2;
            if plain.reading_at(Delta::from_nanos(middle)).time < edge {
                early = middle + 1;
            } else {
                late = middle;
            }
        }
        for distance in [1, 2, 1_000, 1_000_000_000, 1_000_000_000_000] {
            let elapsed = Delta::from_nanos(early - distance);
            prop_assert_eq!(clock.reading_at(elapsed).time, plain.reading_at(elapsed).time);
            let elapsed = Delta::from_nanos(early + distance - 1);
            let difference = clock.reading_at(elapsed).time - plain.reading_at(elapsed).time;
            prop_assert_eq!(difference, leap.kind.size());
        }
    }
}

//! Leap seconds that are spread.

use crate::{DAY, NANOSECOND, SECOND, after, from_start, scripted_from};
use proptest::prelude::*;
use timeball_api::{Delta, LeapIndicator, Timestamp};
use timeball_mock::{Base, Change, Leap, LeapKind, MockClock, Smear, SmearShape};

/// 2017-01-01T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_unix_seconds(1_483_228_800);
const HALF_A_DAY: Delta = Delta::from_seconds(43_200);
const SHAPES: [SmearShape; 3] = [
    SmearShape::Linear,
    SmearShape::Cosine,
    SmearShape::Quadratic,
];

/// A clock that starts this long before midnight and knows of this.
fn before(span: Delta, change: Change) -> MockClock {
    scripted_from(MIDNIGHT - span, Base::Manual, vec![from_start(change)])
}

/// The offset of `clock` this long after the beginning of a smear from noon.
fn offset(clock: &MockClock, since_noon: Delta) -> i64 {
    let noon = MIDNIGHT - HALF_A_DAY - clock.start();
    clock.offset_at(noon + since_noon).as_nanos()
}

#[test]
fn from_noon_to_noon_a_second_inserted_takes_86_401_seconds() {
    let smear = Smear::noon_to_noon(LeapKind::Insert, MIDNIGHT);
    let clock = before(DAY, Change::Smear(smear));
    assert_eq!(offset(&clock, Delta::ZERO), 0);
    assert_eq!(offset(&clock, DAY + SECOND), -1_000_000_000);
    let noon = MIDNIGHT + HALF_A_DAY;
    let elapsed = noon + SECOND - clock.start();
    assert_eq!(clock.reading_at(elapsed).time, noon);
    // 1 / 86 401 s a second, rounded towards 0.
    for second in 0..=86_401_i64 {
        let expected = -(second * 1_000_000_000 / 86_401);
        assert_eq!(offset(&clock, SECOND * second), expected, "{second}");
    }
}

#[test]
fn from_noon_to_noon_a_second_left_out_takes_86_399_seconds() {
    let smear = Smear::noon_to_noon(LeapKind::Delete, MIDNIGHT);
    let clock = before(DAY, Change::Smear(smear));
    assert_eq!(offset(&clock, Delta::ZERO), 0);
    assert!(offset(&clock, DAY - SECOND - Delta::from_millis(1)) < 1_000_000_000);
    assert_eq!(offset(&clock, DAY - SECOND), 1_000_000_000);
}

#[test]
fn each_shape_is_its_formula_to_two_nanoseconds() {
    for shape in SHAPES {
        let smear = Smear {
            shape,
            ..Smear::noon_to_noon(LeapKind::Insert, MIDNIGHT)
        };
        let clock = before(DAY, Change::Smear(smear));
        for step in 0..=10_000 {
            let passed = Delta::from_nanos(86_401_000_000_000 / 10_000 * step);
            let x = passed.as_seconds_f64() / 86_401.0;
            let part = match shape {
                SmearShape::Linear => x,
                SmearShape::Cosine => (1.0 - (std::f64::consts::PI * x).cos()) / 2.0,
                SmearShape::Quadratic if x < 0.5 => 2.0 * x * x,
                SmearShape::Quadratic => 1.0 - 2.0 * (1.0 - x) * (1.0 - x),
            };
            let error = offset(&clock, passed) as f64 + 1e9 * part;
            assert!(error.abs() <= 2.0, "{shape:?} at {x}: {error} ns");
        }
    }
}

/// chrony's `smoothtime 400 0.001024 leaponly`: a frequency offset that changes
/// by 0.001024 ppm a second takes 62 500 s for a second and reaches 32 ppm.
#[test]
fn a_quadratic_smear_has_an_even_change_of_frequency() {
    let smear = Smear {
        kind: LeapKind::Insert,
        at: MIDNIGHT,
        shape: SmearShape::Quadratic,
        before: Delta::ZERO,
        after: Delta::from_seconds(62_499),
    };
    let clock = before(DAY, Change::Smear(smear));
    let offset = |second| clock.offset_at(DAY + SECOND * second).as_nanos();
    assert_eq!(offset(62_500), -1_000_000_000);
    for second in (100..62_400).step_by(100) {
        let frequency = offset(second) - offset(second - 100);
        let next = offset(second + 100) - offset(second);
        // 100 s later it is 0.1024 ppm more or less, which is 10 240 ns in
        // 100 s; each of four readings is rounded.
        let change = if second < 31_250 { -10_240 } else { 10_240 };
        if second != 31_200 && second != 31_300 {
            assert!((next - frequency - change).abs() <= 4, "{second}");
        }
        assert!(frequency >= -3_200_000, "{second}: {frequency} ns in 100 s");
    }
}

#[test]
fn a_clock_that_learns_of_a_smear_that_goes_on_does_not_step() {
    for shape in SHAPES {
        let smear = Smear {
            shape,
            ..Smear::noon_to_noon(LeapKind::Insert, MIDNIGHT)
        };
        for hours in [0, 1, 12, 23, 25] {
            let start = MIDNIGHT - HALF_A_DAY + SECOND * 3_600 * hours;
            let events = vec![after(SECOND, Change::Smear(smear))];
            let clock = scripted_from(start, Base::Manual, events);
            assert_eq!(clock.offset_at(SECOND), Delta::ZERO, "{hours} h");
            // What is left of the second is still to come.
            let gone = Delta::from_nanos(-1_000_000_000);
            let left = clock.offset_at(DAY * 2);
            match hours {
                0 => assert!(left - gone < Delta::from_micros(20), "{left:?}"),
                25 => assert_eq!(left, Delta::ZERO),
                _ => assert!(left > gone && left < Delta::ZERO, "{hours} h: {left:?}"),
            }
        }
    }
}

fn smears() -> impl Strategy<Value = Smear> {
    let spans = prop_oneof![
        Just((HALF_A_DAY, HALF_A_DAY)),
        Just((DAY, Delta::ZERO)),
        (
            0_i64..200_000_000_000_000,
            11_000_000_000_i64..200_000_000_000_000
        )
            .prop_map(|(before, after)| (Delta::from_nanos(before), Delta::from_nanos(after))),
    ];
    let kinds = prop_oneof![Just(LeapKind::Insert), Just(LeapKind::Delete)];
    (kinds, prop::sample::select(SHAPES.to_vec()), spans).prop_map(
        |(kind, shape, (before, after))| Smear {
            kind,
            at: MIDNIGHT,
            shape,
            before,
            after,
        },
    )
}

proptest! {
    #[test]
    fn a_smear_begins_and_ends_where_the_leap_would_have(smear in smears(), drift in -500_000..500_000_i64) {
        let start = MIDNIGHT - DAY * 4;
        let clock = |change| {
            let events = [change, Change::Drift { ppb: drift }].map(from_start).to_vec();
            scripted_from(start, Base::Manual, events)
        };
        let smeared = clock(Change::Smear(smear));
        let leapt = clock(Change::Leap(Leap::right(smear.kind, MIDNIGHT)));
        let never = clock(Change::Drift { ppb: drift });
        let mut last = smeared.reading_at(Delta::ZERO).time;
        for step in 0..20_000 {
            let elapsed = Delta::from_nanos(34_560_000_001) * step;
            let reading = smeared.reading_at(elapsed);
            prop_assert_eq!(reading.quality.leap_indicator, LeapIndicator::None);
            let leapt = leapt.reading_at(elapsed).time;
            let never = never.reading_at(elapsed).time;
            if never < MIDNIGHT - smear.before {
                prop_assert_eq!(reading.time, never);
            }
            if leapt >= MIDNIGHT + smear.after {
                prop_assert_eq!(reading.time, leapt);
            }
            let offset = (reading.time - never) * smear.kind.size().as_nanos().signum();
            prop_assert!((Delta::ZERO..=SECOND).contains(&offset), "{:?}", offset);
            prop_assert!(reading.time >= last);
            last = reading.time;
        }
    }

    #[test]
    fn a_smear_is_continuous_and_runs_forwards(smear in smears(), at in 0..=1_000_000_i64, step in 1..1_000_i64) {
        let clock = before(DAY * 4, Change::Smear(smear));
        let length = (smear.before + smear.after - smear.kind.size()).as_nanos();
        let begin = (DAY * 4 - smear.before).as_nanos();
        let moment = i128::from(length) * i128::from(at) / 1_000_000 + i128::from(begin);
        let moment = Delta::from_nanos(i64::try_from(moment).expect("it is within days"));
        // A frequency offset is at most twice the mean one, and that is at most
        // a tenth; each reading is rounded.
        for moment in [moment - Delta::from_nanos(step), moment] {
            let moved = (clock.reading_at(moment + Delta::from_nanos(step)).time
                - clock.reading_at(moment).time).as_nanos();
            prop_assert!((moved - step).abs() <= step / 5 + 1, "{} in {}", moved, step);
            prop_assert!(moved >= 0);
        }
    }
}

#[test]
fn a_smear_is_never_so_short_that_the_clock_would_run_backwards() {
    for shape in SHAPES {
        let smear = Smear {
            kind: LeapKind::Insert,
            at: MIDNIGHT,
            shape,
            before: -DAY,
            after: -DAY,
        };
        let clock = before(SECOND, Change::Smear(smear));
        let mut last = clock.reading_at(Delta::ZERO).time;
        for step in 0..12_000 {
            let time = clock.reading_at(Delta::from_millis(step)).time;
            assert!(time >= last);
            last = time;
        }
        assert_eq!(clock.offset_at(SECOND * 11), -SECOND);
        assert!(clock.offset_at(SECOND * 11 - NANOSECOND * 1_000_000) > -SECOND);
    }
}

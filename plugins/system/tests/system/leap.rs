//! Leap seconds: a simulated kernel goes through one while its state is read
//! once a second, and every reading in between has to be right.

use crate::machine::{IN_ORDER, Machine, noon};
use LeapIndicator::{DeleteSecond, InsertSecond, None as NoWarning, Unsynchronised};
use timeball_api::{
    Delta, HostInstant, KernelState, LeapIndicator, LeapSchedule, TimeSource, Timestamp, Upkeep,
};
use timeball_system::{KernelWatch, Settings, SystemSource};

const SECOND: Delta = Delta::from_seconds(1);
const NANOSECOND: Delta = Delta::from_nanos(1);
/// The end of the day of [`noon`].
const MIDNIGHT: Timestamp = Timestamp::from_unix_seconds(1_798_761_600);

/// The moment `span` after (before, if negative) the leap, when the realtime
/// clock shows `realtime`.
fn moment(span: Delta, realtime: Timestamp) -> HostInstant {
    let from_noon_to_leap = Delta::from_seconds(43_200);
    HostInstant {
        realtime,
        monotonic: noon().monotonic + from_noon_to_leap + span,
        request: None,
    }
}

/// The host at the moment `span` after the end of a day to which a second is
/// added, and what its kernel says.
fn inserting(span: Delta) -> (HostInstant, LeapSchedule) {
    let (realtime, leap) = if span < Delta::ZERO {
        (MIDNIGHT + span, LeapSchedule::InsertToday)
    } else if span < SECOND {
        (MIDNIGHT + span - SECOND, LeapSchedule::InProgress)
    } else {
        (MIDNIGHT + span - SECOND, LeapSchedule::None)
    };
    (moment(span, realtime), leap)
}

/// The host at the moment `span` after the end of a day of which a second is
/// left out, and what its kernel says. The day ends a second before noon + 12 h.
fn deleting(span: Delta) -> (HostInstant, LeapSchedule) {
    let is_over = span >= Delta::ZERO;
    let (realtime, leap) = if is_over {
        (MIDNIGHT + span, LeapSchedule::None)
    } else {
        (MIDNIGHT + span - SECOND, LeapSchedule::DeleteToday)
    };
    (moment(span - SECOND, realtime), leap)
}

fn saying(leap: LeapSchedule) -> KernelState {
    KernelState { leap, ..IN_ORDER }
}

fn at_noon(leap: LeapSchedule) -> (std::sync::Arc<Machine>, SystemSource, KernelWatch) {
    let machine = Machine::new(saying(leap));
    let (source, watch) = SystemSource::on(&machine.host(), Settings::default());
    (machine, source, watch)
}

fn indicator(source: &SystemSource, at: HostInstant) -> LeapIndicator {
    let reading = source.read(at).expect("the host always has a time");
    reading.quality.leap_indicator
}

/// Goes from 3 s before the leap to 3 s after it, looking at the kernel every
/// second at `phase`, and checks every 50th of a second and its neighbours.
fn check_passage(
    schedule: fn(Delta) -> (HostInstant, LeapSchedule),
    phase: Delta,
    expected: fn(Delta) -> LeapIndicator,
) {
    let (machine, source, mut watch) = at_noon(schedule(-SECOND).1);
    for second in -3..3 {
        let look = Delta::from_seconds(second) + phase;
        let (now, leap) = schedule(look);
        machine.say(saying(leap));
        watch.tend(now);
        for step in 0..=50 {
            let moment = look + Delta::from_millis(step * 20);
            for span in [moment - NANOSECOND, moment, moment + NANOSECOND] {
                let (at, _) = schedule(span);
                let said = indicator(&source, at);
                assert_eq!(said, expected(span), "{span:?} after the leap, {phase:?}");
            }
        }
    }
}

const PHASES: [Delta; 6] = [
    Delta::ZERO,
    NANOSECOND,
    Delta::from_millis(1),
    Delta::from_millis(500),
    Delta::from_millis(980),
    Delta::from_nanos(999_999_999),
];

#[test]
fn an_insertion_is_announced_then_alarms_for_one_second_then_is_over() {
    for phase in PHASES {
        check_passage(inserting, phase, |span| match span {
            before if before < Delta::ZERO => InsertSecond,
            during if during < SECOND => Unsynchronised,
            _ => NoWarning,
        });
    }
}

#[test]
fn a_deletion_is_announced_then_is_over() {
    for phase in PHASES {
        check_passage(deleting, phase, |span| match span {
            before if before < Delta::ZERO => DeleteSecond,
            _ => NoWarning,
        });
    }
}

#[test]
fn the_leap_needs_no_look_at_the_kernel_after_the_announcement() {
    let (_machine, source, _watch) = at_noon(LeapSchedule::InsertToday);
    for (span, expected) in [
        (-NANOSECOND, InsertSecond),
        (Delta::ZERO, Unsynchronised),
        (SECOND - NANOSECOND, Unsynchronised),
        (SECOND, NoWarning),
        (Delta::from_seconds(86_400), NoWarning),
    ] {
        assert_eq!(indicator(&source, inserting(span).0), expected, "{span:?}");
    }
}

#[test]
fn a_leap_second_is_announced_from_at_most_24_hours_before() {
    let (_machine, source, _watch) = at_noon(LeapSchedule::InsertToday);
    let day = Delta::from_seconds(86_400);
    assert_eq!(indicator(&source, inserting(-day).0), InsertSecond);
    let earlier = inserting(-day - NANOSECOND).0;
    assert_eq!(indicator(&source, earlier), NoWarning);
}

#[test]
fn an_announcement_that_is_withdrawn_is_gone_at_the_next_look() {
    let (machine, source, mut watch) = at_noon(LeapSchedule::InsertToday);
    assert_eq!(indicator(&source, noon()), InsertSecond);
    machine.say(IN_ORDER);
    watch.tend(noon());
    assert_eq!(indicator(&source, noon()), NoWarning);
    assert_eq!(indicator(&source, inserting(Delta::ZERO).0), NoWarning);
}

#[test]
fn an_inserted_second_that_nobody_foresaw_alarms_until_it_is_over() {
    for phase in PHASES {
        let (machine, source, mut watch) = at_noon(LeapSchedule::None);
        machine.say(saying(LeapSchedule::InProgress));
        watch.tend(inserting(phase).0);
        let last = inserting(SECOND - NANOSECOND).0;
        assert_eq!(indicator(&source, last), Unsynchronised, "{phase:?}");
        assert_eq!(indicator(&source, inserting(SECOND).0), NoWarning);
    }
}

#[test]
fn a_clock_that_is_stepped_back_late_does_not_stretch_the_inserted_second() {
    // The kernel applies the leap with a tick, some milliseconds late, and
    // until then the clock runs on into the new day.
    let late = Delta::from_millis(4);
    for announced in [LeapSchedule::InsertToday, LeapSchedule::None] {
        let (machine, source, mut watch) = at_noon(announced);
        machine.say(saying(LeapSchedule::InProgress));
        watch.tend(moment(late, MIDNIGHT + late));
        let last = inserting(SECOND - NANOSECOND).0;
        assert_eq!(indicator(&source, last), Unsynchronised);
        assert_eq!(indicator(&source, inserting(SECOND).0), NoWarning);
    }
}

#[test]
fn a_look_that_straddles_the_leap_keeps_what_was_foreseen() {
    // The clocks are read just before the leap, the kernel's state just after.
    let (machine, source, mut watch) = at_noon(LeapSchedule::InsertToday);
    machine.say(saying(LeapSchedule::InProgress));
    watch.tend(inserting(-NANOSECOND).0);
    assert_eq!(indicator(&source, inserting(-NANOSECOND).0), InsertSecond);
    let last = inserting(SECOND - NANOSECOND).0;
    assert_eq!(indicator(&source, last), Unsynchronised);
    assert_eq!(indicator(&source, inserting(SECOND).0), NoWarning);
}

/// The same host where the kernel makes the leap second with its next tick. Until then its
/// clock runs on, whatever it says: kernels differ there.
fn late(
    schedule: fn(Delta) -> (HostInstant, LeapSchedule),
    span: Delta,
    has_told: bool,
) -> (HostInstant, LeapSchedule) {
    let (on_time, said) = schedule(span);
    if !(Delta::ZERO..Delta::from_millis(4)).contains(&span) {
        return (on_time, said);
    }
    let (before, said_before) = schedule(-NANOSECOND);
    let since = on_time.monotonic - before.monotonic;
    let said = if has_told { said } else { said_before };
    (before.later_by(since), said)
}

#[test]
fn a_kernel_that_is_late_with_a_leap_second_makes_no_reading_wrong() {
    let around = [-1_000_000, -1, 0, 1, 2_000_000, 3_999_999, 4_000_000];
    let looks = around.into_iter().chain([500_000_000]);
    let spans = around.into_iter().chain([
        499_999_999,
        500_000_000,
        999_999_999,
        1_000_000_000,
        1_000_000_001,
        1_500_000_000,
    ]);
    for happens in [inserting, deleting] {
        for (look, has_told) in looks.clone().flat_map(|it| [(it, false), (it, true)]) {
            let (machine, source, mut watch) = at_noon(happens(-SECOND).1);
            let (now, leap) = late(happens, Delta::from_nanos(look), has_told);
            machine.say(saying(leap));
            watch.tend(now);
            for span in spans.clone().map(Delta::from_nanos) {
                let (shown, right) = (late(happens, span, has_told).0, happens(span).0);
                let told = source.read(shown).expect("the host always has a time");
                assert_eq!(told.time, right.realtime, "{span:?}, look at {look}");
                assert_eq!(Ok(told), source.read(right), "{span:?}, look at {look}");
                assert_eq!(source.forecast(shown), source.forecast(right));
            }
        }
    }
}

#[test]
fn a_kernel_that_is_late_with_the_end_of_an_inserted_second_changes_no_reading() {
    let (machine, source, mut watch) = at_noon(LeapSchedule::InsertToday);
    machine.say(saying(LeapSchedule::InProgress));
    for millis in [1_002, 1_499] {
        watch.tend(inserting(Delta::from_millis(millis)).0);
        for after in [0, 1, 100, 400] {
            let at = inserting(Delta::from_millis(millis + after)).0;
            let told = source.read(at).expect("the host always has a time");
            assert_eq!(
                (told.time, indicator(&source, at)),
                (at.realtime, NoWarning)
            );
        }
    }
}

#[test]
fn an_alarm_far_from_midnight_lasts_a_second_at_most() {
    let (machine, source, mut watch) = at_noon(LeapSchedule::None);
    machine.say(saying(LeapSchedule::InProgress));
    watch.tend(noon());
    assert_eq!(indicator(&source, noon()), Unsynchronised);
    assert_eq!(indicator(&source, noon().later_by(SECOND)), NoWarning);
}

#[test]
fn a_forced_leap_indicator_stands_whatever_the_kernel_says() {
    let settings = Settings {
        leap_indicator: Some(DeleteSecond),
        ..Settings::default()
    };
    let machine = Machine::new(saying(LeapSchedule::InsertToday));
    let (source, _watch) = SystemSource::on(&machine.host(), settings);
    for span in [-SECOND, Delta::ZERO, SECOND] {
        assert_eq!(indicator(&source, inserting(span).0), DeleteSecond);
    }
}

/// Checks that what was forecast at `made` is what is read at `later`, where not
/// more than one change lies between.
#[track_caller]
fn assert_foreseen(source: &SystemSource, made: HostInstant, later: HostInstant) {
    let forecast = source
        .forecast(made)
        .expect("the host's clock runs straight");
    let next = forecast.next.map(|(next, _)| next);
    let second = next.and_then(|next| {
        let then = HostInstant {
            monotonic: next,
            ..made
        };
        source.forecast(then)?.next
    });
    if second.is_none_or(|(second, _)| later.monotonic < second) {
        let foreseen = forecast.read(later.monotonic);
        assert_eq!(Ok(foreseen), source.read(later), "{made:?} {later:?}");
    }
}

/// Moments around a leap second, and around the day before it.
fn spans() -> Vec<Delta> {
    let seconds = [-86_401, -86_400, -86_399, -60, -2, -1, 0, 1, 2, 60];
    let nanos = [
        -1_000_000_000,
        -333_333_333,
        -1,
        0,
        1,
        1_999,
        2_000,
        2_001,
        999_999_999,
    ];
    let spans = seconds
        .map(|seconds| nanos.map(|nanos| Delta::from_seconds(seconds) + Delta::from_nanos(nanos)));
    let mut spans = spans.concat();
    spans.sort();
    spans
}

#[test]
fn a_forecast_says_what_the_readings_will_say_across_a_leap_second_too() {
    for happens in [inserting, deleting] {
        let settings = [
            Settings::default(),
            Settings {
                require_synchronised: true,
                leap_indicator: Some(NoWarning),
                ..Settings::default()
            },
        ];
        for settings in settings {
            for synchronised in [true, false] {
                let (_, leap) = happens(Delta::from_seconds(-43_200));
                let machine = Machine::new(KernelState {
                    synchronised,
                    ..saying(leap)
                });
                let (source, _watch) = SystemSource::on(&machine.host(), settings);
                let spans = spans();
                let mut pairs = 0;
                for (index, &made) in spans.iter().enumerate() {
                    for &later in &spans[index..] {
                        assert_foreseen(&source, happens(made).0, happens(later).0);
                        pairs += 1;
                    }
                }
                assert!(pairs > 4_000, "{pairs}");
            }
        }
    }
}

#[test]
fn a_forecast_names_the_moments_at_which_something_changes() {
    let (_machine, source, _watch) = at_noon(LeapSchedule::InsertToday);
    let change = |span| {
        let (now, _) = inserting(span);
        let (next, _) = source.forecast(now)?.next?;
        Some(next - now.monotonic)
    };
    assert_eq!(change(-SECOND), Some(SECOND));
    assert_eq!(change(-NANOSECOND), Some(NANOSECOND));
    assert_eq!(change(Delta::ZERO), Some(SECOND));
    assert_eq!(change(SECOND), None);
    let (_machine, source, _watch) = at_noon(LeapSchedule::None);
    assert_eq!(source.forecast(noon()).and_then(|it| it.next), None);
}

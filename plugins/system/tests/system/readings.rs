//! What a reading says, but for leap seconds.

use crate::machine::{FREE_RUNNING, IN_ORDER, Machine, noon};
use std::sync::Arc;
use timeball_api::conformance::check_source;
use timeball_api::settings::{Built, Value, Values};
use timeball_api::{
    Delta, HostInstant, KernelState, LeapIndicator, LeapSchedule, Quality, Reading, ReferenceId,
    TimeSource, Timestamp, Upkeep,
};
use timeball_system::{KIND, Settings, SystemSource};

const SECOND: Delta = Delta::from_seconds(1);

fn read(source: &dyn TimeSource, at: HostInstant) -> Reading {
    source.read(at).expect("the host always has a time")
}

fn quality_at_noon(state: KernelState, settings: Settings) -> Quality {
    let (source, _watch) = SystemSource::on(&Machine::new(state).host(), settings);
    read(&source, noon()).quality
}

fn strict() -> Settings {
    Settings {
        require_synchronised: true,
        ..Settings::default()
    }
}

#[test]
fn it_conforms() {
    for leap in [
        LeapSchedule::None,
        LeapSchedule::InsertToday,
        LeapSchedule::DeleteToday,
        LeapSchedule::InProgress,
    ] {
        for state in [IN_ORDER, FREE_RUNNING] {
            for settings in [Settings::default(), strict()] {
                let machine = Machine::new(KernelState { leap, ..state });
                let (source, _watch) = SystemSource::on(&machine.host(), settings);
                check_source(&source, noon());
                check_source(&source, HostInstant::default());
            }
        }
    }
}

#[test]
fn the_time_is_that_of_the_host_at_the_moment_asked_about() {
    let (source, _watch) = SystemSource::on(&Machine::new(IN_ORDER).host(), Settings::default());
    for seconds in [-1_000_000_000, -1, 0, 1, 1_000_000_000] {
        let realtime = noon().realtime + Delta::from_seconds(seconds);
        let at = HostInstant { realtime, ..noon() };
        assert_eq!(read(&source, at).time, realtime);
    }
}

#[test]
fn a_first_look_at_the_kernel_is_made_before_the_first_reading() {
    let quality = quality_at_noon(IN_ORDER, strict());
    let expected = Quality {
        leap_indicator: LeapIndicator::None,
        stratum: 10,
        precision_log2_s: -24,
        reference_id: ReferenceId::LOCAL_CLOCK,
        reference_timestamp: Some(noon().realtime),
        root_delay: Delta::ZERO,
        root_dispersion: Delta::from_millis(3),
    };
    assert_eq!(quality, expected);
}

#[test]
fn the_maximum_error_grows_by_500_ppm_rounded_up() {
    let (source, _watch) = SystemSource::on(&Machine::new(IN_ORDER).host(), Settings::default());
    for (nanos, grown) in [
        (-1_000_000_000, 0),
        (0, 0),
        (1, 1),
        (2_000, 1),
        (2_001, 2),
        (1_000_000_000, 500_000),
        (3_600_000_000_001, 1_800_000_001),
    ] {
        let monotonic = noon().monotonic + Delta::from_nanos(nanos);
        let at = HostInstant {
            monotonic,
            ..noon()
        };
        let expected = Delta::from_millis(3) + Delta::from_nanos(grown);
        assert_eq!(read(&source, at).quality.root_dispersion, expected);
    }
}

#[test]
fn a_look_at_the_kernel_renews_the_dispersion_and_the_reference_timestamp() {
    let machine = Machine::new(IN_ORDER);
    let (source, mut watch) = SystemSource::on(&machine.host(), Settings::default());
    let later = noon().later_by(SECOND);
    machine.say(KernelState {
        maximum_error: Delta::from_millis(2),
        ..IN_ORDER
    });
    watch.tend(later);
    let quality = read(&source, later).quality;
    assert_eq!(quality.root_dispersion, Delta::from_millis(2));
    assert_eq!(quality.reference_timestamp, Some(later.realtime));
    let earlier = read(&source, noon());
    assert_eq!(earlier.quality.reference_timestamp, Some(earlier.time));
}

#[test]
fn an_unsynchronised_clock_is_served_with_the_dispersion_of_the_settings() {
    let settings = Settings {
        root_dispersion: Delta::from_millis(25),
        ..Settings::default()
    };
    let quality = quality_at_noon(FREE_RUNNING, settings);
    assert!(quality.is_synchronised());
    assert_eq!(quality.stratum, 10);
    assert_eq!(quality.root_dispersion, Delta::from_millis(25));
}

#[test]
fn an_unsynchronised_clock_says_so_when_synchronisation_is_required() {
    let insisting = Settings {
        leap_indicator: Some(LeapIndicator::None),
        ..strict()
    };
    for settings in [strict(), insisting] {
        let quality = quality_at_noon(FREE_RUNNING, settings);
        assert_eq!(quality.leap_indicator, LeapIndicator::Unsynchronised);
        assert_eq!(quality.stratum, 16);
        assert_eq!(quality.root_dispersion, Delta::from_millis(10));
    }
}

#[test]
fn synchronisation_lost_and_found_shows_at_the_next_look() {
    let machine = Machine::new(IN_ORDER);
    let (source, mut watch) = SystemSource::on(&machine.host(), strict());
    let mut at = noon();
    for (state, is_synchronised) in [(FREE_RUNNING, false), (IN_ORDER, true)] {
        machine.say(state);
        at = at.later_by(SECOND);
        assert_ne!(read(&source, at).quality.is_synchronised(), is_synchronised);
        watch.tend(at);
        assert_eq!(read(&source, at).quality.is_synchronised(), is_synchronised);
    }
}

#[test]
fn a_kernel_that_refuses_counts_as_unsynchronised() {
    let machine = Machine::new(IN_ORDER);
    machine.refuse();
    let (source, mut watch) = SystemSource::on(&machine.host(), strict());
    let quality = read(&source, noon()).quality;
    assert!(!quality.is_synchronised());
    assert_eq!(quality.reference_timestamp, None);

    machine.say(IN_ORDER);
    watch.tend(noon());
    assert!(read(&source, noon()).quality.is_synchronised());

    machine.refuse();
    let later = noon().later_by(SECOND);
    watch.tend(later);
    let quality = read(&source, later).quality;
    assert!(!quality.is_synchronised());
    assert_eq!(quality.reference_timestamp, Some(noon().realtime));
}

#[test]
fn a_negative_maximum_error_counts_as_none() {
    let maximum_error = Delta::from_nanos(-1);
    let state = KernelState {
        maximum_error,
        ..IN_ORDER
    };
    let quality = quality_at_noon(state, Settings::default());
    assert_eq!(quality.root_dispersion, Delta::ZERO);
}

#[test]
fn readings_from_other_threads_are_never_torn() {
    // Bound and reference timestamp of one look belong together.
    let machine = Machine::new(IN_ORDER);
    let (source, mut watch) = SystemSource::on(&machine.host(), Settings::default());
    let source = Arc::new(source);
    let end = noon().later_by(Delta::from_seconds(100_000));
    std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            let source = Arc::clone(&source);
            scope.spawn(move || {
                let mut last = Timestamp::MIN;
                while last < end.realtime {
                    let quality = read(&*source, end).quality;
                    let looked = quality.reference_timestamp.expect("the kernel answered");
                    let since = (end.realtime - looked).as_nanos();
                    let grown = Delta::from_nanos(since.unsigned_abs().div_ceil(2_000) as i64);
                    assert_eq!(quality.root_dispersion, Delta::from_millis(3) + grown);
                    assert!(looked >= last);
                    last = looked;
                }
            })
        });
        for second in 0..=100_000 {
            watch.tend(noon().later_by(Delta::from_seconds(second)));
        }
        for reader in readers {
            reader.join().expect("no reading was torn");
        }
    });
}

/// What the settings give when the file says nothing.
fn defaults() -> Values {
    let mut values = Values::default();
    values.insert("stratum", Value::Integer(10));
    let local = ReferenceId::LOCAL_CLOCK;
    values.insert("reference_id", Value::ReferenceId(local));
    values.insert("root_dispersion", Value::Duration(Delta::from_millis(10)));
    values.insert("require_synchronised", Value::Flag(false));
    values
}

fn built(values: &Values, machine: &Arc<Machine>) -> Built {
    (KIND.build)(values, &machine.host()).expect("these values build")
}

#[test]
fn the_defaults_of_the_settings_are_those_of_the_type() {
    let machine = Machine::new(FREE_RUNNING);
    let built = built(&defaults(), &machine);
    assert!(!built.source.test_time && !built.source.may_block);
    assert!(built.upkeep.is_some());
    let (source, _watch) = SystemSource::on(&machine.host(), Settings::default());
    assert_eq!(read(&*built.source.time, noon()), read(&source, noon()));
}

#[test]
fn every_setting_reaches_the_reading() {
    let machine = Machine::new(FREE_RUNNING);
    let mut values = defaults();
    values.insert("stratum", Value::Integer(2));
    values.insert("reference_id", Value::ReferenceId(ReferenceId(*b"PPS\0")));
    values.insert("root_dispersion", Value::Duration(Delta::from_millis(5)));
    values.insert("leap_indicator", Value::Text("delete".to_owned()));
    let quality = read(&*built(&values, &machine).source.time, noon()).quality;
    assert_eq!(quality.stratum, 2);
    assert_eq!(quality.reference_id, ReferenceId(*b"PPS\0"));
    assert_eq!(quality.root_dispersion, Delta::from_millis(5));
    assert_eq!(quality.leap_indicator, LeapIndicator::DeleteSecond);

    values.insert("require_synchronised", Value::Flag(true));
    let quality = read(&*built(&values, &machine).source.time, noon()).quality;
    assert!(!quality.is_synchronised());
}

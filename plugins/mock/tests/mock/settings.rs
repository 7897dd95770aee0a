//! The mock as the settings describe it.

use crate::{SECOND, START, read, serve};
use std::io;
use std::sync::Arc;
use timeball_api::settings::{Value, Values};
use timeball_api::{
    Delta, Host, KernelClock, KernelState, LeapIndicator, NtpTimestamp, Quality, ReferenceId,
    Timestamp,
};
use timeball_mock::{KIND, MockClock, clock};

struct NoKernel;

impl KernelClock for NoKernel {
    fn state(&self) -> io::Result<KernelState> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A host whose clock the handle turns.
fn host() -> (Host, MockClock) {
    let hands = MockClock::manual(Timestamp::UNIX_EPOCH);
    let host = Host {
        clock: hands.source().clock,
        kernel: Arc::new(NoKernel),
        precision_log2_s: -20,
    };
    (host, hands)
}

/// What the settings give when the file says nothing.
fn defaults() -> Values {
    let mut values = Values::default();
    for (key, value) in [
        ("start", Value::Instant(START)),
        ("advance", Value::Text("manual".to_owned())),
        ("step", Value::Duration(SECOND)),
        ("leap_indicator", Value::Text("none".to_owned())),
        ("stratum", Value::Integer(1)),
        ("precision_log2_s", Value::Integer(-29)),
        ("reference_id", Value::ReferenceId(ReferenceId::TEST)),
        ("root_delay", Value::Duration(Delta::ZERO)),
        ("root_dispersion", Value::Duration(Delta::ZERO)),
    ] {
        values.insert(key, value);
    }
    values
}

fn advancing(how: &str, step: Delta) -> Values {
    let mut values = defaults();
    values.insert("advance", Value::Text(how.to_owned()));
    values.insert("step", Value::Duration(step));
    values
}

#[test]
fn the_defaults_of_the_settings_are_those_of_the_type() {
    let (host, _hands) = host();
    let built = (KIND.build)(&defaults(), &host).expect("the defaults build");
    assert!(built.upkeep.is_none() && built.source.test_time);
    assert_eq!(
        read(&built.source),
        read(&MockClock::manual(START).source())
    );
}

#[test]
fn the_handle_moves_the_source_that_the_settings_describe() {
    let (host, hands) = host();
    for how in ["manual", "per-request", "wall"] {
        let clock = clock(&advancing(how, SECOND), &host).expect("these values build");
        let source = clock.source();
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(serve(&source).0, Timestamp::UNIX_EPOCH);
        let is_per_request = how == "per-request";
        assert_eq!(
            clock.now() > Timestamp::UNIX_EPOCH,
            is_per_request,
            "{how}: a request moves it"
        );
        let before = clock.now();
        hands.advance(SECOND);
        assert_eq!(
            clock.now() > before,
            how == "wall",
            "{how}: the host moves it"
        );
    }
}

#[test]
fn a_step_may_be_negative() {
    let (host, _hands) = host();
    let clock = clock(&advancing("per-request", -SECOND), &host).expect("these values build");
    serve(&clock.source());
    assert_eq!(clock.now(), START - SECOND);
}

#[test]
fn every_field_of_the_quality_can_be_set_even_to_a_lie() {
    let (host, _hands) = host();
    let lie = START + SECOND;
    let mut values = defaults();
    for (key, value) in [
        ("leap_indicator", Value::Text("delete".to_owned())),
        ("stratum", Value::Integer(16)),
        ("precision_log2_s", Value::Integer(-128)),
        ("reference_id", Value::ReferenceId(ReferenceId::NONE)),
        ("reference_timestamp", Value::Instant(lie)),
        ("root_delay", Value::Duration(Delta::from_millis(1))),
        ("root_dispersion", Value::Duration(Delta::from_millis(2))),
    ] {
        values.insert(key, value);
    }
    let built = (KIND.build)(&values, &host).expect("these values build");
    let expected = Quality {
        leap_indicator: LeapIndicator::DeleteSecond,
        stratum: 16,
        precision_log2_s: -128,
        reference_id: ReferenceId::NONE,
        reference_timestamp: Some(lie),
        root_delay: Delta::from_millis(1),
        root_dispersion: Delta::from_millis(2),
    };
    assert_eq!(read(&built.source).quality, expected);
}

#[test]
fn the_same_settings_and_requests_give_the_same_readings_every_time() {
    let run = |host: &Host| {
        let values = advancing("per-request", Delta::from_millis(-7));
        let source = clock(&values, host).expect("these values build").source();
        let readings = (0..100).map(|_| (read(&source), source.clock.now(), serve(&source)));
        readings.collect::<Vec<_>>()
    };
    let (first, _hands) = host();
    let (second, hands) = host();
    hands.set(Timestamp::MAX);
    assert_eq!(
        run(&first),
        run(&second),
        "the host's clock does not matter"
    );
}

#[test]
fn a_word_that_is_no_way_to_advance_is_refused_by_name() {
    let (host, _hands) = host();
    let problem = clock(&advancing("backwards", SECOND), &host).expect_err("no such way");
    assert_eq!(problem.key, "advance");
    assert!(problem.text.contains("backwards"));
}

#[test]
fn a_reference_timestamp_at_the_turn_of_an_era_is_zero_on_the_wire() {
    // 2036-02-07T06:28:16Z, as the help of reference_timestamp promises.
    let turn = Timestamp::from_unix_seconds(2_085_978_496);
    assert!(NtpTimestamp::from(turn).is_zero());
    let (host, _hands) = host();
    let mut values = defaults();
    values.insert("reference_timestamp", Value::Instant(turn));
    let clock = clock(&values, &host).expect("these values build");
    assert_eq!(clock.quality().reference_timestamp, Some(turn));
}

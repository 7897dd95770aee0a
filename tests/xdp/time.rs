//! What time the program tells, and when it tells none.
//!
//! The program reads the monotonic clock itself; the tests lay their moments
//! around the present one, and judge a reply by the moment that it tells.

use crate::differential::{Chance, Straight, XDP_PASS, XDP_TX, interface, source, stretch};
use crate::frames::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use timeball::admission::networks::Networks;
use timeball::admission::{Admission, Gate, OnDeny};
use timeball::api::{
    Delta, Forecast, HostClock, HostInstant, LeapIndicator, NtpTimestamp, Quality, Reading, Source,
    Stretch, Timestamp,
};
use timeball::host::OsClock;
use timeball::protocol::ntp::{Header, Ntp, WhenUnsynchronised};
use timeball::xdp::{Accelerator, Clients, Listener, NotAccelerated, VALID};

const SERVER: &str = "192.0.2.1:123";
/// Finer than the wire: no bit is random, so a reply tells its very moment.
pub const EXACT: i8 = -32;
/// How often a test tries again what a busy machine may have spoiled, at most.
pub const ROUNDS: usize = 1_000;

pub fn loaded() -> Accelerator {
    Accelerator::load(interface(), &Clients::new(8).unwrap()).unwrap()
}

pub fn serve(
    accelerator: &mut Accelerator,
    source: &Source,
    ntp: Ntp,
    now: HostInstant,
) -> Result<(), NotAccelerated> {
    let admission = Admission::for_checked_requests();
    let mut chance = Chance(7);
    let listener = Listener {
        address: SERVER.parse().unwrap(),
        ntp,
        source,
        admission: &admission,
    };
    accelerator.serve(&[Some(listener)], now, || chance.next())[0].expect("it is in the list")
}

fn request() -> Vec<u8> {
    let mut payload = [0x77; 48];
    payload[0] = 0x23;
    let from = "192.0.2.9:40000".parse().unwrap();
    Frame::new(from, SERVER.parse().unwrap(), &payload).octets()
}

/// The reply to a request at this moment, if the program has one.
pub fn asked(accelerator: &Accelerator) -> Option<Header> {
    let mut room = [0; 128];
    let run = accelerator.test_run(&request(), 1, &mut room).unwrap();
    match run.returned {
        XDP_TX => Some(Header::decode(room[42..].first_chunk().unwrap())),
        XDP_PASS => None,
        other => panic!("{other}"),
    }
}

fn exact(now: HostInstant) -> Stretch {
    let mut stretch = stretch(now);
    stretch.drift_ppt = 0;
    stretch.reading.quality.precision_log2_s = EXACT;
    stretch
}

/// The reply, from a program that is fed right before. A machine that stands still
/// for half a second in between makes it silent.
fn told(accelerator: &Accelerator) -> Header {
    for _ in 0..ROUNDS {
        accelerator.feed(OsClock.now());
        if let Some(reply) = asked(accelerator) {
            return reply;
        }
    }
    panic!("it is fed and says nothing");
}

/// Checks that the program goes from `before` to `then` at the nanosecond at which
/// it shall: no reply of the one is behind it, and none of the other before.
#[track_caller]
fn assert_switches(jump: Delta, before: LeapIndicator, then: LeapIndicator) {
    let mut accelerator = loaded();
    let with = |indicator, mut stretch: Stretch, jump| {
        stretch.reading.time += jump;
        stretch.reading.quality.leap_indicator = indicator;
        stretch
    };
    // A busy machine may let the moment go by between two requests.
    let (mut early, mut late) = (0, 0);
    for _ in 0..ROUNDS {
        let now = OsClock.now();
        let switch_at = now.monotonic + Delta::from_millis(5);
        let forecast = Forecast {
            now: with(before, exact(now), Delta::ZERO),
            next: Some((switch_at, with(then, exact(now), jump))),
        };
        let source = source(forecast);
        assert_eq!(
            serve(&mut accelerator, &source, Ntp::default(), now),
            Ok(())
        );
        let start = exact(now).reading.time;
        let enough = late + 20;
        while late < enough {
            // Nothing: it was not fed for too long.
            let Some(reply) = asked(&accelerator) else {
                break;
            };
            let is_late = reply.leap_indicator == then;
            assert!(is_late || reply.leap_indicator == before);
            let time = reply.receive_timestamp.near(start);
            let since = time - start - if is_late { jump } else { Delta::ZERO };
            let at = now.monotonic + since;
            assert_eq!(at >= switch_at, is_late, "{at:?} {switch_at:?}");
            assert_eq!(time, forecast.read(at).time);
            assert_eq!(reply.transmit_timestamp, reply.receive_timestamp);
            *(if is_late { &mut late } else { &mut early }) += 1;
        }
        if early >= 50 && late >= 50 {
            return;
        }
    }
    panic!("{early} replies before and {late} behind");
}

#[test]
fn a_leap_second_begins_and_ends_at_its_nanosecond() {
    let second = Delta::from_seconds(1);
    assert_switches(
        -second,
        LeapIndicator::InsertSecond,
        LeapIndicator::Unsynchronised,
    );
    assert_switches(
        Delta::ZERO,
        LeapIndicator::Unsynchronised,
        LeapIndicator::None,
    );
    assert_switches(second, LeapIndicator::DeleteSecond, LeapIndicator::None);
}

#[test]
fn a_known_step_of_any_size_happens_at_its_nanosecond() {
    for step in [-86_400 * 365, -3, 5, 86_400 * 365 * 10] {
        let step = Delta::from_seconds(step) + Delta::from_nanos(step);
        assert_switches(step, LeapIndicator::None, LeapIndicator::InsertSecond);
    }
}

#[test]
fn while_the_alarm_is_on_the_reply_says_what_the_settings_say() {
    let mut accelerator = loaded();
    let now = OsClock.now();
    let mut alarmed = exact(now);
    alarmed.reading.quality.stratum = 16;
    let source = source(Forecast {
        now: alarmed,
        next: None,
    });
    for (unsynchronised, answers) in [
        (WhenUnsynchronised::Alarm, true),
        (WhenUnsynchronised::Zero, false),
        (WhenUnsynchronised::Silent, false),
    ] {
        let ntp = Ntp {
            unsynchronised,
            ..Ntp::default()
        };
        assert_eq!(serve(&mut accelerator, &source, ntp, OsClock.now()), Ok(()));
        if !answers {
            assert_eq!(asked(&accelerator), None, "{unsynchronised:?}");
        } else {
            let reply = told(&accelerator);
            assert_eq!(reply.leap_indicator, LeapIndicator::Unsynchronised);
            assert_eq!((reply.stratum, reply.reference_id.0), (0, [0; 4]));
            assert!(!reply.transmit_timestamp.is_zero());
        }
    }
}

#[test]
fn a_program_that_is_not_fed_falls_silent_and_answers_again_when_it_is() {
    let mut accelerator = loaded();
    assert_eq!(asked(&accelerator), None, "before anything is said");
    let now = OsClock.now();
    let source = source(Forecast {
        now: exact(now),
        next: None,
    });
    assert_eq!(
        serve(&mut accelerator, &source, Ntp::default(), now),
        Ok(())
    );
    told(&accelerator);
    // As if it had been fed last at these moments.
    let ago = |span| OsClock.now().earlier_by(span);
    accelerator.feed(ago(VALID + Delta::from_nanos(1)));
    assert_eq!(asked(&accelerator), None);
    told(&accelerator);
    accelerator.feed(ago(VALID));
    assert_eq!(asked(&accelerator), None);
    accelerator.feed(OsClock.now());
    accelerator.pause();
    assert_eq!(asked(&accelerator), None);
    // What is fed for later is not for now.
    accelerator.feed(OsClock.now().later_by(Delta::from_seconds(5)));
    assert_eq!(asked(&accelerator), None);
    told(&accelerator);
    let nobody: [Option<Listener<'_>>; 0] = [];
    assert!(accelerator.serve(&nobody, OsClock.now(), || 1).is_empty());
    accelerator.feed(OsClock.now());
    assert_eq!(asked(&accelerator), None);
}

#[test]
fn who_is_not_let_in_is_for_the_sockets_too_while_the_program_is_not_fed() {
    const XDP_DROP: u32 = 1;
    let mut accelerator = loaded();
    let now = OsClock.now();
    let source = source(Forecast {
        now: exact(now),
        next: None,
    });
    let admission = Admission::for_checked_requests().with_gate(Gate {
        networks: Arc::new(Networks::new(&[], &[])),
        on_deny: OnDeny::Silent,
        limits: None,
        limits_clients: false,
    });
    let listener = Listener {
        address: SERVER.parse().unwrap(),
        ntp: Ntp::default(),
        source: &source,
        admission: &admission,
    };
    let outcome = accelerator.serve(&[Some(listener)], now, || 1);
    assert_eq!(outcome, [Some(Ok(()))]);
    let returned = || {
        let run = accelerator.test_run(&request(), 1, &mut [0; 128]);
        run.unwrap().returned
    };
    let is_dropped = (0..ROUNDS).any(|_| {
        accelerator.feed(OsClock.now());
        returned() == XDP_DROP
    });
    assert!(is_dropped);
    accelerator.pause();
    assert_eq!(returned(), XDP_PASS);
    accelerator.feed(OsClock.now().earlier_by(VALID + Delta::from_nanos(1)));
    assert_eq!(returned(), XDP_PASS);
    assert_eq!(accelerator.counts(0).replies, 0);
}

#[test]
fn a_test_run_writes_into_its_room_alone() {
    let accelerator = loaded();
    assert!(accelerator.test_run(&request(), 1, &mut []).is_err());
    let mut room = [0xa5; 128];
    assert!(
        accelerator
            .test_run(&request(), 1, &mut room[64..72])
            .is_err()
    );
    assert!(
        room[..64]
            .iter()
            .chain(&room[72..])
            .all(|&octet| octet == 0xa5)
    );
}

#[test]
fn a_dispersion_grows_as_the_source_has_it_grow() {
    let mut accelerator = loaded();
    let now = OsClock.now();
    let mut growing = exact(now);
    // Looked at long ago: 500 ppm of three hours.
    growing.from = now.monotonic - Delta::from_seconds(10_800);
    growing.reading.time += Delta::from_seconds(-10_800);
    growing.dispersion_grows_in = std::num::NonZeroU32::new(2_000);
    let forecast = Forecast {
        now: growing,
        next: None,
    };
    let source = source(forecast);
    assert_eq!(
        serve(&mut accelerator, &source, Ntp::default(), now),
        Ok(())
    );
    let start = growing.read(now.monotonic).time;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10_000_000 {
        let reply = told(&accelerator);
        let at = now.monotonic + (reply.receive_timestamp.near(start) - start);
        let expected = growing.read(at).quality.root_dispersion;
        assert_eq!(reply.root_dispersion, expected.into());
        seen.insert(reply.root_dispersion.to_bits());
        if seen.len() > 3 {
            return; // it grows by a unit each 30 ms
        }
    }
    panic!("{seen:?}");
}

#[test]
fn a_drift_of_any_sign_is_told_to_the_nanosecond() {
    for drift_ppt in [500_000_000, -500_000_000, 1, -1, 123_456_789] {
        let mut accelerator = loaded();
        let now = OsClock.now();
        let mut drifting = exact(now);
        drifting.drift_ppt = drift_ppt;
        // A day of it lies behind.
        drifting.from = now.monotonic - Delta::from_seconds(86_400);
        let source = source(Forecast {
            now: drifting,
            next: None,
        });
        assert_eq!(
            serve(&mut accelerator, &source, Ntp::default(), now),
            Ok(())
        );
        for _ in 0..500 {
            let before = OsClock.now().monotonic;
            let reply = told(&accelerator);
            let after = OsClock.now().monotonic;
            let time = reply.receive_timestamp.near(drifting.reading.time);
            let nanosecond = Delta::from_nanos(1); // a drift is rounded twice
            let (early, late) = (drifting.read(before).time, drifting.read(after).time);
            assert!(
                early - nanosecond <= time && time <= late,
                "{early:?} {time:?} {late:?}"
            );
        }
    }
}

#[test]
fn the_eras_end_and_the_reference_are_told_as_the_wire_has_them() {
    let mut accelerator = loaded();
    let now = OsClock.now();
    for start in [
        2_085_978_495,
        2_085_978_496,
        -1,
        0,
        -2_208_988_800,
        9_000_000_000,
    ] {
        let mut there = exact(now);
        let time = Timestamp::from_unix_seconds(start);
        there.reading.time = time;
        there.reading.quality.reference_timestamp = Some(time + Delta::from_seconds(3));
        let source = source(Forecast {
            now: there,
            next: None,
        });
        assert_eq!(
            serve(&mut accelerator, &source, Ntp::default(), OsClock.now()),
            Ok(())
        );
        let reply = told(&accelerator);
        let told = reply.receive_timestamp.near(time);
        assert!(
            told >= time && told - time < Delta::from_seconds(20),
            "{start} {told:?}"
        );
        // The reference lies ahead of the time at first: it is cut off.
        let reference = reply.reference_timestamp;
        assert!(reply.receive_timestamp.since(reference) >= Delta::ZERO);
    }
}

#[test]
fn random_bits_lie_below_the_precision_and_order_is_kept() {
    let mut accelerator = loaded();
    let now = OsClock.now();
    let mut coarse = exact(now);
    coarse.reading.quality.precision_log2_s = -10;
    let source = source(Forecast {
        now: coarse,
        next: None,
    });
    assert_eq!(
        serve(&mut accelerator, &source, Ntp::default(), now),
        Ok(())
    );
    let mut low = std::collections::BTreeSet::new();
    for _ in 0..2_000 {
        let reply = told(&accelerator);
        let (receive, transmit) = (reply.receive_timestamp, reply.transmit_timestamp);
        assert!(transmit.since(receive) >= Delta::ZERO);
        let above = |it: NtpTimestamp| it.to_bits() >> 22;
        assert_eq!(above(receive), above(transmit));
        low.insert(receive.to_bits() & 0x3f_ffff);
        low.insert(transmit.to_bits() & 0x3f_ffff);
    }
    assert!(low.len() > 3_900, "{}", low.len());
}

/// Two clocks that have nothing in common: half of one and half of the other is
/// known at once.
fn one_of_two(now: HostInstant, second: bool) -> Forecast {
    let mut stretch = exact(now);
    if second {
        stretch.reading = Reading {
            time: stretch.reading.time + Delta::from_seconds(100_000_000),
            quality: Quality {
                leap_indicator: LeapIndicator::None,
                stratum: 9,
                root_delay: Delta::from_seconds(9),
                root_dispersion: Delta::from_seconds(9),
                ..stretch.reading.quality
            },
        };
    }
    Forecast {
        now: stretch,
        next: None,
    }
}

struct Swapping(AtomicBool, [Straight; 2]);

impl timeball::api::TimeSource for Swapping {
    fn read(&self, at: HostInstant) -> Result<Reading, timeball::api::Unavailable> {
        self.1[0].read(at)
    }

    fn forecast(&self, _: HostInstant) -> Option<Forecast> {
        let second = self.0.fetch_xor(true, Ordering::Relaxed);
        Some(self.1[usize::from(second)].0)
    }
}

#[test]
fn no_reply_is_half_of_one_feed_and_half_of_another() {
    const ASKED: usize = 30_000;
    let mut accelerator = loaded();
    let now = OsClock.now();
    let clocks = [false, true].map(|second| Straight(one_of_two(now, second)));
    let source = Source::new(Swapping(AtomicBool::new(false), clocks), Arc::new(OsClock));
    assert_eq!(
        serve(&mut accelerator, &source, Ntp::default(), now),
        Ok(())
    );
    let is_over = AtomicBool::new(false);
    let mut answered = [0; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                accelerator.feed(OsClock.now());
            }
        });
        for _ in 0..ASKED {
            // What is written to meanwhile is passed on.
            let Some(reply) = asked(&accelerator) else {
                continue;
            };
            let second = reply.stratum == 9;
            let quality = clocks[usize::from(second)].0.now.reading.quality;
            answered[usize::from(second)] += 1;
            assert_eq!(reply.leap_indicator, quality.leap_indicator);
            assert_eq!(reply.root_delay, quality.root_delay.into());
            assert_eq!(reply.root_dispersion, quality.root_dispersion.into());
            let told = reply.receive_timestamp;
            let start = clocks[usize::from(second)].0.now.reading.time;
            let since = told.near(start) - start;
            assert!(
                Delta::ZERO <= since && since < Delta::from_seconds(600),
                "{since:?}"
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(answered.iter().all(|&count| count > 100), "{answered:?}");
}

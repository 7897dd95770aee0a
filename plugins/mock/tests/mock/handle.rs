//! A handle in other hands than the server's: control while requests come.

use crate::{
    DAY, SECOND, START, event, from_start, ratio, read, scripted, scripted_from, serve, wall,
};
use std::sync::atomic::{AtomicBool, Ordering};
use timeball_api::{Delta, Quality, Timestamp};
use timeball_mock::{Base, Change, MockClock, NoHostClock, QualityChange, Script, Starts, When};

#[test]
fn each_event_by_request_happens_once_whoever_serves_the_request() {
    let events = (1..=1_000).map(|n| event(When::Served(n), Change::Step(SECOND)));
    let clock = scripted(events.collect());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let source = clock.source();
            scope.spawn(move || {
                let mut last = START;
                for _ in 0..500 {
                    let time = read(&source).time;
                    assert!(time >= last);
                    last = time;
                    source.clock.replied();
                }
            });
        }
    });
    assert_eq!(clock.served(), 2_000);
    assert_eq!(clock.now(), START + SECOND * 1_000);
}

#[test]
fn a_reading_shows_a_change_whole_or_not_at_all() {
    let clock = scripted(vec![from_start(Change::Leap(timeball_mock::Leap::right(
        timeball_mock::LeapKind::Insert,
        START + DAY,
    )))]);
    let source = clock.source();
    let states = [1, 2].map(|stratum| Quality {
        stratum,
        root_delay: SECOND * i64::from(stratum),
        ..Quality::default()
    });
    clock.set_quality(states[0]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let reading = read(&source);
                assert!(states.contains(&reading.quality));
                let shown = reading.time - START;
                let hours = shown.as_nanos() / (SECOND * 3_600).as_nanos();
                assert_eq!(shown, SECOND * 3_600 * hours, "nothing but whole hours");
                assert!((0..=1).contains(&hours));
            }
        });
        for round in 0..5_000 {
            clock.step(SECOND * 3_600);
            clock.pause();
            clock.set_quality(states[round % 2]);
            clock.apply(Change::Freeze);
            clock.set(START);
            clock.apply(Change::Resume);
            clock.unpause();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_wall_clock_that_is_controlled_never_sends_a_reply_before_its_request() {
    let (clock, hands) = wall();
    let source = clock.source();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = START;
            while !is_over.load(Ordering::Relaxed) {
                let (receive, transmit) = serve(&source);
                assert!(receive <= transmit && last <= receive);
                last = transmit;
                hands.advance(Delta::from_micros(1));
            }
        });
        for round in 1..2_000 {
            clock.advance(SECOND);
            clock.pause();
            clock.step(SECOND);
            clock.unpause();
            let rate = timeball_mock::Ratio::new(round, 7).expect("it is small");
            clock.set_rate(rate).expect("it is on the wall");
            clock.freeze();
            clock.resume();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(clock.now() >= START + SECOND * 2 * 1_999);
}

#[test]
fn what_is_done_by_hand_leaves_the_rest_of_the_script_as_it_is() {
    let clock = scripted(vec![
        crate::after(SECOND * 10, Change::Step(SECOND * 100)),
        crate::after(SECOND * 20, Change::Rate(ratio("2"))),
    ]);
    clock.advance(SECOND * 5);
    clock.step(SECOND * 1_000);
    clock.apply(Change::Quality(QualityChange::Stratum(7)));
    let shown = |second: i64| clock.reading_at(SECOND * second).time - START;
    assert_eq!(
        [5, 10, 20, 21].map(shown),
        [1_005, 1_110, 1_120, 1_122].map(|n| SECOND * n)
    );
    clock.advance(SECOND * 10);
    assert_eq!(clock.quality().stratum, 7);
    clock.step(-SECOND * 1_000);
    clock.advance(SECOND * 6);
    assert_eq!(clock.now(), START + SECOND * 122);
}

#[test]
fn a_hand_that_freezes_can_be_overruled_by_the_script_and_the_other_way() {
    let script = vec![crate::after(SECOND * 10, Change::Resume)];
    let clock = scripted(script);
    clock.freeze();
    clock.advance(SECOND * 4);
    assert_eq!(clock.now(), START + SECOND * 4, "by hand");
    clock.advance(SECOND * 6);
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND * 11);

    let clock = scripted(vec![from_start(Change::Freeze)]);
    clock.advance(SECOND);
    assert_eq!(
        clock.now(),
        START,
        "an event froze it, and time does not move it"
    );
    clock.resume();
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND);
}

#[test]
fn a_clock_of_a_million_changes_takes_no_more_room_than_one_of_ten() {
    let room = |changes: usize| {
        let clock = scripted(vec![crate::after(DAY, Change::Freeze)]);
        for _ in 0..changes {
            clock.step(SECOND);
            clock.advance(SECOND);
            clock.step(-SECOND);
        }
        format!("{clock:?}").matches("Stretch").count()
    };
    assert_eq!(room(10), room(10_000));
}

#[test]
fn a_clock_begins_again_with_another_script() {
    let old = vec![event(When::Served(1), Change::Step(SECOND))];
    let clock = scripted_from(START, Base::PerRequest(SECOND), old);
    let source = clock.source();
    serve(&source);
    clock.pause();
    let start = Timestamp::UNIX_EPOCH;
    let script = Script {
        seed: 2,
        events: vec![from_start(Change::Quality(QualityChange::Stratum(5)))],
    };
    let base = Base::PerRequest(SECOND * 60);
    let quality = Quality::default();
    assert_eq!(clock.restart(start, quality, base, script), Ok(()));
    assert_eq!(
        (clock.start(), clock.now(), clock.served()),
        (start, start, 0)
    );
    assert!(!clock.is_paused());
    assert_eq!(serve(&source).0, start);
    assert_eq!(serve(&source).0, start + SECOND * 60);
    assert_eq!(clock.quality().stratum, 5);
}

#[test]
fn a_clock_without_a_host_cannot_be_put_on_the_wall() {
    let clock = MockClock::manual(START);
    let base = Base::Wall {
        rate: ratio("1"),
        starts: Starts::Now,
    };
    let again = clock.restart(
        Timestamp::UNIX_EPOCH,
        Quality::default(),
        base,
        Script::default(),
    );
    assert_eq!(again, Err(NoHostClock));
    assert_eq!(clock.now(), START);
}

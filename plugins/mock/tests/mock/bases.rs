//! What moves the elapsed time: the handle, the requests, or the host's clock.

use crate::{
    Host, NANOSECOND, SECOND, START, after, event, monotonic, ratio, read, read_at, scripted,
    scripted_from, serve,
};
use std::sync::Arc;
use timeball_api::conformance::check_source;
use timeball_api::{Delta, HostClock, Quality, Timestamp};
use timeball_mock::{Base, Change, Event, MockClock, NotAWallClock, Script, Starts, When};

const MILLISECOND: Delta = Delta::from_millis(1);

/// A clock on the wall, and the host that moves it.
fn on_the_wall(rate: &str, starts: Starts, events: Vec<Event>) -> (MockClock, Arc<Host>) {
    let host = Arc::new(Host::default());
    host.advance(SECOND * 1_000);
    let base = Base::Wall {
        rate: ratio(rate),
        starts,
    };
    let script = Script { seed: 1, events };
    let clock = Arc::<Host>::clone(&host);
    (
        MockClock::scripted(START, Quality::default(), base, script, clock),
        host,
    )
}

/// Serves a request that has waited for so long, and gives its two times.
fn serve_late(clock: &MockClock, waited: Delta) -> (Timestamp, Timestamp) {
    let source = clock.source();
    let now = source.clock.now();
    let receive = read_at(&source, source.clock.arrival(now.realtime - waited, now));
    let transmit = read_at(&source, source.clock.again(now));
    source.clock.replied();
    (receive.time, transmit.time)
}

#[test]
fn a_wall_clock_runs_at_any_rate_of_the_hosts() {
    for (rate, expected) in [
        ("1", 10),
        ("60", 600),
        ("1000", 10_000),
        ("1/2", 5),
        ("0", 0),
        ("-3", -30),
    ] {
        let (clock, host) = on_the_wall(rate, Starts::Now, vec![]);
        assert_eq!(clock.now(), START, "{rate}");
        host.advance(SECOND * 10);
        assert_eq!(clock.elapsed(), SECOND * expected, "{rate}");
        assert_eq!(clock.now(), START + SECOND * expected, "{rate}");
        let source = clock.source();
        check_source(&*source.time, source.clock.now());
    }
}

#[test]
fn a_request_that_waited_came_earlier_by_the_rate() {
    for (rate, times) in [("1", 1), ("60", 60), ("1000", 1_000)] {
        let (clock, host) = on_the_wall(rate, Starts::Now, vec![]);
        host.advance(SECOND);
        let now = START + SECOND * times;
        assert_eq!(
            serve_late(&clock, MILLISECOND),
            (now - MILLISECOND * times, now)
        );
        assert_eq!(serve_late(&clock, Delta::ZERO), (now, now));
    }
}

#[test]
fn a_request_does_not_come_before_the_start_of_the_run() {
    let (clock, host) = on_the_wall("60", Starts::Now, vec![]);
    host.advance(MILLISECOND);
    let now = START + MILLISECOND * 60;
    assert_eq!(serve_late(&clock, SECOND), (START, now));
}

#[test]
fn the_first_request_that_is_answered_starts_the_run_and_sees_its_start() {
    let (clock, host) = on_the_wall("10", Starts::FirstRequest, vec![]);
    host.advance(SECOND);
    assert_eq!((clock.now(), clock.elapsed()), (START, Delta::ZERO));
    // Dropped: it is read and not answered.
    read(&clock.source());
    host.advance(SECOND);
    assert_eq!(serve_late(&clock, MILLISECOND), (START, START));
    assert_eq!(clock.now(), START);
    host.advance(MILLISECOND);
    // This one had come before the first was answered.
    assert_eq!(
        serve_late(&clock, SECOND),
        (START, START + MILLISECOND * 10)
    );
    host.advance(SECOND - MILLISECOND);
    assert_eq!(clock.now(), START + SECOND * 10);
}

#[test]
fn several_clocks_begin_together_if_they_are_told_to() {
    let (clock, host) = on_the_wall("1", Starts::FirstRequest, vec![]);
    host.advance(SECOND);
    let first = host.now();
    host.advance(SECOND);
    clock.begin(first);
    assert_eq!(clock.now(), START + SECOND);
    clock.begin(host.now());
    serve_late(&clock, Delta::ZERO);
    assert_eq!(clock.now(), START + SECOND, "it has begun");
    for clock in [
        MockClock::manual(START),
        on_the_wall("1", Starts::Now, vec![]).0,
    ] {
        clock.advance(SECOND);
        clock.begin(monotonic(SECOND * 5_000));
        assert_eq!(clock.elapsed(), SECOND);
    }
}

#[test]
fn what_is_let_elapse_before_the_first_request_has_elapsed() {
    let (clock, host) = on_the_wall(
        "1",
        Starts::FirstRequest,
        vec![after(SECOND * 5, Change::Step(SECOND))],
    );
    clock.advance(SECOND * 10);
    host.advance(SECOND);
    assert_eq!(clock.elapsed(), SECOND * 10);
    assert_eq!(clock.now(), START + SECOND * 11);
    serve_late(&clock, Delta::ZERO);
    host.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND * 12);
}

#[test]
fn events_happen_on_the_wall_while_nobody_asks() {
    let (clock, host) = on_the_wall(
        "60",
        Starts::Now,
        vec![
            after(SECOND * 30, Change::Step(SECOND * 100)),
            after(SECOND * 60, Change::Freeze),
        ],
    );
    host.advance(Delta::from_millis(500) - NANOSECOND);
    assert_eq!(clock.now(), START + SECOND * 30 - NANOSECOND * 60);
    host.advance(NANOSECOND);
    assert_eq!(clock.now(), START + SECOND * 130);
    host.advance(SECOND * 100);
    assert_eq!(clock.now(), START + SECOND * 160);
    // A request that came before the step sees the time before the step.
    let (clock, host) = on_the_wall(
        "1",
        Starts::Now,
        vec![after(SECOND, Change::Step(SECOND * 100))],
    );
    host.advance(SECOND + MILLISECOND);
    let received = START + SECOND - MILLISECOND;
    assert_eq!(
        serve_late(&clock, MILLISECOND * 2),
        (received, START + SECOND * 101 + MILLISECOND)
    );
}

#[test]
fn an_event_by_request_is_seen_by_both_timestamps_of_the_next_one() {
    let step = event(When::Served(1), Change::Step(-SECOND * 100));
    let (clock, host) = on_the_wall("1", Starts::Now, vec![step]);
    host.advance(SECOND);
    assert_eq!(serve_late(&clock, MILLISECOND).1, START + SECOND);
    // It had come before the first was answered.
    let stepped = START - SECOND * 99;
    assert_eq!(
        serve_late(&clock, MILLISECOND),
        (stepped - MILLISECOND, stepped)
    );
}

#[test]
fn an_event_by_request_happens_when_the_reply_is_sent() {
    let freeze = event(When::Served(2), Change::Freeze);
    let (clock, host) = on_the_wall("60", Starts::Now, vec![freeze]);
    for _ in 0..2 {
        host.advance(SECOND);
        serve_late(&clock, MILLISECOND);
    }
    host.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND * 120);
}

#[test]
fn a_rate_of_the_base_can_change_while_it_runs() {
    let (clock, host) = on_the_wall("1", Starts::Now, vec![]);
    host.advance(SECOND);
    clock.set_rate(ratio("100")).expect("it is on the wall");
    assert_eq!(clock.now(), START + SECOND, "no jump by that alone");
    // A request that waited through the change is not sent back through it.
    assert_eq!(
        serve_late(&clock, MILLISECOND),
        (START + SECOND, START + SECOND)
    );
    host.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND * 101);
    let base = Base::Wall {
        rate: ratio("100"),
        starts: Starts::Now,
    };
    assert_eq!(clock.base(), base);
    for clock in [
        MockClock::manual(START),
        MockClock::per_request(START, SECOND),
    ] {
        assert_eq!(clock.set_rate(ratio("2")), Err(NotAWallClock));
    }
}

#[test]
fn a_paused_run_stands_on_every_base_and_goes_on() {
    let (clock, host) = on_the_wall(
        "2",
        Starts::Now,
        vec![after(SECOND * 4, Change::Step(SECOND))],
    );
    host.advance(SECOND);
    clock.pause();
    clock.pause();
    assert!(clock.is_paused());
    host.advance(SECOND * 100);
    assert_eq!(
        serve_late(&clock, MILLISECOND),
        (START + SECOND * 2, START + SECOND * 2)
    );
    clock.unpause();
    assert!(!clock.is_paused());
    assert_eq!(
        serve_late(&clock, MILLISECOND),
        (START + SECOND * 2, START + SECOND * 2)
    );
    host.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND * 5);

    let clock = MockClock::per_request(START, SECOND);
    clock.pause();
    serve(&clock.source());
    serve(&clock.source());
    assert_eq!((clock.now(), clock.served()), (START, 2));
    clock.advance(SECOND * 7);
    clock.unpause();
    serve(&clock.source());
    assert_eq!(clock.now(), START + SECOND * 8);
}

#[test]
fn a_rate_that_is_no_whole_number_loses_nothing_as_time_goes_on() {
    let (clock, host) = on_the_wall("1/3", Starts::Now, vec![]);
    for _ in 0..1_000 {
        host.advance(NANOSECOND);
        let _ = clock.now();
    }
    assert_eq!(clock.elapsed(), Delta::from_nanos(333));
    host.advance(Delta::from_nanos(2));
    assert_eq!(clock.elapsed(), Delta::from_nanos(334));
}

#[test]
fn a_per_request_run_that_goes_back_takes_its_events_back() {
    let clock = scripted_from(
        START,
        Base::PerRequest(-SECOND),
        vec![
            after(Delta::ZERO, Change::Step(SECOND * 100)),
            after(SECOND, Change::Step(SECOND * 1_000)),
            event(When::Served(3), Change::Step(SECOND * 50)),
        ],
    );
    clock.advance(SECOND * 2);
    let times: Vec<_> = (0..6)
        .map(|_| (serve(&clock.source()).0 - START).as_nanos() / SECOND.as_nanos())
        .collect();
    assert_eq!(times, [1_102, 1_101, 100, 149, 148, 147]);
}

#[test]
fn a_virtual_clock_does_not_look_at_the_hosts() {
    for base in [Base::Manual, Base::PerRequest(SECOND)] {
        // Its host panics when it is looked at.
        let clock = scripted_from(START, base, vec![]);
        let source = clock.source();
        assert!(source.clock.is_virtual());
        serve(&source);
        clock.pause();
        clock.step(SECOND);
        assert_eq!(source.clock.now().request, Some(1));
    }
    let (clock, _host) = on_the_wall("1", Starts::FirstRequest, vec![]);
    assert!(!clock.source().clock.is_virtual());
}

#[test]
fn a_virtual_moment_shows_what_the_clock_shows_then() {
    let clock = scripted(vec![after(SECOND, Change::Step(SECOND * 10))]);
    let source = clock.source();
    let earlier = source.clock.now();
    clock.advance(SECOND * 2);
    let now = source.clock.now();
    assert_eq!(now.realtime, START + SECOND * 12);
    assert_eq!(read_at(&source, now).time, START + SECOND * 12);
    assert_eq!(read_at(&source, earlier).time, START, "it was so then");
    assert_eq!(
        read_at(&source, now.earlier_by(SECOND + NANOSECOND)).time,
        START + SECOND - NANOSECOND
    );
    assert_eq!(
        read_at(&source, monotonic(SECOND * 3)).time,
        START + SECOND * 13
    );
}

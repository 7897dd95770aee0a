//! What moves the time, and what does not.

use crate::{SECOND, START, read, read_at, serve, wall};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use timeball_api::conformance::check_source;
use timeball_api::{Delta, HostClock, HostInstant, Timestamp};
use timeball_mock::{MockClock, Ratio};

#[test]
fn every_way_to_advance_conforms() {
    let (on_the_wall, hands) = wall();
    for clock in [
        MockClock::manual(START),
        MockClock::per_request(START, SECOND),
        on_the_wall,
    ] {
        for _ in 0..3 {
            let source = clock.source();
            check_source(&*source.time, source.clock.now());
            serve(&source);
            hands.advance(SECOND);
        }
        clock.set(Timestamp::UNIX_EPOCH);
        let source = clock.source();
        check_source(&*source.time, source.clock.now());
    }
}

#[test]
fn a_clock_keeps_nothing_of_what_moved_it() {
    let (clock, hands) = wall();
    let move_it = || {
        for rate in [Ratio::ONE, Ratio::ZERO] {
            clock.set_rate(rate).unwrap();
        }
        hands.advance(SECOND);
        clock.step(SECOND);
        clock.set(START);
        clock.advance(SECOND);
        clock.freeze();
        clock.resume();
        clock.pause();
        clock.unpause();
    };
    move_it();
    let before = format!("{clock:?}").len();
    for _ in 0..100_000 {
        move_it();
    }
    // Its numbers have grown by some digits, and nothing was added.
    let after = format!("{clock:?}").len();
    assert!(after < before + 200, "{before} octets became {after}");
}

#[test]
fn a_manual_clock_stands_until_the_test_moves_it() {
    let clock = MockClock::manual(START);
    let source = clock.source();
    assert_eq!(serve(&source), (START, START));
    assert_eq!(serve(&source), (START, START));
    clock.advance(SECOND);
    assert_eq!(read(&source).time, START + SECOND);
    clock.advance(-SECOND - SECOND);
    assert_eq!(read(&source).time, START - SECOND);
    clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!(read(&source).time, Timestamp::UNIX_EPOCH);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    assert_eq!(clock.served(), 2);
}

#[test]
fn freezing_a_manual_clock_leaves_it_to_the_test() {
    let clock = MockClock::manual(START);
    clock.freeze();
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND);
    clock.resume();
    assert_eq!(clock.now(), START + SECOND);
}

#[test]
fn the_nth_request_served_sees_the_start_and_n_steps() {
    for step in [SECOND, -SECOND, Delta::from_nanos(1), Delta::ZERO] {
        let clock = MockClock::per_request(START, step);
        let source = clock.source();
        for n in 0..1_000_i64 {
            assert_eq!(source.clock.now().request, Some(n.unsigned_abs()));
            assert_eq!(clock.served(), n.unsigned_abs());
            let expected = START + step * n;
            assert_eq!(serve(&source), (expected, expected));
        }
    }
}

#[test]
fn what_is_dropped_or_merely_read_does_not_move_the_time() {
    let clock = MockClock::per_request(START, SECOND);
    let source = clock.source();
    for _ in 0..3 {
        assert_eq!(read(&source).time, START);
        assert_eq!(clock.now(), START);
    }
    assert_eq!(clock.served(), 0);
}

#[test]
fn requests_are_counted_over_every_listener_of_the_clock() {
    let clock = MockClock::per_request(START, SECOND);
    let (one, another) = (clock.source(), clock.clone().source());
    assert_eq!(serve(&one).0, START);
    assert_eq!(serve(&another).0, START + SECOND);
    assert_eq!(serve(&one).0, START + SECOND * 2);
    assert_eq!(clock.served(), 3);
}

#[test]
fn a_frozen_per_request_clock_counts_and_stands() {
    let clock = MockClock::per_request(START, SECOND);
    let source = clock.source();
    serve(&source);
    clock.freeze();
    assert_eq!(serve(&source).0, START + SECOND);
    assert_eq!(serve(&source).0, START + SECOND);
    assert_eq!(clock.served(), 3);
    clock.advance(SECOND);
    assert_eq!(serve(&source).0, START + SECOND * 2);
    clock.resume();
    assert_eq!(serve(&source).0, START + SECOND * 2);
    assert_eq!(serve(&source).0, START + SECOND * 3);
}

#[test]
fn a_per_request_clock_that_is_set_steps_on_from_there() {
    let clock = MockClock::per_request(START, SECOND);
    let source = clock.source();
    serve(&source);
    clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!(serve(&source).0, Timestamp::UNIX_EPOCH);
    assert_eq!(serve(&source).0, Timestamp::UNIX_EPOCH + SECOND);
}

#[test]
fn a_virtual_clock_knows_nothing_of_the_kernels_timestamps() {
    for clock in [
        MockClock::manual(START),
        MockClock::per_request(START, SECOND),
    ] {
        let source = clock.source();
        assert!(source.clock.is_virtual() && source.test_time && !source.may_block);
        let now = source.clock.now();
        for stamp in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(source.clock.arrival(stamp, now), now);
        }
    }
}

#[test]
fn the_virtual_monotonic_clock_never_runs_backwards() {
    for clock in [
        MockClock::manual(START),
        MockClock::per_request(START, -SECOND),
    ] {
        let source = clock.source();
        let mut before = source.clock.now().monotonic;
        for change in [
            |clock: &MockClock| clock.advance(-SECOND),
            |clock: &MockClock| clock.advance(SECOND),
            |clock: &MockClock| clock.set(Timestamp::MIN),
            |clock: &MockClock| clock.set(Timestamp::MAX),
            |clock: &MockClock| clock.source().clock.replied(),
        ] {
            change(&clock);
            let now = source.clock.now().monotonic;
            assert!(now >= before);
            before = now;
        }
    }
}

#[test]
fn the_time_stops_at_the_ends_of_the_range() {
    let clock = MockClock::per_request(Timestamp::MAX, Delta::MAX);
    serve(&clock.source());
    assert_eq!(clock.now(), Timestamp::MAX);
    clock.set(Timestamp::MIN);
    clock.advance(Delta::MIN);
    assert_eq!(clock.now(), Timestamp::MIN);
}

#[test]
fn a_wall_clock_runs_as_the_host_does_from_a_start_of_its_own() {
    let (clock, hands) = wall();
    let source = clock.source();
    assert!(source.test_time);
    assert_eq!(read(&source).time, START);
    hands.advance(SECOND);
    assert_eq!(read(&source).time, START + SECOND);
    let before = source.clock.now().earlier_by(Delta::from_millis(250));
    let expected = START + Delta::from_millis(750);
    assert_eq!(read_at(&source, before).time, expected);
}

#[test]
fn a_wall_clock_does_not_feel_a_step_of_the_host() {
    let (clock, hands) = wall();
    hands.set(Timestamp::UNIX_EPOCH);
    assert_eq!(clock.now(), START);
}

#[test]
fn a_wall_clock_can_be_set_moved_frozen_and_resumed() {
    let (clock, hands) = wall();
    hands.advance(SECOND);
    clock.set(Timestamp::UNIX_EPOCH);
    hands.advance(SECOND);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SECOND);
    clock.advance(-SECOND);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    clock.freeze();
    hands.advance(SECOND);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    clock.advance(SECOND);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SECOND);
    clock.freeze();
    clock.resume();
    clock.resume();
    hands.advance(SECOND);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SECOND * 2);
}

#[test]
fn a_wall_clock_counts_its_requests() {
    let (clock, hands) = wall();
    serve(&clock.source());
    assert_eq!(clock.served(), 1);
    assert_eq!(clock.now(), START);
    assert_eq!(hands.served(), 1, "the clock behind it is told too");
}

#[test]
fn a_handle_moves_the_clock_while_other_threads_read_it() {
    let clock = MockClock::manual(START);
    let source = clock.source();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = START;
            while !is_over.load(Ordering::Relaxed) {
                let time = read(&source).time;
                assert!(time >= last);
                last = time;
            }
        });
        for _ in 0..10_000 {
            clock.advance(SECOND);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(clock.now(), START + SECOND * 10_000);
}

#[test]
fn a_panic_inside_of_a_change_leaves_the_clock_usable() {
    /// A host clock that panics while it is told to.
    struct Broken(AtomicBool);
    impl HostClock for Broken {
        fn now(&self) -> HostInstant {
            assert!(!self.0.load(Ordering::Relaxed), "broken on purpose");
            HostInstant::default()
        }
    }
    let broken = Arc::new(Broken(AtomicBool::new(false)));
    let clock = MockClock::wall(START, Arc::<Broken>::clone(&broken));
    broken.0.store(true, Ordering::Relaxed);
    let change = catch_unwind(AssertUnwindSafe(|| clock.freeze()));
    assert!(change.is_err());
    broken.0.store(false, Ordering::Relaxed);
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND);
}

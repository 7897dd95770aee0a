//! From event to event: which phase a run is in, and going to the next.

use crate::{DAY, SECOND, START, after, event, scripted, scripted_from, serve, wall};
use timeball_api::Delta;
use timeball_mock::{Base, Change, Event, MockClock, When};

fn named(name: &str, when: When) -> Event {
    Event {
        name: Some(name.to_owned()),
        ..event(when, Change::Step(SECOND * 1_000))
    }
}

/// Goes to the next phase and gives its name, what has elapsed and how many
/// seconds the clock shows since the start.
fn next(clock: &MockClock) -> Option<(String, i64, i64)> {
    let event = clock.next_phase()?;
    let seconds = |span: Delta| span.as_nanos() / SECOND.as_nanos();
    let name = event.name.unwrap_or_default();
    Some((name, seconds(clock.elapsed()), seconds(clock.now() - START)))
}

fn phase(name: &str, elapsed: i64, shown: i64) -> Option<(String, i64, i64)> {
    Some((name.to_owned(), elapsed, shown))
}

#[test]
fn the_phase_is_the_latest_event_that_has_a_name() {
    let clock = scripted(vec![
        named("first", When::Elapsed(SECOND)),
        after(SECOND * 2, Change::Freeze),
        named("third", When::Time(START + SECOND * 3)),
    ]);
    assert_eq!(clock.phase(), None);
    for expected in ["first", "first", "third", "third"] {
        clock.advance(SECOND);
        assert_eq!(clock.phase().as_deref(), Some(expected));
    }
    clock.advance(-SECOND * 3);
    assert_eq!(clock.phase().as_deref(), Some("first"));
}

#[test]
fn a_manual_clock_goes_from_event_to_event_and_then_by_requests() {
    let clock = scripted(vec![
        named("late", When::Elapsed(SECOND * 20)),
        named("by request", When::Served(5)),
        named("from the start", When::Elapsed(Delta::ZERO)),
        named("early", When::Elapsed(SECOND * 10)),
    ]);
    assert_eq!(clock.phase().as_deref(), Some("from the start"));
    clock.advance(SECOND);
    serve(&clock.source());
    assert_eq!(next(&clock), phase("early", 10, 2_010));
    assert_eq!(next(&clock), phase("late", 20, 3_020));
    assert_eq!(next(&clock), phase("by request", 20, 4_020));
    assert_eq!(clock.phase().as_deref(), Some("by request"));
    assert_eq!(next(&clock), None);
    assert_eq!(clock.served(), 1, "none but the one was served");
}

#[test]
fn a_per_request_clock_goes_to_whichever_comes_first() {
    let events = || {
        vec![
            named("5 requests", When::Served(5)),
            named("4.5 s", When::Elapsed(Delta::from_millis(4_500))),
            named("6 s", When::Elapsed(SECOND * 6)),
            named("6 requests", When::Served(6)),
        ]
    };
    let clock = scripted_from(START, Base::PerRequest(SECOND), events());
    serve(&clock.source());
    assert_eq!(next(&clock), phase("4.5 s", 4, 1_004));
    // The fifth request is four more after the first, one second each.
    assert_eq!(next(&clock), phase("6 s", 6, 2_006));
    assert_eq!(next(&clock), phase("5 requests", 10, 3_010));
    assert_eq!(next(&clock), phase("6 requests", 11, 4_011));
    assert_eq!(next(&clock), None);

    let clock = scripted_from(START, Base::PerRequest(Delta::from_millis(100)), events());
    assert_eq!(next(&clock), phase("5 requests", 0, 1_000));
    assert_eq!(next(&clock), phase("6 requests", 0, 2_000));
    assert_eq!(clock.elapsed(), Delta::from_millis(600));
    assert_eq!(next(&clock), phase("4.5 s", 4, 3_004));
}

#[test]
fn requests_that_were_skipped_are_not_waited_for_again() {
    let clock = scripted(vec![
        named("two", When::Served(2)),
        named("four", When::Served(4)),
    ]);
    assert_eq!(next(&clock), phase("two", 0, 1_000));
    serve(&clock.source());
    assert_eq!(clock.phase().as_deref(), Some("two"));
    serve(&clock.source());
    assert_eq!(clock.phase().as_deref(), Some("four"));
    assert_eq!((next(&clock), clock.served()), (None, 2));
}

#[test]
fn a_wall_clock_goes_on_to_an_event_and_runs_on_from_there() {
    let (clock, hands) = wall();
    let base = clock.base();
    let script = timeball_mock::Script {
        seed: 1,
        events: vec![named("tomorrow", When::Elapsed(DAY))],
    };
    let quality = timeball_api::Quality::default();
    clock
        .restart(START, quality, base, script)
        .expect("it has a host");
    hands.advance(SECOND);
    assert_eq!(next(&clock), phase("tomorrow", 86_400, 87_400));
    hands.advance(SECOND);
    assert_eq!(clock.now(), START + DAY + SECOND * 1_001);
    assert_eq!(next(&clock), None);
}

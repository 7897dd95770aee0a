//! The `mock` source as a test and a server see it. No real clock anywhere:
//! what `wall` runs on is a virtual clock too.

mod bases;
mod drifting;
mod events;
mod exact;
mod handle;
mod leaps;
mod moving;
mod phases;
mod qualities;
mod settings;
mod smears;
mod stability;
mod wandering;

use std::sync::{Arc, Mutex};
use timeball_api::{Delta, HostClock, HostInstant, Monotonic, Quality, Reading, Source, Timestamp};
use timeball_mock::{Base, Change, Event, MockClock, Ratio, Script, When};

/// 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);
const SECOND: Delta = Delta::from_seconds(1);
const DAY: Delta = Delta::from_seconds(86_400);
const NANOSECOND: Delta = Delta::from_nanos(1);

/// What the source says of this moment of its own clock.
fn read(source: &Source) -> Reading {
    read_at(source, source.clock.now())
}

fn read_at(source: &Source, at: HostInstant) -> Reading {
    source.time.read(at).expect("a mock always has a time")
}

/// Serves one request as a server does, and gives its two times.
fn serve(source: &Source) -> (Timestamp, Timestamp) {
    let now = source.clock.now();
    let stamp = Timestamp::from_nanos(987_654_321);
    let receive = read_at(source, source.clock.arrival(stamp, now));
    let transmit = read_at(source, source.clock.again(now));
    source.clock.replied();
    (receive.time, transmit.time)
}

/// A clock on the wall, and the handle that turns its hands.
fn wall() -> (MockClock, MockClock) {
    let hands = MockClock::manual(Timestamp::from_unix_seconds(1_000_000_000));
    let clock = MockClock::wall(START, Arc::clone(&hands.source().clock));
    (clock, hands)
}

/// A host whose clocks a test turns, and which stamps datagrams as a kernel
/// does.
#[derive(Default)]
struct Host(Mutex<HostInstant>);

impl Host {
    fn advance(&self, span: Delta) {
        let mut now = self.0.lock().expect("no test panics with it");
        now.realtime += span;
        now.monotonic = now.monotonic + span;
    }
}

impl HostClock for Host {
    fn now(&self) -> HostInstant {
        *self.0.lock().expect("no test panics with it")
    }
}

/// A host that must not be looked at.
struct NoHost;

impl HostClock for NoHost {
    fn now(&self) -> HostInstant {
        panic!("a virtual clock looked at the host's");
    }
}

/// A clock that follows these events from `start` on a base of its own.
fn scripted_from(start: Timestamp, base: Base, events: Vec<Event>) -> MockClock {
    let script = Script { seed: 1, events };
    MockClock::scripted(start, Quality::default(), base, script, Arc::new(NoHost))
}

/// A clock that a test moves, with these events.
fn scripted(events: Vec<Event>) -> MockClock {
    scripted_from(START, Base::Manual, events)
}

fn event(when: When, change: Change) -> Event {
    Event {
        name: None,
        when,
        change,
    }
}

fn after(elapsed: Delta, change: Change) -> Event {
    event(When::Elapsed(elapsed), change)
}

fn from_start(change: Change) -> Event {
    after(Delta::ZERO, change)
}

fn ratio(text: &str) -> Ratio {
    text.parse().expect("it is a ratio")
}

/// The moment of a host at which nothing had happened yet.
fn monotonic(span: Delta) -> HostInstant {
    HostInstant {
        monotonic: Monotonic::default() + span,
        ..HostInstant::default()
    }
}

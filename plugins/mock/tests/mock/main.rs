//! The `mock` source as a test and a server see it. No real clock anywhere:
//! what `wall` runs on is a virtual clock too.

mod moving;
mod qualities;
mod settings;

use std::sync::Arc;
use timeball_api::{Delta, HostInstant, Reading, Source, Timestamp};
use timeball_mock::MockClock;

/// 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);
const SECOND: Delta = Delta::from_seconds(1);

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

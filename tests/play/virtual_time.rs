//! Scenarios in virtual time.

use super::{CLIENT, Regular, Seen, lines, scenario, simulated};
use crate::support::{mark_of, ntp_header};
use std::cell::Cell;
use std::rc::Rc;
use timeball::api::{Delta, Timestamp};
use timeball::play::replay::replay;
use timeball::scenario::library;
use timeball::simulate::{Received, Request, Simulation, VirtualClient};
use timeball::transcript::Direction;

const SECOND: Delta = Delta::from_seconds(1);

#[test]
fn a_day_of_64_clients_is_simulated() {
    let mut simulation = Simulation::new(scenario("expect = [{ requests = { at_least = 1 } }]"));
    for client in 0..64 {
        let address = [192, 0, 2, client].into();
        simulation = simulation.client(address, Regular::each(SECOND * 16));
    }
    let day = Delta::from_seconds(86_400);
    let simulated = simulation.run(day - Delta::from_nanos(1)).unwrap();
    assert_eq!(simulated.requests, 64 * 5_400);
    assert!(simulated.verdict.passes());
}

#[test]
fn delays_order_what_a_client_sees_and_when() {
    let client = Regular::each(Delta::from_millis(10));
    let told = client.told.clone();
    let seen = Seen::default();
    Simulation::new(scenario(
        "time.starts = 'start'\n\
         [[rules]]\nrequest = { from = 1, every = 2 }\ndelay = { request = '3ms', reply = '22ms' }",
    ))
    .client(CLIENT, client)
    .witness(seen.clone())
    .run(Delta::from_millis(55))
    .unwrap();
    let told = told.lock().unwrap();
    let millis: Vec<_> = told
        .iter()
        .map(|(at, _, reply)| (at.as_nanos() / 1_000_000, mark_of(reply)))
        .collect();
    assert_eq!(millis, [(10, 2), (25, 1), (30, 4), (45, 3), (50, 6)]);
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    let third = ntp_header(&told[3].2);
    let arrived = start + Delta::from_millis(23);
    assert_eq!(third.receive_timestamp, arrived.into());
    assert_eq!(
        third.transmit_timestamp,
        arrived.into(),
        "serving takes no time"
    );
    let at: Vec<_> = seen.records().iter().map(|it| it.at).collect();
    assert!(
        at.is_sorted(),
        "things are seen in the order in which they happen"
    );
}

#[test]
fn wall_time_runs_with_virtual_time_at_its_rate() {
    let records = simulated("time = { rate = 3600, starts = 'start' }", 5);
    for record in &records {
        assert_eq!(
            record.elapsed,
            SECOND * (3_600 * (record.number as i64 - 1))
        );
    }
    assert_eq!(records.len(), 12);
}

/// Asks again as soon as it is answered, three times.
struct Eager(Rc<Cell<u32>>);

impl VirtualClient for Eager {
    fn next(&self) -> Option<Delta> {
        // Long ago: at once.
        (self.0.get().is_multiple_of(2) && self.0.get() < 6).then_some(Delta::from_seconds(-1))
    }

    fn send(&mut self, _: Delta) -> Request {
        self.0.set(self.0.get() + 1);
        Request {
            endpoint: 0,
            port: 40_000,
            octets: crate::support::ntp_request(1).to_vec(),
        }
    }

    fn receive(&mut self, reply: &Received<'_>) {
        assert_eq!(reply.port, 40_000);
        assert_eq!(reply.from.port(), 123);
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_client_is_asked_for_its_next_moment_after_each_reply() {
    let count = Rc::new(Cell::new(0));
    let simulated = Simulation::new(scenario("rules = [{ delay = { reply = '1s' } }]"))
        .client(CLIENT, Eager(Rc::clone(&count)))
        .run(SECOND * 60)
        .unwrap();
    assert_eq!((simulated.requests, count.get()), (3, 6));
    assert_eq!(simulated.at, SECOND * 60);
}

#[test]
fn a_scenario_with_a_number_of_requests_ends_after_them() {
    let seen = Seen::default();
    let simulated = Simulation::new(scenario(
        "requests = 3\nrules = [{ delay = { reply = '5s' } }]",
    ))
    .client(CLIENT, Regular::each(SECOND))
    .witness(seen.clone())
    .run(SECOND * 60)
    .unwrap();
    assert_eq!((simulated.requests, simulated.at), (3, SECOND * 7));
    let out = seen
        .records()
        .into_iter()
        .filter(|it| it.direction == Direction::Out);
    assert_eq!(out.count(), 3, "what they brought about has happened");
}

#[test]
fn every_scenario_of_the_library_gives_the_same_bytes_each_time() {
    for built_in in library() {
        let run = |seed: u64| {
            let mut scenario = built_in.scenario().unwrap();
            scenario.seed = seed;
            // All get the same requests, however many they are made for.
            scenario.requests = None;
            let seen = Seen::default();
            let mut simulation = Simulation::new(scenario.clone()).witness(seen.clone());
            for (endpoint, address) in (0..scenario.endpoints.len()).zip(1..) {
                let client = Regular {
                    endpoint,
                    ..Regular::each(SECOND)
                };
                simulation = simulation.client([192, 0, 2, address].into(), client);
            }
            simulation.run(SECOND * 100).unwrap();
            lines(&seen.records())
        };
        let first = run(1);
        assert!(first.lines().count() >= 100, "{}", built_in.name);
        // Not `assert_eq`: what differs would be pages.
        assert!(first == run(1), "{}", built_in.name);
    }
}

#[test]
fn another_seed_is_other_noise_and_other_chance() {
    let run = |seed: u64| {
        simulated(
            &format!(
                "seed = {seed}\n[[clock.events]]\nwander = {{ white_phase = '1ms' }}\n\
                 [[rules]]\nlose = {{ reply = 0.5 }}"
            ),
            100,
        )
    };
    assert!(lines(&run(1)) == lines(&run(1)));
    let replies = |seed| -> Vec<_> {
        let records = run(seed).into_iter();
        let replies = records.filter(|it| it.direction == Direction::Out);
        replies.map(|it| (it.number, it.octets)).collect()
    };
    let (one, two) = (replies(1), replies(2));
    let numbers = |replies: &[(u64, Vec<u8>)]| -> Vec<_> {
        replies.iter().map(|(number, _)| *number).collect()
    };
    assert_ne!(numbers(&one), numbers(&two), "others are lost");
    let both = |(number, _): &&(u64, Vec<u8>)| two.iter().any(|(other, _)| other == number);
    let differ = one.iter().filter(both).any(|reply| !two.contains(reply));
    assert!(differ, "the noise differs");
}

#[test]
fn a_reply_from_elsewhere_is_told_apart() {
    for (from, expected) in [
        ("other-port", "127.0.0.1:122"),
        ("127.0.0.9", "127.0.0.9:123"),
    ] {
        let client = Regular::each(SECOND);
        let told = client.told.clone();
        Simulation::new(scenario(&format!("rules = [{{ reply_from = '{from}' }}]")))
            .client(CLIENT, client)
            .run(Delta::ZERO)
            .unwrap();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1.to_string(), expected);
    }
}

#[test]
fn broadcasts_come_by_themselves_and_replay_clean() {
    let toml = "[[rules]]\nrequest = 1\n\
                unsolicited = { mode = 5, count = 3, after = '16s', every = '64s' }";
    let records = simulated(toml, 1_000);
    let of_first = records.iter().filter(|it| it.number == 1);
    let sent = of_first.map(|it| (it.at, it.octets[0] & 7));
    let seconds = [(0, 3), (0, 4), (16, 5), (80, 5), (144, 5)];
    let expected = seconds.map(|(at, mode)| (Delta::from_seconds(at), mode));
    assert!(sent.eq(expected));
    let compared = replay(&scenario(toml), &records).unwrap();
    assert_eq!((compared.requests, compared.difference), (1_001, None));
}

//! A run made again in which not every reply left: lost, late, not to be sent,
//! or cut off by the end.

use super::controlled_again::{assert_clean, driven, driven_in, driven_on};
use crate::support::{client_of, ntp_request, wait_for};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;
use timeball::api::{Delta, Host, HostClock, HostInstant};
use timeball::host::{OsClock, this_host};
use timeball::play::Stage;
use timeball::play::replay::replay;
use timeball::scenario::{BuiltIn, library};
use timeball::transcript::{Direction, Entry, Unseen};

/// Asks `count` times, each time when the request before has been taken up.
fn asks(stage: &Stage, count: u64) {
    let client = client_of(stage.address(0));
    for number in 1..=count {
        let request = ntp_request(number);
        client.send_to(&request, stage.address(0)).unwrap();
        wait_for("the request", || {
            (stage.handle().status().requests == number).then_some(())
        });
    }
}

/// Until this endpoint has answered so many requests, whoever gets to know it.
fn answered(stage: &Stage, count: u64) {
    wait_for("the answer", || {
        (stage.handle().status().endpoints[0].served == count).then_some(())
    });
}

fn directions(entries: &[Entry], direction: Direction) -> Vec<u64> {
    let records = entries.iter().filter_map(Entry::datagram);
    let chosen = records.filter(|it| it.direction == direction);
    chosen.map(|it| it.number).collect()
}

#[test]
fn a_clock_starts_at_the_same_moment_though_the_first_reply_does_not_leave() {
    for first in [
        "lose = { reply = 1 }",
        "delay = { reply = '1h' }",
        "hold = 'next-reply'",
    ] {
        let toml = format!(
            "time = {{ base = 'wall', rate = 1000, starts = 'first-request' }}
             [[rules]]
             request = 1
             {first}"
        );
        let entries = driven(&toml, |stage| {
            asks(stage, 3);
            answered(stage, 3);
        });
        let unseen = entries.iter().find_map(|entry| match entry {
            Entry::Unseen(unseen) => Some(*unseen),
            _ => None,
        });
        assert!(
            matches!(unseen, Some(Unseen { number: 1, copy: 0, made: Some(made) }) if made > Delta::ZERO),
            "{unseen:?}"
        );
        assert_clean(&toml, &entries);
    }
}

#[test]
fn an_event_that_a_lost_reply_brings_about_happens_at_the_same_moment() {
    let toml = "
        time = { base = 'wall', starts = 'start' }
        [[clock.events]]
        request = 2
        rate = 100000
        [[rules]]
        request = 2
        lose = { reply = 1 }
    ";
    let entries = driven(toml, |stage| {
        asks(stage, 5);
        answered(stage, 5);
    });
    assert_eq!(directions(&entries, Direction::Out), [1, 3, 4, 5]);
    assert_clean(toml, &entries);
}

#[test]
fn a_reply_that_cannot_be_sent_is_written_down_and_comes_out_again() {
    for base in [
        "base = 'manual'",
        "base = 'wall', rate = 1000, starts = 'first-request'",
    ] {
        // An address that hosts hardly have: private, or the fence would refuse it.
        let toml = format!(
            "time = {{ {base} }}
             [[rules]]
             request = {{ to = 2 }}
             reply_from = '10.255.255.254'"
        );
        let entries = driven(&toml, |stage| {
            asks(stage, 5);
            answered(stage, 5);
            assert_eq!(stage.handle().status().not_sent, 2);
        });
        assert_eq!(directions(&entries, Direction::Unsent), [1, 2]);
        assert_eq!(directions(&entries, Direction::Out), [3, 4, 5]);
        assert_clean(&toml, &entries);
    }
}

#[test]
fn replies_that_wait_when_the_run_is_stopped_are_written_down_as_not_sent() {
    let toml = "
        time = { base = 'wall', starts = 'first-request' }
        [[rules]]
        duplicate = { request = 1 }
        delay = { request = { exponential = { mean = '1ms' } }, reply = '1ms' }
    ";
    for _ in 0..20 {
        // Stopped while some wait to reach the server and others to leave it.
        let entries = driven(toml, |stage| asks(stage, 20));
        assert_clean(toml, &entries);
    }

    let toml = "time.base = 'manual'\nrules = [{ delay = { reply = '1h' } }]";
    let mut entries = driven(toml, |stage| {
        asks(stage, 2);
        answered(stage, 2);
    });
    assert_eq!(directions(&entries, Direction::Unsent), [1, 2]);
    assert_clean(toml, &entries);
    let Some(Entry::Datagram(last)) = entries.last_mut() else {
        panic!("the last is the one that waited longest");
    };
    last.octets[1] ^= 1;
    let made = super::scenario(toml);
    let compared = replay(&made, entries).unwrap();
    assert_eq!(compared.difference.expect("it differs").number(), 2);
}

/// What comes to `client`, or nothing: many a scenario loses its replies.
fn await_reply(client: &UdpSocket) {
    match client.recv_from(&mut [0; 2048]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        received => drop(received.unwrap()),
    }
}

/// Plays a built-in scenario on sockets, with a few requests at each endpoint.
fn played(built_in: &BuiltIn) {
    let scenario = built_in.scenario().unwrap();
    let entries = driven_in(scenario.clone(), |stage| {
        for _ in 0..5 {
            for (index, endpoint) in scenario.endpoints.iter().enumerate() {
                if endpoint.closed {
                    continue;
                }
                let client = client_of(stage.address(index));
                let patience = Duration::from_millis(20);
                client.set_read_timeout(Some(patience)).unwrap();
                client
                    .send_to(&ntp_request(1), stage.address(index))
                    .unwrap();
                await_reply(&client);
            }
        }
    });
    let compared = replay(&scenario, entries).unwrap();
    if let Some(difference) = compared.difference {
        panic!("{}: {difference}", built_in.name);
    }
}

#[test]
fn every_built_in_scenario_on_sockets_comes_out_the_same() {
    let all = library();
    thread::scope(|scope| {
        for some in all.chunks(all.len().div_ceil(4)) {
            scope.spawn(move || some.iter().for_each(played));
        }
    });
}

/// The host's clocks, on which 7 ms pass between any two looks.
#[derive(Default)]
struct Leaping(AtomicI64);

impl HostClock for Leaping {
    fn now(&self) -> HostInstant {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        OsClock.now().later_by(Delta::from_millis(7 * looks))
    }
}

#[test]
fn copies_of_a_reply_that_leave_before_the_next_copy_is_served_are_told_apart() {
    let toml = "
        time = { base = 'wall', starts = 'start' }
        [[rules]]
        duplicate = { request = 1, reply = { copies = 2, after = '5ms' } }
    ";
    let host = Host {
        clock: Arc::new(Leaping::default()),
        ..this_host()
    };
    let entries = driven_on(host, super::scenario(toml), |stage| {
        asks(stage, 3);
        // Of each request two copies, and of each reply three.
        let all = || (stage.records().len() == 3 * (1 + 2 * 3)).then_some(());
        wait_for("all copies", all);
    });
    assert_clean(toml, &entries);
}

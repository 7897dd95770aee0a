//! A run made again from its transcript.

use super::{ask, play, scenario, simulated};
use crate::support::{client_of, ntp_request, receive};
use timeball::play::Play;
use timeball::play::replay::replay;
use timeball::transcript::{Difference, Direction, Record};

/// On the wall, with delays, chance, and replies that leave late.
const LIVELY: &str = "
time = { base = 'wall', rate = '1000/7' }
[[clock.events]]
wander = { white_phase = '1ms', random_walk_ppm = 10 }
[[clock.events]]
elapsed = '1s'
step = '-250ms'
[[rules]]
probability = 0.3
also = true
delay = { request = { exponential = { mean = '1ms' } }, reply = '500us' }
[[rules]]
name = 'held'
request = { from = 3, every = 7 }
hold = 'next-reply'
[[rules]]
probability = 0.1
duplicate = { request = 1, reply = 1 }
[[rules]]
request = { from = 5, every = 9 }
set = { origin_timestamp = 'previous' }
";

/// What was recorded while one client asked 60 times over sockets.
fn recorded(toml: &str) -> Vec<Record> {
    let stage = Play::new(scenario(toml)).requests(60).start().unwrap();
    let client = client_of(stage.address(0));
    for n in 0..60 {
        client.send_to(&ntp_request(n), stage.address(0)).unwrap();
    }
    while !stage.handle().is_over() {
        std::thread::yield_now();
    }
    stage.finish().records
}

#[test]
fn a_run_on_sockets_and_on_the_wall_comes_out_the_same_to_the_octet() {
    let records = recorded(LIVELY);
    let replies = records.iter().filter(|it| it.direction == Direction::Out);
    let replies = replies.count() as u64;
    let compared = replay(&scenario(LIVELY), &records).unwrap();
    assert_eq!(
        compared.difference,
        None,
        "{}",
        compared.difference.as_ref().unwrap()
    );
    assert_eq!((compared.requests, compared.replies), (60, replies));
    assert!(replies > 55);
}

#[test]
fn so_does_one_with_several_endpoints_whose_requests_overtake_each_other() {
    let toml = "
        time = { base = 'wall', starts = 'start' }
        endpoints = [{ name = 'a' }, { name = 'b', clock = { stratum = 2 } }, { name = 'c' }]
        [[rules]]
        also = true
        delay = { request = { normal = { mean = '300us', deviation = '300us' } } }
        [[rules]]
        probability = 0.5
        set = { origin_timestamp = 'previous' }
    ";
    let stage = Play::new(scenario(toml)).requests(90).start().unwrap();
    let client = client_of(stage.address(0));
    for n in 0..90 {
        let endpoint = n as usize % 3;
        client
            .send_to(&ntp_request(n), stage.address(endpoint))
            .unwrap();
    }
    while !stage.handle().is_over() {
        std::thread::yield_now();
    }
    let records = stage.finish().records;
    let requests = records.iter().filter(|it| it.direction == Direction::In);
    assert!(
        requests.map(|it| it.at).is_sorted(),
        "moments do not go back"
    );
    let compared = replay(&scenario(toml), &records).unwrap();
    assert_eq!(
        compared.difference,
        None,
        "{}",
        compared.difference.as_ref().unwrap()
    );
    assert_eq!((compared.requests, compared.replies), (90, 90));
}

#[test]
fn so_does_one_whose_clocks_all_wait_for_the_first_request() {
    let toml = "
        time = { base = 'wall', starts = 'first-request' }
        endpoints = [{ name = 'a' }, { name = 'b', clock = { stratum = 2 } }]
    ";
    let stage = play(toml);
    let client = client_of(stage.address(0));
    for n in 0..40 {
        let server = stage.address(n as usize % 2);
        client.send_to(&ntp_request(n), server).unwrap();
        receive(&client);
    }
    let compared = replay(&scenario(toml), &stage.finish().records).unwrap();
    assert_eq!(
        compared.difference,
        None,
        "{}",
        compared.difference.as_ref().unwrap()
    );
}

#[test]
fn so_does_one_in_virtual_time() {
    let records = simulated(LIVELY, 60);
    let compared = replay(&scenario(LIVELY), &records).unwrap();
    assert_eq!(
        compared.difference,
        None,
        "{}",
        compared.difference.as_ref().unwrap()
    );
    assert_eq!(compared.requests, 61);
}

#[test]
fn one_octet_that_was_changed_is_found() {
    let mut records = simulated("time.base = 'per-request'", 20);
    for (place, record) in records.clone().iter().enumerate() {
        if record.direction == Direction::In {
            continue;
        }
        let octet = 7 * place % record.octets.len();
        records[place].octets[octet] ^= 1;
        let compared = replay(&scenario("time.base = 'per-request'"), &records).unwrap();
        let Some(Difference::Octets { number, offset, .. }) = compared.difference else {
            panic!("the octet is not found in {record:?}")
        };
        assert_eq!((number, offset), (record.number, octet));
        records[place].octets[octet] ^= 1;
    }
}

#[test]
fn replies_that_are_missing_or_too_many_are_found() {
    let toml = "time.base = 'manual'";
    let records = simulated(toml, 5);
    let mut without = records.clone();
    without.remove(3);
    let compared = replay(&scenario(toml), &without).unwrap();
    assert!(matches!(
        compared.difference,
        Some(Difference::Unexpected { number: 2, .. })
    ));
    let mut doubled = records.clone();
    doubled.insert(4, records[3].clone());
    let compared = replay(&scenario(toml), &doubled).unwrap();
    assert!(matches!(
        compared.difference,
        Some(Difference::Missing { number: 2, .. })
    ));
}

#[test]
fn another_seed_is_a_difference() {
    let toml = "[[rules]]\nprobability = 0.5\nkiss = { code = 'RATE' }";
    let records = simulated(toml, 50);
    let mut other = scenario(toml);
    other.seed = 2;
    assert!(replay(&other, &records).unwrap().difference.is_some());
}

#[test]
fn what_was_due_after_the_end_need_not_be_in_the_transcript() {
    let toml = "time.base = 'manual'\nrules = [{ delay = { reply = '1h' } }]";
    let stage = play(toml);
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    while stage.records().is_empty() {
        std::thread::yield_now();
    }
    let records = stage.finish().records;
    let compared = replay(&scenario(toml), &records).unwrap();
    assert_eq!((compared.requests, compared.replies), (1, 0));
    assert_eq!(compared.difference, None);
}

#[test]
fn a_clock_that_starts_with_the_first_request_starts_at_the_same_moment_again() {
    let toml = "time = { base = 'wall', rate = 1000000, starts = 'first-request' }";
    let stage = play(toml);
    let client = client_of(stage.address(0));
    for n in 0..20 {
        ask(&stage, &client, &ntp_request(n));
    }
    let records = stage.finish().records;
    let compared = replay(&scenario(toml), &records).unwrap();
    assert_eq!(
        compared.difference,
        None,
        "{}",
        compared.difference.as_ref().unwrap()
    );
}

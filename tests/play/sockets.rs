//! A scenario on sockets of the loopback, on clocks that no wall moves.

use super::{ask, lines, play, scenario};
use crate::support::{client_of, mark_of, ntp_header, ntp_request, receive};
use std::net::UdpSocket;
use timeball::api::{Delta, Timestamp};
use timeball::play::Play;
use timeball::transcript::{Direction, Record};
use timeball_mock::MockClock;

#[test]
fn without_rules_a_scenario_is_a_server_and_its_datagrams_are_recorded() {
    let stage = play("time.base = 'per-request'\ntime.start = '2016-12-31T23:59:59Z'");
    let client = client_of(stage.address(0));
    for n in 0..5 {
        let (reply, from) = ask(&stage, &client, &ntp_request(n));
        assert_eq!(from, stage.address(0));
        let header = ntp_header(&reply);
        let time = Timestamp::from_unix_seconds(1_483_228_799 + n as i64);
        assert_eq!(header.transmit_timestamp, time.into());
        assert_eq!(&reply[12..16], b"XTST");
    }
    let finished = stage.finish();
    assert_eq!((finished.totals.received, finished.totals.replied), (5, 5));
    let records = finished.records;
    let seen: Vec<_> = records.iter().map(|it| (it.direction, it.number)).collect();
    let expected: Vec<_> = (1..=5)
        .flat_map(|n| [(Direction::In, n), (Direction::Out, n)])
        .collect();
    assert_eq!(seen, expected);
    for record in &records {
        assert_eq!(record.peer, client.local_addr().unwrap());
        let elapsed = Delta::from_seconds(record.number as i64 - 1);
        assert_eq!(record.elapsed, elapsed, "{record:?}");
    }
    assert_eq!(mark_of(&records[3].octets), 1);
}

#[test]
fn a_burst_is_answered_one_by_one_in_the_order_in_which_it_came() {
    let stage = play("time.base = 'per-request'");
    let client = client_of(stage.address(0));
    for n in 0..200 {
        // Rubbish gets no reply and holds nothing up.
        client.send_to(b"rubbish", stage.address(0)).unwrap();
        client.send_to(&ntp_request(n), stage.address(0)).unwrap();
    }
    for n in 0..200 {
        let (reply, _) = receive(&client);
        assert_eq!(mark_of(&reply), n);
    }
    let records = stage.finish().records;
    assert_eq!(records.len(), 600);
    for (index, three) in records.chunks(3).enumerate() {
        let number = 2 * index as u64 + 1;
        let seen: Vec<_> = three.iter().map(|it| (it.direction, it.number)).collect();
        let expected = [
            (Direction::In, number),
            (Direction::In, number + 1),
            (Direction::Out, number + 1),
        ];
        assert_eq!(seen, expected);
    }
}

const FOUR: &str = "
time = { base = 'per-request', start = '2036-02-07T06:28:13Z', step = '100ms' }
endpoints = [
    { name = 'a', protocol = 'text' },
    { name = 'b', protocol = 'daytime' },
    { name = 'c', protocol = 'time' },
    { name = 'd', protocol = 'ntp', clock = { stratum = 7 } },
]
";

#[test]
fn endpoints_share_a_clock_or_have_their_own_and_speak_their_protocols() {
    let stage = play(FOUR);
    let asked = |endpoint: usize, request: &[u8]| {
        let client = client_of(stage.address(endpoint));
        client.send_to(request, stage.address(endpoint)).unwrap();
        receive(&client).0
    };
    assert_eq!(asked(0, b"Send time"), b"2036-02-07 06:28:13.000000");
    assert_eq!(
        asked(1, b""),
        b"Thursday, February 7, 2036 06:28:13-UTC\r\n"
    );
    let header = ntp_header(&asked(3, &ntp_request(1)));
    assert_eq!(header.stratum, 7);
    let start = Timestamp::from_unix_seconds(2_085_978_493);
    assert_eq!(
        header.transmit_timestamp,
        start.into(),
        "a clock of its own"
    );
    assert_eq!(asked(2, b""), [0xff, 0xff, 0xff, 0xfd]);
    assert_eq!(stage.clock(0).served(), 3);
    assert_eq!(stage.clock(3).served(), 1);
    let protocols: Vec<_> = stage
        .records()
        .iter()
        .map(|it| it.protocol.as_str())
        .collect();
    let expected = ["text", "daytime", "ntp", "time"].map(|name| [name, name]);
    assert_eq!(protocols, expected.concat());
}

/// What of a record is the same in every run.
fn same(records: Vec<Record>) -> String {
    let records: Vec<_> = records
        .into_iter()
        .map(|record| Record {
            at: Delta::ZERO,
            peer: ([127, 0, 0, 1], 1).into(),
            local: ([127, 0, 0, 1], 2).into(),
            ..record
        })
        .collect();
    lines(&records)
}

#[test]
fn the_same_requests_get_the_same_bytes_in_each_run_and_with_another_seed_others() {
    let run = |seed: u64| {
        let stage = play(&format!(
            "seed = {seed}\ntime.base = 'per-request'\n\
             [[clock.events]]\nwander = {{ white_phase = '1ms' }}\n\
             [[rules]]\nprobability = 0.5\nflip_bits = {{ count = 3 }}\n"
        ));
        let client = client_of(stage.address(0));
        for n in 0..40 {
            ask(&stage, &client, &ntp_request(n));
        }
        same(stage.finish().records)
    };
    let first = run(1);
    // Not `assert_eq`: what differs would be pages.
    assert!(first == run(1));
    assert!(first != run(2));
    assert_eq!(first.lines().count(), 80);
}

#[test]
fn a_clock_of_ones_own_is_served_and_moved() {
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    let clock = MockClock::manual(start);
    let stage = Play::clock(clock.clone()).start().unwrap();
    let client = client_of(stage.address(0));
    let given = |n| ntp_header(&ask(&stage, &client, &ntp_request(n)).0).transmit_timestamp;
    assert_eq!(given(1), start.into());
    clock.step(Delta::from_seconds(-5));
    assert_eq!(given(2), (start - Delta::from_seconds(5)).into());
    assert_eq!(stage.clock(0).served(), 2);
}

#[test]
fn the_first_endpoint_can_be_moved_and_the_others_follow_on_ports_of_the_kernels() {
    // Two that are free now, so that the scenario names them.
    let free = || {
        UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let (one, two) = (free(), free());
    let scenario = scenario(&format!(
        "endpoints = [{{ name = 'a', address = '{one}' }}, {{ name = 'b', address = '{two}' }}]"
    ));
    let play = Play::new(scenario).listen("127.0.0.9:0".parse().unwrap());
    let stage = play.start().unwrap();
    assert_eq!(stage.address(0).ip().to_string(), "127.0.0.9");
    assert_eq!(stage.address(1).ip(), two.ip());
    assert_ne!(stage.address(1).port(), two.port());
}

#[test]
fn a_wildcard_answers_from_where_it_was_asked() {
    let scenario = scenario("time.base = 'manual'\nendpoints = [{ address = '0.0.0.0:0' }]");
    let stage = Play::new(scenario).serve_test_time().start().unwrap();
    let client = client_of("127.0.0.1:0".parse().unwrap());
    let asked = std::net::SocketAddr::new([127, 0, 0, 5].into(), stage.address(0).port());
    client.send_to(&ntp_request(1), asked).unwrap();
    let (_, from) = receive(&client);
    assert_eq!(from, asked);
    assert!(stage.finish().records.iter().all(|it| it.local == asked));
}

#[test]
fn requests_of_any_length_are_recorded_whole() {
    let stage = play("time.base = 'manual'\nendpoints = [{ protocol = 'time' }]");
    let client = client_of(stage.address(0));
    let long: Vec<u8> = (0..60_000_u32).map(|n| n as u8).collect();
    let (reply, _) = ask(&stage, &client, &long);
    assert_eq!(reply.len(), 4);
    assert_eq!(stage.finish().records[0].octets, long);
}

//! Rules at work on real sockets: what leaves, from where, and when.

use super::{ask, play, scenario};
use crate::support::{PATIENCE, client_of, mark_of, ntp_header, ntp_request, receive};
use timeball::api::{Delta, NtpTimestamp, Timestamp};
use timeball::play::Play;
use timeball::transcript::Direction;

const MANUAL: &str = "time.base = 'manual'\n";

fn with(rule: &str) -> String {
    format!("{MANUAL}[[rules]]\nname = 'it'\n{rule}")
}

#[test]
fn a_reply_leaves_from_another_port_each_time_the_same() {
    let stage = play(&with("reply_from = 'other-port'"));
    let client = client_of(stage.address(0));
    let (_, first) = ask(&stage, &client, &ntp_request(1));
    let (_, second) = ask(&stage, &client, &ntp_request(2));
    assert_eq!(first, second);
    assert_eq!(first.ip(), stage.address(0).ip());
    assert_ne!(first.port(), stage.address(0).port());
    let records = stage.finish().records;
    assert_eq!(records[1].local, first);
    assert_eq!(*records[1].rules[0], *"it");
}

#[test]
fn a_reply_leaves_from_another_address_at_the_same_port() {
    let stage = play(&with("reply_from = '127.0.0.77'"));
    let client = client_of(stage.address(0));
    let (_, from) = ask(&stage, &client, &ntp_request(1));
    assert_eq!(
        from.to_string(),
        format!("127.0.0.77:{}", stage.address(0).port())
    );
    assert_eq!(stage.finish().records[1].local, from);
}

#[test]
fn an_address_that_this_host_has_not_costs_the_reply_and_is_counted() {
    let rule = with("reply_from = '192.0.2.1'\nrequest = { to = 1 }");
    let stage = Play::new(scenario(&rule)).serve_test_time();
    let stage = stage.start().unwrap();
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let (reply, _) = ask(&stage, &client, &ntp_request(2));
    assert_eq!(mark_of(&reply), 2);
    assert_eq!(stage.handle().status().not_sent, 1);
    let records = stage.finish().records;
    let seen: Vec<_> = records.iter().map(|it| (it.number, it.direction)).collect();
    let (asked, left) = (Direction::In, Direction::Out);
    assert_eq!(
        seen,
        [(1, asked), (1, Direction::Unsent), (2, asked), (2, left)]
    );
}

#[test]
fn a_reply_may_be_as_long_as_a_datagram_can() {
    let stage = play(&with("pad = { to = 65507 }"));
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let mut room = vec![0; 65_536];
    let len = loop {
        match client.recv(&mut room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => break received.unwrap(),
        }
    };
    assert_eq!(len, 65_507);
    assert_eq!(stage.finish().records[1].octets, room[..len]);
}

#[test]
fn copies_and_packets_that_nobody_asked_for_leave_too() {
    let stage = play(&with(
        "duplicate = { reply = 2 }\nunsolicited = { mode = 5 }",
    ));
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let replies: Vec<_> = (0..4).map(|_| receive(&client).0).collect();
    let modes: Vec<_> = replies.iter().map(|reply| reply[0] & 7).collect();
    assert_eq!(modes.iter().filter(|mode| **mode == 4).count(), 3);
    assert_eq!(modes.iter().filter(|mode| **mode == 5).count(), 1);
    let totals = stage.finish().totals;
    assert_eq!(
        (totals.received, totals.replied),
        (1, 1),
        "the server answered once"
    );
}

#[test]
fn each_copy_of_a_request_is_answered() {
    let stage = play("time.base = 'per-request'\nrules = [{ duplicate = { request = 2 } }]");
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    for n in 0..3 {
        let header = ntp_header(&receive(&client).0);
        let time = start + Delta::from_seconds(n);
        assert_eq!(header.transmit_timestamp, NtpTimestamp::from(time));
    }
    let records = stage.finish().records;
    let seen: Vec<_> = records.iter().map(|it| (it.direction, it.number)).collect();
    let out = (Direction::Out, 1);
    assert_eq!(seen, [(Direction::In, 1), out, out, out]);
}

#[test]
fn a_lost_request_and_a_lost_reply_leave_the_next_one_to_be_answered() {
    let stage = play(&format!(
        "{MANUAL}[[rules]]\nrequest = 1\nlose = {{ request = 1 }}\n\
         [[rules]]\nrequest = 2\nlose = {{ reply = 1 }}\n"
    ));
    let client = client_of(stage.address(0));
    for n in 1..3 {
        client.send_to(&ntp_request(n), stage.address(0)).unwrap();
    }
    let (reply, _) = ask(&stage, &client, &ntp_request(3));
    assert_eq!(mark_of(&reply), 3);
    let finished = stage.finish();
    assert_eq!(
        finished.totals.received, 2,
        "the first did not reach the server"
    );
    let numbers: Vec<_> = finished.records.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 3]);
}

#[test]
fn a_reply_is_held_until_the_next_one_has_left() {
    let stage = play(&with("request = 1\nhold = 'next-reply'"));
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    client.send_to(&ntp_request(2), stage.address(0)).unwrap();
    let marks = [(); 2].map(|()| mark_of(&receive(&client).0));
    assert_eq!(marks, [2, 1]);
    let records = stage.finish().records;
    let numbers: Vec<_> = records.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 2, 1]);
}

/// A scenario on the wall, whose requests take 40 ms and replies 60 ms longer.
const SLOW: &str = "
time = { base = 'wall', starts = 'start' }
rules = [{ delay = { request = '40ms', reply = '60ms' } }]
";

#[test]
fn delays_are_kept_and_the_receive_timestamp_shows_that_of_the_request() {
    let stage = play(SLOW);
    let client = client_of(stage.address(0));
    let clock = stage.clock(0);
    let asked = clock.elapsed();
    let (reply, _) = ask(&stage, &client, &ntp_request(1));
    let answered = clock.elapsed();
    assert!(answered - asked >= Delta::from_millis(100));
    let records = stage.finish().records;
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    let header = ntp_header(&reply);
    // To the nanosecond: no scheduling shows in it.
    let arrived = start + records[0].at + Delta::from_millis(40);
    assert_eq!(header.receive_timestamp, NtpTimestamp::from(arrived));
    let left = start + records[1].at - Delta::from_millis(60);
    assert_eq!(header.transmit_timestamp, NtpTimestamp::from(left));
    assert!(records[1].elapsed >= records[0].elapsed + Delta::from_millis(40));
}

#[test]
fn a_run_that_has_had_its_requests_is_over_once_the_last_reply_has_left() {
    let scenario = super::scenario(&format!("requests = 2\n{SLOW}"));
    let stage = Play::new(scenario).start().unwrap();
    let client = client_of(stage.address(0));
    for n in 1..4 {
        client.send_to(&ntp_request(n), stage.address(0)).unwrap();
    }
    let marks = [(); 2].map(|()| mark_of(&receive(&client).0));
    assert_eq!(marks, [1, 2]);
    let handle = stage.handle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let over = tokio::time::timeout(PATIENCE, handle.until_over()).await;
        assert!(over.is_ok(), "it ends by itself");
    });
    assert!(handle.is_over());
    let finished = stage.finish();
    assert_eq!(
        finished.records.len(),
        4,
        "the third request is not part of it"
    );
}

#[test]
fn a_run_that_is_stopped_forgets_what_is_delayed() {
    let stage = play("rules = [{ delay = { reply = '1h' } }]\ntime.base = 'manual'");
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    while stage.records().is_empty() {
        std::thread::yield_now();
    }
    // The request is recorded when it comes. A change has its place behind the
    // reply to it, which waits by then.
    assert!(!stage.handle().remove_rule("none of this name"));
    let finished = stage.finish();
    let directions = finished.records.iter().map(|it| it.direction);
    assert!(directions.eq([Direction::In, Direction::Unsent]));
}

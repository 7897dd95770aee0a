//! Datagrams that nobody asked for.

use super::{Run, bits, client, from, header, honest_to, request};
use timeball::api::Delta;
use timeball::protocol::ntp::Header;

#[test]
fn an_unsolicited_reply_has_an_origin_that_nobody_sent() {
    let mut run = Run::of("unsolicited = { mode = 4, count = 2, after = \"10ms\" }");
    let departures = run.exchange(client());
    assert_eq!(departures.len(), 3);
    assert_eq!(departures[0].octets, honest_to(1).encode());
    assert!(departures[0].rules.is_empty());
    let mut origins = vec![request(1).transmit_timestamp];
    for (number, departure) in (1..).zip(&departures[1..]) {
        let packet = header(&departure.octets);
        assert!(!origins.contains(&packet.origin_timestamp));
        origins.push(packet.origin_timestamp);
        let expected = Header {
            origin_timestamp: packet.origin_timestamp,
            ..honest_to(1)
        };
        assert_eq!(packet, expected);
        assert_eq!(departure.after, Delta::from_millis(10 * number));
        assert_eq!(departure.to, client());
        assert_eq!(*departure.rules[0], *"rule-1");
    }
}

#[test]
fn a_broadcast_tells_the_time_and_answers_nothing() {
    let mut run = Run::of("unsolicited = { mode = 5 }");
    let departures = run.exchange(client());
    let expected = Header {
        mode: 5,
        origin_timestamp: bits(0),
        receive_timestamp: bits(0),
        ..honest_to(1)
    };
    assert_eq!(departures[1].octets, expected.encode());
}

#[test]
fn unsolicited_packets_go_on_coming_after_one_request() {
    let mut run = Run::of(
        "request = 1\nunsolicited = { mode = 5, count = 3, after = \"16s\", every = \"64s\" }",
    );
    let departures = run.exchange(client());
    let after: Vec<_> = departures.iter().map(|it| it.after).collect();
    assert_eq!(after, [0, 16, 80, 144].map(Delta::from_seconds));
    let modes: Vec<_> = departures
        .iter()
        .map(|it| header(&it.octets).mode)
        .collect();
    assert_eq!(modes, [4, 5, 5, 5]);
    assert_eq!(run.exchange(client()).len(), 1, "the second asks for none");
}

#[test]
fn an_unsolicited_packet_leaves_even_if_the_reply_is_lost() {
    let mut run = Run::of("lose.reply = 1\nunsolicited = { mode = 4 }");
    let departures = run.exchange(client());
    assert_eq!(departures.len(), 1);
    assert_ne!(
        header(&departures[0].octets).origin_timestamp,
        request(1).transmit_timestamp
    );
}

#[test]
fn an_old_reply_comes_instead_of_before_or_after_the_new_one() {
    let cases: [(&str, &[u64]); 3] = [("instead", &[1]), ("before", &[1, 2]), ("after", &[2, 1])];
    for (when, expected) in cases {
        let mut run = Run::of(&format!("replay = \"{when}\""));
        assert_eq!(
            run.reply(),
            honest_to(1).encode(),
            "there is no old one yet"
        );
        let departures = run.exchange(client());
        let numbers: Vec<_> = departures.iter().map(|it| it.octets.clone()).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|number| honest_to(*number).encode().to_vec())
            .collect();
        assert_eq!(numbers, expected, "{when}");
    }
}

#[test]
fn a_replay_is_always_one_reply_behind() {
    let mut run = Run::of("replay = \"instead\"");
    run.reply();
    for number in 2..6 {
        assert_eq!(run.reply(), honest_to(number - 1).encode());
    }
    // Another client's replies are its own.
    let departures = run.exchange(from("127.0.0.3"));
    assert_eq!(departures[0].octets, honest_to(6).encode());
}

#[test]
fn a_reply_is_replayed_as_it_was_sent() {
    let mut run = Run::new(
        r#"
        [[rules]]
        request = 1
        junk = 4
        [[rules]]
        replay = "instead"
        "#,
    );
    let first = run.reply();
    assert_eq!(first.len(), 52);
    assert_eq!(run.reply(), first);
}

#[test]
fn a_reply_of_more_than_1024_octets_is_not_kept() {
    for (len, is_kept) in [(1_024, true), (1_025, false)] {
        let mut run = Run::new(&format!(
            "[[rules]]\nrequest = 1\npad = {len}\n[[rules]]\nreplay = \"instead\""
        ));
        let first = run.reply();
        assert_eq!(run.reply() == first, is_kept, "{len}");
    }
}

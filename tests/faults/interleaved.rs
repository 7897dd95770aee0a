//! Interleaved replies, right and wrong.

use super::{A, Run, bits, client, header, honest, honest_to, request};
use timeball::protocol::ntp::Header;

/// A client that follows RFC 9769: asks in interleaved mode once it had a
/// reply.
fn interleaved_request(number: u64, previous: &Header) -> Header {
    Header {
        origin_timestamp: previous.receive_timestamp,
        receive_timestamp: bits(0x3333_0000_0000_0000 + number),
        ..request(number)
    }
}

fn interleaved(rule: &str) -> (Header, Header, Header) {
    let mut run = Run::of(&format!("interleaved = {{ {rule} }}"));
    let first = run.header();
    let asked = interleaved_request(2, &first);
    let departures = run.exchange_of(A, client(), &asked);
    (asked, honest(&asked, 2), header(&departures[0].octets))
}

#[test]
fn an_interleaved_reply_has_the_time_at_which_the_one_before_left() {
    let (asked, honest, reply) = interleaved("");
    let expected = Header {
        origin_timestamp: asked.receive_timestamp,
        transmit_timestamp: honest_to(1).transmit_timestamp,
        ..honest
    };
    assert_eq!(reply, expected);
}

#[test]
fn interleaved_replies_go_half_way_or_wrong() {
    let (asked, honest, reply) = interleaved("reply = \"origin-only\"");
    let expected = Header {
        origin_timestamp: asked.receive_timestamp,
        ..honest
    };
    assert_eq!(reply, expected);

    let (_, honest, reply) = interleaved("reply = \"transmit-only\"");
    let expected = Header {
        transmit_timestamp: honest_to(1).transmit_timestamp,
        ..honest
    };
    assert_eq!(reply, expected);

    let (asked, honest, reply) = interleaved("reply = \"wrong-transmit\"");
    let before = honest_to(1).transmit_timestamp.to_bits();
    let expected = Header {
        origin_timestamp: asked.receive_timestamp,
        transmit_timestamp: bits(before - (1 << 32)),
        ..honest
    };
    assert_eq!(reply, expected);
}

#[test]
fn a_basic_request_gets_an_interleaved_reply_only_when_all_do() {
    let mut run = Run::of("interleaved = {}");
    run.reply();
    assert_eq!(run.header(), honest_to(2));

    let mut run = Run::of("interleaved = { to = \"all\" }");
    assert_eq!(run.header(), honest_to(1));
    let expected = Header {
        origin_timestamp: request(2).receive_timestamp,
        transmit_timestamp: honest_to(1).transmit_timestamp,
        ..honest_to(2)
    };
    assert_eq!(run.header(), expected);
}

#[test]
fn what_asks_for_an_interleaved_reply_is_what_rfc_9769_says() {
    let first = honest_to(1);
    let right = interleaved_request(2, &first);
    let wrong = [
        Header {
            version: 3,
            ..right
        },
        Header {
            origin_timestamp: bits(5),
            ..right
        },
        Header {
            origin_timestamp: bits(0),
            ..right
        },
        Header {
            receive_timestamp: right.transmit_timestamp,
            ..right
        },
    ];
    for asked in wrong {
        let mut run = Run::of("interleaved = {}");
        run.reply();
        let departures = run.exchange_of(A, client(), &asked);
        assert_eq!(header(&departures[0].octets), honest(&asked, 2));
    }
}

/// What a clock that stands answers.
fn standing(asked: &Header, number: u64) -> Header {
    let honest = honest(asked, number);
    Header {
        transmit_timestamp: honest.receive_timestamp,
        ..honest
    }
}

/// What RFC 5905 has a client ask next, which knows no interleaved mode.
fn basic_request(number: u64, previous: &Header) -> Header {
    Header {
        origin_timestamp: previous.transmit_timestamp,
        receive_timestamp: bits(0x3333_0000_0000_0000 + number),
        ..request(number)
    }
}

#[test]
fn a_basic_client_of_a_clock_that_stands_is_not_taken_for_an_interleaved_one() {
    let mut run = Run::of("interleaved = {}");
    let mut asked = request(1);
    for number in 1..=4 {
        let answer = standing(&asked, number);
        let departures = run.exchange_octets(A, client(), &asked.encode(), &answer.encode());
        let reply = header(&departures[0].octets);
        let later = answer.transmit_timestamp.to_bits() + 1;
        let expected = Header {
            transmit_timestamp: bits(later),
            ..answer
        };
        assert_eq!(reply, expected, "the reply to request {number}");
        asked = basic_request(number + 1, &reply);
    }
}

#[test]
fn nor_is_it_when_the_rule_begins_behind_such_a_reply() {
    let mut run = Run::of("request = { from = 2 }\ninterleaved = {}");
    let first = standing(&request(1), 1);
    run.exchange_octets(A, client(), &request(1).encode(), &first.encode());
    let asked = basic_request(2, &first);
    let departures = run.exchange_of(A, client(), &asked);
    assert_eq!(header(&departures[0].octets), honest(&asked, 1));
}

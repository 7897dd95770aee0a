//! RFC 868, both ends.

use super::vectors::time as vectors;
use super::{answer, at, unsynchronised, with_quality};
use proptest::prelude::*;
use timeball::api::conformance::{check_protocol, exchange_at};
use timeball::api::{Delta, Protocol, Timestamp};
use timeball::protocol::Time;
use timeball::protocol::time::{REQUEST, WrongLength, parse};

#[test]
fn every_vector_is_read_and_written_as_it_says() {
    for vector in vectors() {
        let reply = vector.octets("reply");
        if let Some(len) = vector.find("wrong_len") {
            let len = len.parse().expect("it is a number");
            let got = parse(&reply, Timestamp::UNIX_EPOCH);
            assert_eq!(got, Err(WrongLength { len }), "{}", vector.name());
            continue;
        }
        let seconds = vector.get("unix").parse().expect("it is a number");
        let time = Timestamp::from_unix_seconds(seconds);
        let pivot = time + Delta::from_seconds(60 * 365 * 86_400);
        assert_eq!(parse(&reply, pivot), Ok(time), "{}", vector.name());
        for nanos in [0, 999_999_999] {
            let exchange = exchange_at(time + Delta::from_nanos(nanos));
            assert_eq!(
                answer(&Time, REQUEST, &exchange),
                Ok(reply.clone()),
                "{}",
                vector.name()
            );
        }
    }
}

#[test]
fn only_four_octets_are_a_reply() {
    for len in (0..64).filter(|&len| len != 4) {
        assert_eq!(
            parse(&vec![0; len], Timestamp::UNIX_EPOCH),
            Err(WrongLength { len })
        );
    }
}

#[test]
fn any_datagram_is_answered_alike() {
    assert!(Time.ignores_payload());
    let exchange = exchange_at(at("2030-05-01T04:05:06Z"));
    let expected = answer(&Time, REQUEST, &exchange).expect("it answers");
    for request in [&b"\r\n"[..], b"Send time", &[0xff; 2000]] {
        assert_eq!(answer(&Time, request, &exchange).as_ref(), Ok(&expected));
    }
}

#[test]
fn an_unsynchronised_source_is_silent() {
    for quality in unsynchronised() {
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        assert_eq!(answer(&Time, REQUEST, &exchange), Err("unsynchronised"));
    }
}

#[test]
fn the_server_keeps_the_rules_of_protocols() {
    let requests: [&[u8]; 3] = [REQUEST, b"\r\n", &[0; 600]];
    check_protocol(&Time, &requests, &exchange_at(at("2036-02-07T06:28:16Z")));
}

proptest! {
    #[test]
    fn any_second_from_1970_to_2262_is_read_back(
        seconds in 0..9_223_372_036_i64, pivot in -2_000_000_000..2_000_000_000_i64,
    ) {
        let time = Timestamp::from_unix_seconds(seconds);
        let reply = answer(&Time, REQUEST, &exchange_at(time)).expect("it answers");
        prop_assert_eq!(parse(&reply, time + Delta::from_seconds(pivot)), Ok(time));
    }
}

//! Who is answered, and with how much.

use super::vectors::{Vector, ntp_replies, ntp_requests};
use super::{answer, at};
use proptest::prelude::*;
use timeball::api::conformance::{check_protocol, exchange_at};
use timeball::api::{
    Delta, Exchange, NtpTimestamp, Outcome, Protocol, Quality, ReferenceId, Timestamp,
};
use timeball::protocol::Ntp;
use timeball::protocol::ntp::header::{self, Header};
use timeball::protocol::ntp::{Symmetric, WhenUnsynchronised};

/// Every way in which the server can be set.
pub fn all_settings() -> Vec<Ntp> {
    let mut all = Vec::new();
    for symmetric in [Symmetric::Drop, Symmetric::Reply] {
        for unsynchronised in [
            WhenUnsynchronised::Alarm,
            WhenUnsynchronised::Zero,
            WhenUnsynchronised::Silent,
        ] {
            for crypto_nak in [false, true] {
                all.push(Ntp {
                    symmetric,
                    unsynchronised,
                    crypto_nak,
                });
            }
        }
    }
    all
}

/// The exchange for which the vectors' replies were worked out.
fn exchange_of_the_vectors() -> Exchange {
    let mut exchange = exchange_at(at("2030-01-01T00:00:00.5Z"));
    exchange.transmit.time += Delta::from_millis(250);
    exchange.transmit.quality = Quality {
        stratum: 2,
        precision_log2_s: -20,
        reference_id: ReferenceId([192, 0, 2, 1]),
        reference_timestamp: Some(at("2029-12-31T23:59:00Z")),
        root_delay: Delta::from_millis(500),
        root_dispersion: Delta::from_millis(250),
        ..Quality::default()
    };
    exchange.receive.quality = exchange.transmit.quality;
    exchange
}

fn requests() -> Vec<Vec<u8>> {
    let octets = |vector: &Vector| vector.octets("request");
    ntp_requests().iter().map(octets).collect()
}

#[test]
fn every_vector_is_answered_or_dropped_as_it_says() {
    let exchange = exchange_of_the_vectors();
    for vector in ntp_requests() {
        let expected = match vector.get("verdict") {
            "reply" => Ok(vector.octets("reply")),
            reason => Err(reason),
        };
        let got = answer(&Ntp::default(), &vector.octets("request"), &exchange);
        assert_eq!(got, expected, "{}", vector.name());
    }
}

#[test]
fn replies_of_other_servers_are_read_as_they_meant_them() {
    for vector in ntp_replies() {
        let octets = vector.octets("reply");
        let octets = octets.first_chunk().expect("a reply has 48 octets");
        let header = Header::decode(octets);
        let Header {
            leap_indicator,
            version,
            mode,
            stratum,
            poll_log2_s,
            precision_log2_s,
            root_delay,
            root_dispersion,
            reference_id,
            ..
        } = header;
        let fields = format!(
            "{} {version} {mode} {stratum} {poll_log2_s} {precision_log2_s} {} {} {reference_id}",
            leap_indicator.to_bits(),
            root_delay.to_bits(),
            root_dispersion.to_bits(),
        );
        assert_eq!(fields, vector.get("header"), "{}", vector.name());
        let asked = vector.octets("request");
        assert_eq!(header.origin_timestamp.to_be_bytes(), asked[40..48]);
        let turnaround = header.transmit_timestamp.since(header.receive_timestamp);
        assert!(turnaround > Delta::ZERO && turnaround < Delta::from_millis(1));
        assert_eq!(&header.encode(), octets);
    }
}

/// What comes of a version (row) and a mode (column): `v` an unsupported
/// version, `.` not a request, a digit a reply in that mode.
const DEFAULT: [&str; 8] = [
    "vvvvvvvv", "4..4....", "...4....", "...4....", "...4....", "vvvvvvvv", "vvvvvvvv", "vvvvvvvv",
];
const SYMMETRIC: [&str; 8] = [
    "vvvvvvvv", "42.4....", ".2.4....", ".2.4....", ".2.4....", "vvvvvvvv", "vvvvvvvv", "vvvvvvvv",
];
const FROM_PORT_123: [&str; 8] = [
    "vvvvvvvv", "...4....", "...4....", "...4....", "...4....", "vvvvvvvv", "vvvvvvvv", "vvvvvvvv",
];

fn first_octets(server: Ntp, port: u16, table: [&str; 8]) {
    let mut exchange = exchange_of_the_vectors();
    exchange.peer.set_port(port);
    for first in 0..=u8::MAX {
        let (version, mode) = (first >> 3 & 7, first & 7);
        let mut request = [0; header::LEN];
        request[0] = first;
        let got = answer(&server, &request, &exchange);
        let expected = table[usize::from(version)].as_bytes()[usize::from(mode)];
        match expected {
            b'v' => assert_eq!(got, Err("unsupported_version"), "first octet {first:#04x}"),
            b'.' => assert_eq!(got, Err("not_a_request"), "first octet {first:#04x}"),
            digit => {
                let reply =
                    got.unwrap_or_else(|reason| panic!("first octet {first:#04x}: {reason}"));
                assert_eq!(reply.len(), header::LEN);
                assert_eq!(
                    reply[0],
                    version << 3 | (digit - b'0'),
                    "first octet {first:#04x}"
                );
            }
        }
    }
}

#[test]
fn all_256_first_octets_are_answered_as_the_table_says() {
    first_octets(Ntp::default(), 40_000, DEFAULT);
}

#[test]
fn all_256_first_octets_are_answered_as_the_table_says_when_peers_get_replies() {
    let server = Ntp {
        symmetric: Symmetric::Reply,
        ..Ntp::default()
    };
    first_octets(server, 40_000, SYMMETRIC);
}

#[test]
fn all_256_first_octets_are_answered_as_the_table_says_to_port_123() {
    first_octets(Ntp::default(), 123, FROM_PORT_123);
}

#[test]
fn every_length_below_48_is_too_short_whatever_it_says() {
    for len in 0..header::LEN {
        for first in [0x23, 0x1b, 0x00, 0xff] {
            let request = vec![first; len];
            let got = answer(&Ntp::default(), &request, &exchange_of_the_vectors());
            assert_eq!(got, Err("too_short"), "{len} octets");
        }
    }
}

#[test]
fn an_authenticated_request_gets_a_crypto_nak_where_that_is_set() {
    let server = Ntp {
        crypto_nak: true,
        ..Ntp::default()
    };
    for vector in ntp_requests() {
        let request = vector.octets("request");
        let got = answer(&server, &request, &exchange_of_the_vectors());
        let is_crypto_nak = vector.name().ends_with("crypto-NAK");
        if vector.get("verdict") != "unknown_key" || is_crypto_nak {
            let plain = answer(&Ntp::default(), &request, &exchange_of_the_vectors());
            assert_eq!(got, plain, "{}", vector.name());
            continue;
        }
        let reply = got.unwrap_or_else(|reason| panic!("{}: {reason}", vector.name()));
        assert_eq!(reply.len(), 52, "{}", vector.name());
        assert_eq!(reply[48..], [0; 4], "{}", vector.name());
        assert_eq!(reply[24..32], request[40..48], "{}", vector.name());
    }
}

#[test]
fn the_server_keeps_the_rules_of_protocols() {
    let requests = requests();
    let requests: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
    let exchange = exchange_of_the_vectors();
    for server in all_settings() {
        check_protocol(&server, &requests, &exchange);
        check_protocol(
            &server,
            &requests,
            &Exchange {
                entropy: u64::MAX,
                ..exchange
            },
        );
    }
}

/// Requests as clients send them, and such as only an attacker would.
pub fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        prop::sample::select(vec![0x23_u8, 0x1b, 0x13, 0x0b, 0x08, 0x21, 0xe3]),
        any::<[u8; 47]>(),
    );
    let tail = prop_oneof![
        4 => Just(Vec::new()),
        2 => prop::collection::vec(any::<u8>(), 0..80),
        1 => Just(vec![0; 4]),
        1 => prop::collection::vec(any::<u8>(), 20),
        1 => prop::collection::vec(any::<u8>(), 24),
        1 => (0_u8..60).prop_map(|len| {
            let mut field = vec![0; 64];
            field[3] = len;
            field
        }),
    ];
    let client = (header, tail)
        .prop_map(|((first, rest), tail)| [vec![first], rest.to_vec(), tail].concat());
    prop_oneof![3 => client, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// Exchanges of any time, quality and entropy.
pub fn any_exchange() -> impl Strategy<Value = Exchange> {
    let times = (any::<i64>(), -5_000_000_000..5_000_000_000_i64);
    let quality = (
        0_u8..=3,
        any::<u8>(),
        any::<i8>(),
        any::<[u8; 4]>(),
        any::<Option<i64>>(),
        any::<[i64; 2]>(),
    );
    let seed = (prop_oneof![Just(0), any::<u64>()], any::<u16>());
    (times, quality, seed).prop_map(
        |((time, span), (leap, stratum, precision, id, reference, bounds), (entropy, port))| {
            let quality = Quality {
                leap_indicator: timeball::api::LeapIndicator::from_bits(leap),
                stratum: stratum % 18,
                precision_log2_s: precision,
                reference_id: ReferenceId(id),
                reference_timestamp: reference.map(Timestamp::from_nanos),
                root_delay: Delta::from_nanos(bounds[0]),
                root_dispersion: Delta::from_nanos(bounds[1]),
            };
            let mut exchange =
                super::with_quality(quality, exchange_at(Timestamp::from_nanos(time)));
            exchange.transmit.time += Delta::from_nanos(span);
            exchange.entropy = entropy;
            exchange.peer.set_port(port);
            exchange
        },
    )
}

fn any_settings() -> impl Strategy<Value = Ntp> {
    prop::sample::select(all_settings())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_reply_is_never_longer_than_its_request(
        server in any_settings(), request in any_request(), exchange in any_exchange(), room in 0..200_usize,
    ) {
        let mut reply = vec![0; room];
        if let Outcome::Reply { len } = server.respond(&request, &exchange, &mut reply) {
            prop_assert!(len <= request.len() && len <= room);
        }
    }

    #[test]
    fn a_reply_carries_the_requests_transmit_timestamp_version_and_poll(
        server in any_settings(), request in any_request(), exchange in any_exchange(),
    ) {
        if let Ok(reply) = answer(&server, &request, &exchange) {
            prop_assert_eq!(&reply[24..32], &request[40..48]);
            prop_assert_eq!(reply[0] & 0b0011_1000, request[0] & 0b0011_1000);
            prop_assert_eq!(reply[2], request[2]);
        }
    }

    #[test]
    fn no_octets_are_lost_between_decoding_and_encoding(octets in any::<[[u8; 16]; 3]>()) {
        let octets: [u8; header::LEN] = octets.concat().try_into().expect("3 times 16 is 48");
        prop_assert_eq!(Header::decode(&octets).encode(), octets);
    }

    #[test]
    fn the_transmit_timestamp_is_never_before_the_receive_timestamp(
        request in any_request(), exchange in any_exchange(),
    ) {
        let server = Ntp::default();
        if let Ok(reply) = answer(&server, &request, &exchange) {
            let header = Header::decode(reply.first_chunk().expect("a reply has 48 octets"));
            let [receive, transmit] = [header.receive_timestamp, header.transmit_timestamp].map(NtpTimestamp::to_bits);
            prop_assert!(transmit.wrapping_sub(receive) as i64 >= 0);
            prop_assert!(receive != 0 && transmit != 0, "zero means unknown");
        }
    }

    #[test]
    fn any_time_from_1970_to_2262_is_read_back_to_the_nanosecond(
        nanos in prop_oneof![
            0..i64::MAX,
            2_085_978_495_000_000_000..2_085_978_497_000_000_000_i64,
            6_380_945_791_000_000_000..6_380_945_793_000_000_000_i64,
        ],
        pivot in -2_000_000_000..2_000_000_000_i64,
    ) {
        let time = Timestamp::from_nanos(nanos);
        let mut request = [0; header::LEN];
        request[0] = 0x23;
        let reply = answer(&Ntp::default(), &request, &exchange_at(time)).expect("it is a request");
        let header = Header::decode(reply.first_chunk().expect("a reply has 48 octets"));
        let pivot = time + Delta::from_seconds(pivot);
        prop_assert_eq!(header.receive_timestamp.near(pivot), time);
        prop_assert_eq!(header.transmit_timestamp.near(pivot), time);
    }
}

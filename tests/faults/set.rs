//! Other values in the fields of an NTP header, octet for octet.

use super::{Run, from, header, honest_to, request};
use timeball::api::{LeapIndicator, NtpShort, ReferenceId};

use timeball::protocol::ntp::Header;

/// What a fault does to the header.
type Change = fn(&mut Header);

#[test]
fn each_small_field_can_be_set_to_any_value_of_the_wire() {
    let cases: &[(&str, Change)] = &[
        ("leap_indicator = 2", |it| {
            it.leap_indicator = LeapIndicator::DeleteSecond;
        }),
        ("version = 0", |it| it.version = 0),
        ("version = 5", |it| it.version = 5),
        ("version = 7", |it| it.version = 7),
        ("mode = 1", |it| it.mode = 1),
        ("mode = 6", |it| it.mode = 6),
        ("stratum = 16", |it| it.stratum = 16),
        ("stratum = 255", |it| it.stratum = 255),
        ("poll = 127", |it| it.poll_log2_s = 127),
        ("poll = 255", |it| it.poll_log2_s = -1),
        ("poll = -128", |it| it.poll_log2_s = -128),
        ("precision = 127", |it| it.precision_log2_s = 127),
        ("precision = -128", |it| it.precision_log2_s = -128),
        ("precision = 0", |it| it.precision_log2_s = 0),
        ("root_delay = \"1.5s\"", |it| {
            it.root_delay = NtpShort::from_bits(0x1_8000);
        }),
        ("root_delay = \"-0.5s\"", |it| {
            it.root_delay = NtpShort::from_bits(0xffff_8000);
        }),
        ("root_delay = \"-32768s\"", |it| {
            it.root_delay = NtpShort::from_bits(0x8000_0000);
        }),
        ("root_dispersion = \"0x80000001\"", |it| {
            it.root_dispersion = NtpShort::from_bits(0x8000_0001);
        }),
        ("root_dispersion = \"65535s\"", |it| {
            it.root_dispersion = NtpShort::from_bits(0xffff_0000);
        }),
        ("reference_id = \"XFAK\"", |it| {
            it.reference_id = ReferenceId(*b"XFAK");
        }),
        ("reference_id = \"192.0.2.1\"", |it| {
            it.reference_id = ReferenceId([192, 0, 2, 1]);
        }),
        ("reference_id = \"0x00ff0001\"", |it| {
            it.reference_id = ReferenceId([0, 255, 0, 1]);
        }),
        ("reference_id = \"client\"", |it| {
            it.reference_id = ReferenceId([127, 0, 0, 1]);
        }),
    ];
    for (field, change) in cases {
        let mut run = Run::of(&format!("set = {{ {field} }}"));
        let mut expected = honest_to(1);
        change(&mut expected);
        assert_ne!(expected, honest_to(1), "{field} changes nothing");
        assert_eq!(run.reply(), expected.encode(), "{field}");
    }
}

#[test]
fn the_reference_id_of_an_ipv6_client_is_the_start_of_its_md5() {
    let mut run = Run::of("set = { reference_id = \"client\" }");
    let departures = run.exchange(from("::1"));
    // md5 of fifteen zero octets and a one, by md5sum.
    let expected = ReferenceId([0xcf, 0x40, 0x4d, 0xc8]);
    assert_eq!(header(&departures[0].octets).reference_id, expected);
    // A mapped address is the IPv4 one.
    let departures = run.exchange(from("::ffff:192.0.2.9"));
    let expected = ReferenceId([192, 0, 2, 9]);
    assert_eq!(header(&departures[0].octets).reference_id, expected);
}

#[test]
fn each_timestamp_can_be_set_in_every_way() {
    let second = 1_u64 << 32;
    let honest = honest_to(1);
    let sent = honest.transmit_timestamp.to_bits();
    let cases = [
        ("\"zero\"", 0),
        ("\"origin\"", honest.origin_timestamp.to_bits()),
        ("\"receive\"", honest.receive_timestamp.to_bits()),
        ("\"transmit\"", sent),
        ("\"+1s\"", sent + second),
        ("\"-1d\"", sent - 86_400 * second),
        ("\"+250ms\"", sent + second / 4),
        ("\"0xfedcba9876543210\"", 0xfedc_ba98_7654_3210),
        ("\"NTP5DRFT\"", u64::from_be_bytes(*b"NTP5DRFT")),
    ];
    for (written, expected) in cases {
        let timestamp = |field: &str, get: fn(&Header) -> u64| {
            let mut run = Run::of(&format!("set = {{ {field} = {written} }}"));
            let reply = run.header();
            assert_eq!(get(&reply), expected, "{field} = {written}");
        };
        timestamp("reference_timestamp", |it| it.reference_timestamp.to_bits());
        timestamp("origin_timestamp", |it| it.origin_timestamp.to_bits());
        timestamp("receive_timestamp", |it| it.receive_timestamp.to_bits());
        timestamp("transmit_timestamp", |it| it.transmit_timestamp.to_bits());
    }
}

#[test]
fn setting_one_timestamp_leaves_the_others() {
    let mut run = Run::of("set = { receive_timestamp = \"+5s\" }");
    let reply = run.header();
    assert!(
        reply
            .transmit_timestamp
            .since(reply.receive_timestamp)
            .as_nanos()
            < 0
    );
    let expected = Header {
        receive_timestamp: reply.receive_timestamp,
        ..honest_to(1)
    };
    assert_eq!(reply, expected);
}

#[test]
fn a_random_origin_is_another_one_each_time() {
    let mut run = Run::of("set = { origin_timestamp = \"random\" }");
    let origins: Vec<_> = (0..50).map(|_| run.header().origin_timestamp).collect();
    for (position, origin) in origins.iter().enumerate() {
        assert_ne!(*origin, request(position as u64 + 1).transmit_timestamp);
        assert!(!origins[..position].contains(origin));
    }
}

#[test]
fn a_replayed_origin_is_that_of_the_clients_previous_request() {
    let mut run = Run::of("set = { origin_timestamp = \"previous\" }");
    assert_eq!(run.header(), honest_to(1));
    for number in 2..5 {
        let expected = Header {
            origin_timestamp: request(number - 1).transmit_timestamp,
            ..honest_to(number)
        };
        assert_eq!(run.header(), expected);
    }
    // Another client has no previous request.
    let departures = run.exchange(from("127.0.0.9"));
    assert_eq!(header(&departures[0].octets), honest_to(5));
}

#[test]
fn a_frozen_transmit_timestamp_stands_while_the_receive_timestamp_moves() {
    let mut run = Run::of("set = { transmit_timestamp = \"frozen\" }");
    assert_eq!(run.header(), honest_to(1));
    for number in 2..6 {
        let expected = Header {
            transmit_timestamp: honest_to(1).transmit_timestamp,
            ..honest_to(number)
        };
        assert_eq!(run.header(), expected);
    }
}

#[test]
fn faults_of_the_packet_need_a_whole_header() {
    // An earlier rule has cut the packet off, so there is none to change.
    let mut run = Run::new(
        r#"
        [[rules]]
        truncate = 47
        also = true
        [[rules]]
        name = "kiss"
        kiss = { code = "DENY" }
        "#,
    );
    assert_eq!(run.reply(), honest_to(1).encode()[..47]);
    assert_eq!(run.count("kiss"), 0);
}

#[test]
fn a_rule_for_ntp_passes_over_other_protocols() {
    let mut run = Run::of("set = { stratum = 9 }");
    // 48 octets of text are no header.
    let text = [b'x'; 48];
    assert_eq!(run.line(super::TEXT, &text), text);
    assert_eq!(run.header().stratum, 9);
}

#[test]
fn the_fields_of_a_rule_are_faults_in_their_order() {
    // The kiss first, then what is set; the field, then the MAC behind it.
    let mut run = Run::of(
        r#"
        mac = { len = 4 }
        extension = { type = 1, body = "abcd" }
        set = { stratum = 3 }
        kiss = { code = "RATE" }
        truncate = 54
        "#,
    );
    let expected = Header {
        leap_indicator: LeapIndicator::Unsynchronised,
        stratum: 3,
        reference_id: ReferenceId(*b"RATE"),
        ..honest_to(1)
    };
    let mut octets = expected.encode().to_vec();
    octets.extend(b"\0\x01\0\x08ab");
    assert_eq!(run.reply(), octets);
}

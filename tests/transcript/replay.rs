//! A run that is served again.

use super::{request, saying};
use std::convert::Infallible;
use timeball::api::Delta;
use timeball::protocol::ProtocolName;
use timeball::transcript::{Comparison, Difference, Direction, Record, Reply, compare};

fn asked(number: u64, at_ms: i64) -> Record {
    Record {
        number,
        at: Delta::from_millis(at_ms),
        ..request()
    }
}

/// A reply that says its number and `more`.
fn answered(number: u64, at_ms: i64, more: u8) -> Record {
    Record {
        direction: Direction::Out,
        octets: octets(number, more),
        ..asked(number, at_ms)
    }
}

fn octets(number: u64, more: u8) -> Vec<u8> {
    let mut octets = vec![0x24; 48];
    octets[1] = number as u8;
    octets[47] = more;
    octets
}

fn reply(number: u64, at_ms: i64, more: u8) -> Reply {
    Reply {
        at: Delta::from_millis(at_ms),
        octets: octets(number, more),
    }
}

/// The run compared with one that serves what `serve` says of a number.
fn compared(records: &[Record], mut serve: impl FnMut(u64) -> Vec<Reply>) -> Comparison {
    let records = records.iter().cloned().map(Ok::<_, Infallible>);
    let Ok(comparison) = compare(records, |record| {
        assert_eq!(record.direction, Direction::In);
        serve(record.number)
    });
    comparison
}

fn difference(records: &[Record], serve: impl FnMut(u64) -> Vec<Reply>) -> String {
    compared(records, serve)
        .difference
        .expect("they differ")
        .to_string()
}

#[test]
fn the_same_replies_are_the_same() {
    let records = [
        asked(1, 0),
        answered(1, 1, 0),
        asked(2, 10),
        asked(3, 11),
        // In another order than they were asked for, and one twice.
        answered(3, 12, 0),
        answered(2, 20, 1),
        answered(2, 21, 2),
    ];
    let comparison = compared(&records, |number| match number {
        // Not in the order in which they leave.
        2 => vec![reply(2, 21, 2), reply(2, 20, 1)],
        number => vec![reply(number, 1, 0)],
    });
    assert_eq!(
        comparison,
        Comparison {
            requests: 3,
            replies: 4,
            difference: None
        }
    );
}

#[test]
fn the_first_octet_that_differs_is_shown() {
    let records = [
        asked(1, 0),
        answered(1, 1, 0),
        asked(2, 10),
        answered(2, 11, 0x1f),
    ];
    let mut served = Vec::new();
    let comparison = compared(&records, |number| {
        served.push(number);
        vec![reply(number, 0, 0)]
    });
    assert_eq!((comparison.requests, comparison.replies), (2, 1));
    let difference = comparison.difference.unwrap();
    assert_eq!(difference.number(), 2);
    assert_eq!(
        difference.to_string(),
        "\
the reply to request 2 differs at octet 47 (transmit_timestamp): expected 1f, got 00
  expected     32: 24 24 24 24 24 24 24 24 24 24 24 24 24 24 24 1f
  got          32: 24 24 24 24 24 24 24 24 24 24 24 24 24 24 24 00
                                                                ^^"
    );
}

#[test]
fn nothing_is_served_after_a_difference() {
    let records = [
        asked(1, 0),
        answered(1, 1, 1),
        asked(2, 10),
        answered(2, 11, 1),
    ];
    let mut served = 0;
    let comparison = compared(&records, |number| {
        served += 1;
        vec![reply(number, 0, 0)]
    });
    assert_eq!((comparison.requests, served), (1, 1));
}

#[test]
fn a_reply_that_ends_early_or_goes_on_differs_at_its_end() {
    let shorter = |_| {
        vec![Reply {
            at: Delta::ZERO,
            octets: octets(1, 0)[..33].to_vec(),
        }]
    };
    assert_eq!(
        difference(&[asked(1, 0), answered(1, 1, 0)], shorter),
        "\
the reply to request 1 differs at octet 33 (receive_timestamp): expected 24, got the end
  expected     32: 24 24 24 24 24 24 24 24 24 24 24 24 24 24 24 00
  got          32: 24
                      ^^"
    );
    let longer = |_| {
        vec![Reply {
            at: Delta::ZERO,
            octets: [octets(1, 0), vec![0; 4]].concat(),
        }]
    };
    assert_eq!(
        difference(&[asked(1, 0), answered(1, 1, 0)], longer),
        "\
the reply to request 1 differs at octet 48 (crypto-NAK): expected the end, got 00
  expected     48:
  got          48: 00 00 00 00
                   ^^"
    );
}

/// The name of the octet at `offset` of this payload.
fn name(protocol: ProtocolName, octets: &[u8], offset: usize) -> String {
    let expected = Record {
        direction: Direction::Out,
        ..saying(protocol, octets)
    };
    let mut got = octets.to_vec();
    got[offset] ^= 0x40;
    let comparison = compare([Ok::<_, Infallible>(request()), Ok(expected)], |_| {
        vec![Reply {
            at: Delta::ZERO,
            octets: got.clone(),
        }]
    });
    match comparison.unwrap().difference {
        Some(Difference::Octets {
            offset: at, field, ..
        }) if at == offset => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_octet_of_a_reply_has_a_name() {
    let header = [
        (0..1, "leap_indicator, version, mode"),
        (1..2, "stratum"),
        (2..3, "poll"),
        (3..4, "precision"),
        (4..8, "root_delay"),
        (8..12, "root_dispersion"),
        (12..16, "reference_id"),
        (16..24, "reference_timestamp"),
        (24..32, "origin_timestamp"),
        (32..40, "receive_timestamp"),
        (40..48, "transmit_timestamp"),
    ];
    for (range, field) in header {
        for offset in range {
            assert_eq!(name(ProtocolName::Ntp, &octets(1, 0), offset), field);
        }
    }
    let mut field = vec![0; 32];
    field[..4].copy_from_slice(&[1, 4, 0, 32]);
    let packet = [octets(1, 0), field.clone(), field, vec![7; 20]].concat();
    assert_eq!(
        name(ProtocolName::Ntp, &packet, 48),
        "extension field 0x0104 at octet 48"
    );
    assert_eq!(
        name(ProtocolName::Ntp, &packet, 79),
        "extension field 0x0104 at octet 48"
    );
    assert_eq!(
        name(ProtocolName::Ntp, &packet, 80),
        "extension field 0x0104 at octet 80"
    );
    assert_eq!(
        name(ProtocolName::Ntp, &packet, 112),
        "message authentication code"
    );
    let junk = [octets(1, 0), vec![7; 3]].concat();
    assert_eq!(name(ProtocolName::Ntp, &junk, 50), "trailing octets");
    // Too short for a header, but what there is has its name.
    assert_eq!(
        name(ProtocolName::Ntp, &octets(1, 0)[..13], 12),
        "reference_id"
    );
    assert_eq!(name(ProtocolName::Text, b"now", 1), "text");
    assert_eq!(name(ProtocolName::Daytime, b"now", 1), "text");
    assert_eq!(name(ProtocolName::Time, &[0; 4], 3), "seconds");
}

#[test]
fn a_reply_that_is_not_made_any_more_is_missing() {
    let records = [asked(1, 0), answered(1, 1, 0), answered(1, 2, 0)];
    assert_eq!(
        difference(&records, |number| vec![reply(number, 0, 0)]),
        "the transcript has a reply of 48 octets to request 1; now there is none"
    );
    // Another request's reply does not stand in for it.
    let records = [asked(1, 0), asked(2, 0), answered(1, 1, 0)];
    let missing = compared(&records, |number| match number {
        1 => Vec::new(),
        _ => vec![reply(1, 0, 0)],
    });
    assert_eq!(missing.difference.unwrap().number(), 1);
}

#[test]
fn a_reply_that_was_never_sent_is_unexpected() {
    let records = [asked(1, 0), asked(2, 10), answered(2, 11, 0)];
    assert_eq!(
        difference(&records, |number| vec![reply(number, 11, 0)]),
        "the transcript has no such reply to request 1; now there is one of 48 octets"
    );
}

#[test]
fn a_reply_that_the_end_of_the_run_cut_off_is_not_missed() {
    let records = [asked(1, 0), asked(2, 10), answered(2, 11, 0)];
    let comparison = compared(&records, |number| match number {
        1 => vec![reply(1, 12, 0)],
        _ => vec![reply(2, 11, 0)],
    });
    assert_eq!(comparison.difference, None);
}

#[test]
fn replies_that_never_come_do_not_pile_up() {
    let records = (1..=100_000).map(|number| Ok::<_, Infallible>(asked(number, 0)));
    let Ok(comparison) = compare(records, |record| {
        vec![reply(record.number, i64::MAX / 2_000_000, 0)]
    });
    assert_eq!(comparison.requests, 65_537);
    assert_eq!(comparison.difference.unwrap().number(), 1);
}

#[test]
fn a_damaged_transcript_ends_the_comparison() {
    let records = [Ok(asked(1, 0)), Err("damaged"), Ok(asked(2, 0))];
    assert_eq!(compare(records, |_| Vec::new()), Err("damaged"));
}

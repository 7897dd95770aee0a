//! The kiss-o'-death.

use super::{Run, bits, from, header, honest_to};
use timeball::api::{Delta, LeapIndicator, ReferenceId};
use timeball::protocol::ntp::Header;

#[test]
fn a_kiss_has_its_code_and_the_alarm_and_keeps_the_origin() {
    for code in ["RATE", "DENY", "RSTR", "NTSN", "X"] {
        let mut run = Run::of(&format!("kiss = {{ code = \"{code}\" }}"));
        let mut id = [0; 4];
        id[..code.len()].copy_from_slice(code.as_bytes());
        let expected = Header {
            leap_indicator: LeapIndicator::Unsynchronised,
            stratum: 0,
            reference_id: ReferenceId(id),
            ..honest_to(1)
        };
        assert_eq!(run.reply(), expected.encode(), "{code}");
    }
}

#[test]
fn a_kiss_may_ask_for_a_poll_interval_and_have_a_wrong_origin() {
    let mut run = Run::of(
        r#"
        kiss = { code = "RATE", poll = 10 }
        set = { origin_timestamp = "0x0123456789abcdef" }
        "#,
    );
    let reply = run.header();
    assert_eq!(reply.poll_log2_s, 10);
    assert_eq!(reply.reference_id, ReferenceId(*b"RATE"));
    assert_eq!(reply.origin_timestamp, bits(0x0123_4567_89ab_cdef));
    assert_eq!(reply.transmit_timestamp, honest_to(1).transmit_timestamp);
}

#[test]
fn a_client_that_backs_off_is_pardoned_for_good() {
    let mut run = Run::of(r#"kiss = { code = "RATE", pardon = "64s" }"#);
    let mut is_kissed = |second| {
        run.at = Delta::from_seconds(second);
        run.header().stratum == 0
    };
    assert!(is_kissed(0));
    // Too soon, and again: each starts the silence anew.
    assert!(is_kissed(63));
    assert!(is_kissed(126));
    assert!(!is_kissed(190));
    assert!(!is_kissed(191));

    let other = from("127.0.0.2");
    let departures = run.exchange(other);
    assert_eq!(header(&departures[0].octets).stratum, 0);
}

#[test]
fn a_request_that_another_rule_decides_breaks_the_silence_too() {
    let mut run = Run::new(
        r#"
        [[rules]]
        honest = true
        request = 2
        [[rules]]
        kiss = { code = "RATE", pardon = "64s" }
        "#,
    );
    let mut is_kissed = |second| {
        run.at = Delta::from_seconds(second);
        run.header().stratum == 0
    };
    assert!(is_kissed(0));
    assert!(!is_kissed(40));
    assert!(is_kissed(70));
}

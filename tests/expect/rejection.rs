//! Whether a client falls for bad replies.

use super::scene::{START, Scene, ms};
use timeball::api::{Delta, NtpTimestamp};
use timeball::protocol::ntp::Header;

const LIE: &str = "rejection = {}\nrules = [\"lie\"]";
const LIE_AND_RETRY: &str = "rejection = { asks_again_within = \"5s\" }\nrules = [\"lie\"]";

/// How far a lying reply is ahead.
const AHEAD: Delta = Delta::from_seconds(100);

/// A reply whose timestamps are 100 s ahead, from the rule `lie`.
fn lie(scene: &mut Scene, at_ms: i64) -> Header {
    let mut sent = Header::default();
    scene.reply_as(at_ms, |record, header| {
        let ahead = START + ms(at_ms) + AHEAD;
        header.receive_timestamp = (ahead - ms(1)).into();
        header.transmit_timestamp = ahead.into();
        record.rules.push("lie".into());
        sent = *header;
    });
    sent
}

#[test]
fn a_client_that_asks_on_as_before_rejects_what_is_bad() {
    for expectation in [LIE, LIE_AND_RETRY] {
        let mut scene = Scene::new(expectation);
        scene.ask(0);
        scene.reply(1);
        scene.is_not_tested(1, "no bad reply left");
        scene.ask(10_000);
        lie(&mut scene, 10_001);
        scene.is_not_tested(15_001, "no request came after a bad reply");
        scene.ask(15_001);
        scene.reply(15_002);
        scene.ask(99_000);
        scene.holds(99_000);
    }
}

#[test]
fn a_client_that_copies_a_bad_timestamp_took_it_for_good() {
    type Copy = fn(&mut Header, &Header);
    let copies: [(Copy, &str); 5] = [
        (
            |next, bad| next.origin_timestamp = bad.transmit_timestamp,
            "origin",
        ),
        (
            |next, bad| next.origin_timestamp = bad.receive_timestamp,
            "origin",
        ),
        (
            |next, bad| next.reference_timestamp = bad.transmit_timestamp,
            "reference",
        ),
        (
            |next, bad| next.receive_timestamp = bad.transmit_timestamp,
            "receive",
        ),
        (
            |next, bad| next.transmit_timestamp = bad.transmit_timestamp,
            "transmit",
        ),
    ];
    for (copy, field) in copies {
        let mut scene = Scene::new(LIE);
        scene.ask(0);
        let bad = lie(&mut scene, 1);
        // Not at once, but later.
        scene.ask(1_000);
        scene.reply(1_001);
        scene.ask_as(2_000, |_, header| copy(header, &bad));
        let why =
            format!("request 3 has as its {field} timestamp one of the bad reply to request 1");
        scene.fails(10_000, 3, &why);
    }
}

#[test]
fn the_last_eight_bad_replies_are_remembered() {
    for (count, copied, is_remembered) in [(8, 0, true), (9, 0, false), (9, 1, true)] {
        let mut scene = Scene::new(LIE);
        scene.ask(0);
        let lies: Vec<_> = (1..=count)
            .map(|index| lie(&mut scene, 10 * index))
            .collect();
        scene.ask_as(1_000, |_, header| {
            header.origin_timestamp = lies[copied].transmit_timestamp;
        });
        assert_eq!(scene.finish(2_000).record.is_some(), is_remembered);
    }
}

#[test]
fn a_timestamp_that_a_good_reply_had_too_shows_nothing() {
    let mut scene = Scene::new(LIE);
    scene.ask(0);
    let mut copied = NtpTimestamp::ZERO;
    scene.reply_as(1, |_, header| copied = header.transmit_timestamp);
    // The same reply once more, later.
    scene.reply_as(2, |record, header| {
        header.transmit_timestamp = copied;
        record.rules.push("lie".into());
    });
    scene.ask_as(1_000, |_, header| header.origin_timestamp = copied);
    scene.holds(2_000);
}

#[test]
fn zero_is_nobodys_timestamp() {
    let mut scene = Scene::new(LIE);
    scene.ask(0);
    scene.reply_as(1, |record, header| {
        header.receive_timestamp = NtpTimestamp::ZERO;
        header.transmit_timestamp = NtpTimestamp::ZERO;
        record.rules.push("lie".into());
    });
    scene.ask(1_000);
    scene.holds(2_000);
}

/// A request that tells what a clock does that is this far ahead.
fn ask_at(scene: &mut Scene, at_ms: i64, ahead: Delta) {
    scene.ask_as(at_ms, |_, header| {
        header.transmit_timestamp = (START + ms(at_ms) + ahead).into();
    });
}

#[test]
fn a_clock_that_jumps_to_the_bad_time_was_set_by_it() {
    let mut scene = Scene::new(LIE);
    ask_at(&mut scene, 0, Delta::ZERO);
    lie(&mut scene, 1);
    ask_at(&mut scene, 60_000, AHEAD + ms(999));
    scene.fails(
        61_000,
        2,
        "request 2 tells the time, as the one before did not, of the bad reply to request 1",
    );

    let mut scene = Scene::new(LIE);
    ask_at(&mut scene, 0, Delta::ZERO);
    lie(&mut scene, 1);
    ask_at(&mut scene, 60_000, AHEAD + ms(1_001));
    scene.holds(61_000);
}

#[test]
fn a_clock_that_was_there_before_was_not_set_by_the_bad_reply() {
    let mut scene = Scene::new(LIE);
    ask_at(&mut scene, 0, AHEAD - ms(1_990));
    lie(&mut scene, 1);
    ask_at(&mut scene, 60_000, AHEAD);
    scene.holds(61_000);
}

/// A reply of the rule `lie` that is this far ahead.
fn lie_by(scene: &mut Scene, at_ms: i64, ahead_ms: i64) {
    scene.reply_as(at_ms, |record, header| {
        header.transmit_timestamp = (START + ms(at_ms + ahead_ms)).into();
        record.rules.push("lie".into());
    });
}

#[test]
fn a_small_lie_is_seen_as_well() {
    for (lie_ms, now_ms, is_set) in [
        (5_000, 5_000, true),
        (5_000, 4_001, true),
        (5_000, 3_998, false),
        (-5_000, -5_900, true),
        (5_000, 100, false),
        // By the offset of RFC 5905: half, as the receive timestamp is right.
        (10_000, 5_000, true),
        (10_000, 6_300, false),
        (2_400, 2_400, true),
        (2_400, 1_850, true),
        (2_400, 1_790, false),
        (1_900, 1_900, false),
    ] {
        let mut scene = Scene::new(LIE);
        ask_at(&mut scene, 0, Delta::ZERO);
        scene.reply(1);
        ask_at(&mut scene, 10_000, Delta::ZERO);
        lie_by(&mut scene, 10_001, lie_ms);
        ask_at(&mut scene, 20_000, ms(now_ms));
        let is_seen = scene.finish(21_000).record.is_some();
        assert_eq!(is_seen, is_set, "{lie_ms} ms, then {now_ms} ms");
    }
}

#[test]
fn a_clock_that_good_replies_set_near_a_small_lie_shows_nothing() {
    let mut scene = Scene::new(LIE);
    ask_at(&mut scene, 0, Delta::from_seconds(-100));
    lie_by(&mut scene, 1, 700);
    ask_at(&mut scene, 1_000, Delta::from_seconds(-100));
    scene.reply(1_001);
    ask_at(&mut scene, 2_000, Delta::ZERO);
    scene.holds(3_000);
}

#[test]
fn a_clock_may_be_set_by_a_good_reply_that_tells_the_same() {
    for elsewhere in [false, true] {
        let mut scene = Scene::new(&format!("{LIE}\nendpoint = \"one\""));
        ask_at(&mut scene, 0, Delta::from_seconds(-1_000));
        // Bad, but not in its time.
        scene.reply_as(1, |record, header| {
            header.origin_timestamp = NtpTimestamp::from_bits(1);
            record.rules.push("lie".into());
        });
        scene.reply_as(2, |record, _| record.endpoint = usize::from(elsewhere));
        ask_at(&mut scene, 60_000, Delta::ZERO);
        scene.holds(61_000);
    }
}

#[test]
fn a_client_that_does_not_ask_again_in_time_did_not_take_it_for_lost() {
    let mut scene = Scene::new(LIE_AND_RETRY);
    scene.ask(0);
    lie(&mut scene, 1);
    scene.ask(5_002);
    scene.fails(
        6_000,
        2,
        "request 2 came 5.001 s after the bad reply to request 1",
    );

    let mut scene = Scene::new(LIE_AND_RETRY);
    scene.ask(0);
    lie(&mut scene, 1);
    scene.is_not_tested(5_001, "no request came after a bad reply");
    scene.fails(
        5_002,
        1,
        "127.0.0.1 did not ask again after the bad reply to request 1, up to the end of the run 5.001 s later",
    );
}

#[test]
fn a_second_bad_reply_gives_no_more_time() {
    let mut scene = Scene::new(LIE_AND_RETRY);
    scene.ask(0);
    lie(&mut scene, 1);
    lie(&mut scene, 4_000);
    scene.ask(5_002);
    assert_eq!(scene.finish(6_000).record, Some(2));
}

#[test]
fn without_rules_all_replies_of_the_endpoint_are_bad() {
    let mut scene = Scene::new("rejection = {}\nendpoint = \"two\"");
    scene.ask(0);
    scene.reply(1);
    scene.ask_as(1_000, |record, _| record.endpoint = 1);
    let mut bad = NtpTimestamp::ZERO;
    scene.reply_as(1_001, |_, header| {
        header.transmit_timestamp = (START + AHEAD).into();
        bad = header.transmit_timestamp;
    });
    scene.ask_as(2_000, |record, header| {
        record.endpoint = 1;
        header.origin_timestamp = bad;
    });
    scene.fails(
        3_000,
        3,
        "request 3 has as its origin timestamp one of the bad reply to request 2",
    );
}

#[test]
fn a_bad_reply_without_a_header_is_bad_all_the_same() {
    let mut scene = Scene::new(LIE_AND_RETRY);
    scene.ask(0);
    scene.reply_as(1, |record, _| record.rules.push("lie".into()));
    scene.fails(
        60_000,
        1,
        "127.0.0.1 did not ask again after the bad reply to request 1, up to the end of the run 59.999 s later",
    );
}

//! What a client does when it is told to ask less, or not at all.

use super::scene::Scene;
use timeball::api::NtpTimestamp;

#[test]
fn a_client_that_waits_for_two_to_the_poll_seconds_backs_off() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(1_000);
    scene.kiss(1_002, "RATE", 3);
    scene.is_not_tested(
        8_999,
        "the run ended 7.997 s after RATE in answer to request 1; 8 s would tell",
    );
    scene.ask(9_000);
    scene.holds(9_000);
}

#[test]
fn a_client_that_asks_a_moment_too_soon_does_not_back_off() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(1_000);
    scene.kiss(1_002, "RATE", 3);
    scene.ask(8_999);
    scene.fails(
        20_000,
        2,
        "request 2 came 7.999 s after request 1; 8 s after RATE in answer to request 1",
    );
}

#[test]
fn the_poll_may_be_given_and_is_else_brought_into_range() {
    for (poll, on_the_wire, seconds) in [
        (", poll = 2", 6, 4),
        (", poll = 0", 6, 1),
        ("", -6, 1),
        ("", 127, 1 << 17),
        ("", 17, 1 << 17),
    ] {
        let expectation = format!("back_off = {{ codes = [\"RATE\"]{poll} }}");
        let mut scene = Scene::new(&expectation);
        scene.ask(0);
        scene.kiss(2, "RATE", on_the_wire);
        scene.ask(seconds * 1_000 - 1);
        assert_eq!(
            scene.finish(i64::MAX / 1_000_000).record,
            Some(2),
            "{expectation} {on_the_wire}"
        );

        let mut scene = Scene::new(&expectation);
        scene.ask(0);
        scene.kiss(2, "RATE", on_the_wire);
        scene.ask(seconds * 1_000);
        scene.holds(seconds * 1_000);
    }
}

#[test]
fn a_client_that_falls_silent_has_backed_off_once_the_time_is_over() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(0);
    scene.kiss(2, "RATE", 3);
    scene.is_not_tested(
        7_999,
        "the run ended 7.997 s after RATE in answer to request 1; 8 s would tell",
    );
    scene.holds(8_000);
}

#[test]
fn what_was_on_its_way_when_the_kiss_left_does_not_count() {
    let mut scene = Scene::new("back_off = { grace = \"200ms\" }");
    scene.ask(0);
    scene.kiss(100, "RATE", 3);
    scene.ask(300);
    scene.ask(8_000);
    scene.holds(8_000);

    let mut scene = Scene::new("back_off = { grace = \"200ms\" }");
    scene.ask(0);
    scene.kiss(100, "RATE", 3);
    scene.ask(301);
    assert_eq!(scene.finish(8_000).record, Some(2));
}

#[test]
fn a_client_that_asks_again_at_once_after_each_kiss_is_caught() {
    // Each request comes within the grace of the kiss before it.
    let mut scene = Scene::new("back_off = {}");
    for at_ms in (0..1_000).step_by(50) {
        scene.ask(at_ms);
        scene.kiss(at_ms + 1, "RATE", 3);
    }
    let finding = scene.finish(1_000);
    assert_eq!(finding.record, Some(4), "{finding:?}");
    assert!(finding.why.ends_with("; and 16 times more"), "{finding:?}");
}

#[test]
fn a_second_kiss_does_not_shorten_the_first() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(0);
    scene.kiss(1, "RATE", 6);
    scene.ask(50);
    scene.kiss(51, "RATE", 0);
    scene.ask(30_000);
    assert_eq!(scene.finish(90_000).record, Some(3));
}

#[test]
fn the_distance_may_be_asked_of_several_requests() {
    let expectation = "back_off = { requests = 3 }";
    let mut good = Scene::new(expectation);
    good.ask(0);
    good.kiss(1, "RATE", 3);
    for at_ms in [8_000, 16_000, 24_000, 24_001] {
        good.ask(at_ms);
    }
    good.holds(24_001);

    let mut hasty = Scene::new(expectation);
    hasty.ask(0);
    hasty.kiss(1, "RATE", 3);
    hasty.ask(8_000);
    hasty.ask(15_999);
    hasty.fails(
        20_000,
        3,
        "request 3 came 7.999 s after request 2; 8 s after RATE in answer to request 1",
    );
}

#[test]
fn a_kiss_that_nobody_has_to_believe_asks_for_nothing() {
    let unbelievable: [fn(&mut Scene); 6] = [
        |scene| {
            scene.kiss_as(1, "RATE", 6, |_, header| {
                header.origin_timestamp = NtpTimestamp::from_bits(7);
            });
        },
        |scene| scene.kiss_as(1, "RATE", 6, |_, header| header.mode = 5),
        |scene| scene.kiss_as(1, "RATE", 6, |_, header| header.stratum = 1),
        |scene| scene.kiss(1, "STEP", 6),
        |scene| scene.kiss_as(1, "RATE", 6, |record, _| record.number += 1),
        |scene| scene.reply(1),
    ];
    for (index, send) in unbelievable.into_iter().enumerate() {
        for (expectation, code) in [
            ("back_off = {}", "RATE"),
            ("silence = { lasting = 60, codes = [\"RATE\"] }", "RATE"),
        ] {
            let mut scene = Scene::new(expectation);
            scene.ask(0);
            send(&mut scene);
            scene.ask(1_000);
            assert_eq!(
                scene.finish(100_000).why,
                format!("no {code} left that a client had to believe"),
                "{index}"
            );
        }
    }
}

#[test]
fn a_kiss_that_answers_an_earlier_request_asks_for_nothing() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(0);
    scene.ask(1_000);
    // The second request is the latest, the kiss says the number of the first.
    scene.kiss_as(1_001, "RATE", 6, |record, _| record.number = 1);
    scene.ask(2_000);
    scene.is_not_tested(100_000, "no RATE left that a client had to believe");
}

#[test]
fn only_the_kisses_of_the_chosen_rules_count() {
    let mut scene = Scene::new("back_off = {}\nrules = [\"other\"]");
    scene.ask(0);
    scene.kiss(1, "RATE", 6);
    scene.ask(1_000);
    scene.is_not_tested(100_000, "no RATE left that a client had to believe");

    // What follows counts whenever it comes.
    let mut scene = Scene::new("back_off = {}\nrules = [\"kiss\"]\nuntil = \"1s\"");
    scene.ask(0);
    scene.kiss(1, "RATE", 6);
    scene.ask(2_000);
    assert_eq!(scene.finish(100_000).record, Some(2));
}

#[test]
fn a_client_is_kissed_by_each_endpoint_alone() {
    let mut scene = Scene::new("back_off = {}");
    scene.ask(0);
    scene.kiss(1, "RATE", 3);
    scene.ask_as(1_000, |record, _| record.endpoint = 1);
    scene.ask(8_000);
    scene.holds(8_000);
}

#[test]
fn a_client_that_stops_keeps_silent() {
    for code in ["DENY", "RSTR"] {
        let mut scene = Scene::new("silence = { lasting = \"30s\" }");
        scene.ask(0);
        scene.kiss(1_000, code, 6);
        let why = format!("the run ended 29.999 s after {code} in answer to request 1");
        scene.is_not_tested(30_999, &why);
        scene.holds(31_000);
    }
}

#[test]
fn a_client_that_asks_all_the_same_does_not_keep_silent() {
    let mut scene = Scene::new("silence = { lasting = \"30s\" }");
    scene.ask(0);
    scene.kiss(1_000, "DENY", 6);
    scene.ask(30_999);
    scene.fails(
        31_000,
        2,
        "request 2 came 29.999 s after DENY in answer to request 1",
    );

    let mut scene = Scene::new("silence = { lasting = \"30s\" }");
    scene.ask(0);
    scene.kiss(1_000, "DENY", 6);
    scene.ask(31_000);
    scene.ask(31_500);
    scene.holds(32_000);
}

#[test]
fn a_hammering_client_does_not_keep_silent() {
    let mut scene = Scene::new("silence = { lasting = \"30s\" }");
    for at_ms in (0..1_000).step_by(50) {
        scene.ask(at_ms);
        scene.kiss(at_ms + 1, "DENY", 6);
    }
    assert_eq!(scene.finish(1_000).record, Some(4));
}

#[test]
fn rate_does_not_ask_for_silence_nor_deny_for_a_distance() {
    let mut scene = Scene::new("silence = { lasting = \"30s\" }");
    scene.ask(0);
    scene.kiss(1, "RATE", 0);
    scene.ask(2_000);
    scene.is_not_tested(60_000, "no DENY or RSTR left that a client had to believe");

    let mut scene = Scene::new("back_off = {}");
    scene.ask(0);
    scene.kiss(1, "DENY", 6);
    scene.ask(2_000);
    scene.is_not_tested(60_000, "no RATE left that a client had to believe");
}

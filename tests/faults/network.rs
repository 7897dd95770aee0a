//! Faults of the network, each direction apart.

use super::{A, B, Run, client, from, header, honest_to, rule};
use timeball::api::Delta;
use timeball::faults::{Departure, Via};

fn millis(count: i64) -> Delta {
    Delta::from_millis(count)
}

fn afters(departures: &[Departure]) -> Vec<Delta> {
    departures.iter().map(|it| it.after).collect()
}

#[test]
fn each_direction_has_a_delay_of_its_own() {
    let mut run = Run::of("delay = { request = \"30ms\", reply = 0.01 }");
    let arrivals = run.arrivals(A, client());
    assert_eq!(arrivals.copies, [millis(30)]);
    assert_eq!(*arrivals.rules[0], *"rule-1");
    let departures = run.exchange(client());
    assert_eq!(afters(&departures), [millis(10)]);
    assert_eq!(*departures[0].rules[0], *"rule-1");

    let mut run = Run::of("delay = { reply = \"10ms\" }");
    let arrivals = run.arrivals(A, client());
    assert_eq!(arrivals.copies, [Delta::ZERO]);
    assert!(arrivals.rules.is_empty());
}

#[test]
fn delays_of_several_rules_add_up() {
    let mut run = Run::new(
        r#"
        [[rules]]
        also = true
        delay = { request = "1ms", reply = "2ms" }
        [[rules]]
        delay = { request = "10ms", reply = "20ms" }
        "#,
    );
    assert_eq!(run.arrivals(A, client()).copies, [millis(11)]);
    assert_eq!(afters(&run.exchange(client())), [millis(22)]);
}

#[test]
fn drawn_delays_differ_and_stay_within_their_distribution() {
    let rules = [
        "delay.reply.normal = { mean = \"100ms\", deviation = \"1ms\" }",
        "delay.reply.exponential = { mean = \"10ms\", minimum = \"94ms\" }",
        "delay.reply.pareto = { minimum = \"94ms\", shape = 2.5, maximum = \"106ms\" }",
    ];
    for written in rules {
        let mut run = Run::of(written);
        let drawn: Vec<Delta> = (0..200).map(|_| run.exchange(client())[0].after).collect();
        let least = *drawn.iter().min().expect("some");
        let most = *drawn.iter().max().expect("some");
        assert!(least >= millis(94), "{written}: {least:?}");
        assert!(most > least);
        let ends = if written.contains("exponential") {
            millis(94 + 444)
        } else {
            millis(106)
        };
        assert!(most <= ends, "{written}: {most:?}");
    }
}

#[test]
fn the_two_directions_are_drawn_apart() {
    let mut run =
        Run::of("delay.request.exponential = { mean = 1 }\ndelay.reply.exponential = { mean = 1 }");
    for _ in 0..20 {
        let asked = super::request(run.number + 1).encode();
        let ask = run.ask(A, client(), &asked);
        let arrivals = run.engine.request(&ask);
        let departures = run.engine.reply(arrivals.ticket, &ask, Some(&asked));
        assert_ne!(arrivals.copies[0], departures[0].after);
    }
}

#[test]
fn the_expected_offset_error_is_half_of_the_asymmetry() {
    let cases = [
        ("delay = { request = \"30ms\", reply = \"10ms\" }", 10),
        ("delay = { request = \"10ms\", reply = \"30ms\" }", -10),
        ("delay = { reply = \"5ms\" }", -2),
        ("delay = { request = \"7ms\", reply = \"7ms\" }", 0),
        (
            "delay.request.normal = { mean = \"8ms\", deviation = \"1ms\" }",
            4,
        ),
        (
            "delay.request.exponential = { mean = \"6ms\", minimum = \"2ms\" }",
            4,
        ),
        ("delay.request.pareto = { minimum = \"6ms\", shape = 3 }", 4),
        ("truncate = 1", 0),
    ];
    for (written, expected_ms) in cases {
        let error = rule(written)
            .expected_offset_error()
            .expect("there is a mean");
        let distance = (error - millis(expected_ms)).abs();
        assert!(distance < Delta::from_millis(1), "{written}: {error:?}");
        assert!(expected_ms % 2 != 0 || distance < Delta::from_nanos(500_001));
    }
    let error = rule("delay = { reply = \"5ms\" }").expected_offset_error();
    assert_eq!(error, Some(Delta::from_micros(-2_500)));
    let infinite = rule("delay.reply.pareto = { minimum = 1, shape = 1 }");
    assert_eq!(infinite.expected_offset_error(), None);
}

#[test]
fn a_client_calculates_the_expected_error() {
    // RFC 5905 section 8, with the delays that the engine says.
    let written = "delay = { request = \"30ms\", reply = \"10ms\" }";
    let mut run = Run::of(written);
    let there = run.arrivals(A, client()).copies[0];
    let back = run.exchange(client())[0].after;
    let (t1, t2) = (Delta::ZERO, there);
    let (t3, t4) = (there, there + back);
    let offset = ((t2 - t1) + (t3 - t4)).as_nanos() / 2;
    let expected = rule(written).expected_offset_error().expect("a mean");
    assert_eq!(offset, expected.as_nanos());
}

/// Which of the next requests and replies get through.
fn fates(run: &mut Run, count: usize) -> Vec<(bool, bool)> {
    (0..count)
        .map(|_| {
            let asked = super::request(run.number + 1).encode();
            let ask = run.ask(A, client(), &asked);
            run.number += 1;
            let arrivals = run.engine.request(&ask);
            let reply = honest_to(run.number).encode();
            let departures = run.engine.reply(arrivals.ticket, &ask, Some(&reply));
            (!arrivals.copies.is_empty(), !departures.is_empty())
        })
        .collect()
}

#[test]
fn requests_and_replies_are_lost_each_by_its_own_rule() {
    let mut run = Run::of("lose = { request = { first = 2 }, reply = { every = 3 } }");
    let expected = [
        (false, true),
        (false, true),
        (true, false),
        (true, true),
        (true, true),
        (true, false),
    ];
    assert_eq!(fates(&mut run, 6), expected);
    assert_eq!(run.count("rule-1"), 4);
}

#[test]
fn random_loss_takes_its_share_of_each_direction_independently() {
    let mut run = Run::of("lose = { request = \"1/4\", reply = \"25%\" }");
    let fates = fates(&mut run, 4_000);
    let lost = |of: fn(&(bool, bool)) -> bool| fates.iter().filter(|fate| of(fate)).count();
    // 1,000 each with a deviation of 27, and 250 both with one of 15.
    assert!(lost(|fate| !fate.0).abs_diff(1_000) < 140);
    assert!(lost(|fate| !fate.1).abs_diff(1_000) < 140);
    assert!(lost(|fate| !fate.0 && !fate.1).abs_diff(250) < 80);
}

#[test]
fn bursts_lose_several_in_a_row() {
    let mut run = Run::of("lose.reply.burst = { begin = 0.01, end = 0.1 }");
    let fates = fates(&mut run, 20_000);
    let bursts: Vec<usize> = fates
        .chunk_by(|one, next| one.1 == next.1)
        .filter(|run| !run[0].1)
        .map(<[_]>::len)
        .collect();
    let mean = bursts.iter().sum::<usize>() as f64 / bursts.len() as f64;
    // 10 with a standard error of 0.7; single losses would make it 1.1.
    assert!((mean - 10.0).abs() < 3.0, "{mean}");
}

#[test]
fn a_black_hole_swallows_everything_for_a_while_and_once() {
    let mut run = Run::of("name = \"hole\"\nrequest = 2\nblackhole = \"30s\"");
    let mut arrives = |second, endpoint, peer: &str| {
        run.at = Delta::from_seconds(second);
        !run.arrivals(endpoint, from(peer)).copies.is_empty()
    };
    assert!(arrives(0, A, "127.0.0.1"));
    assert!(!arrives(10, A, "127.0.0.1"));
    // For everybody that the rule is about, whatever the number of the request.
    assert!(!arrives(20, B, "127.0.0.2"));
    assert!(!arrives(39, A, "127.0.0.1"));
    assert!(arrives(40, A, "127.0.0.1"));
    // The second request of another client would begin it, but it is over.
    assert!(arrives(50, B, "127.0.0.2"));
    assert_eq!(run.count("hole"), 3);
}

#[test]
fn a_black_hole_of_one_endpoint_leaves_the_others() {
    let mut run = Run::of("endpoint = \"b\"\nblackhole = \"1s\"");
    assert!(run.arrivals(B, client()).copies.is_empty());
    assert_eq!(run.arrivals(A, client()).copies.len(), 1);
}

#[test]
fn replies_are_doubled_with_the_same_octets_or_with_changed_ones() {
    let mut run = Run::of("duplicate.reply = 2");
    let departures = run.exchange(client());
    assert_eq!(departures.len(), 3);
    for departure in &departures {
        assert_eq!(departure.octets, honest_to(1).encode());
        assert_eq!(departure.after, Delta::ZERO);
    }
    assert!(departures[0].rules.is_empty());
    assert_eq!(*departures[1].rules[0], *"rule-1");

    let mut run = Run::of(
        "delay.reply = \"1ms\"\nduplicate.reply = { copies = 2, after = \"5ms\", flip_bits = 3 }",
    );
    let departures = run.exchange(client());
    assert_eq!(afters(&departures), [millis(1), millis(6), millis(11)]);
    assert_eq!(departures[0].octets, honest_to(1).encode());
    assert_ne!(departures[1].octets, departures[2].octets);
    for copy in &departures[1..] {
        let both = copy.octets.iter().zip(&departures[0].octets);
        let bits: u32 = both.map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!(bits, 3);
    }
}

#[test]
fn a_request_that_is_doubled_is_answered_twice() {
    let mut run = Run::of("duplicate.request = { copies = 1, after = \"2ms\" }\njunk = 8");
    assert_eq!(run.arrivals(A, client()).copies, [Delta::ZERO, millis(2)]);
    let departures = run.exchange(client());
    assert_eq!(departures.len(), 2);
    assert_eq!(departures[0].ticket, departures[1].ticket);
    // What is drawn for the two replies differs.
    assert_ne!(departures[0].octets, departures[1].octets);
    assert_eq!(run.count("rule-1"), 2);

    let mut run = Run::of("delay.request = \"5ms\"\nduplicate.request = { after = \"2ms\" }");
    assert_eq!(run.arrivals(A, client()).copies, [millis(5), millis(7)]);
}

#[test]
fn a_late_reply_leaves_once_the_next_request_has_come() {
    let mut run = Run::of("request = 1\nhold = \"next-request\"");
    assert_eq!(run.exchange(client()), []);
    // Neither another client nor another endpoint lets it go.
    assert_eq!(run.exchange(from("127.0.0.2")).len(), 0);
    assert_eq!(run.arrivals(B, client()).departures, []);

    let arrivals = run.arrivals(A, client());
    assert_eq!(arrivals.departures.len(), 1);
    assert_eq!(arrivals.departures[0].octets, honest_to(1).encode());
    assert_eq!(arrivals.departures[0].to, client());
    assert_eq!(arrivals.departures[0].ticket.0, 1);
    assert_eq!(*arrivals.departures[0].rules[0], *"rule-1");
    assert_eq!(run.arrivals(A, client()).departures, []);
}

#[test]
fn a_held_reply_goes_to_the_port_that_asked_for_it() {
    let mut run = Run::of("request = 1\nhold = \"next-request\"");
    run.exchange(client());
    let other_port = "127.0.0.1:50000".parse().expect("an address");
    let arrivals = run.arrivals(A, other_port);
    assert_eq!(arrivals.departures[0].to, client());
}

#[test]
fn two_replies_change_places() {
    let mut run = Run::of("request = { every = 2 }\nhold = \"next-reply\"");
    for pair in 0..3_u64 {
        assert_eq!(run.exchange(client()), []);
        let departures = run.exchange(client());
        let origins: Vec<_> = departures
            .iter()
            .map(|it| header(&it.octets).origin_timestamp)
            .collect();
        let sent = |number| honest_to(pair * 2 + number).origin_timestamp;
        assert_eq!(origins, [sent(2), sent(1)]);
    }
}

#[test]
fn a_held_reply_waits_for_the_delay_of_the_one_that_it_follows() {
    let mut run = Run::new(
        r#"
        [[rules]]
        request = 1
        hold = "next-reply"
        [[rules]]
        delay.reply = "40ms"
        "#,
    );
    run.exchange(client());
    assert_eq!(afters(&run.exchange(client())), [millis(40), millis(40)]);
}

#[test]
fn a_reply_comes_from_another_port_or_address() {
    let mut run = Run::of("reply_from = \"other-port\"\nduplicate.reply = 1");
    let departures = run.exchange(client());
    assert_eq!(departures[0].from, Via::OtherPort);
    assert_eq!(departures[1].from, Via::OtherPort);
    assert_eq!(departures[0].octets, honest_to(1).encode());

    for address in ["127.0.0.7", "::1"] {
        let mut run = Run::of(&format!("reply_from = \"{address}\""));
        let address = address.parse().expect("an IP address");
        assert_eq!(run.exchange(client())[0].from, Via::OtherAddress(address));
    }
}

//! Which requests a rule matches, and which rule decides.

use super::{A, B, Run, TEXT, client, from, header};
use timeball::api::Delta;

/// Which of the client's first `count` requests the rule hits.
fn hits(rule: &str, count: u64) -> Vec<u64> {
    let mut run = Run::of(&format!("{rule}\nset = {{ stratum = 9 }}"));
    (1..=count).filter(|_| run.is_hit(A, client())).collect()
}

#[test]
fn requests_are_matched_by_their_number() {
    assert_eq!(hits("request = 3", 6), [3]);
    assert_eq!(hits("request = { from = 3 }", 6), [3, 4, 5, 6]);
    assert_eq!(hits("request = { to = 2 }", 6), [1, 2]);
    assert_eq!(
        hits("request = { from = 2, to = 6, every = 2 }", 9),
        [2, 4, 6]
    );
    assert_eq!(hits("request = { every = 3 }", 8), [1, 4, 7]);
}

#[test]
fn requests_are_counted_by_client_by_endpoint_or_all_together() {
    let asked = [
        (A, "127.0.0.1"),
        (A, "127.0.0.2"),
        (B, "127.0.0.1"),
        (B, "127.0.0.1"),
        (A, "127.0.0.1"),
    ];
    let cases: [(&str, [bool; 5]); 3] = [
        ("client", [false, false, false, true, true]),
        ("endpoint", [false, true, false, true, false]),
        ("all", [false, true, false, false, false]),
    ];
    for (of, expected) in cases {
        let mut run = Run::of(&format!(
            "request = {{ from = 2, to = 2, of = \"{of}\" }}\nset = {{ stratum = 9 }}"
        ));
        let hits = asked.map(|(endpoint, peer)| run.is_hit(endpoint, from(peer)));
        assert_eq!(hits, expected, "{of}");
    }
}

#[test]
fn a_client_is_one_address_whatever_its_port() {
    let mut run = Run::of("request = 2\nset = { stratum = 9 }");
    assert!(!run.is_hit(A, client()));
    assert!(run.is_hit(A, "127.0.0.1:9".parse().expect("an address")));
    // The same client, as a socket for both families shows it.
    let mut run = Run::of("request = 2\nset = { stratum = 9 }");
    assert!(!run.is_hit(A, client()));
    assert!(run.is_hit(A, from("::ffff:127.0.0.1")));
}

#[test]
fn endpoints_are_matched_by_name() {
    let mut run = Run::of("endpoint = \"b\"\nset = { stratum = 9 }");
    assert!(!run.is_hit(A, client()));
    assert!(run.is_hit(B, client()));
    let mut run = Run::of("endpoint = [\"b\", \"a\"]\nset = { stratum = 9 }");
    assert!(run.is_hit(A, client()) && run.is_hit(B, client()));
    let mut run = Run::of("endpoint = \"text\"\ntruncate = 0");
    assert_eq!(run.line(TEXT, b"now\n"), b"");
    assert_eq!(run.reply().len(), 48);
}

#[test]
fn clients_are_matched_by_address_and_subnet() {
    let mut run = Run::of(
        "client = [\"127.0.1.0/24\", \"127.9.9.9\", \"2001:db8::/32\"]\nset = { stratum = 9 }",
    );
    for (peer, is_hit) in [
        ("127.0.1.77", true),
        ("127.0.2.77", false),
        ("127.9.9.9", true),
        ("127.9.9.8", false),
        ("2001:db8:1::1", true),
        ("2001:db9::1", false),
        ("::ffff:127.0.1.5", true),
    ] {
        assert_eq!(run.is_hit(A, from(peer)), is_hit, "{peer}");
    }
}

#[test]
fn clients_are_matched_by_the_order_in_which_they_came() {
    let mut run = Run::of("arrival = { from = 2, to = 3 }\nset = { stratum = 9 }");
    let peers = ["127.0.0.9", "127.0.0.1", "127.0.0.5", "127.0.0.2"];
    for _ in 0..2 {
        let hits = peers.map(|peer| run.is_hit(A, from(peer)));
        assert_eq!(hits, [false, true, true, false]);
    }
    // The order is that of the whole run, not of one endpoint.
    assert!(run.is_hit(B, from("127.0.0.1")));
}

#[test]
fn a_window_is_over_mock_time_and_ends_before_its_end() {
    let mut run = Run::of("during = { from = \"10s\", to = \"20s\" }\nset = { stratum = 9 }");
    let mut is_hit = |nanos| {
        run.elapsed = Delta::from_nanos(nanos);
        run.is_hit(A, client())
    };
    let second = 1_000_000_000;
    assert!(!is_hit(10 * second - 1));
    assert!(is_hit(10 * second));
    assert!(is_hit(20 * second - 1));
    assert!(!is_hit(20 * second));
    let mut run = Run::of("during = { to = 5 }\nset = { stratum = 9 }");
    run.at = Delta::from_seconds(99);
    assert!(run.is_hit(A, client()), "host time does not count");
}

#[test]
fn a_probability_matches_its_share() {
    let mut run = Run::of("probability = 0.3\nset = { stratum = 9 }");
    let hits = (0..5_000).filter(|_| run.is_hit(A, client())).count();
    // 1,500 with a deviation of 32.
    assert!(hits.abs_diff(1_500) < 170, "{hits}");
    assert_eq!(hits as u64, run.count("rule-1"));
    assert_eq!(hits_of("probability = 0"), 0);
    assert_eq!(hits_of("probability = 1"), 50);
}

fn hits_of(rule: &str) -> usize {
    hits(rule, 50).len()
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut run = Run::new(
        r#"
        [[rules]]
        request = 2
        set = { stratum = 2, poll = 2 }
        [[rules]]
        request = { from = 2 }
        set = { stratum = 3 }
        [[rules]]
        set = { stratum = 4 }
        "#,
    );
    let strata: Vec<u8> = (0..4).map(|_| run.header().stratum).collect();
    assert_eq!(strata, [4, 2, 3, 3]);
    let counts: Vec<_> = run.engine.counts().collect();
    assert_eq!(counts, [("rule-1", 1), ("rule-2", 2), ("rule-3", 1)]);
}

#[test]
fn also_lets_the_rules_behind_decide_too() {
    let mut run = Run::new(
        r#"
        [[rules]]
        also = true
        set = { stratum = 2, poll = 2 }
        [[rules]]
        request = 9
        set = { stratum = 9 }
        [[rules]]
        set = { stratum = 3 }
        [[rules]]
        set = { stratum = 4 }
        "#,
    );
    // The later of the two wins where both say something.
    let departures = run.exchange(client());
    let reply = header(&departures[0].octets);
    assert_eq!((reply.stratum, reply.poll_log2_s), (3, 2));
    let rules: Vec<&str> = departures[0].rules.iter().map(|name| &**name).collect();
    assert_eq!(rules, ["rule-1", "rule-3"]);
}

#[test]
fn an_honest_rule_shields_from_those_behind_it() {
    let mut run = Run::new(
        r#"
        [[rules]]
        name = "friends"
        client = "127.0.0.0/30"
        honest = true
        [[rules]]
        set = { stratum = 9 }
        "#,
    );
    assert!(!run.is_hit(A, from("127.0.0.1")));
    assert!(run.is_hit(A, from("127.0.0.4")));
    assert_eq!(run.count("friends"), 1);
}

#[test]
fn a_rule_that_says_several_things_matches_when_all_hold() {
    let mut run = Run::of(
        r#"
        endpoint = "a"
        client = "127.0.0.1"
        request = { from = 2 }
        during = { from = "1s" }
        set = { stratum = 9 }
        "#,
    );
    assert!(!run.is_hit(A, from("127.0.0.1")));
    assert!(!run.is_hit(A, from("127.0.0.1")));
    run.elapsed = Delta::from_seconds(1);
    assert!(run.is_hit(A, from("127.0.0.1")));
    assert!(!run.is_hit(B, from("127.0.0.1")));
    assert!(!run.is_hit(B, from("127.0.0.1")));
    assert!(!run.is_hit(A, from("127.0.0.2")));
    assert!(!run.is_hit(A, from("127.0.0.2")));
}

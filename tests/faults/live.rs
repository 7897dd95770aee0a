//! Rules that come and go while the engine runs.

use super::{A, Run, client, honest_to, request, rule};

#[test]
fn a_rule_that_is_added_decides_before_the_others() {
    let mut run = Run::of("set = { stratum = 2 }");
    assert_eq!(run.header().stratum, 2);
    let name = run
        .engine
        .add(rule("name = \"new\"\nset = { stratum = 3 }"));
    assert_eq!(name.as_deref(), Ok("new"));
    assert_eq!(run.header().stratum, 3);
    assert!(run.engine.remove("new"));
    assert!(!run.engine.remove("new"));
    assert_eq!(run.header().stratum, 2);
    let counts: Vec<_> = run.engine.counts().collect();
    assert_eq!(counts, [("rule-1", 2)]);
}

#[test]
fn a_rule_without_a_name_gets_the_next_number() {
    let mut run = Run::of("junk = 1");
    assert_eq!(run.engine.add(rule("junk = 2")).as_deref(), Ok("rule-2"));
    assert!(run.engine.remove("rule-2"));
    // A number is never used again, so that counts and draws are not mixed up.
    assert_eq!(run.engine.add(rule("junk = 2")).as_deref(), Ok("rule-3"));
}

#[test]
fn a_rule_that_is_wrong_is_not_added() {
    let mut run = Run::of("name = \"taken\"\njunk = 1");
    for toml in [
        "name = \"taken\"\njunk = 1",
        "junk = 0",
        "endpoint = \"nowhere\"\njunk = 1",
    ] {
        let problems = run.engine.add(rule(toml)).expect_err(toml);
        assert_eq!(problems.len(), 1, "{toml}");
    }
    for _ in 1..256 {
        run.engine.add(rule("junk = 1")).expect("there is room");
    }
    run.engine
        .add(rule("junk = 1"))
        .expect_err("256 is the most");
    assert_eq!(run.engine.counts().count(), 256);
}

#[test]
fn a_rule_that_is_removed_leaves_the_replies_under_way_alone() {
    let mut run = Run::of("name = \"kiss\"\nkiss = { code = \"RATE\" }");
    let octets = request(1).encode();
    let ask = run.ask(A, client(), &octets);
    let arrivals = run.engine.request(&ask);
    run.engine.remove("kiss");
    let reply = honest_to(1).encode();
    let departures = run.engine.reply(arrivals.ticket, &ask, Some(&reply));
    assert_eq!(departures[0].octets, reply);
    assert!(departures[0].rules.is_empty());
}

#[test]
fn a_rule_that_is_added_leaves_the_replies_under_way_alone() {
    let mut run = Run::new("");
    let octets = request(1).encode();
    let ask = run.ask(A, client(), &octets);
    let arrivals = run.engine.request(&ask);
    run.engine
        .add(rule("kiss = { code = \"RATE\" }"))
        .expect("it is right");
    let reply = honest_to(1).encode();
    let departures = run.engine.reply(arrivals.ticket, &ask, Some(&reply));
    assert_eq!(departures[0].octets, reply);
}

#[test]
fn a_count_is_of_requests_and_of_what_was_done() {
    let mut run = Run::new(
        r#"
        [[rules]]
        name = "both"
        also = true
        delay = { request = 1, reply = 1 }
        duplicate = { request = 1, reply = 1 }
        [[rules]]
        name = "nothing to do"
        truncate = 48
        "#,
    );
    for _ in 0..3 {
        run.exchange(client());
    }
    let counts: Vec<_> = run.engine.counts().collect();
    assert_eq!(counts, [("both", 3), ("nothing to do", 0)]);
}

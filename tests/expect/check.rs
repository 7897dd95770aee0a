//! Expectations that cannot be judged.

use super::scene::expectation;
use timeball::expect::{Expectation, Judge};

const ENDPOINTS: [&str; 2] = ["one", "two"];
const RULES: [&str; 1] = ["kiss"];

/// What is said of the expectation in `toml`.
fn problems(toml: &str) -> Vec<String> {
    let problems = expectation(toml).check(&ENDPOINTS, &RULES);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_right_has_no_problems() {
    for toml in [
        "requests = { at_least = 1 }",
        "requests = { at_most = 1024, within = \"1s\" }",
        "requests = { at_most = 18446744073709551615 }",
        "back_off = { codes = [\"RATE\", \"X\"], poll = 17, requests = 1024, grace = 0 }",
        "silence = { lasting = \"101ms\" }",
        "silence = { lasting = 0.001, grace = 0 }",
        "source_ports = { requests = 5, distinct = 5 }",
        "source_ports = { requests = 1024, distinct = 1 }",
        "transmit_timestamps = { requests = 1024, unpredictable = \"low-bits\" }",
        "recovery = { within = 1 }\nrules = [\"kiss\"]",
        "recovery = { within = 1 }\nfrom = 1\nuntil = 2",
        "rejection = {}\nendpoint = \"one\"",
        "rejection = { asks_again_within = \"1m\" }\nrules = [\"kiss\"]",
        "header = { versions = [0, 7] }\nclient = \"::1\"\noptional = true\nname = \"so\"",
    ] {
        assert_eq!(problems(toml), [""; 0], "{toml}");
    }
}

#[test]
fn what_is_wrong_is_told_with_key_value_and_what_is_accepted() {
    const KINDS: &str = "accepted: exactly one of `requests`, `back_off`, `silence`, \
        `source_ports`, `transmit_timestamps`, `recovery`, `rejection` or `header`";
    for (toml, problem) in [
        ("", KINDS),
        ("requests = { at_most = 1 }\nback_off = {}", KINDS),
        (
            "requests = {}",
            "requests.at_least: missing; accepted: a number here or for `at_most`",
        ),
        (
            "requests = { at_least = 0 }",
            "requests.at_least = 0: refused; accepted: a number from 1",
        ),
        (
            "requests = { at_least = 1, within = 1 }",
            "requests.at_most: missing; accepted: a number beside `within`",
        ),
        (
            "requests = { at_most = 1025, within = 1 }",
            "requests.at_most = 1025: refused; accepted: 0 to 1024 beside `within`",
        ),
        (
            "requests = { at_most = 1, within = 0 }",
            "requests.within = 0s: refused; accepted: a duration above 0s",
        ),
        (
            "back_off = { poll = 18 }",
            "back_off.poll = 18: refused; accepted: 0 to 17",
        ),
        (
            "back_off = { requests = 0 }",
            "back_off.requests = 0: refused; accepted: 1 to 1024",
        ),
        (
            "back_off = { codes = [] }",
            "back_off.codes = []: refused; accepted: kiss codes of 1 to 4 printable ASCII \
             characters, one at least",
        ),
        (
            "silence = { lasting = 1, codes = [\"DENY\", \"LATER\"] }",
            "silence.codes = \"LATER\": refused; accepted: kiss codes of 1 to 4 printable ASCII \
             characters, one at least",
        ),
        (
            "silence = { lasting = \"100ms\" }",
            "silence.lasting = 100ms: refused; accepted: a duration above `grace`, which is 100ms",
        ),
        (
            "source_ports = { requests = 4 }",
            "source_ports.requests = 4: refused; accepted: 5 to 1024",
        ),
        (
            "source_ports = { distinct = 9 }",
            "source_ports.distinct = 9: refused; accepted: 1 to `requests`, which is 8",
        ),
        (
            "transmit_timestamps = { requests = 1025 }",
            "transmit_timestamps.requests = 1025: refused; accepted: 5 to 1024",
        ),
        (
            "recovery = { within = 1 }",
            "rules: missing; accepted: the names of rules, or a duration for `until`: what the \
             client recovers from",
        ),
        (
            "rejection = {}",
            "rules: missing; accepted: the names of rules, or a name for `endpoint`: whose \
             replies are bad",
        ),
        (
            "header = {}",
            "header.versions: missing; accepted: numbers here or for `modes`",
        ),
        (
            "header = { modes = [] }",
            "header.modes = []: refused; accepted: one number at least",
        ),
        (
            "header = { versions = [4, 8] }",
            "header.versions = 8: refused; accepted: numbers from 0 to 7",
        ),
        (
            "back_off = {}\nname = \" \"",
            "name = \" \": refused; accepted: one line of text",
        ),
        (
            "back_off = {}\nname = \"a\\nb\"",
            "name = \"a\\nb\": refused; accepted: one line of text",
        ),
        (
            "back_off = {}\nendpoint = \"three\"",
            "endpoint = \"three\": refused; accepted: one of the endpoints: `one`, `two`",
        ),
        (
            "back_off = {}\nrules = [\"kiss\", \"kick\"]",
            "rules[1] = \"kick\": refused; accepted: one of the rules: `kiss`",
        ),
        (
            "back_off = {}\nfrom = 2\nuntil = 2",
            "until = 2s: refused; accepted: a duration above `from`, which is 2s",
        ),
    ] {
        assert_eq!(problems(toml), [problem], "{toml}");
    }
}

#[test]
fn all_problems_of_an_expectation_are_told() {
    let found = problems("name = \"\"\nendpoint = \"x\"\nuntil = 0\nrules = [\"y\"]");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn values_of_the_wrong_form_are_refused_when_read() {
    for (toml, problem) in [
        ("backoff = {}", "unknown field `backoff`"),
        ("requests = { at_last = 1 }", "unknown field `at_last`"),
        ("requests = { at_most = -1 }", "invalid value: integer `-1`"),
        ("recovery = {}", "missing field `within`"),
        ("recovery = { within = -1 }", "0s or more"),
        ("recovery = { within = \"soon\" }", "not a duration"),
        ("recovery = { within = true }", "0s or more"),
        (
            "header = { versions = [256] }",
            "invalid value: integer `256`",
        ),
        ("client = \"10.0.0.0/33\"", "an address, or a subnet"),
        ("client = \"localhost\"", "an address, or a subnet"),
        (
            "transmit_timestamps = { unpredictable = \"some\" }",
            "`all-bits`",
        ),
    ] {
        let error = toml::from_str::<Expectation>(toml)
            .expect_err(toml)
            .to_string();
        assert!(error.contains(problem), "{toml}: {error}");
    }
}

#[test]
fn a_judge_takes_nothing_that_cannot_be_judged() {
    let expectations = ["back_off = {}", "back_off = { poll = 99 }", ""].map(expectation);
    let problems = Judge::new(&expectations, &ENDPOINTS)
        .err()
        .expect("two are wrong");
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["expect[1].back_off.poll", "expect[2]"]);
}

#[test]
fn a_float_of_seconds_is_exact() {
    let toml = "recovery = { within = 0.3 }";
    let within = expectation(toml)
        .recovery
        .map(|recovery| recovery.within.0.as_nanos());
    assert_eq!(within, Some(300_000_000));
}

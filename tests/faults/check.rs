//! What is refused, and in which words.

use super::{endpoints, rule, rules};
use timeball::faults::{Engine, check_rules};

/// The problems of one rule, as they are shown.
fn problems(toml: &str) -> Vec<String> {
    rule(toml).check().iter().map(ToString::to_string).collect()
}

#[test]
fn a_value_out_of_range_is_named_with_what_is_accepted() {
    let cases = [
        (
            "kiss = { code = \"RATE\", poll = 256 }",
            "kiss.poll = 256: refused; accepted: -128 to 255",
        ),
        (
            "kiss = { code = \"RATE\", pardon = 0 }",
            "kiss.pardon = \"0s\": refused; accepted: above 0 to \"2592000s\"",
        ),
        (
            "set = {}",
            "set = {}: refused; accepted: a field of the header at least",
        ),
        (
            "set = { leap_indicator = 4 }",
            "set.leap_indicator = 4: refused; accepted: 0 to 3",
        ),
        (
            "set = { version = 8 }",
            "set.version = 8: refused; accepted: 0 to 7",
        ),
        (
            "set = { mode = -1 }",
            "set.mode = -1: refused; accepted: 0 to 7",
        ),
        (
            "set = { stratum = 256 }",
            "set.stratum = 256: refused; accepted: 0 to 255",
        ),
        (
            "set = { poll = -129 }",
            "set.poll = -129: refused; accepted: -128 to 255",
        ),
        (
            "set = { precision = 256 }",
            "set.precision = 256: refused; accepted: -128 to 255",
        ),
        (
            "extension = []",
            "extension = []: refused; accepted: one at least",
        ),
        (
            "extension = { type = 65536 }",
            "extension.type = 65536: refused; accepted: 0 to 65535",
        ),
        (
            "extension = [{ type = 1 }, { type = 1, count = 0 }]",
            "extension[1].count = 0: refused; accepted: 1 to 1000",
        ),
        (
            "extension = { type = 1, len = 65504 }",
            "extension.len = 65504: refused; accepted: 0 to 65503",
        ),
        (
            "extension = { type = 1, says_len = -1 }",
            "extension.says_len = -1: refused; accepted: 0 to 65535",
        ),
        (
            "extension = { type = 1, body = \"abcd\", len = 4 }",
            "extension.len = 4: refused; accepted: either `body` or `len`",
        ),
        (
            "mac = { len = 3 }",
            "mac.len = 3: refused; accepted: 4 to 68",
        ),
        (
            "mac = { len = 20, key_id = 4294967296 }",
            "mac.key_id = 4294967296: refused; accepted: 0 to 4294967295",
        ),
        (
            "truncate = 65507",
            "truncate = 65507: refused; accepted: 0 to 65506",
        ),
        (
            "truncate = { from = 5, to = 4 }",
            "truncate.to = 4: refused; accepted: 5 to 65506",
        ),
        (
            "pad = 65508",
            "pad.to = 65508: refused; accepted: 1 to 65507",
        ),
        (
            "pad = { to = 9, with = \"\" }",
            "pad.with = \"\": refused; accepted: an octet at least",
        ),
        ("junk = 0", "junk = 0: refused; accepted: 1 to 65507"),
        (
            "flip_bits = 513",
            "flip_bits.count = 513: refused; accepted: 1 to 512",
        ),
        (
            "flip_bits = { count = 1, from = 8, to = 7 }",
            "flip_bits.to = 7: refused; accepted: 8 to 65506",
        ),
        (
            "delay = {}",
            "delay = {}: refused; accepted: `request`, `reply` or both",
        ),
        (
            "delay.request = -1",
            "delay.request = \"-1s\": refused; accepted: \"0s\" to \"3600s\"",
        ),
        (
            "delay.reply = \"2h\"",
            "delay.reply = \"7200s\": refused; accepted: \"0s\" to \"3600s\"",
        ),
        (
            "delay.reply.normal = { mean = 1, deviation = \"-1ms\" }",
            "delay.reply.normal.deviation = \"-1ms\": refused; accepted: \"0s\" to \"3600s\"",
        ),
        (
            "delay.reply.exponential = { mean = 0 }",
            "delay.reply.exponential.mean = \"0s\": refused; accepted: above 0 to \"3600s\"",
        ),
        (
            "delay.reply.pareto = { minimum = 0, shape = 2 }",
            "delay.reply.pareto.minimum = \"0s\": refused; accepted: above 0 to \"3600s\"",
        ),
        (
            "delay.reply.pareto = { minimum = 1, shape = 1 }",
            "delay.reply.pareto.shape = 1.000: refused; accepted: above 1 to 100",
        ),
        (
            "delay.reply.pareto = { minimum = 2, shape = 2, maximum = 1 }",
            "delay.reply.pareto.maximum = \"1s\": refused; accepted: \"2s\" to \"3600s\"",
        ),
        (
            "lose.reply.first = 0",
            "lose.reply.first = 0: refused; accepted: 1 and above",
        ),
        (
            "lose.request.every = 0",
            "lose.request.every = 0: refused; accepted: 1 and above",
        ),
        (
            "lose.reply.burst = { begin = 0.1, end = 0 }",
            "lose.reply.burst.end = 0: refused; accepted: above 0 to 1",
        ),
        (
            "blackhole = \"2d\"",
            "blackhole = \"172800s\": refused; accepted: above 0 to \"86400s\"",
        ),
        (
            "duplicate.reply = 17",
            "duplicate.reply.copies = 17: refused; accepted: 1 to 16",
        ),
        (
            "duplicate.reply = { after = \"2h\" }",
            "duplicate.reply.after = \"7200s\": refused; accepted: \"0s\" to \"3600s\"",
        ),
        (
            "duplicate.reply = { flip_bits = 513 }",
            "duplicate.reply.flip_bits = 513: refused; accepted: 0 to 512",
        ),
        (
            "duplicate.request = { flip_bits = 1 }",
            "duplicate.request.flip_bits = 1: refused; accepted: 0: copies of a request are not changed",
        ),
        (
            "unsolicited = { mode = 8 }",
            "unsolicited.mode = 8: refused; accepted: 0 to 7",
        ),
        (
            "unsolicited = { mode = 5, count = 17 }",
            "unsolicited.count = 17: refused; accepted: 1 to 16",
        ),
        (
            "unsolicited = { mode = 5, every = \"2h\" }",
            "unsolicited.every = \"7200s\": refused; accepted: \"0s\" to \"3600s\"",
        ),
        (
            "unsolicited = { mode = 5, after = -1 }",
            "unsolicited.after = \"-1s\": refused; accepted: \"0s\" to \"3600s\"",
        ),
    ];
    for (toml, expected) in cases {
        assert_eq!(problems(toml), [expected], "{toml}");
    }
    let long = format!("replace = \"{}\"", "x".repeat(65_508));
    let expected = "replace = 65508 octets: refused; accepted: up to 65507 octets";
    assert_eq!(problems(&long), [expected]);
}

#[test]
fn what_a_rule_matches_is_checked_too() {
    let cases = [
        (
            "name = \"\"",
            "name = \"\": refused; accepted: 1 to 80 printable characters",
        ),
        (
            "endpoint = []",
            "endpoint = []: refused; accepted: one at least",
        ),
        (
            "client = []",
            "client = []: refused; accepted: one at least",
        ),
        ("arrival = 0", "arrival = 0: refused; accepted: 1 and above"),
        (
            "request = { from = 0 }",
            "request.from = 0: refused; accepted: 1 and above",
        ),
        (
            "request = { from = 4, to = 3 }",
            "request.to = 3: refused; accepted: 4 and above",
        ),
        (
            "request = { every = 0 }",
            "request.every = 0: refused; accepted: 1 and above",
        ),
        (
            "during = {}",
            "during = {}: refused; accepted: `from`, `to` or both",
        ),
        (
            "during = { from = -1 }",
            "during.from = \"-1s\": refused; accepted: not negative",
        ),
        (
            "during = { from = 2, to = 2 }",
            "during.to = \"2s\": refused; accepted: above \"2s\"",
        ),
        (
            "honest = true",
            "honest = true: refused; accepted: either a fault or `honest = true`",
        ),
    ];
    for (toml, expected) in cases {
        assert_eq!(
            problems(&format!("{toml}\ntruncate = 1")),
            [expected],
            "{toml}"
        );
    }
    let nothing = "honest: missing; accepted: either a fault or `honest = true`";
    assert_eq!(problems("request = 1"), [nothing]);
    let also = "also = true: refused; accepted: nothing beside `honest = true`";
    assert_eq!(problems("honest = true\nalso = true"), [also]);
}

#[test]
fn all_problems_of_a_rule_are_told_at_once() {
    let all = problems("request = 0\nset = { mode = 9, version = 9 }\njunk = 0");
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn rules_are_checked_against_one_another_and_the_endpoints() {
    let found = |toml: &str| -> Vec<(usize, String)> {
        check_rules(&rules(toml), &endpoints())
            .into_iter()
            .map(|it| (it.rule, it.problem.to_string()))
            .collect()
    };
    let twice = "[[rules]]\nname = \"x\"\njunk = 1\n[[rules]]\nname = \"x\"\njunk = 1";
    let taken = "name = \"x\": refused; accepted: a name that no other rule has";
    assert_eq!(found(twice), [(1, taken.to_owned())]);
    // The second one is called so without being told.
    let default = "[[rules]]\nname = \"rule-2\"\njunk = 1\n[[rules]]\njunk = 1";
    assert_eq!(found(default).len(), 1);

    let unknown = "[[rules]]\nendpoint = [\"a\", \"c\"]\njunk = 1";
    let expected = "endpoint[1] = \"c\": refused; accepted: `a`, `b`, `text`, `daytime`, `time`";
    assert_eq!(found(unknown), [(0, expected.to_owned())]);
    let other = "[[rules]]\nendpoint = \"text\"\nmac = { len = 4 }";
    let expected = "endpoint = \"text\": refused; accepted: \
                    an endpoint that speaks ntp, as the rule's faults need: `a`, `b`";
    assert_eq!(found(other), [(0, expected.to_owned())]);

    let no_ntp = check_rules(&rules("[[rules]]\nmac = { len = 4 }"), &endpoints()[2..]);
    assert_eq!(no_ntp.len(), 1);

    let many = "[[rules]]\njunk = 1\n".repeat(Engine::MOST_RULES);
    assert_eq!(found(&many), []);
    let expected = "name = \"rule-257\": refused; accepted: at most 256 rules";
    let too_many = format!("{many}[[rules]]\njunk = 1");
    assert_eq!(found(&too_many), [(256, expected.to_owned())]);
    assert!(Engine::new(1, rules(&too_many), endpoints()).is_err());
}

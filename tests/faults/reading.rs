//! How values are written, and what is refused where they are read.

use super::rule;
use timeball::faults::Rule;

#[test]
fn a_key_or_a_type_that_is_wrong_is_refused_where_it_is_read() {
    let cases = [
        ("kis = { code = \"RATE\" }", "unknown field `kis`"),
        ("kiss = { code = \"RATE\", x = 1 }", "unknown field `x`"),
        ("kiss = { code = \"TOOLONG\" }", "1 to 4 printable ASCII"),
        ("set = { strata = 1 }", "unknown field `strata`"),
        ("set = { stratum = \"one\" }", "expected i64"),
        ("set = { root_delay = \"soon\" }", "a duration from"),
        ("set = { root_delay = \"65536s\" }", "a duration from"),
        ("set = { root_delay = \"0x123\" }", "8 hexadecimal digits"),
        (
            "set = { reference_id = \"TOOLONG\" }",
            "1 to 4 printable ASCII",
        ),
        ("set = { origin_timestamp = \"old\" }", "\"previous\""),
        ("set = { origin_timestamp = \"1s\" }", "a signed duration"),
        ("set = { origin_timestamp = 5 }", "\"zero\""),
        ("probability = 1.5", "a probability from 0 to 1"),
        ("probability = -0.5", "a probability from 0 to 1"),
        ("probability = \"2/1\"", "a probability from 0 to 1"),
        ("probability = \"1/0\"", "a probability from 0 to 1"),
        ("client = \"localhost\"", "an IP address or a subnet"),
        ("client = \"127.0.0.1/33\"", "an IP address or a subnet"),
        ("request = -1", "the number of a request"),
        (
            "request = { from = 1, off = \"all\" }",
            "unknown field `off`",
        ),
        ("request = { of = \"host\" }", "unknown variant `host`"),
        ("during = { form = 1 }", "unknown field `form`"),
        ("delay.reply = \"soon\"", "a duration"),
        ("delay.replies = \"1s\"", "unknown field `replies`"),
        (
            "delay.reply.gamma = { mean = 1 }",
            "unknown variant `gamma`",
        ),
        (
            "delay.reply.pareto = { minimum = 1, shape = 1.0005 }",
            "in thousandths",
        ),
        (
            "lose.reply = { burst = { begin = 1 } }",
            "missing field `end`",
        ),
        (
            "lose.reply = { random = 1, every = 2 }",
            "beside another key",
        ),
        (
            "delay.reply = { pareto = { minimum = 1, shape = 2 }, constant = 2 }",
            "beside another key",
        ),
        (
            "delay.reply.normal = { mean = 1, deviation = 1, sigma = 1 }",
            "unknown field `sigma`",
        ),
        ("duplicate.reply = { copys = 1 }", "unknown field `copys`"),
        ("hold = \"forever\"", "unknown variant `forever`"),
        (
            "reply_from = \"nowhere\"",
            "\"other-port\" or an IP address",
        ),
        ("replay = \"sometimes\"", "unknown variant `sometimes`"),
        (
            "replace = \"0xabc\"",
            "an even number of hexadecimal digits",
        ),
        ("truncate = true", "a whole number"),
        ("truncate = 1.5", "a whole number"),
        ("extension = { typ = 1 }", "unknown field `typ`"),
        ("unsolicited = { count = 1 }", "missing field `mode`"),
    ];
    for (toml, expected) in cases {
        let error = toml::from_str::<Rule>(toml).expect_err(toml).to_string();
        assert!(error.contains(expected), "{toml}: {error}");
    }
}

#[test]
fn numbers_are_exact_however_they_are_written() {
    let probability = |text: &str| rule(&format!("probability = {text}")).probability;
    for text in ["0.5", "\"0.5\"", "\"50%\"", "\"1/2\"", "5e-1"] {
        let half = probability(text).expect("a probability");
        assert!(half.happens((1 << 63) - 1), "{text}");
        assert!(!half.happens(1 << 63), "{text}");
    }
    let third = probability("\"1/3\"").expect("a probability");
    assert!(third.happens(u64::MAX / 3) && !third.happens(u64::MAX / 3 + 1));
    let always = probability("1").expect("a probability");
    assert!(always.happens(u64::MAX));
    assert!(!probability("0").expect("a probability").happens(0));
}

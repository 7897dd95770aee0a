//! One mistake at a time, and what is said of it.

use super::{SMALL, accepted, error, errors};

/// `SMALL` with a line added at its end, in the NTP listener.
fn in_the_listener(line: &str) -> String {
    format!("{SMALL}{line}\n")
}

/// `SMALL` with `from` in the place of `to`.
fn changed(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from));
    SMALL.replacen(from, to, 1)
}

/// `SMALL` with a second listener of these lines.
fn second_listener(lines: &str) -> String {
    format!("{SMALL}\n[[listeners]]\nsource = \"wall\"\n{lines}\n")
}

/// `SMALL` with a second source of these lines.
fn second_source(lines: &str) -> String {
    format!("{SMALL}\n[sources.second]\n{lines}\n")
}

#[test]
fn an_error_names_file_line_key_value_and_range() {
    assert_eq!(
        error(&changed(
            "kind = \"system\"",
            "kind = \"system\"\nstratum = 99"
        )),
        "settings.toml:4: sources.wall.stratum = 99: outside 1..=15"
    );
}

#[test]
fn a_misspelt_key_gets_a_suggestion() {
    let cases = [
        (
            "thread = 1\n".to_owned() + SMALL,
            "settings.toml:1: thread: unknown key; did you mean `threads`?",
        ),
        (
            in_the_listener("adress = 1"),
            "settings.toml:9: listeners[0].adress: unknown key; did you mean `address`?",
        ),
        (in_the_listener("port = 1"), "did you mean `address`?"),
        (
            second_source("kind = \"mock\"\nstpe = 1"),
            "sources.second.stpe: unknown key; did you mean `step`?",
        ),
        (
            SMALL.replace("[[listeners]]", "[[listener]]"),
            "listener: unknown key; did you mean `listeners`?",
        ),
        (
            in_the_listener("\"a key\" = 1"),
            "listeners[0].\"a key\": unknown key",
        ),
    ];
    for (text, part) in cases {
        let errors = errors(&text, &[]);
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{errors:#?}"
        );
    }
}

#[test]
fn a_key_of_something_else_says_of_what() {
    assert!(
        error(&in_the_listener("format = \"%H\"")).ends_with(
            "unknown key; it is a key of protocol `text` or `daytime`, and this is `ntp`"
        )
    );
    assert!(
        error(&second_source("kind = \"system\"\nstep = 1"))
            .ends_with("unknown key; it is a key of kind `mock`, and this is `system`")
    );
}

#[test]
fn an_unknown_kind_or_protocol_gets_a_suggestion() {
    assert!(
        error(&changed("\"system\"", "\"sytem\""))
            .contains("sources.wall.kind = \"sytem\": unknown kind; did you mean `system`?")
    );
    assert!(
        error(&changed("\"system\"", "\"gps\"")).contains("accepted: `system`, `monotonic-offset`")
    );
    assert!(
        error(&changed("\"ntp\"", "\"npt\""))
            .contains("listeners[0].protocol = \"npt\": refused; did you mean `ntp`?")
    );
}

#[test]
fn a_source_that_is_not_there_is_told_at_its_listener() {
    assert!(
        error(&changed("source = \"wall\"", "source = \"wal\"")).contains(
            "listeners[0].source = \"wal\": there is no [sources.wal]; did you mean `wall`?"
        )
    );
    let without = SMALL.replace("[sources.wall]\nkind = \"system\"\n", "");
    assert!(error(&without).contains("there are no sources; write [sources.wall] with a `kind`"));
}

#[test]
fn a_source_that_is_broken_is_not_called_missing() {
    let error = error(&changed("kind = \"system\"", "stratum = 3"));
    assert!(error.contains("sources.wall.kind: missing"), "{error}");
}

#[test]
fn required_keys_are_missed_one_by_one() {
    let errors = errors("[[listeners]]\n[sources.empty]\n", &[]);
    for part in [
        "settings.toml:1: listeners[0].protocol: missing; accepted: `text`, `daytime`, `time` or `ntp`",
        "settings.toml:1: listeners[0].address: missing",
        "settings.toml:1: listeners[0].source: missing",
        "settings.toml:2: sources.empty.kind: missing",
    ] {
        assert!(
            errors.iter().any(|error| error.starts_with(part)),
            "{errors:#?}"
        );
    }
    assert_eq!(errors.len(), 4, "{errors:#?}");
}

#[test]
fn a_bad_address_is_told_what_it_lacks() {
    for (address, part) in [
        ("\"localhost:123\"", "write 127.0.0.1:123 or [::1]:123"),
        ("\"127.0.0.1\"", "the port is missing"),
        ("\"127.0.0.1:65536\"", "port 65536 is outside 0..=65535"),
        ("\"127.0.0.1:-1\"", "port -1 is outside 0..=65535"),
        ("\"here\"", "not an address"),
        ("123", "accepted: an IP address and a port"),
    ] {
        let error = error(&changed("\"127.0.0.1:8123\"", address));
        let start = format!("settings.toml:7: listeners[0].address = {address}: ");
        assert!(error.starts_with(&start) && error.contains(part), "{error}");
    }
}

#[test]
fn pool_sizes_have_ranges() {
    for (line, end) in [
        ("responders = -1", "outside 1..=64"),
        ("responders = 0", "outside 1..=64"),
        ("responders = 65", "outside 1..=64"),
        ("responders = 1.5", "not a whole number in 1..=64"),
        (
            "responders = \"2\"",
            "not a whole number in 1..=64 (without quotation marks)",
        ),
        ("responder_threads = -1", "outside 0..=64"),
        ("receive_buffer = 4095", "outside 4096..=1073741824"),
        (
            "receive_buffer = 99999999999999999999",
            "outside 4096..=1073741824",
        ),
        (
            "responders = 0x7fffffffffffffffffffffffffffffffffffffff",
            "not a whole number in 1..=64",
        ),
    ] {
        let error = error(&in_the_listener(line));
        assert!(error.ends_with(end), "{line}: {error}");
    }
    let top = |line: &str| error(&format!("{line}\n{SMALL}"));
    assert!(top("threads = 1025").ends_with("outside 0..=1024"));
    assert!(top("batch = 0").ends_with("outside 1..=64"));
    assert!(top("batch = 65").ends_with("outside 1..=64"));
}

#[test]
fn the_log_says_what_of_it_is_wrong() {
    const LEVELS: &str = "accepted: `error`, `warn`, `info`, `debug`, `trace` or `off`, and with \
                          commas more of the form `timeball::served=debug`";
    for (table, expected) in [
        ("log = 7", "log = 7: not a table; write [log]".to_owned()),
        (
            "log.level = 'loud'",
            format!("log.level = \"loud\": \"loud\" is no level; {LEVELS}"),
        ),
        (
            "log.level = 'info,timeball'",
            format!("log.level = \"info,timeball\": \"timeball\" is no level; {LEVELS}"),
        ),
        (
            "log.level = 'timeball=loud'",
            format!(
                "log.level = \"timeball=loud\": error parsing level filter: expected one \
                 of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5; {LEVELS}"
            ),
        ),
        (
            "log.format = 'xml'",
            "log.format = \"xml\": refused; accepted: `text` or `json`".to_owned(),
        ),
        (
            "log.to = 'syslog'",
            "log.to = \"syslog\": refused; accepted: `stderr` or `journald`".to_owned(),
        ),
        (
            "log = { to = 'journald', format = 'json' }",
            "log.format = \"json\": journald is given fields and no lines; with to = \
             \"journald\" only \"text\" is accepted, or none"
                .to_owned(),
        ),
        (
            "log.lines_per_second = 0",
            "log.lines_per_second = 0: outside 1..=1000000".to_owned(),
        ),
        (
            "log.formats = 'json'",
            "log.formats: unknown key; did you mean `format`?".to_owned(),
        ),
    ] {
        let error = error(&format!("{table}\n{SMALL}"));
        assert_eq!(error, format!("settings.toml:1: {expected}"), "{table}");
    }
}

#[test]
fn admission_says_what_of_it_is_wrong() {
    for (table, expected) in [
        (
            "admission.allow = ['10.0.0.0/8', '10.0.0.1/8']",
            "admission.allow[1] = \"10.0.0.1/8\": 10.0.0.1/8 has bits behind its prefix; \
             10.0.0.0/8 is accepted",
        ),
        (
            "admission.deny = '10.0.0.0/33'",
            "admission.deny = \"10.0.0.0/33\": \"10.0.0.0/33\" is no network; accepted: a list of \
             networks and addresses, such as `192.0.2.0/24` or `2001:db8::1`",
        ),
        (
            "admission.deny = [7]",
            "admission.deny[0] = 7: refused; accepted: a list of networks and addresses, such as \
             `192.0.2.0/24` or `2001:db8::1`",
        ),
        (
            "admission.allow = '::ffff:192.0.2.0/120'",
            "admission.allow = \"::ffff:192.0.2.0/120\": ::ffff:192.0.2.0/120 holds IPv4 \
             addresses; write them as such",
        ),
        (
            "admission.deny = ['192.0.2.1', '10.0.0.0/8']",
            "admission.deny = [...]: 10.0.0.0/8 is in `allow` too; it is accepted in one of them",
        ),
        (
            "admission.on_deny = 'drop'",
            "admission.on_deny = \"drop\": refused; accepted: `silent` or `kod`",
        ),
        (
            "admission.clients = 524289",
            "admission.clients = 524289: outside 1024..=524288",
        ),
        (
            "admission.rate_limits = {}",
            "admission.rate_limits: unknown key; did you mean `rate_limit`?",
        ),
        (
            "admission = 7",
            "admission = 7: not a table; write [admission]",
        ),
        (
            "admission.rate_limit = 7",
            "admission.rate_limit = 7: not a table; write [admission.rate_limit]",
        ),
        (
            "admission.rate_limit.rate = 0",
            "admission.rate_limit.rate = 0: outside the range; accepted: a number from 0.001 to \
             100000",
        ),
        (
            "admission.rate_limit.leak = 0.0000001",
            "admission.rate_limit.leak = 0.0000001: finer than a millionth; accepted: a number \
             from 0 to 1",
        ),
        (
            "admission.rate_limit.leak = 0.8",
            "admission.rate_limit.leak = 0.8: kod_share and leak are shares of the same requests: \
             together 1 at most is accepted",
        ),
        (
            "admission.rate_limit = { rate = 0.001, burst = 66 }",
            "admission.rate_limit.burst = 66: at 0.001 requests a second a burst of 66 takes more \
             than 65536 s to come again; a smaller burst or a higher rate is accepted",
        ),
        (
            "admission.rate_limit.per_second = 1",
            "admission.rate_limit.per_second: unknown key; accepted: `rate`, `burst`, \
             `kod_share`, `leak`, `ipv4_prefix` or `ipv6_prefix`",
        ),
    ] {
        let error = error(&format!("{table}\n{SMALL}"));
        assert_eq!(error, format!("settings.toml:1: {expected}"), "{table}");
    }
}

#[test]
fn a_bad_duration_says_why() {
    for (value, part) in [
        ("\"soon\"", "not a duration"),
        ("\"1 fortnight\"", "unknown unit `fortnight`"),
        ("\"0.1ns\"", "finer than a nanosecond"),
        ("1e-10", "finer than a nanosecond"),
        ("1e30", "longer than 292 years"),
        ("inf", "not a duration"),
        ("nan", "not a duration"),
        ("true", "accepted: a duration of 0s or more"),
        ("-1", "accepted: a duration of 0s or more"),
    ] {
        let error = error(&format!("max_queue_delay = {value}\n{SMALL}"));
        assert!(
            error.contains("max_queue_delay = ") && error.contains(part),
            "{error}"
        );
    }
}

#[test]
fn a_bad_date_says_why() {
    for (date, part) in [
        ("\"2030-02-30T00:00:00Z\"", "not a date"),
        ("2030-01-01", "not a date"),
        ("2030-01-01T00:00:00", "not a date"),
        (
            "\"1969-12-31T23:59:59Z\"",
            "outside 1970-01-01 to 2262-04-11",
        ),
        (
            "\"2263-01-01T00:00:00Z\"",
            "outside 1970-01-01 to 2262-04-11",
        ),
        ("\"2016-12-31T23:59:60Z\"", "a leap second"),
        ("2030", "accepted: a point of time"),
    ] {
        let error = error(&second_source(&format!("kind = \"mock\"\nstart = {date}")));
        assert!(
            error.contains("sources.second.start = ") && error.contains(part),
            "{error}"
        );
    }
    accepted(&second_source(
        "kind = \"mock\"\nstart = 2030-01-01 00:00:00.5+01:00",
    ));
}

#[test]
fn a_bad_format_or_zone_says_why() {
    let text = |key: &str| {
        second_listener(&format!(
            "protocol = \"text\"\naddress = \"127.0.0.1:1\"\n{key}"
        ))
    };
    assert!(error(&text("format = \"%Q\"")).contains("listeners[1].format = \"%Q\": "));
    assert!(error(&text("format = 3")).contains("listeners[1].format = 3: "));
    let zone = error(&text("timezone = \"Europe/Pariss\""));
    assert!(
        zone.contains("listeners[1].timezone = \"Europe/Pariss\": unknown time zone; did you mean `Europe/Paris`?"),
        "{zone}"
    );
    let both = errors(&text("format = \"%Q\"\ntimezone = \"Mars/Base\""), &[]);
    assert_eq!(both.len(), 2, "{both:#?}");
    let daytime = text("format = \"%H:%M \u{e9}\"").replace("\"text\"", "\"daytime\"");
    assert!(error(&daytime).contains("listeners[1].format"));
}

#[test]
fn no_two_listeners_have_the_same_address() {
    let pair = |first: &str, second: &str| {
        let first = changed("127.0.0.1:8123", first);
        first
            + &format!(
                "[[listeners]]\nprotocol = \"time\"\nsource = \"wall\"\naddress = \"{second}\"\n"
            )
    };
    for (first, second) in [
        ("127.0.0.1:1000", "127.0.0.1:1000"),
        ("0.0.0.0:1000", "[::]:1000"),
        ("[::]:1000", "0.0.0.0:1000"),
        ("[::]:1000", "127.0.0.1:1000"),
        ("127.0.0.1:1000", "0.0.0.0:1000"),
    ] {
        assert_eq!(
            error(&pair(first, second)),
            format!(
                "settings.toml:12: listeners[1].address = \"{second}\": listeners[0].address = \
                 \"{first}\" takes this port already; another port is needed"
            )
        );
    }
    accepted(&pair("127.0.0.1:0", "127.0.0.1:0"));
    accepted(&pair("0.0.0.0:0", "[::]:0"));
    accepted(&pair("127.0.0.1:1000", "127.0.0.2:1000"));
}

#[test]
fn a_mock_is_served_by_one_responder() {
    let mock = |line: &str| format!("{}{line}\n", changed("\"system\"", "\"mock\""));
    let many = error(&mock("responders = 2"));
    assert!(
        many.contains("listeners[0].responders = 2: source `wall` is a mock"),
        "{many}"
    );
    assert!(many.ends_with("only 1 is accepted"), "{many}");
    let apart = error(&mock("responder_threads = 1"));
    assert!(apart.ends_with("only 0 is accepted"), "{apart}");
    accepted(&mock("responders = 1\nresponder_threads = 0"));
}

#[test]
fn a_source_has_a_plain_name() {
    for name in ["Second", "se_cond", "\"\"", "\"a b\"", "\"h\u{e9}\""] {
        let error = error(&format!("{SMALL}[sources.{name}]\nkind = \"system\"\n"));
        assert!(
            error.contains("only lower-case letters, digits and hyphens"),
            "{name}: {error}"
        );
    }
    accepted(&format!("{SMALL}[sources.a-2]\nkind = \"system\"\n"));
}

#[test]
fn the_wrong_shape_is_told_with_the_right_one() {
    for (text, part) in [
        (
            SMALL.replace("[[listeners]]", "[listeners]"),
            "write [[listeners]]",
        ),
        ("listeners = 3".to_owned(), "write [[listeners]]"),
        (
            format!("listeners = [3]\n{}", &SMALL[..SMALL.find("[[").unwrap()]),
            "write [[listeners]]",
        ),
        (
            format!("sources = 3\n{}", &SMALL[SMALL.find("[[").unwrap()..]),
            "write [sources.NAME]",
        ),
        (
            SMALL.replace("[sources.wall]\nkind", "[sources]\nwall"),
            "write [sources.NAME]",
        ),
    ] {
        let errors = errors(&text, &[]);
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{text}\n{errors:#?}"
        );
    }
}

#[test]
fn every_error_is_told_in_the_order_of_the_file() {
    let text = "
threads = -1
batch = \"many\"
lazy = true
[sources.wall]
kind = \"system\"
stratum = 0
reference_id = \"toolong\"
[[listeners]]
protocol = \"ntp\"
address = \"here\"
source = \"nowhere\"
responders = 1000
[[listeners]]
protocol = \"nothing\"
";
    let errors = errors(text, &[]);
    let lines: Vec<&str> = errors
        .iter()
        .map(|error| error.split(": ").next().unwrap())
        .collect();
    let expected =
        [2, 3, 4, 7, 8, 11, 12, 13, 14, 14, 15].map(|line| format!("settings.toml:{line}"));
    assert_eq!(lines, expected, "{errors:#?}");
}

#[test]
fn a_key_of_the_top_level_is_never_taken_for_a_path() {
    let errors = errors(
        &format!("\"listeners[99999999999].address\" = \"x\"\n\"sources.wall.kind\" = 1\n{SMALL}"),
        &[],
    );
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(
        errors.iter().all(|error| error.contains("unknown key")),
        "{errors:#?}"
    );
}

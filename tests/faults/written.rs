//! Rules as somebody might write them, with values in range and out of it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A number that is likely to be in range, at an end, or far out.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0_i64..20,
        2 => -2_i64..300,
        1 => Just(65_507),
        1 => any::<i64>(),
    ]
}

fn span() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0_i64..5_000).prop_map(|millis| json!(format!("{millis}ms"))),
        1 => (-10_i64..4_000).prop_map(|seconds| json!(seconds)),
        1 => any::<i64>().prop_map(|nanos| json!(format!("{nanos}ns"))),
    ]
}

fn probability() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_u64..=8).prop_map(|of| json!(format!("{of}/8"))),
        Just(json!(0.125)),
        Just(json!("100%")),
    ]
}

fn amount() -> impl Strategy<Value = Value> {
    prop_oneof![
        number().prop_map(|count| json!(count)),
        (number(), number()).prop_map(|(from, to)| json!({ "from": from, "to": to })),
    ]
}

fn positions() -> impl Strategy<Value = Value> {
    prop_oneof![
        number().prop_map(|position| json!(position)),
        (number(), number(), number())
            .prop_map(|(from, to, every)| json!({ "from": from, "to": to, "every": every })),
    ]
}

fn stamp() -> impl Strategy<Value = Value> {
    let words = [
        "zero",
        "random",
        "previous",
        "frozen",
        "origin",
        "receive",
        "transmit",
        "+1s",
        "-90d",
        "0x0123456789abcdef",
        "NTP5DRFT",
    ];
    prop::sample::select(words.to_vec()).prop_map(Value::from)
}

fn octets() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ -~]{0,12}".prop_map(Value::from),
        Just(json!("0x00ff")),
        (1_usize..66_000).prop_map(|len| json!("x".repeat(len))),
    ]
}

fn set() -> impl Strategy<Value = Value> {
    let small = [
        "leap_indicator",
        "version",
        "mode",
        "stratum",
        "poll",
        "precision",
    ];
    let stamps = [
        "reference_timestamp",
        "origin_timestamp",
        "receive_timestamp",
        "transmit_timestamp",
    ];
    let small = small.map(|key| (Just(key.to_owned()), number().prop_map(Value::from).boxed()));
    let stamps = stamps.map(|key| (Just(key.to_owned()), stamp().boxed()));
    let others = [
        ("root_delay", json!("-1s")),
        ("root_dispersion", json!("0xffffffff")),
        ("reference_id", json!("client")),
    ]
    .map(|(key, value)| (Just(key.to_owned()), Just(value).boxed()));
    let all: Vec<_> = small.into_iter().chain(stamps).chain(others).collect();
    prop::sample::subsequence(all, 1..=4)
        .prop_flat_map(|fields| fields)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn delay() -> impl Strategy<Value = Value> {
    prop_oneof![
        span(),
        (span(), span()).prop_map(
            |(mean, deviation)| json!({ "normal": { "mean": mean, "deviation": deviation } })
        ),
        (span(), span()).prop_map(
            |(mean, minimum)| json!({ "exponential": { "mean": mean, "minimum": minimum } })
        ),
        (span(), 0_u32..5_000).prop_map(|(minimum, shape)| {
            let shape = f64::from(shape) / 1_000.0;
            json!({ "pareto": { "minimum": minimum, "shape": shape } })
        }),
    ]
}

fn loss() -> impl Strategy<Value = Value> {
    prop_oneof![
        probability(),
        (0_u64..4).prop_map(|count| json!({ "first": count })),
        (0_u64..4).prop_map(|count| json!({ "every": count })),
        (probability(), probability())
            .prop_map(|(begin, end)| json!({ "burst": { "begin": begin, "end": end } })),
    ]
}

fn each_way(
    request: impl Strategy<Value = Value> + 'static,
    reply: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Value> {
    let both = (prop::option::of(request), prop::option::of(reply));
    both.prop_map(|(request, reply)| {
        let ways = [("request", request), ("reply", reply)];
        let given = ways
            .into_iter()
            .filter_map(|(way, it)| Some((way.to_owned(), it?)));
        Value::Object(given.collect())
    })
    .boxed()
}

fn duplicate() -> impl Strategy<Value = Value> {
    (number(), span(), 0_i64..3).prop_map(
        |(copies, after, bits)| json!({ "copies": copies, "after": after, "flip_bits": bits }),
    )
}

fn extension() -> impl Strategy<Value = Value> {
    (number(), prop::option::of(octets()), number(), number()).prop_map(
        |(field_type, body, says_len, count)| match body {
            Some(body) => json!({ "type": field_type, "body": body, "count": count }),
            None => json!({ "type": field_type, "says_len": says_len, "count": count }),
        },
    )
}

/// A rule of the model: each key with a value that may be out of range.
pub(super) fn rule() -> impl Strategy<Value = Value> {
    let keys: Vec<(&str, BoxedStrategy<Value>)> = vec![
        (
            "endpoint",
            prop::sample::select(vec![json!("a"), json!(["b", "text"])]).boxed(),
        ),
        (
            "client",
            prop::sample::select(vec![json!("10.0.0.1"), json!(["10.0.0.0/30", "::/0"])]).boxed(),
        ),
        ("arrival", positions().boxed()),
        ("request", positions().boxed()),
        (
            "during",
            (span(), span())
                .prop_map(|(from, to)| json!({ "from": from, "to": to }))
                .boxed(),
        ),
        ("probability", probability().boxed()),
        ("also", Just(json!(true)).boxed()),
        ("also", Just(json!(true)).boxed()),
        (
            "kiss",
            (number(), span())
                .prop_map(
                    |(poll, pardon)| json!({ "code": "RATE", "poll": poll, "pardon": pardon }),
                )
                .boxed(),
        ),
        (
            "interleaved",
            prop::sample::select(vec![
                "right",
                "origin-only",
                "transmit-only",
                "wrong-transmit",
            ])
            .prop_map(|reply| json!({ "to": "all", "reply": reply }))
            .boxed(),
        ),
        ("set", set().boxed()),
        (
            "extension",
            prop::collection::vec(extension(), 0..3)
                .prop_map(Value::from)
                .boxed(),
        ),
        (
            "mac",
            (number(), number())
                .prop_map(|(len, key)| json!({ "len": len, "key_id": key }))
                .boxed(),
        ),
        ("replace", octets().boxed()),
        ("truncate", amount().boxed()),
        (
            "pad",
            (number(), octets(), any::<bool>())
                .prop_map(
                    |(to, with, inside)| json!({ "to": to, "with": with, "inside_line": inside }),
                )
                .boxed(),
        ),
        ("junk", amount().boxed()),
        (
            "flip_bits",
            (amount(), number(), number())
                .prop_map(|(count, from, to)| json!({ "count": count, "from": from, "to": to }))
                .boxed(),
        ),
        ("delay", each_way(delay(), delay())),
        ("lose", each_way(loss(), loss())),
        ("blackhole", span().boxed()),
        (
            "duplicate",
            each_way(number().prop_map(|copies| json!(copies)), duplicate()),
        ),
        (
            "hold",
            prop::sample::select(vec![json!("next-request"), json!("next-reply")]).boxed(),
        ),
        (
            "reply_from",
            prop::sample::select(vec![json!("other-port"), json!("::1")]).boxed(),
        ),
        (
            "unsolicited",
            (0_i64..8, number(), span(), span())
                .prop_map(|(mode, count, after, every)| {
                    json!({ "mode": mode, "count": count, "after": after, "every": every })
                })
                .boxed(),
        ),
        (
            "replay",
            prop::sample::select(vec![json!("instead"), json!("before"), json!("after")]).boxed(),
        ),
    ];
    let keys: Vec<_> = keys
        .into_iter()
        .map(|(key, value)| (Just(key.to_owned()), value))
        .collect();
    prop::sample::subsequence(keys, 1..=5)
        .prop_flat_map(|given| given)
        .prop_map(|given| Value::Object(given.into_iter().collect::<Map<_, _>>()))
}

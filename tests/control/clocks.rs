//! The verbs that move the clock of a mock source of a server.

use super::{LAB, get, post};
use crate::support::{ask, ntp_header, ntp_request, serve};
use serde_json::{Value, json};
use timeball::RunningServer;
use timeball::api::Timestamp;

/// 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);

/// The only clock that `path` with `body` has moved, as it is then.
#[track_caller]
fn moved(server: &RunningServer, path: &str, body: &str) -> Value {
    let answer = post(server.control().unwrap(), path, body).done();
    let clocks = answer["clocks"].as_array().unwrap();
    assert_eq!(clocks.len(), 1, "{answer}");
    clocks[0].clone()
}

/// The time that a client gets.
fn served(server: &RunningServer) -> Timestamp {
    let reply = ntp_header(&ask(server.address(0), &ntp_request(1)));
    let since = reply.transmit_timestamp.since(START.into());
    START + since
}

#[test]
fn the_status_says_that_the_time_is_test_time_and_names_the_source() {
    let server = serve(LAB);
    ask(server.address(0), &ntp_request(1));
    // A reply reaches its client a moment before it is counted.
    while server.totals().replied == 0 {
        std::thread::yield_now();
    }
    let status = get(server.control().unwrap(), "/status").done();
    assert_eq!(status["mode"], "test");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status.get("scenario"), None);
    assert_eq!(status["faults"], json!([]));
    let listener = &status["listeners"][0];
    assert_eq!(listener["address"], server.address(0).to_string());
    assert_eq!(listener["protocol"], "ntp");
    assert_eq!(listener["test_time"], true);
    assert_eq!(listener["replied"], 1);
    assert_eq!(
        status["clocks"],
        json!([{
            "name": "lab", "time": "2030-01-01T00:00:00.000000000Z", "base": "manual",
            "paused": false, "elapsed_ns": 0, "served": 1, "leap_indicator": 0, "stratum": 1,
        }])
    );
}

#[test]
fn advance_set_and_step_reach_the_next_client() {
    let server = serve(LAB);
    let clock = moved(&server, "/advance", r#"{"by": "10s"}"#);
    assert_eq!(clock["time"], "2030-01-01T00:00:10.000000000Z");
    assert_eq!(clock["elapsed_ns"], 10_000_000_000_i64);
    assert_eq!(served(&server) - START, seconds(10));

    let clock = moved(&server, "/step", r#"{"by": -1.5}"#);
    assert_eq!(clock["time"], "2030-01-01T00:00:08.500000000Z");
    assert_eq!(
        clock["elapsed_ns"], 10_000_000_000_i64,
        "a step takes no time"
    );
    assert_eq!((served(&server) - START) * 2, seconds(17));

    let clock = moved(
        &server,
        "/set",
        r#"{"time": "2030-01-02T01:00:00+01:00", "clock": "lab"}"#,
    );
    assert_eq!(clock["time"], "2030-01-02T00:00:00.000000000Z");
    assert_eq!(served(&server) - START, seconds(86_400));
}

#[test]
fn a_clock_is_not_taken_to_where_time_cannot_be_told() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    let before = get(control, "/status").done()["clocks"].clone();
    let refused = |path, by| {
        let body = format!("{{\"by\": \"{by}\"}}");
        let error = post(control, path, &body).refused(409);
        let said = error["error"].as_str().unwrap();
        assert!(
            said.contains("lab") && said.contains("1677 to 2262"),
            "{said}"
        );
    };
    refused("/advance", "9223372036s");
    refused("/advance", "7330000000s");
    refused("/step", "7330000000s");
    assert_eq!(get(control, "/status").done()["clocks"], before);

    moved(&server, "/set", r#"{"time": "1970-01-01T00:00:00Z"}"#);
    moved(&server, "/step", r#"{"by": "-9223372036s"}"#);
    refused("/step", "-1s");
    moved(&server, "/set", r#"{"time": "2030-01-01T00:00:00Z"}"#);

    let clock = moved(&server, "/advance", r#"{"by": "7320000000s"}"#);
    assert_eq!(clock["elapsed_ns"], 7_320_000_000_000_000_000_i64);
}

fn seconds(count: i64) -> timeball::api::Delta {
    timeball::api::Delta::from_seconds(count)
}

#[test]
fn a_paused_clock_stands_whoever_asks_and_goes_on_from_there() {
    let server = serve(&format!(
        "{LAB}sources.lab.advance = 'per-request'\nsources.lab.step = '1s'\n"
    ));
    assert_eq!(served(&server), START);
    assert_eq!(moved(&server, "/pause", "{}")["paused"], true);
    let stands = served(&server);
    assert_eq!(served(&server), stands);
    // An empty body is an empty object.
    assert_eq!(moved(&server, "/resume", "")["paused"], false);
    assert_eq!(served(&server), stands);
    assert_eq!(served(&server), stands + seconds(1));
}

#[test]
fn the_rate_of_a_wall_clock_is_told_as_it_was_set() {
    let server = serve(&format!("{LAB}sources.lab.advance = 'wall'\n"));
    for (given, told) in [
        ("60", "60"),
        ("0.5", "1/2"),
        ("\"1/3\"", "1/3"),
        ("-2", "-2"),
        ("0", "0"),
    ] {
        let clock = moved(&server, "/rate", &format!("{{\"rate\": {given}}}"));
        assert_eq!(
            (&clock["base"], &clock["rate"]),
            (&json!("wall"), &json!(told))
        );
    }
    // At rate 0 the clock stands for good, and only a verb moves it.
    let before = served(&server);
    moved(&server, "/advance", r#"{"by": "1h"}"#);
    assert_eq!(served(&server) - before, seconds(3_600));
}

#[test]
fn what_no_clock_can_do_is_a_conflict() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    let error = post(control, "/rate", r#"{"rate": 60}"#).refused(409);
    assert_eq!(
        error["error"],
        "lab: only a clock on the time base `wall` has a rate"
    );
    let error = post(control, "/next", "{}").refused(409);
    assert_eq!(error["error"], "no event is still to come");
    for (path, body) in [
        ("/fault/add", "{}"),
        ("/fault/remove", r#"{"name": "x"}"#),
        ("/load", r#"{"name": "x"}"#),
        ("/stop", "{}"),
    ] {
        let error = post(control, path, body).refused(409);
        let said = error["error"].as_str().unwrap();
        assert!(said.contains("`timeball play`"), "{path}: {said}");
    }
    get(control, "/verdict").refused(409);
}

#[test]
fn a_clock_is_named_where_there_are_several() {
    let server = serve(&format!(
        "{LAB}sources.moon.kind = 'mock'\nsources.wall.kind = 'system'\n"
    ));
    let control = server.control().unwrap();
    let error = post(control, "/advance", r#"{"by": 1}"#).refused(422);
    assert_eq!(error["key"], "clock");
    assert_eq!(error["accepted"], "`lab` or `moon`");

    let error = post(control, "/advance", r#"{"by": 1, "clock": "mon"}"#).refused(404);
    assert_eq!(
        error["error"],
        "clock = \"mon\": there is no such clock; did you mean `moon`?"
    );
    assert_eq!(
        (&error["key"], &error["value"]),
        (&json!("clock"), &json!("mon"))
    );
    // An honest clock is none that could be moved.
    post(control, "/advance", r#"{"by": 1, "clock": "wall"}"#).refused(404);

    let clock = moved(&server, "/advance", r#"{"by": 1, "clock": "moon"}"#);
    assert_eq!(clock["name"], "moon");
    assert_eq!(
        server.mock("lab").unwrap().now(),
        START,
        "the other one stands"
    );
}

#[test]
fn a_server_without_a_mock_has_a_status_and_nothing_to_move() {
    let server = serve(&LAB.replace("'mock'", "'system'"));
    let control = server.control().unwrap();
    let status = get(control, "/status").done();
    assert_eq!(
        (&status["mode"], &status["clocks"]),
        (&json!("real"), &json!([]))
    );
    let error = post(control, "/set", r#"{"time": "2030-01-01T00:00:00Z"}"#).refused(409);
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("no source here is a mock")
    );
}

#[test]
fn a_bad_argument_is_told_with_key_value_and_what_is_accepted() {
    let server = serve(LAB);
    let span = "a duration of 0s or more";
    let any_span = "a duration, negative ones too";
    let date = "a point of time from 1970 to 2262 in RFC 3339, such as `2030-01-01T00:00:00Z`";
    let rate = "a number such as 60, 0.5 or 1/3";
    let clock = "the name of the mock source, or of the endpoint";
    for (path, body, key, value, accepted) in [
        (
            "/advance",
            r#"{"bye": 1}"#,
            "bye",
            json!(1),
            "`by` or `clock`",
        ),
        ("/advance", "{}", "by", Value::Null, span),
        ("/advance", r#"{"by": "soon"}"#, "by", json!("soon"), span),
        ("/advance", r#"{"by": -1}"#, "by", json!(-1), span),
        ("/advance", r#"{"by": null}"#, "by", json!(null), span),
        (
            "/advance",
            r#"{"by": 1, "clock": []}"#,
            "clock",
            json!("[...]"),
            clock,
        ),
        ("/step", r#"{"by": 1e300}"#, "by", json!(1e300), any_span),
        (
            "/step",
            r#"{"by": {"s": 1}}"#,
            "by",
            json!("{...}"),
            any_span,
        ),
        (
            "/set",
            r#"{"time": "tomorrow"}"#,
            "time",
            json!("tomorrow"),
            date,
        ),
        (
            "/set",
            r#"{"time": 1893456000}"#,
            "time",
            json!(1_893_456_000),
            date,
        ),
        (
            "/set",
            r#"{"time": "1969-12-31T23:59:59Z"}"#,
            "time",
            json!("1969-12-31T23:59:59Z"),
            date,
        ),
        ("/rate", r#"{"rate": true}"#, "rate", json!(true), rate),
        ("/pause", r#"{"by": 1}"#, "by", json!(1), "`clock`"),
    ] {
        let error = post(server.control().unwrap(), path, body).refused(422);
        let given = (&error["key"], &error["value"], &error["accepted"]);
        assert_eq!(
            given,
            (&json!(key), &value, &json!(accepted)),
            "{path} {body}"
        );
        let said = error["error"].as_str().unwrap();
        assert!(said.starts_with(key), "{path} {body}: {said}");
    }
    let error = post(server.control().unwrap(), "/rate", r#"{"rate": "fast"}"#).refused(422);
    assert_eq!(
        (&error["key"], &error["value"]),
        (&json!("rate"), &json!("fast"))
    );
    assert_eq!(
        server.mock("lab").unwrap().now(),
        START,
        "nothing was changed"
    );
}

#[test]
fn a_long_value_is_not_sent_back_whole() {
    let server = serve(LAB);
    let body = format!(r#"{{"by": "{}"}}"#, "9".repeat(60_000));
    let error = post(server.control().unwrap(), "/advance", &body).refused(422);
    assert!(error.to_string().len() < 1_000, "{error}");
}

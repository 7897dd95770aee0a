//! `timeball query` as a program: what it prints and what it exits with.

use super::server::{Act, kiss, reply_to, serve, serve_always, serve_ntp, unsynchronised};
use crate::support::process::timeball;
use crate::support::running::{self, Running};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use timeball::api::{Delta, HostClock};
use timeball::host::OsClock;
use timeball::protocol::ntp::Header;

fn query(arguments: &[&str]) -> Command {
    let mut command = timeball();
    command.arg("query").args(arguments).env("RUST_LOG", "off");
    command
}

fn run(arguments: &[&str]) -> Output {
    running::run(&mut query(arguments))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A server whose clock is ahead of the host's by `offset`.
fn serve_ahead(offset: Delta) -> SocketAddr {
    serve(move |request, _| {
        let now = OsClock.now().realtime + offset;
        let reply = reply_to(request, |header| {
            header.reference_timestamp = now.into();
            header.receive_timestamp = now.into();
            header.transmit_timestamp = now.into();
        });
        vec![Act::Reply(reply)]
    })
}

fn ntp(address: SocketAddr, more: &[&str]) -> Output {
    let address = address.to_string();
    let is_patient = !more
        .iter()
        .any(|argument| argument.starts_with("--timeout"));
    let patience: &[_] = if is_patient { &["--timeout=10s"] } else { &[] };
    run(&[&[&address, "--protocol=ntp"], patience, more].concat())
}

#[test]
fn text_prints_what_the_system_time_is() {
    let address = serve_always(b"2021-06-11 18:45:57.430034").to_string();
    let output = run(&[&address, "--timeout=20"]);
    assert_eq!(
        stdout(&output),
        "The system time is: 2021-06-11 18:45:57.430034\n"
    );
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}

#[test]
fn ntp_prints_a_line_a_sample_and_a_summary() {
    let address = serve_ahead(Delta::from_seconds(3));
    let output = ntp(address, &["--samples", "3", "--interval", "0"]);
    let lines = stdout(&output);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for line in &lines[..3] {
        // However long a busy machine takes over it.
        assert!(
            line.contains("offset +3.") || line.contains("offset +2."),
            "{line}"
        );
        for figure in [
            "delay",
            "dispersion",
            "root distance",
            "stratum 2",
            "leap none",
            "reference 192.0.2.1",
            "precision 2^-20 s",
        ] {
            assert!(line.contains(figure), "{figure} is not in {line}");
        }
    }
    assert!(
        lines[3].contains("3 of 3 samples: best offset +"),
        "{}",
        lines[3]
    );
    assert_eq!(code(&output), 0);
}

#[test]
fn the_exit_code_is_what_the_help_says() {
    let silent = serve(|_, _| Vec::new());
    let mute = silent.to_string();
    let cases = [
        (0, ntp(serve_ahead(Delta::ZERO), &["--max-offset", "60s"])),
        (1, ntp(silent, &["--timeout", "50ms"])),
        (3, ntp(serve_ntp(unsynchronised), &[])),
        (3, ntp(serve_ntp(|header| kiss(header, b"RATE")), &[])),
        (
            3,
            ntp(serve_ntp(|header| header.mode = 5), &["--timeout=2s"]),
        ),
        (
            4,
            ntp(
                serve_ahead(Delta::from_seconds(3)),
                &["--max-offset", "2.5"],
            ),
        ),
        (
            4,
            ntp(
                serve_ahead(Delta::from_seconds(-3)),
                &["--max-offset", "2500ms"],
            ),
        ),
        (
            4,
            ntp(
                serve_ahead(Delta::from_seconds(3)),
                &["--max-offset=1", "--timeout=2s", &mute],
            ),
        ),
    ];
    for (index, (expected, output)) in cases.iter().enumerate() {
        assert_eq!(code(output), *expected, "case {index}: {}", stderr(output));
        assert_eq!(stderr(output).is_empty(), *expected == 0, "case {index}");
    }
}

#[test]
fn an_error_names_whom_it_is_about_once() {
    let taken = serve(|_, _| Vec::new());
    let closed = SocketAddr::from(([127, 0, 0, 76], taken.port()));
    let rate = |header: &mut Header| kiss(header, b"RATE");
    for (asked, error) in [
        (taken, "no answer: nothing within 0.05 s"),
        (closed, "no answer: nobody answers at that port"),
        (serve_ntp(|header| header.mode = 5), "mode 5: "),
        (
            serve_ntp(unsynchronised),
            "the server is not synchronised: leap indicator 3",
        ),
        (serve_ntp(rate), "kiss-o'-death RATE: "),
    ] {
        let patience = match error.contains("nothing") {
            true => "--timeout=50ms",
            false => "--timeout=2s",
        };
        let told = stderr(&ntp(asked, &[patience]));
        assert!(told.starts_with(&format!("{asked}: {error}")), "{told}");
        assert_eq!(told.matches(&asked.to_string()).count(), 1, "{told}");
    }
    for (host, more, error) in [
        ("127.0.0.1", "-6", "127.0.0.1:123: no IPv6 address\n"),
        (
            "nosuch.invalid",
            "-4",
            "nosuch.invalid:123: cannot be found: ",
        ),
    ] {
        let told = stderr(&run(&[host, "--protocol=ntp", "--timeout=20s", more]));
        assert!(told.starts_with(error), "{told}");
        assert_eq!(told.matches(host).count(), 1, "{told}");
    }
    // A name stands for addresses, and which of them it was is worth knowing.
    let port = closed.port();
    let told = stderr(&run(&[
        &format!("localhost:{port}"),
        "-4",
        "--protocol=ntp",
        "--timeout=50ms",
    ]));
    let expected = format!("localhost:{port}: 127.0.0.1:{port}: no answer: ");
    assert!(told.starts_with(&expected), "{told}");
}

#[test]
fn a_lost_sample_among_good_ones_is_no_failure() {
    let address = serve(|request, n| match n {
        1 => Vec::new(),
        _ => vec![Act::Reply(reply_to(request, |_| ()))],
    });
    let output = ntp(address, &["--samples=3", "--interval=0", "--timeout=2s"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("no answer"));
    assert!(stdout(&output).contains("2 of 3 samples"));
}

#[test]
fn bad_usage_exits_with_2_and_says_what_is_accepted() {
    for (arguments, word) in [
        (&["host:port"][..], "1 to 65535"),
        (&["--max-offset", "1s"], "time zone"),
        (
            &["--protocol", "daytime", "--max-offset", "1s"],
            "time zone",
        ),
        (&["--ntp-version", "4"], "--protocol ntp"),
        (
            &["--protocol", "ntp", "--ntp-version", "5"],
            "1, 2, 3 and 4",
        ),
        (&["--protocol", "gopher"], "daytime"),
        (&["--samples", "0"], "1..=100000"),
        (&["--timeout", "0"], "1 ms"),
        (&["--timeout", "soon"], "seconds"),
        (&["--interval=-1"], "0 to 86400"),
        (&["--protocol", "ntp", "--max-offset=-1"], "0 s and above"),
        (&["-4", "-6"], "ipv6"),
        (&["a b"], "white space"),
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(word),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn the_time_protocol_tells_the_second_and_half_a_second_of_doubt() {
    let seconds = |offset: i64| {
        serve(move |_, _| {
            let (now, _) = OsClock.now().realtime.to_unix_parts();
            let since_1900 = (now + offset + 2_208_988_800) as u32;
            vec![Act::Reply(since_1900.to_be_bytes().to_vec())]
        })
        .to_string()
    };
    let arguments = ["--protocol", "time", "--max-offset", "1", "--timeout", "10"];
    let output = run(&[&[seconds(0).as_str()], &arguments[..]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains(" UTC  offset "),
        "{}",
        stdout(&output)
    );
    let output = run(&[&[seconds(10).as_str()], &arguments[..]].concat());
    assert_eq!(code(&output), 4, "{}", stdout(&output));
}

#[test]
fn three_servers_are_compared_and_the_outlier_is_named() {
    let good = [serve_ahead(Delta::ZERO), serve_ahead(Delta::ZERO)].map(|one| one.to_string());
    let wrong = serve_ahead(Delta::from_seconds(100)).to_string();
    let arguments = [
        &good[0],
        &wrong,
        &good[1],
        "--protocol",
        "ntp",
        "--timeout",
        "10s",
    ]
    .map(str::to_owned);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = run(&arguments);
    let text = stdout(&output);
    let row = text.lines().find(|line| line.contains("OUTLIER")).unwrap();
    assert!(row.starts_with(&wrong), "{text}");
    assert!(
        text.ends_with(&format!("2 of 3 servers agree; the outlier is {wrong}.\n")),
        "{text}"
    );
    assert_eq!(code(&output), 0);

    let output = run(&[&arguments[..], &["--json"]].concat());
    let lines = json(&output);
    let comparison = lines.last().unwrap();
    assert_eq!(comparison["type"], "comparison");
    assert_eq!(comparison["outliers"], serde_json::json!([wrong]));
    assert_eq!(comparison["servers"][0]["standing"], "agrees");
    assert_eq!(comparison["servers"][1]["standing"], "outlier");
}

#[test]
fn two_servers_that_contradict_one_another_leave_it_open_who_is_wrong() {
    let servers = [0, 100].map(|offset| serve_ahead(Delta::from_seconds(offset)).to_string());
    let output = run(&[&servers[0], &servers[1], "-p", "ntp", "-t", "10s"]);
    assert!(
        stdout(&output).contains("no majority says who is wrong"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn every_key_of_the_json_of_a_sample_is_as_documented() {
    let output = ntp(
        serve_ahead(Delta::ZERO),
        &["--json", "--samples=2", "--interval=0"],
    );
    let lines = json(&output);
    assert_eq!(lines.len(), 3);
    let keys = |line: &Value| {
        line.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut expected = vec![
        "type",
        "server",
        "protocol",
        "sample",
        "address",
        "time",
        "offset_ns",
        "delay_ns",
        "dispersion_ns",
        "root_distance_ns",
        "version",
        "leap_indicator",
        "stratum",
        "poll_log2_s",
        "precision_log2_s",
        "root_delay_ns",
        "root_dispersion_ns",
        "reference_id",
        "reference_time",
    ];
    let mut found = keys(&lines[0]);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(lines[1]["sample"], 2);
    assert_eq!(lines[2]["type"], "summary");
    assert_eq!(lines[2]["answered"], 2);
    let documentation = include_str!("../../docs/query.md");
    for line in &lines {
        for key in keys(line) {
            assert!(
                documentation.contains(&format!("`{key}`")),
                "{key} is not documented"
            );
        }
    }
}

#[test]
fn a_failing_sample_is_an_object_too() {
    let rate = ntp(serve_ntp(|header| kiss(header, b"RATE")), &["--json"]);
    let lines = json(&rate);
    assert_eq!(lines[0]["error"]["rule"], "kiss_of_death");
    assert_eq!(lines[0]["error"]["kiss_code"], "RATE");
    assert_eq!(lines[0]["stratum"], 0);
    assert!(lines[0].get("offset_ns").is_none());
    assert_eq!(stderr(&rate), "");
    let silent = ntp(serve(|_, _| Vec::new()), &["--json", "--timeout=50ms"]);
    assert_eq!(json(&silent)[0]["error"]["rule"], "no_answer");
    assert_eq!(code(&silent), 1);
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let address = serve_ntp(|_| ()).to_string();
    let mut reading = Running::start(
        query(&[
            &address,
            "--protocol=ntp",
            "--samples=100000",
            "--interval=0",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped()),
    );
    drop(reading.stdout());
    let output = reading.end();
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}

#[test]
fn the_host_clock_is_left_alone() {
    let before = OsClock.now();
    let output = ntp(serve_ahead(Delta::from_seconds(1_000_000)), &[]);
    let after = OsClock.now();
    assert_eq!(code(&output), 0);
    let stepped = (after.realtime - before.realtime) - (after.monotonic - before.monotonic);
    assert!(stepped.abs() < Delta::from_seconds(1));
}

//! `timeball bench` as a shell runs it.

use super::honest::assert_well_formed;
use crate::query::server::{Act, reply_to, serve};
use crate::support::process::timeball;
use crate::support::running::{Running, run};
use crate::support::{PATIENCE, serve as serve_time};
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Output, Stdio};

/// A server that answers every NTP request.
fn server() -> SocketAddr {
    serve(|request, _| vec![Act::Reply(reply_to(request, |_| ()))])
}

fn bench(arguments: &[&str]) -> Output {
    run(timeball().arg("bench").args(arguments))
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// The arguments of a measurement of 200 requests that is not in a hurry.
fn asking(target: &str) -> Vec<&str> {
    vec![
        target,
        "--requests",
        "200",
        "--timeout",
        "20",
        "--seconds",
        "20",
    ]
}

#[test]
fn json_is_one_line_with_every_field() {
    let target = server().to_string();
    let pid = std::process::id().to_string();
    let mut arguments = asking(&target);
    arguments.extend(["--json", "--pid", &pid, "--window", "16"]);
    let output = bench(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1);
    assert_eq!(text(&output.stderr), "");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (field, expected) in [
        ("sent", 200),
        ("valid", 200),
        ("invalid", 0),
        ("lost", 0),
        ("late", 0),
        ("unfinished", 0),
        ("unsynchronised", 0),
        ("window", 16),
        ("sockets", 16),
        ("addresses", 1),
        ("threads", 1),
    ] {
        assert_eq!(found[field], expected, "{field}");
    }
    assert_eq!(found["protocol"], "ntp");
    assert_eq!(found["target"], target);
    assert_eq!(found["loop"], "closed");
    assert_eq!(found["rate"], Value::Null);
    assert_eq!(found["interrupted"], false);
    assert_eq!(found["invalid_by_rule"], serde_json::json!({}));
    assert!(found["seconds"].is_f64());
    assert!(found["replies_per_second"].as_f64().unwrap() > 0.0);
    for field in ["min", "p50", "p90", "p99", "p99_9", "max", "mean"] {
        assert!(
            found["latency_us"][field].as_f64().unwrap() > 0.0,
            "{field}"
        );
    }
    for field in ["unsent", "delayed", "dropped_replies", "network_errors"] {
        assert_eq!(found["generator"][field], 0, "{field}");
    }
    let server = &found["server"];
    for field in ["cpu_ns_per_reply", "cpu_seconds", "cpus"] {
        assert!(server[field].as_f64().unwrap() >= 0.0, "{field}");
    }
    for field in ["resident_kib", "peak_resident_kib"] {
        assert!(server[field].as_u64().unwrap() > 0, "{field}");
    }
    assert!(found.get("ramp").is_none());
}

#[test]
fn people_get_a_table_and_a_histogram() {
    let target = server().to_string();
    let output = bench(&asking(&target));
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    assert!(table.starts_with(&format!("ntp {target}: closed loop, 256 in flight, ")));
    for row in [
        "sent          200\n",
        "valid         200\n",
        "invalid       0\n",
        "\nlatency       p50 ",
    ] {
        assert!(table.contains(row), "{row:?} in\n{table}");
    }
    assert!(table.lines().filter(|line| line.ends_with('#')).count() > 0);
}

#[test]
fn the_plot_is_written_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plot.svg");
    let target = server().to_string();
    let mut arguments = asking(&target);
    arguments.extend(["--plot", file.to_str().unwrap()]);
    assert_eq!(bench(&arguments).status.code(), Some(0));
    assert!(assert_well_formed(&std::fs::read_to_string(&file).unwrap()) >= 2);
    arguments.pop();
    arguments.push("/nowhere/plot.svg");
    let output = bench(&arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--plot /nowhere/plot.svg"));
}

#[test]
fn addresses_of_others_are_refused_before_anything_is_sent() {
    for other in [
        "192.0.2.1",
        "198.51.100.1:123",
        "2001:db8::1",
        "[2001:db8::1]:123",
    ] {
        let output = bench(&[other]);
        assert_eq!(output.status.code(), Some(2), "{other}");
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains("--i-own-this-server"));
    }
    // The word of the user does not make one host of a group of them.
    let output = bench(&["224.0.1.1", "--i-own-this-server"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn bad_usage_exits_2_and_says_why() {
    for (arguments, why) in [
        (&["--window", "0"][..], "window = 0"),
        (&["--rate", "0"], "rate = 0"),
        (&["--sockets", "0"], "sockets = 0"),
        (&["--threads", "65"], "threads = 65"),
        (&["--threads", "17"], "17 threads"),
        (&["--window", "5", "--rate", "5"], "cannot be used with"),
        (&["--ramp", "--window", "5"], "cannot be used with"),
        (&["--seconds", "soon"], "not a duration"),
        (&["--timeout", "0"], "1 ms to 60 s"),
        (&["--requests", "0"], "--requests"),
        (&["::1", "--addresses", "2"], "IPv4 loopback"),
        (&["--protocol", "sundial"], "sundial"),
        (&["--cpu", "100000"], "CPU 100000"),
        (&["--pid", "4294967295"], "process 4294967295"),
        (&["127.0.0.1:port"], "port"),
    ] {
        let output = bench(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn no_answer_exits_1_with_the_counts() {
    let silent = serve(|_, _| Vec::new()).to_string();
    let output = bench(&[&silent, "--requests", "5", "--timeout", "20ms", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["sent"], &found["lost"]), (&5.into(), &5.into()));
    assert_eq!(found["latency_us"], Value::Null);
}

#[test]
fn a_ramp_says_each_step_on_stderr_and_the_rate_in_the_object() {
    let server = serve_time(crate::server::burst::FOUR);
    let target = server.address(3).to_string();
    let output = bench(&[
        &target,
        "--ramp",
        "--rate",
        "500",
        "--seconds",
        "10ms",
        "--timeout",
        "200ms",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = found["ramp"]["steps"].as_array().unwrap();
    assert_eq!(text(&output.stderr).lines().count(), steps.len());
    for field in [
        "rate",
        "sent",
        "lost",
        "loss",
        "replies_per_second",
        "kept_up",
        "good",
    ] {
        assert!(steps.iter().all(|step| !step[field].is_null()), "{field}");
    }
    assert!(found["ramp"].get("highest_rate").is_some());
    assert!(found["ramp"]["limited_by"].is_string());
}

#[test]
fn ctrl_c_prints_what_was_measured_so_far() {
    // The server says when the first requests have come.
    let (tell, told) = std::sync::mpsc::channel();
    let target = serve(move |request, n| {
        if n == 100 {
            tell.send(()).unwrap();
        }
        vec![Act::Reply(reply_to(request, |_| ()))]
    });
    let bench = Running::start(
        timeball()
            .args(["bench", &target.to_string(), "--seconds", "86400", "--json"])
            .stdout(Stdio::piped()),
    );
    told.recv_timeout(PATIENCE).unwrap();
    bench.signal(Signal::INT);
    let output = bench.end();
    assert_eq!(output.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["interrupted"], true);
    assert!(found["valid"].as_u64().unwrap() > 0);
}

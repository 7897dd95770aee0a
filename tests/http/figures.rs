//! The figures are those of what was asked.

use super::{HONEST, http, metrics, sample, status, wait_for_status};
use crate::support::web::get;
use crate::support::{ask, client_of, mark_of, ntp_request, receive, serve};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use timeball::api::{Delta, DropReason};

const FOUR: &str = "
http.address = '127.0.0.1:0'
max_queue_delay = 0
sources.wall.kind = 'system'
listeners = [
    { protocol = 'text', address = '127.0.0.1:0', source = 'wall' },
    { protocol = 'daytime', address = '127.0.0.1:0', source = 'wall' },
    { protocol = 'time', address = '127.0.0.1:0', source = 'wall' },
    { protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' },
]
";

#[test]
fn counters_rise_by_exactly_what_was_asked() {
    let server = serve(FOUR);
    let questions: [(&[u8], u64); 4] = [
        (b"Send time", 3),
        (b"", 5),
        (b"x", 7),
        (&ntp_request(1), 11),
    ];
    for (number, (question, count)) in questions.into_iter().enumerate() {
        for _ in 0..count {
            ask(server.address(number), question);
        }
    }
    let ntp = server.address(3);
    let client = client_of(ntp);
    // Each of these gets no answer, for another reason.
    let mut of_version_7 = ntp_request(1);
    of_version_7[0] = 0x3b;
    let mut a_reply = ntp_request(1);
    a_reply[0] = 0x24;
    let with_a_mac = [&ntp_request(1)[..], &[7; 20]].concat();
    for (silent, count) in [
        (&b"short"[..], 2),
        (&of_version_7, 3),
        (&a_reply, 4),
        (&with_a_mac, 5),
    ] {
        for _ in 0..count {
            client.send_to(silent, ntp).unwrap();
        }
    }
    client.send_to(b"x", server.address(0)).unwrap();
    let counted = |status: &Value, number: usize| {
        let it = &status["listeners"][number];
        let dropped = it["dropped"].as_object().unwrap().values();
        let dropped: u64 = dropped.map(|count| count.as_u64().unwrap()).sum();
        (it["replied"].as_u64().unwrap(), dropped)
    };
    let expected = [(3, 1), (5, 0), (7, 0), (11, 14)];
    let status = wait_for_status(&server, "all of it", |status| {
        (0..4).all(|number| counted(status, number) == expected[number])
    });
    let page = metrics(&server);
    for (number, (replied, dropped)) in expected.into_iter().enumerate() {
        let it = &status["listeners"][number];
        assert_eq!(it["received"], replied + dropped, "{it}");
        assert_eq!(it["number"], number, "{it}");
        let listener = format!("listener=\"{}\"", server.address(number));
        let listener = &listener[..];
        for (name, count) in [
            ("timeball_received_total", replied + dropped),
            ("timeball_replied_total", replied),
            ("timeball_send_failed_total", 0),
            ("timeball_receive_errors_total", 0),
            ("timeball_kernel_drops_total", 0),
            ("timeball_listener_bound", 1),
        ] {
            assert_eq!(sample(&page, name, &[listener]), count as f64, "{name}");
        }
    }
    let ntp = format!("listener=\"{ntp}\"");
    for reason in DropReason::NAMES {
        let count = match reason {
            "too_short" => 2,
            "unsupported_version" => 3,
            "not_a_request" => 4,
            "unknown_key" => 5,
            _ => 0,
        };
        assert_eq!(status["listeners"][3]["dropped"][reason], count, "{reason}");
        let labels = [
            &ntp[..],
            "protocol=\"ntp\"",
            &format!("reason=\"{reason}\""),
        ];
        let counted = sample(&page, "timeball_dropped_total", &labels);
        assert_eq!(counted, f64::from(count), "{reason}");
    }
}

#[test]
fn latencies_are_those_of_the_replies() {
    let server = serve(FOUR);
    for mark in 1..=20 {
        ask(server.address(3), &ntp_request(mark));
    }
    ask(server.address(2), b"");
    // No reply, no latency.
    client_of(server.address(3))
        .send_to(b"short", server.address(3))
        .unwrap();
    let status = wait_for_status(&server, "all of it", |status| {
        let it = &status["listeners"][3];
        (&it["replied"], &it["received"]) == (&json!(20), &json!(21))
            && status["listeners"][2]["replied"] == 1
    });
    let latency = &status["listeners"][3]["latency"];
    let counts: Vec<u64> = serde_json::from_value(latency["counts"].clone()).unwrap();
    let bounds: Vec<f64> = serde_json::from_value(latency["upper_bounds_s"].clone()).unwrap();
    assert_eq!(counts.len(), bounds.len() + 1);
    assert_eq!(
        (counts.iter().sum::<u64>(), &latency["count"]),
        (20, &json!(20))
    );
    // Between what fell into each bucket at the least and at the most.
    let lower = [0.0].iter().chain(&bounds).zip(&counts);
    let least: f64 = lower.map(|(bound, &count)| bound * count as f64).sum();
    let sum = latency["sum_s"].as_f64().unwrap();
    assert!(sum > least && sum < 20.0, "{latency}");
    for pair in bounds.windows(2) {
        assert_eq!(pair[1], pair[0] * 2.0, "powers of two");
    }
    let page = metrics(&server);
    let buckets = page.lines().filter_map(|line| {
        let series = line.strip_prefix("timeball_latency_seconds_bucket{")?;
        let (series, count) = series.rsplit_once(' ')?;
        series
            .contains("protocol=\"ntp\"")
            .then(|| count.parse::<u64>().unwrap())
    });
    let below: Vec<u64> = buckets.collect();
    let expected = counts.iter().scan(0, |below, count| {
        *below += count;
        Some(*below)
    });
    assert_eq!(below, expected.collect::<Vec<_>>());
    let ntp = ["protocol=\"ntp\""];
    let infinite = ["protocol=\"ntp\"", "le=\"+Inf\""];
    assert_eq!(
        sample(&page, "timeball_latency_seconds_bucket", &infinite),
        20.0
    );
    assert_eq!(sample(&page, "timeball_latency_seconds_count", &ntp), 20.0);
    assert_eq!(sample(&page, "timeball_latency_seconds_sum", &ntp), sum);
}

#[test]
fn test_time_is_told_and_has_no_latency() {
    let server = serve(
        "http.address = '127.0.0.1:0'
         sources.lab = { kind = 'mock', start = '2036-02-07T06:28:13Z', stratum = 3 }
         sources.wall.kind = 'system'
         listeners = [
             { protocol = 'ntp', address = '127.0.0.1:0', source = 'lab' },
             { protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' },
         ]",
    );
    ask(server.address(0), &ntp_request(1));
    let status = wait_for_status(&server, "the reply", |status| {
        status["listeners"][0]["replied"] == 1
    });
    assert_eq!(status["mode"], "test");
    assert_eq!(status["listeners"][0]["test_time"], true);
    assert_eq!(status["listeners"][0]["latency"]["count"], 0);
    let lab = &status["sources"][0];
    assert_eq!(
        (&lab["name"], &lab["kind"], &lab["time"], &lab["stratum"]),
        (
            &json!("lab"),
            &json!("mock"),
            &json!("2036-02-07T06:28:13.000000000Z"),
            &json!(3)
        )
    );
    assert_eq!(lab["reference_id"], "XTST");
    assert!(lab["offset_s"].as_f64().unwrap().abs() > 1e6, "{lab}");
    let page = metrics(&server);
    assert_eq!(sample(&page, "timeball_mode", &["mode=\"test\""]), 1.0);
    assert!(!page.contains("mode=\"live\""), "{page}");
    // Of the honest listener alone.
    sample(
        &page,
        "timeball_latency_seconds_count",
        &["source=\"wall\""],
    );
    assert!(!page.contains("timeball_latency_seconds_count{listener=\"127.0.0.1:0\""));
    assert_eq!(page.matches("timeball_latency_seconds_count{").count(), 1);
    // To look at a clock does not move it, nor count as a request.
    assert_eq!(server.mock("lab").unwrap().served(), 1);
    server.mock("lab").unwrap().advance(Delta::from_seconds(1));
    let time = super::status(&server)["sources"][0]["time"].clone();
    assert_eq!(time, "2036-02-07T06:28:14.000000000Z");
}

#[test]
fn the_status_says_who_runs_and_how_good_its_source_is() {
    let server = serve(HONEST);
    let first = status(&server);
    assert_eq!(first["mode"], "live");
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["pid"], std::process::id());
    let wall = &first["sources"][0];
    assert_eq!(
        (&wall["kind"], &wall["available"]),
        (&json!("system"), &json!(true))
    );
    assert_eq!(
        (&wall["error"], &wall["offset_s"]),
        (&Value::Null, &json!(0.0))
    );
    assert_eq!(
        (&wall["stratum"], &wall["leap_indicator"]),
        (&json!(10), &json!("none"))
    );
    assert_eq!(wall["root_delay_s"], 0.0);
    let page = metrics(&server);
    let wall = ["source=\"wall\""];
    assert_eq!(sample(&page, "timeball_source_stratum", &wall), 10.0);
    assert_eq!(sample(&page, "timeball_source_offset_seconds", &wall), 0.0);
    assert_eq!(sample(&page, "timeball_source_available", &wall), 1.0);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(sample(&page, "timeball_build_info", &[&version]), 1.0);
    let second = status(&server);
    assert_eq!(first["started"], second["started"]);
    let uptime = |status: &Value| status["uptime_s"].as_f64().unwrap();
    assert!(uptime(&first) < uptime(&second));
    let text = |status: &Value, key: &str| status[key].as_str().unwrap().to_owned();
    assert!(text(&first, "started") < text(&first, "now"), "{first}");
}

#[test]
fn whoever_asks_too_often_is_seen_in_the_limiter_and_among_the_kisses() {
    let server = serve(&format!(
        "{HONEST}[admission.rate_limit]\nrate = 0.001\nburst = 2\nkod_share = 1\nleak = 0\n"
    ));
    let before = &status(&server)["limiter"];
    assert_eq!(
        before,
        &json!({"clients": 65_536, "octets": 524_288, "in_use": 0, "rate_per_s": 0.001, "burst": 2})
    );
    let ntp = server.address(0);
    for mark in 1..=5 {
        assert_eq!(mark_of(&ask(ntp, &ntp_request(mark))), mark);
    }
    let status = wait_for_status(&server, "the kisses", |status| {
        status["listeners"][0]["replied"] == 5
    });
    assert_eq!(
        status["listeners"][0]["kissed"],
        json!({"rate": 3, "deny": 0})
    );
    assert_eq!(status["limiter"]["in_use"], 1);
    let page = metrics(&server);
    assert_eq!(
        sample(&page, "timeball_kissed_total", &["code=\"RATE\""]),
        3.0
    );
    assert_eq!(
        sample(&page, "timeball_kissed_total", &["code=\"DENY\""]),
        0.0
    );
    assert_eq!(sample(&page, "timeball_limiter_clients_in_use", &[]), 1.0);
}

#[test]
fn those_who_ask_most_are_told_with_how_often() {
    let settings = HONEST.replacen(
        "ntp', address = '127.0.0.1:0'",
        "ntp', address = '[::]:0'",
        1,
    );
    let server = serve(&settings);
    let port = server.address(0).port();
    // One at a time: each is looked at.
    for (client, count) in [("127.0.0.2", 7), ("127.0.0.3", 9), ("::1", 8)] {
        let is_v6 = client.contains(':');
        let ip: std::net::IpAddr = client.parse().unwrap();
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket
            .set_read_timeout(Some(crate::support::PATIENCE))
            .unwrap();
        let to = if is_v6 { "::1" } else { "127.0.0.1" };
        for mark in 1..=count {
            socket.send_to(&ntp_request(mark), (to, port)).unwrap();
            assert_eq!(mark_of(&receive(&socket).0), mark);
        }
    }
    // Whoever gets no answer has asked all the same.
    let silent = UdpSocket::bind("127.0.0.4:0").unwrap();
    silent.send_to(b"short", ("127.0.0.1", port)).unwrap();
    let status = wait_for_status(&server, "all of it", |status| {
        status["listeners"][0]["received"] == 25
    });
    assert_eq!(
        status["top_clients"],
        json!([
            {"client": "127.0.0.3", "requests": 9},
            {"client": "::1", "requests": 8},
            {"client": "127.0.0.2", "requests": 7},
            {"client": "127.0.0.4", "requests": 1},
        ])
    );
}

#[test]
fn no_more_than_twenty_clients_are_told_of() {
    let server = serve(HONEST);
    for client in 1..=30_u8 {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 1, client], 0))).unwrap();
        socket
            .set_read_timeout(Some(crate::support::PATIENCE))
            .unwrap();
        for mark in 0..=u64::from(client == 30) {
            socket
                .send_to(&ntp_request(mark + 1), server.address(0))
                .unwrap();
            receive(&socket);
        }
    }
    let status = wait_for_status(&server, "all of it", |status| {
        status["listeners"][0]["received"] == 31
    });
    let top = status["top_clients"].as_array().unwrap();
    assert_eq!(top.len(), 20);
    assert_eq!(top[0], json!({"client": "127.0.1.30", "requests": 2}));
    let page = get(http(&server), "/metrics").body;
    assert!(!page.contains("127.0.1.30"), "a client is no label");
}

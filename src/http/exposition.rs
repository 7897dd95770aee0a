//! The look as Prometheus reads it: its text format, version 0.0.4.

use super::seen::Seen;
use super::status::mode;
use crate::api::DropReason;
use crate::metrics::{Latencies, Totals};
use std::collections::BTreeMap;
use std::fmt::{Arguments, Display, Write};
use std::net::SocketAddr;

/// The media type of this form.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything as Prometheus reads it.
pub(super) fn page(seen: &Seen) -> String {
    let mut page = Page::default();
    process(&mut page, seen);
    listeners(&mut page, seen);
    sources(&mut page, seen);
    limiter(&mut page, seen);
    page.text
}

fn process(page: &mut Page, seen: &Seen) {
    page.family(
        "timeball_build_info",
        "gauge",
        "1, with the version of timeball.",
    );
    page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family(
        "timeball_mode",
        "gauge",
        "1, with test as soon as one source that is served is test time, else with live.",
    );
    page.sample("", &[("mode", mode(seen).name())], 1);
    page.family(
        "timeball_start_time_seconds",
        "gauge",
        "When the server was started, in seconds since 1970.",
    );
    page.sample("", &[], seconds(seen.started.realtime.as_nanos()));
    page.family(
        "timeball_uptime_seconds",
        "gauge",
        "How long the server has been running, by the monotonic clock.",
    );
    page.sample("", &[], seen.uptime_s());
    page.family(
        "timeball_ready",
        "gauge",
        "1 while every source gives readings and every listener is bound, else 0.",
    );
    page.sample("", &[], u8::from(seen.reasons().is_empty()));
}

/// What is counted at one address. Two listeners may share one, on different
/// network interfaces.
#[derive(Default)]
struct Counted {
    is_bound: bool,
    test_time: bool,
    totals: Totals,
    latencies: Latencies,
}

/// One count of a listener.
type Count = fn(&Totals) -> u64;

/// The counters that every listener has one of.
const COUNTERS: [(&str, &str, Count); 7] = [
    (
        "timeball_received_total",
        "Datagrams that reached the server.",
        |totals| totals.received,
    ),
    (
        "timeball_replied_total",
        "Replies that the kernel took, kisses among them.",
        |totals| totals.replied,
    ),
    (
        "timeball_send_failed_total",
        "Replies that the kernel did not take.",
        |totals| totals.send_failed,
    ),
    (
        "timeball_receive_errors_total",
        "Receives that failed.",
        |totals| totals.receive_errors,
    ),
    (
        "timeball_kernel_drops_total",
        "Datagrams that the kernel dropped since the receive buffer was full; no other counter has them.",
        |totals| totals.kernel_drops,
    ),
    (
        "timeball_xdp_replies_total",
        "Of the replies, those that told the time from the network driver.",
        |totals| totals.in_driver.replies,
    ),
    (
        "timeball_xdp_kissed_total",
        "Of the kisses, those from the network driver; their code is RATE.",
        |totals| totals.in_driver.kisses,
    ),
];

fn listeners(page: &mut Page, seen: &Seen) {
    let mut all: BTreeMap<(SocketAddr, &str, &str), Counted> = BTreeMap::new();
    for observed in &seen.listeners {
        let it = &observed.listener;
        let counted = all
            .entry((it.address, it.protocol, &it.source))
            .or_insert_with(|| Counted {
                is_bound: true,
                ..Counted::default()
            });
        counted.is_bound &= observed.is_bound;
        counted.test_time |= it.test_time;
        counted.totals += observed.totals;
        counted.latencies += observed.latencies;
    }
    let all: Vec<([(&str, String); 3], Counted)> = all
        .into_iter()
        .map(|((address, protocol, source), counted)| {
            let labels = [
                ("listener", address.to_string()),
                ("protocol", protocol.to_owned()),
                ("source", source.to_owned()),
            ];
            (labels, counted)
        })
        .collect();
    page.family(
        "timeball_listener_bound",
        "gauge",
        "1 while all sockets of the listener are open, else 0.",
    );
    for (labels, counted) in &all {
        page.sample("", &with(labels, &[]), u8::from(counted.is_bound));
    }
    for (name, help, count) in COUNTERS {
        page.family(name, "counter", help);
        for (labels, counted) in &all {
            page.sample("", &with(labels, &[]), count(&counted.totals));
        }
    }
    page.family(
        "timeball_kissed_total",
        "counter",
        "Replies that gave no time but asked the client to stay away, by kiss code.",
    );
    for (labels, counted) in &all {
        for (code, count) in [
            ("DENY", counted.totals.kissed_deny),
            ("RATE", counted.totals.kissed_rate),
        ] {
            page.sample("", &with(labels, &[("code", code)]), count);
        }
    }
    page.family(
        "timeball_dropped_total",
        "counter",
        "Datagrams that reached the server and got no reply, by reason.",
    );
    for (labels, counted) in &all {
        for (reason, count) in DropReason::NAMES.iter().zip(counted.totals.dropped) {
            page.sample("", &with(labels, &[("reason", reason)]), count);
        }
    }
    page.family(
        "timeball_xdp_dropped_total",
        "counter",
        "Of the datagrams without a reply, those that were dropped in the network driver, by reason.",
    );
    for (labels, counted) in &all {
        let in_driver = counted.totals.in_driver;
        for (reason, count) in [
            ("denied", in_driver.denied),
            ("rate_limited", in_driver.rate_limited),
        ] {
            page.sample("", &with(labels, &[("reason", reason)]), count);
        }
    }
    page.family(
        "timeball_latency_seconds",
        "histogram",
        "From the arrival of a request, by the kernel's timestamp, to the transmit timestamp of its reply; not under test time.",
    );
    for (labels, counted) in all.iter().filter(|(_, counted)| !counted.test_time) {
        histogram(page, labels, &counted.latencies);
    }
}

fn histogram(page: &mut Page, labels: &[(&str, String); 3], latencies: &Latencies) {
    let bounds = Latencies::upper_bounds_us().map(|bound| (bound as f64 / 1e6).to_string());
    let bounds = bounds.chain(["+Inf".to_owned()]);
    let mut below = 0;
    for (bound, count) in bounds.zip(latencies.counts) {
        below += count;
        page.sample("_bucket", &with(labels, &[("le", &bound)]), below);
    }
    page.sample("_sum", &with(labels, &[]), latencies.sum_ns as f64 / 1e9);
    page.sample("_count", &with(labels, &[]), below);
}

/// One figure of a source's reading.
type Figure = fn(&super::readings::Observation) -> f64;

/// What is told of every source that gives a reading.
const FIGURES: [(&str, &str, Figure); 6] = [
    (
        "timeball_source_synchronised",
        "1 while clients may use the time: no alarm, and a stratum of 1 to 15; else 0.",
        |it| f64::from(u8::from(it.reading.quality.is_synchronised())),
    ),
    (
        "timeball_source_stratum",
        "Hops from a reference clock; 16 is unsynchronised.",
        |it| f64::from(it.reading.quality.stratum),
    ),
    (
        "timeball_source_leap_indicator",
        "0 is none, 1 a second to be inserted today, 2 one to be left out, 3 the alarm.",
        |it| f64::from(it.reading.quality.leap_indicator.to_bits()),
    ),
    (
        "timeball_source_root_delay_seconds",
        "Round trip to the reference clock.",
        |it| seconds(it.reading.quality.root_delay.as_nanos()),
    ),
    (
        "timeball_source_root_dispersion_seconds",
        "Bound on the error against the reference clock.",
        |it| seconds(it.reading.quality.root_dispersion.as_nanos()),
    ),
    (
        "timeball_source_offset_seconds",
        "By how much the source is ahead of the host's realtime clock.",
        super::readings::Observation::offset_s,
    ),
];

fn sources(page: &mut Page, seen: &Seen) {
    page.family(
        "timeball_source_available",
        "gauge",
        "1 while the source gives readings, else 0.",
    );
    for (source, reading) in &seen.sources {
        let labels = [("source", &*source.name), ("kind", source.kind)];
        page.sample("", &labels, u8::from(reading.is_ok()));
    }
    for (name, help, figure) in FIGURES {
        page.family(name, "gauge", help);
        for (source, reading) in &seen.sources {
            if let Ok(observation) = reading {
                page.sample("", &[("source", &source.name)], figure(observation));
            }
        }
    }
}

fn limiter(page: &mut Page, seen: &Seen) {
    let Some(state) = &seen.limiter else {
        return;
    };
    for (name, help, value) in [
        (
            "timeball_limiter_clients",
            "How many clients the rate limit can tell apart at a time.",
            state.clients,
        ),
        (
            "timeball_limiter_clients_in_use",
            "How many have asked so lately that they may not yet have their whole burst again.",
            state.in_use,
        ),
        (
            "timeball_limiter_octets",
            "What their table takes, in octets.",
            state.octets,
        ),
    ] {
        page.family(name, "gauge", help);
        page.sample("", &[], value);
    }
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// The labels of a listener, and `more`.
fn with<'a>(
    labels: &'a [(&'a str, String); 3],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let own = labels.iter().map(|(name, value)| (*name, value.as_str()));
    own.chain(more.iter().copied()).collect()
}

/// The text, family by family.
#[derive(Default)]
struct Page {
    text: String,
    /// The family that samples belong to.
    name: &'static str,
}

impl Page {
    /// Begins a family; the samples behind it are its.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let name = self.name;
        self.push(format_args!("{name}{suffix}"));
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            self.push(format_args!("{before}{label}=\"{}\"", escaped(value)));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{end} {value}\n"));
    }

    fn push(&mut self, text: Arguments<'_>) {
        let written = self.text.write_fmt(text);
        written.expect("a String takes all that is written");
    }
}

/// The value of a label, as it stands between quotation marks.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

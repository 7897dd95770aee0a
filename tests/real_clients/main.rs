//! Time clients that this project did not write, asking a running `timeball serve`.
//!
//! Each test starts the program as a user would, lets one client ask it, and reads
//! what the client printed. Server and client share the host's clock, so an honest
//! answer shows an offset of zero; up to a millisecond is allowed for the way
//! through two schedulers.
//!
//! # Why a target of its own
//!
//! These tests need Debian's packages of the clients, and root: to take the right to
//! set the clock away from every program they start, and to make a network of its
//! own for the clients that can ask no other port than the standard one. `.ci/run`
//! has all that; `docs/testing.md` says how to run them by hand.
//!
//! None of them can change the machine's clock: see [`sandbox`].

mod clients;
mod privileges;
#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "../support/running.rs"]
mod running;
mod sandbox;
mod server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clients::{HostTimes, Sample};
use server::Server;

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The stratum of the `system` source where the settings name none.
const STRATUM: u8 = 10;

/// Offset allowed between two programs that read the same clock.
const TOLERANCE_S: f64 = 0.001;

/// Every protocol on any free port of 127.0.0.1, NTP on `[::1]` too. The rate limit is
/// that by default, and holds for loopback too where it is written: no client
/// here, with its bursts, is to meet it.
const ANY_PORTS: &str = r#"
[admission.rate_limit]

[sources.wall]
kind = "system"

[[listeners]]
protocol = "text"
address = "127.0.0.1:0"
source = "wall"
timezone = "UTC"

[[listeners]]
protocol = "daytime"
address = "127.0.0.1:0"
source = "wall"
timezone = "UTC"

[[listeners]]
protocol = "ntp"
address = "127.0.0.1:0"
source = "wall"

[[listeners]]
protocol = "ntp"
address = "[::1]:0"
source = "wall"
"#;

/// NTP and RFC 868 where the world looks for them.
const STANDARD_PORTS: &str = r#"
[admission.rate_limit]

[sources.wall]
kind = "system"

[[listeners]]
protocol = "time"
address = "127.0.0.1:37"
source = "wall"

[[listeners]]
protocol = "ntp"
address = "127.0.0.1:123"
source = "wall"
"#;

fn assert_offset(client: &str, offset_s: f64) {
    assert!(
        offset_s.abs() < TOLERANCE_S,
        "{client} saw an offset of {offset_s} s from its own clock"
    );
}

/// The sample whose offset errs least: by half its delay at most (RFC 5905 section
/// 10). Lets the client ask again, ten times at most, while a busy machine delays every
/// answer so much that its offset could not tell a good server from a bad one.
fn best(mut ask: impl FnMut() -> Vec<Sample>) -> Sample {
    let mut samples = Vec::new();
    for _ in 0..10 {
        samples.extend(ask());
        samples.sort_by(|a, b| a.delay_s.total_cmp(&b.delay_s));
        if samples
            .first()
            .is_some_and(|best| best.delay_s < TOLERANCE_S)
        {
            break;
        }
    }
    *samples
        .first()
        .expect("a client prints at least one sample")
}

fn assert_between(printed_s: f64, resolution_s: f64, host: HostTimes) {
    assert!(
        (host.before_s - resolution_s..=host.after_s).contains(&printed_s),
        "the answer was {printed_s} s, between {} s and {} s by the host",
        host.before_s,
        host.after_s
    );
}

#[test]
fn no_program_that_these_tests_start_may_set_the_clock() {
    const CAP_SYS_TIME: u32 = 25;
    for (set, capabilities) in sandbox::capabilities() {
        assert_eq!(capabilities >> CAP_SYS_TIME & 1, 0, "{set} still has it");
    }
}

/// Lets chronyd try again while a busy machine delays its questions.
fn chronyd_asks(ip: IpAddr) {
    let server = Server::start(ANY_PORTS);
    let offset_s = (0..5)
        .find_map(|_| clients::chronyd(server.address("ntp", ip)))
        .expect("one try of five brings answers within a millisecond");
    assert_offset("chronyd", offset_s);
}

#[test]
fn chronyd_measures_no_offset() {
    chronyd_asks(IPV4);
}

#[test]
fn chronyd_measures_no_offset_over_ipv6() {
    chronyd_asks(IPV6);
}

#[test]
fn ntplib_measures_no_offset_in_any_version_of_the_protocol() {
    let server = Server::start(ANY_PORTS);
    for version in 1..=4 {
        let best = best(|| clients::ntplib(server.address("ntp", IPV4), version));
        assert_offset("ntplib", best.offset_s);
        assert_eq!(best.stratum, STRATUM);
    }
}

#[test]
fn ntpdig_measures_no_offset() {
    let server = Server::start_alone(STANDARD_PORTS);
    let best = best(|| clients::ntpdig(server.network(), IPV4));
    assert_offset("ntpdig", best.offset_s);
    assert_eq!(best.stratum, STRATUM);
}

#[test]
fn busybox_ntpd_measures_no_offset() {
    let server = Server::start_alone(STANDARD_PORTS);
    let best = best(|| clients::busybox_ntpd(server.network(), IPV4));
    assert_offset("busybox ntpd", best.offset_s);
    assert_eq!(best.stratum, STRATUM);
}

#[test]
fn rdate_prints_the_second_that_the_host_is_in() {
    let server = Server::start_alone(STANDARD_PORTS);
    let (printed_s, host) = clients::rdate(server.network(), IPV4);
    assert_between(printed_s, 1.0, host);
}

#[test]
fn six_lines_of_python_read_the_text_protocol() {
    let server = Server::start(ANY_PORTS);
    let (printed_s, host) = clients::python_text(server.address("text", IPV4));
    assert_between(printed_s, 1e-6, host);
}

#[test]
fn six_lines_of_python_read_the_daytime_protocol() {
    let server = Server::start(ANY_PORTS);
    let (printed_s, host) = clients::python_daytime(server.address("daytime", IPV4));
    assert_between(printed_s, 1.0, host);
}

//! Against servers that misbehave: each wrong reply and each lost request is
//! counted, and nothing else.
//!
//! A wrong reply always comes before a right one of the same socket, so that it
//! is there when the measurement ends.

use super::honest::{measure, plan};
use crate::query::server::{Act, kiss, reply_to, serve, serve_ntp, wrong_origin};
use std::net::SocketAddr;
use timeball::api::{Delta, NtpTimestamp};
use timeball::client::Question;
use timeball::load::check::Invalid;
use timeball::load::{Pace, Plan, Report};
use timeball::protocol::ntp::Header;

/// A closed loop on a server that answers everything in the end.
fn ask(server: SocketAddr, requests: u64) -> Report {
    measure(&plan(server, Question::NTP, Pace::Window(8), requests))
}

/// Four requests at a time, given up soon.
fn ask_in_vain(server: SocketAddr, question: Question, requests: u64) -> Report {
    measure(&Plan {
        timeout: Delta::from_millis(30),
        ..plan(server, question, Pace::Window(4), requests)
    })
}

/// The sent, valid, invalid and lost of a report.
fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (report.sent, report.valid, report.invalid, report.lost)
}

#[test]
fn each_wrong_reply_is_counted_by_the_rule_it_breaks_and_the_right_one_after_it_is_valid() {
    type Change = fn(&mut Header);
    let changes: [(Invalid, Change); 6] = [
        (Invalid::OriginTimestamp, wrong_origin),
        (Invalid::Version, |reply| reply.version = 3),
        (Invalid::Mode, |reply| reply.mode = 5),
        (Invalid::Timestamps, |reply| {
            reply.transmit_timestamp = NtpTimestamp::ZERO;
        }),
        (Invalid::KissOfDeath, |reply| kiss(reply, b"RATE")),
        (Invalid::Timestamps, |reply| {
            reply.receive_timestamp = NtpTimestamp::ZERO;
        }),
    ];
    for (rule, change) in changes {
        let server = serve(move |request, n| {
            let good = Act::Reply(reply_to(request, |_| ()));
            // Every third request gets a wrong reply first.
            match n % 3 {
                0 => vec![Act::Reply(reply_to(request, change)), good],
                _ => vec![good],
            }
        });
        let report = ask(server, 300);
        assert_eq!(counts(&report), (300, 300, 100, 0), "{rule:?}");
        assert_eq!(report.invalid_by_rule.of(rule), 100, "{rule:?}");
    }
}

#[test]
fn replies_of_a_wrong_length_are_counted() {
    let server = serve(|request, _| {
        let good = reply_to(request, |_| ());
        let mut long = good.clone();
        long.resize(4_000, 0);
        vec![
            Act::Reply(good[..44].to_vec()),
            Act::Reply(long),
            Act::Reply(Vec::new()),
            Act::Reply(good),
        ]
    });
    let report = ask(server, 50);
    assert_eq!(counts(&report), (50, 50, 150, 0));
    assert_eq!(report.invalid_by_rule.of(Invalid::Length), 150);
}

#[test]
fn each_copy_of_a_reply_is_a_duplicate() {
    let mut before: Option<Vec<u8>> = None;
    let server = serve(move |request, _| {
        let good = reply_to(request, |_| ());
        let copy = before.replace(good.clone());
        copy.into_iter().chain([good]).map(Act::Reply).collect()
    });
    // From one socket, since a copy goes to whoever asks next.
    let report = measure(&Plan {
        sockets: 1,
        ..plan(server, Question::NTP, Pace::Window(8), 400)
    });
    assert_eq!(counts(&report), (400, 400, 399, 0));
    assert_eq!(report.invalid_by_rule.of(Invalid::Duplicate), 399);
}

#[test]
fn the_reply_to_a_request_of_another_socket_is_wrong() {
    let mut before: Option<Vec<u8>> = None;
    let server = serve(move |request, _| {
        let good = reply_to(request, |_| ());
        let others = before.replace(good.clone());
        others.into_iter().chain([good]).map(Act::Reply).collect()
    });
    // Each socket has one request in flight, and they take turns.
    let report = measure(&Plan {
        sockets: 2,
        ..plan(server, Question::NTP, Pace::Window(2), 200)
    });
    assert_eq!((report.sent, report.valid, report.lost), (200, 200, 0));
    assert!(report.invalid > 0);
}

#[test]
fn an_unsynchronised_server_is_valid_and_said_to_be_so() {
    let server = serve_ntp(|reply| {
        reply.leap_indicator = timeball::api::LeapIndicator::Unsynchronised;
    });
    let report = ask(server, 100);
    assert_eq!(counts(&report), (100, 100, 0, 0));
    assert_eq!(report.unsynchronised, 100);
}

#[test]
fn a_silent_server_loses_every_request() {
    for question in [Question::NTP, Question::Text, Question::Time] {
        let server = serve(|_, _| Vec::new());
        let report = ask_in_vain(server, question, 12);
        assert_eq!(counts(&report), (12, 0, 0, 12));
        assert_eq!((report.latency_us, report.loss()), (None, 1.0));
        assert_eq!(report.replies_per_second, 0.0);
    }
}

#[test]
fn a_request_with_a_wrong_reply_alone_is_lost_as_well() {
    let server = serve(|request, _| vec![Act::Reply(reply_to(request, wrong_origin))]);
    let report = measure(&Plan {
        timeout: Delta::from_seconds(1),
        ..plan(server, Question::NTP, Pace::Window(4), 4)
    });
    assert_eq!(counts(&report), (4, 0, 4, 4));
    assert_eq!(report.invalid_by_rule.of(Invalid::OriginTimestamp), 4);
}

#[test]
fn a_late_reply_is_neither_valid_nor_wrong() {
    // The reply to a request comes when it has been given up: with the next
    // request of its socket, of which there is one.
    let mut before: Option<Vec<u8>> = None;
    let server = serve(move |request, _| {
        let late = before.replace(reply_to(request, |_| ()));
        late.into_iter().map(Act::Reply).collect()
    });
    let report = measure(&Plan {
        timeout: Delta::from_millis(500),
        sockets: 1,
        ..plan(server, Question::NTP, Pace::Window(1), 4)
    });
    assert_eq!(counts(&report), (4, 0, 0, 4));
    assert_eq!(report.late, 3);
}

#[test]
fn a_reply_from_elsewhere_is_wrong() {
    let server = serve(|request, _| {
        let good = reply_to(request, |_| ());
        vec![Act::ReplyFromAnotherPort(good.clone()), Act::Reply(good)]
    });
    // A connected socket does not see it; one with many addresses does.
    let report = ask(server, 100);
    assert_eq!(counts(&report), (100, 100, 0, 0));
    let report = measure(&Plan {
        addresses: 7,
        ..plan(server, Question::NTP, Pace::Window(8), 100)
    });
    assert_eq!(counts(&report), (100, 100, 100, 0));
    assert_eq!(report.invalid_by_rule.of(Invalid::Source), 100);
}

#[test]
fn replies_without_a_form_are_wrong_in_the_protocols_of_a_line() {
    for question in [Question::Text, Question::Daytime] {
        let server = serve(|_, _| {
            vec![
                Act::Reply(b"\x1b[2J".to_vec()),
                Act::Reply(b"noon\r\n".to_vec()),
            ]
        });
        let report = measure(&plan(server, question, Pace::Window(8), 100));
        assert_eq!(counts(&report), (100, 100, 100, 0));
        assert_eq!(report.invalid_by_rule.of(Invalid::Form), 100);
    }
}

#[test]
fn a_closed_port_answers_nothing_and_is_named() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = port.local_addr().unwrap();
    drop(port);
    let report = ask_in_vain(closed, Question::NTP, 12);
    assert_eq!(report.valid, 0);
    assert_eq!(report.sent, report.lost);
    assert!(report.generator.network_errors > 0);
    let error = report.generator.last_network_error.unwrap();
    assert!(error.contains("refused"), "{error}");
}

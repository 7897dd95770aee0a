//! The library's end: what a sample says, and what is believed.

use super::server::{
    Act, NOON, kiss, reply_to, serve, serve_always, serve_at, serve_ntp, unsynchronised,
    wrong_origin,
};
use crate::support::running::DEADLINE;
use futures_util::future::join_all;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use timeball::api::{Delta, HostClock, HostInstant, Monotonic, NtpTimestamp, Timestamp};
use timeball::client::{
    self, Answer, Failure, Family, Local, NtpVersion, Query, Question, Report, Target,
};
use timeball::protocol::ntp::Header;

/// Longer than any answer takes that comes at all.
const PATIENCE: Delta = Delta::from_seconds(20);
/// How long to wait for what does not come.
const LITTLE_PATIENCE: Delta = Delta::from_seconds(2);

/// A host clock that moves on by 1 ms whenever it is looked at. The realtime
/// clock is stepped by `step` when it is looked at for the second time: after
/// the request left.
struct Ticking {
    looks: AtomicI64,
    start: Timestamp,
    step: Delta,
}

impl HostClock for Ticking {
    fn now(&self) -> HostInstant {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let passed = Delta::from_millis(look);
        let stepped = if look > 0 { self.step } else { Delta::ZERO };
        HostInstant {
            realtime: self.start + passed + stepped,
            monotonic: Monotonic::default() + passed,
            request: None,
        }
    }

    fn arrival(&self, _stamp: Timestamp, now: HostInstant) -> HostInstant {
        now
    }
}

fn clock_at(start: Timestamp, step: Delta) -> Local {
    let clock = Arc::new(Ticking {
        looks: AtomicI64::new(0),
        start,
        step,
    });
    Local {
        clock,
        precision_log2_s: -20,
    }
}

fn query(question: Question, address: SocketAddr, timeout: Delta) -> Query {
    let target = Target::new(address.ip().to_string(), address.port());
    Query {
        timeout,
        interval: Delta::ZERO,
        ..Query::new(question, target)
    }
}

/// What comes of `future`, which must not take for ever.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let in_time = async { tokio::time::timeout(DEADLINE, future).await };
    runtime
        .block_on(in_time)
        .expect("the client comes to an end")
}

fn ask(query: &Query) -> Report {
    block_on(client::query(query, &clock_at(NOON, Delta::ZERO)))
}

fn ask_ntp(address: SocketAddr) -> Report {
    ask(&query(Question::NTP, address, PATIENCE))
}

#[test]
fn offset_and_delay_are_exact_to_the_nanosecond() {
    let address = serve_ntp(|header| {
        header.receive_timestamp = (NOON + Delta::from_micros(5_300)).into();
        header.transmit_timestamp = (NOON + Delta::from_micros(5_700)).into();
    });
    let report = ask_ntp(address);
    let measurement = report.outcomes[0]
        .as_ref()
        .unwrap()
        .answer
        .measurement()
        .unwrap();
    // The request leaves at noon and the reply arrives 1 ms later.
    assert_eq!(measurement.offset, Delta::from_micros(5_000));
    assert_eq!(measurement.delay, Delta::from_micros(600));
    assert_eq!(measurement.stepped, Delta::ZERO);
}

#[test]
fn a_step_of_the_host_clock_while_waiting_spoils_neither_offset_nor_delay() {
    let address = serve_ntp(|_| ());
    let local = clock_at(NOON, Delta::from_seconds(100));
    let report = block_on(client::query(
        &query(Question::NTP, address, PATIENCE),
        &local,
    ));
    let measurement = report.outcomes[0]
        .as_ref()
        .unwrap()
        .answer
        .measurement()
        .unwrap();
    assert_eq!(measurement.delay, Delta::from_millis(1));
    assert_eq!(
        measurement.offset,
        Delta::from_seconds(-100) - Delta::from_micros(500)
    );
    assert_eq!(measurement.stepped, Delta::from_seconds(100));
}

#[test]
fn a_server_in_the_next_era_is_ahead_by_the_time_between() {
    // 2036-02-07 06:28:15 here and one minute later there: era 1.
    let before = Timestamp::from_unix_seconds(2_085_978_495);
    let there = before + Delta::from_seconds(60);
    let address = serve_ntp(move |header| {
        header.receive_timestamp = there.into();
        header.transmit_timestamp = there.into();
    });
    let local = clock_at(before, Delta::ZERO);
    let report = block_on(client::query(
        &query(Question::NTP, address, PATIENCE),
        &local,
    ));
    let offset = report.summary().unwrap().best.offset;
    assert_eq!(offset, Delta::from_seconds(60) - Delta::from_micros(500));
}

type Bad = (&'static str, fn(&[u8]) -> Act);

/// What a server or a forger may send in the place of a reply, and the rule
/// that it breaks.
const BAD: &[Bad] = &[
    ("length", |_| Act::Reply(Vec::new())),
    ("length", |request| {
        Act::Reply(reply_to(request, |_| ())[..47].to_vec())
    }),
    ("length", |request| {
        Act::Reply([&reply_to(request, |_| ())[..], &[0]].concat())
    }),
    ("version", |request| {
        Act::Reply(reply_to(request, |header| header.version = 3))
    }),
    ("version", |request| {
        Act::Reply(reply_to(request, |header| header.version = 0))
    }),
    ("mode", |request| Act::Reply(request.to_vec())),
    ("mode", |request| {
        Act::Reply(reply_to(request, |header| header.mode = 5))
    }),
    ("origin_timestamp", |request| {
        Act::Reply(reply_to(request, wrong_origin))
    }),
    ("origin_timestamp", |request| {
        Act::Reply(reply_to(request, |header| {
            header.origin_timestamp = NtpTimestamp::ZERO
        }))
    }),
    ("origin_timestamp", |request| {
        Act::Reply(reply_to(request, forged_kiss::<b'R'>))
    }),
    ("origin_timestamp", |request| {
        Act::Reply(reply_to(request, forged_kiss::<b'D'>))
    }),
    ("zero_transmit_timestamp", |request| {
        Act::Reply(reply_to(request, |header| {
            header.transmit_timestamp = NtpTimestamp::ZERO
        }))
    }),
    ("zero_receive_timestamp", |request| {
        Act::Reply(reply_to(request, |header| {
            header.receive_timestamp = NtpTimestamp::ZERO
        }))
    }),
    ("transmit_before_receive", |request| {
        Act::Reply(reply_to(request, |header| {
            header.receive_timestamp = (NOON + Delta::from_millis(1)).into();
        }))
    }),
    ("source_address", |request| {
        Act::ReplyFromAnotherPort(reply_to(request, |_| ()))
    }),
    ("source_address", |request| {
        Act::ReplyFromAnotherAddress(reply_to(request, |_| ()))
    }),
];

fn forged_kiss<const FIRST: u8>(header: &mut Header) {
    kiss(header, if FIRST == b'R' { b"RATE" } else { b"DENY" });
    wrong_origin(header);
}

#[test]
fn a_bad_reply_does_not_end_the_wait_for_the_good_one() {
    for (rule, bad) in BAD {
        let address =
            serve(move |request, _| vec![bad(request), Act::Reply(reply_to(request, |_| ()))]);
        let report = ask_ntp(address);
        let sample = report.outcomes[0].as_ref().unwrap();
        assert!(matches!(sample.answer, Answer::Ntp(_)));
        // Two sockets of the server may be overtaken by one another.
        if sample.ignored.count > 0 {
            assert_eq!(sample.ignored.first.as_ref().unwrap().rule(), *rule);
        }
        assert!(
            sample.ignored.count == 1 || *rule == "source_address",
            "{rule}"
        );
    }
}

#[test]
fn a_bad_reply_that_no_good_one_follows_is_reported_with_the_rule_it_broke() {
    block_on(join_all(BAD.iter().map(|(rule, bad)| async move {
        let address = serve(move |request, _| vec![bad(request)]);
        let query = query(Question::NTP, address, LITTLE_PATIENCE);
        let report = client::query(&query, &clock_at(NOON, Delta::ZERO)).await;
        let failure = report.outcomes[0].as_ref().unwrap_err();
        assert!(
            matches!(failure, Failure::Invalid { .. }),
            "{rule}: {failure}"
        );
        assert_eq!(failure.rule(), *rule, "{failure}");
        assert!(failure.is_reply());
    })));
}

#[test]
fn an_unsynchronised_server_is_reported_as_such_at_once() {
    let changes: [fn(&mut Header); 4] = [
        unsynchronised,
        |header| header.stratum = 16,
        |header| header.stratum = 0,
        |header| {
            unsynchronised(header);
            header.receive_timestamp = NtpTimestamp::ZERO;
            header.transmit_timestamp = NtpTimestamp::ZERO;
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let address = serve_ntp(move |header| {
            header.reference_id = Default::default();
            change(header);
        });
        let report = ask_ntp(address);
        assert!(
            matches!(&report.outcomes[0], Err(Failure::Unsynchronised { .. })),
            "{index}: {:?}",
            report.outcomes[0]
        );
    }
}

#[test]
fn a_kiss_with_the_right_origin_is_believed_and_ends_the_series() {
    for (code, ends) in [
        (b"RATE", true),
        (b"DENY", true),
        (b"RSTR", true),
        (b"INIT", false),
    ] {
        let address = serve_ntp(move |header| kiss(header, code));
        let query = Query {
            samples: 3,
            ..query(Question::NTP, address, PATIENCE)
        };
        let report = ask(&query);
        assert_eq!(report.outcomes.len(), if ends { 1 } else { 3 });
        let failure = report.outcomes[0].as_ref().unwrap_err();
        assert_eq!(failure.rule(), "kiss_of_death");
        assert!(
            failure
                .to_string()
                .contains(std::str::from_utf8(code).unwrap()),
            "{failure}"
        );
    }
}

#[test]
fn every_request_has_random_bits_and_a_port_of_its_own() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let address = serve(move |request, _| {
        requests.lock().unwrap().push(request.to_vec());
        vec![Act::Reply(reply_to(request, |_| ()))]
    });
    let query = Query {
        samples: 50,
        ..query(Question::NTP, address, PATIENCE)
    };
    assert_eq!(ask(&query).answered().count(), 50);
    let requests = seen.lock().unwrap();
    let mut transmit_timestamps = HashSet::new();
    for request in requests.iter() {
        assert_eq!(request.len(), 48);
        assert_eq!(request[0], 0b00_100_011);
        assert_eq!(
            request[1..40],
            [0; 39],
            "a request says nothing of its sender"
        );
        transmit_timestamps.insert(request[40..].to_vec());
    }
    assert_eq!(transmit_timestamps.len(), 50);
    for bit in 0..64 {
        let ones = transmit_timestamps
            .iter()
            .filter(|bits| bits[bit / 8] >> (bit % 8) & 1 == 1);
        let ones = ones.count();
        assert!(
            (1..50).contains(&ones),
            "bit {bit} of the transmit timestamp is not random"
        );
    }
}

#[test]
fn every_version_is_asked_in_and_expected_back() {
    for number in 1..=4 {
        let address = serve_ntp(|_| ());
        let question = Question::Ntp(NtpVersion::new(number).unwrap());
        let report = ask(&query(question, address, PATIENCE));
        let Ok(Answer::Ntp(answer)) = report.outcomes[0].as_ref().map(|sample| &sample.answer)
        else {
            panic!("{report:?}");
        };
        assert_eq!(answer.header.version, number);
    }
    assert_eq!(NtpVersion::new(0), None);
    assert_eq!(NtpVersion::new(5), None);
}

#[test]
fn a_late_duplicate_does_not_reach_the_next_sample() {
    let mut previous = None;
    let address = serve(move |request, _| {
        let reply = reply_to(request, |_| ());
        let late = previous.replace(reply.clone());
        let late = late.into_iter().map(Act::Reply);
        late.chain([Act::Reply(reply.clone()), Act::Reply(reply)])
            .collect()
    });
    let query = Query {
        samples: 5,
        ..query(Question::NTP, address, PATIENCE)
    };
    let report = ask(&query);
    assert_eq!(report.answered().count(), 5);
    for (index, sample) in report.answered().enumerate() {
        // The server repeats the reply of the sample before to the new port;
        // the second copy of a reply goes to a port that is closed by then.
        let rules = sample.ignored.first.as_ref().map(|fault| fault.rule());
        assert_eq!(rules, (index > 0).then_some("origin_timestamp"));
        assert_eq!(sample.ignored.count, u64::from(index > 0));
    }
}

#[test]
fn a_server_that_says_nothing_is_no_answer() {
    let address = serve(|_, _| Vec::new());
    let report = ask(&query(Question::NTP, address, Delta::from_millis(50)));
    let failure = report.outcomes[0].as_ref().unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("{address}: no answer: nothing within 0.05 s")
    );
    assert!(!failure.is_reply());
}

#[test]
fn a_port_at_which_nobody_is_does_not_keep_the_client_waiting() {
    // Nobody is at this address, though somebody has the port at another.
    let taken = serve(|_, _| Vec::new());
    let closed = SocketAddr::from(([127, 0, 0, 77], taken.port()));
    let report = ask(&query(Question::Text, closed, PATIENCE));
    let failure = report.outcomes[0].as_ref().unwrap_err().to_string();
    assert!(failure.contains("nobody answers at that port"), "{failure}");
}

#[test]
fn a_name_falls_through_to_the_address_that_answers() {
    let v4 = serve_always(b"2021-06-11 18:45:57.430034");
    let v6 = serve_at("[::1]:0", |_, _| {
        vec![Act::Reply(b"2021-06-11 18:45:57".to_vec())]
    });
    for address in [Some(v4), v6].into_iter().flatten() {
        let target = Target::new("localhost", address.port());
        let query = Query {
            timeout: PATIENCE,
            ..Query::new(Question::Text, target)
        };
        let report = ask(&query);
        match &report.outcomes[0] {
            Ok(sample) => assert_eq!(sample.address, address),
            // Hosts where `localhost` is not both.
            Err(failure) => assert!(address.is_ipv6(), "{failure}"),
        }
    }
}

#[test]
fn a_name_that_stands_for_nothing_and_a_family_that_is_not_there_are_told_apart() {
    let target = Target::new("no-such-host.invalid", 123);
    let query = Query {
        timeout: PATIENCE,
        ..Query::new(Question::NTP, target)
    };
    let report = ask(&query);
    assert_eq!(
        report.outcomes[0].as_ref().unwrap_err().rule(),
        "unresolved"
    );
    let target = Target::new("127.0.0.1", 123);
    let query = Query {
        family: Family::V6,
        ..Query::new(Question::NTP, target)
    };
    let report = ask(&query);
    let failure = report.outcomes[0].as_ref().unwrap_err().to_string();
    assert_eq!(failure, "127.0.0.1: no IPv6 address");
}

#[test]
fn a_line_that_could_steer_a_terminal_is_refused() {
    let bad = [
        &b"\x1b[2J"[..],
        b"a\nb",
        b"\xff",
        b"",
        b"\r\n",
        "\u{202e}21:30".as_bytes(),
    ];
    let bad = bad
        .iter()
        .flat_map(|bad| [(bad, Question::Text), (bad, Question::Daytime)]);
    block_on(join_all(bad.map(|(bad, question)| async move {
        let query = query(question, serve_always(bad), LITTLE_PATIENCE);
        let report = client::query(&query, &clock_at(NOON, Delta::ZERO)).await;
        let failure = report.outcomes[0].as_ref().unwrap_err();
        assert!(
            !failure.to_string().contains(char::is_control),
            "{failure:?}"
        );
        assert_eq!(failure.rule(), "text", "{bad:?}: {failure}");
    })));
}

#[test]
fn the_line_of_daytime_comes_without_its_end() {
    let address = serve_always(b"Tuesday, February 22, 1982 17:37:43-PST\r\n");
    let report = ask(&query(Question::Daytime, address, PATIENCE));
    let answer = &report.outcomes[0].as_ref().unwrap().answer;
    assert_eq!(
        *answer,
        Answer::Line("Tuesday, February 22, 1982 17:37:43-PST".to_owned())
    );
}

#[test]
fn the_second_of_the_time_protocol_is_the_one_nearest_the_host_clock() {
    // RFC 868: 2,208,988,800 is 1970-01-01; seen from 2100 the same octets are
    // one turn of 2^32 s later.
    let address = serve_always(&2_208_988_800_u32.to_be_bytes());
    let wrapped = Timestamp::from_unix_seconds(1 << 32);
    for (host, second) in [
        (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
        (wrapped + Delta::from_seconds(99), wrapped),
    ] {
        let local = clock_at(host, Delta::ZERO);
        let report = block_on(client::query(
            &query(Question::Time, address, PATIENCE),
            &local,
        ));
        let answer = &report.outcomes[0].as_ref().unwrap().answer;
        let measurement = answer.second_measurement().unwrap();
        assert_eq!(measurement.time, second);
        assert_eq!(measurement.uncertainty, Delta::from_micros(500_500));
    }
    for bad in [&[1, 2, 3][..], &[0; 8]] {
        let report = ask(&query(Question::Time, serve_always(bad), LITTLE_PATIENCE));
        assert_eq!(report.outcomes[0].as_ref().unwrap_err().rule(), "length");
    }
}

#[test]
fn what_is_odd_about_a_reply_is_told_beside_the_time() {
    let address = serve(|request, _| {
        let mut reply = reply_to(request, |header| {
            header.root_dispersion = Delta::from_seconds(17).into();
            header.reference_timestamp = (NOON + Delta::from_seconds(9)).into();
            header.precision_log2_s = 127;
        });
        reply.extend([0; 20]);
        vec![Act::Reply(reply)]
    });
    let report = ask_ntp(address);
    let Ok(Answer::Ntp(answer)) = report.outcomes[0].as_ref().map(|sample| &sample.answer) else {
        panic!("{report:?}");
    };
    assert_eq!(answer.oddities.len(), 4, "{:?}", answer.oddities);
}

#[test]
fn a_query_may_be_spawned_on_any_runtime() {
    fn needs_send<T: Send>(_: T) {}
    let query = Query::new(Question::NTP, Target::new("127.0.0.1", 123));
    let local = clock_at(NOON, Delta::ZERO);
    needs_send(client::query(&query, &local));
}

#[test]
fn queries_to_the_actor_run_side_by_side() {
    use actix::Actor;
    use timeball::actors::client::Client;
    let silent = serve(|_, _| Vec::new());
    let answering = serve_ntp(|_| ());
    actix::System::new().block_on(async {
        let client = Client::new(clock_at(NOON, Delta::ZERO)).start();
        let waiting = client.send(query(Question::NTP, silent, PATIENCE));
        let waiting = actix::spawn(waiting);
        let report = client
            .send(query(Question::NTP, answering, PATIENCE))
            .await
            .unwrap();
        assert_eq!(report.answered().count(), 1);
        assert!(!waiting.is_finished());
        waiting.abort();
    });
}

//! The same settings and the same requests give the same bytes.

use crate::support::process::Serve;
use crate::support::{ask, ntp_header, ntp_request, serve};
use rustix::process::Signal;
use timeball::api::{Delta, NtpTimestamp, Quality, Timestamp};

/// Four protocols on one clock that moves by a step for each request served.
const LAB: &str = "
[sources.lab]
kind = 'mock'
start = '2036-02-07T06:28:13Z'
advance = 'per-request'
step = '100ms'

[[listeners]]
protocol = 'text'
address = '127.0.0.1:0'
source = 'lab'
timezone = 'Europe/Paris'

[[listeners]]
protocol = 'daytime'
address = '127.0.0.1:0'
source = 'lab'
timezone = 'America/New_York'

[[listeners]]
protocol = 'time'
address = '127.0.0.1:0'
source = 'lab'

[[listeners]]
protocol = 'ntp'
address = '127.0.0.1:0'
source = 'lab'
";

/// What a process of its own answers to 60 requests, some of them rubbish that
/// gets no answer and must not move the clock.
fn answers_of_a_process() -> Vec<Vec<u8>> {
    let server = Serve::start(LAB, &[]);
    let addresses: Vec<_> = server
        .listeners()
        .into_iter()
        .map(|listener| listener.address)
        .collect();
    let rubbish = crate::support::client_of(addresses[0]);
    let mut answers = Vec::new();
    for number in 0..60 {
        rubbish.send_to(b"what time is it?", addresses[0]).unwrap();
        let protocol = number as usize % 4;
        let question: &[u8] = match protocol {
            0 => b"Send time",
            3 => &ntp_request(number),
            _ => b"",
        };
        answers.push(ask(addresses[protocol], question));
    }
    let (status, ..) = server.end(Signal::TERM);
    assert!(status.success());
    answers
}

#[test]
fn two_processes_give_the_same_bytes_and_the_n_th_is_start_plus_n_steps() {
    let first = answers_of_a_process();
    assert_eq!(first, answers_of_a_process());

    // 2036-02-07T06:28:13Z, worked by hand: era 0 ends 3 s later.
    let start = Timestamp::from_unix_seconds(2_085_978_493);
    for (number, answer) in first.iter().enumerate() {
        let time = start + Delta::from_millis(100) * number as i64;
        match number % 4 {
            2 => assert_eq!(answer[..], NtpTimestamp::from(time).to_be_bytes()[..4]),
            3 => {
                let header = ntp_header(answer);
                assert_eq!(header.receive_timestamp, time.into(), "request {number}");
                assert_eq!(header.transmit_timestamp, time.into(), "request {number}");
            }
            _ => {}
        }
    }
    assert_eq!(first[0], b"2036-02-07 07:28:13.000000");
    assert_eq!(first[1], b"Thursday, February 7, 2036 01:28:13-EST\r\n");
    assert_eq!(first[28], b"2036-02-07 07:28:15.800000");
    assert_eq!(
        first[30],
        [0, 0, 0, 0],
        "the 32 bits of RFC 868 wrap exactly then"
    );
}

#[test]
fn a_test_in_rust_holds_the_clock_of_a_running_server() {
    let server = serve(
        "listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'lab' }]\n\
         [sources.lab]\nkind = 'mock'\nstart = '2030-01-01T00:00:00Z'\n",
    );
    let clock = server.mock("lab").expect("the source is a mock");
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    let given = |mark| ntp_header(&ask(server.address(0), &ntp_request(mark)));

    assert_eq!(given(1).transmit_timestamp, start.into());
    assert_eq!(
        given(2).transmit_timestamp,
        start.into(),
        "a manual clock stands"
    );
    clock.advance(Delta::from_seconds(-86_400));
    assert_eq!(
        given(3).transmit_timestamp,
        (start - Delta::from_seconds(86_400)).into()
    );
    let era_1 = Timestamp::from_unix_seconds(2_085_978_496);
    clock.set(era_1);
    // Zero would mean "unknown", so the first instant of an era is sent as the
    // next one, 0.23 ns later.
    assert_eq!(given(4).receive_timestamp, NtpTimestamp::from_bits(1));
    clock.set_quality(Quality {
        stratum: 7,
        ..clock.quality()
    });
    assert_eq!(given(5).stratum, 7);
    assert_eq!(clock.served(), 5);
    assert!(server.mock("nobody").is_none());
}

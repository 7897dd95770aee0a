//! `Send time`, and what is not that.

use super::vectors::text;
use super::{answer, at, text_at, unsynchronised, with_quality};
use chrono_tz::Tz;
use timeball::api::conformance::{check_protocol, exchange_at};
use timeball::protocol::line::LineError;
use timeball::protocol::text::{DEFAULT_FORMAT, REQUEST, parse};
use timeball::protocol::{CalendarFormat, Text};

pub fn server(format: &str, zone: Tz) -> Text {
    Text::new(CalendarFormat::new(format, zone).expect("the format is good"))
}

#[test]
fn every_vector_is_answered_or_dropped_as_it_says() {
    let exchange = exchange_at(at("2021-06-11T18:45:57.430034Z"));
    for vector in text() {
        let got = answer(
            &server(DEFAULT_FORMAT, Tz::UTC),
            &vector.octets("request"),
            &exchange,
        );
        match vector.get("verdict") {
            "reply" => {
                let reply = vector.octets("reply");
                assert_eq!(got.as_ref(), Ok(&reply), "{}", vector.name());
                assert_eq!(parse(&reply), Ok(vector.get("line")), "{}", vector.name());
            }
            reason => assert_eq!(got, Err(reason), "{}", vector.name()),
        }
    }
}

#[test]
fn the_question_is_taken_in_any_case() {
    let server = server(DEFAULT_FORMAT, Tz::UTC);
    let exchange = exchange_at(at("2021-06-11T18:45:57Z"));
    let letters: Vec<usize> = (0..REQUEST.len())
        .filter(|&at| REQUEST[at] != b' ')
        .collect();
    for cases in 0..1_u32 << letters.len() {
        let mut request = REQUEST.to_ascii_lowercase();
        for (bit, &at) in letters.iter().enumerate() {
            if cases >> bit & 1 == 1 {
                request[at].make_ascii_uppercase();
            }
        }
        assert!(answer(&server, &request, &exchange).is_ok());
    }
}

#[test]
fn the_time_is_told_in_the_zone_and_format_of_the_settings() {
    let tokyo = server("%d.%m.%Y %H:%M %Z", Tz::Asia__Tokyo);
    assert_eq!(
        text_at(&tokyo, REQUEST, "2021-06-11T18:45:57Z"),
        "12.06.2021 03:45 JST"
    );
}

#[test]
fn a_format_that_would_give_the_question_gets_silence_instead() {
    let server = server("Send%.f time", Tz::UTC);
    let on_the_second = exchange_at(at("2030-01-01T00:00:00Z"));
    assert_eq!(
        answer(&server, REQUEST, &on_the_second),
        Err("not_the_question")
    );
    let between = exchange_at(at("2030-01-01T00:00:00.5Z"));
    assert_eq!(
        answer(&server, REQUEST, &between),
        Ok(b"Send.500 time".to_vec())
    );
}

#[test]
fn an_unsynchronised_source_is_silent() {
    for quality in unsynchronised() {
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        let got = answer(&server(DEFAULT_FORMAT, Tz::UTC), REQUEST, &exchange);
        assert_eq!(got, Err("unsynchronised"));
    }
}

#[test]
fn the_server_keeps_the_rules_of_protocols() {
    let requests: [&[u8]; 4] = [REQUEST, b"", b"Send", &[0xff; 600]];
    for format in [
        DEFAULT_FORMAT,
        "%A %B %c %+ %Z %s",
        "Uhrzeit: %H Uhr \u{1f552}",
    ] {
        let exchange = exchange_at(at("2030-01-01T00:00:00Z"));
        check_protocol(&server(format, Tz::Europe__Berlin), &requests, &exchange);
    }
}

#[test]
fn what_a_client_shows_cannot_steer_a_terminal() {
    assert_eq!(parse(b"\r\n12:00 \n\0"), Ok("12:00"));
    assert_eq!(
        parse("12 h 30 \u{1f552}".as_bytes()),
        Ok("12 h 30 \u{1f552}")
    );
    assert_eq!(parse(b""), Err(LineError::Empty));
    assert_eq!(parse(b" \r\n"), Err(LineError::Empty));
    assert_eq!(parse(b"12\xff"), Err(LineError::NotText { at: 2 }));
    assert_eq!(parse(&[b'1'; 1024]), Err(LineError::TooLong { len: 1024 }));
    let control = |character| Err(LineError::Control { character });
    assert_eq!(parse(b"\x1b[2J12:00"), control('\x1b'));
    assert_eq!(parse(b"12:00\r\n13:00"), control('\r'));
    assert_eq!(parse(b"12\t00"), control('\t'));
    assert_eq!(parse("12\u{9b}2J".as_bytes()), control('\u{9b}'));
    assert_eq!(parse("\u{202e}00:21".as_bytes()), control('\u{202e}'));
    assert_eq!(parse("12\u{2028}00".as_bytes()), control('\u{2028}'));
}

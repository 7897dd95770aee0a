//! RFC 867, both ends.

use super::vectors::daytime;
use super::{answer, at, text_at, unsynchronised, with_quality};
use chrono_tz::{TZ_VARIANTS, Tz};
use timeball::api::Protocol;
use timeball::api::conformance::{check_protocol, exchange_at};
use timeball::protocol::daytime::{REQUEST, parse};
use timeball::protocol::{Daytime, DaytimeFormat, FormatError};

pub fn server(format: DaytimeFormat, zone: Tz) -> Daytime {
    Daytime::new(format, zone).expect("the format is good")
}

fn strftime(format: &str) -> Result<Daytime, FormatError> {
    Daytime::new(DaytimeFormat::Strftime(format.to_owned()), Tz::UTC)
}

#[test]
fn the_examples_of_the_rfc_come_out_as_they_stand_there() {
    // But for the weekday: 1982-02-22 was a Monday.
    let west = Tz::America__Los_Angeles;
    assert_eq!(
        text_at(
            &server(DaytimeFormat::Rfc867, west),
            REQUEST,
            "1982-02-22T17:37:43-08:00"
        ),
        "Monday, February 22, 1982 17:37:43-PST\r\n"
    );
    assert_eq!(
        text_at(
            &server(DaytimeFormat::Smtp, west),
            REQUEST,
            "1982-02-02T07:59:01-08:00"
        ),
        "02 FEB 82 07:59:01 PST\r\n"
    );
}

#[test]
fn a_day_below_ten_has_one_digit_in_the_first_way_of_the_rfc() {
    let server = server(DaytimeFormat::Rfc867, Tz::UTC);
    assert_eq!(
        text_at(&server, REQUEST, "2030-05-01T04:05:06Z"),
        "Wednesday, May 1, 2030 04:05:06-UTC\r\n"
    );
}

#[test]
fn a_format_of_ones_own_is_one_line() {
    let server = strftime("%F %T").expect("the format is good");
    assert_eq!(
        text_at(&server, REQUEST, "2030-05-01T04:05:06Z"),
        "2030-05-01 04:05:06\r\n"
    );
}

#[test]
fn a_line_that_ntp_could_take_for_a_request_ends_with_a_space() {
    for len in 40..80 {
        let server = strftime(&format!("#{}%H", "-".repeat(len - 5))).expect("the format is good");
        let line = text_at(&server, REQUEST, "2030-05-01T04:05:06Z");
        let is_like_ntp = len >= 48 && len % 4 == 0;
        assert_eq!(line.len(), len + usize::from(is_like_ntp));
        assert_eq!(line.ends_with(" \r\n"), is_like_ntp);
        assert_eq!(parse(line.as_bytes()), Ok(line.trim_end()));
    }
}

#[test]
fn lines_of_other_servers_are_read() {
    for vector in daytime() {
        assert_eq!(
            parse(&vector.octets("reply")),
            Ok(vector.get("line")),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn a_client_reads_what_the_server_writes_in_every_zone() {
    for zone in TZ_VARIANTS {
        for format in [DaytimeFormat::Rfc867, DaytimeFormat::Smtp] {
            let server = server(format, zone);
            for time in [
                "1970-01-01T00:00:00Z",
                "2026-07-01T12:00:00Z",
                "2199-12-31T23:59:59Z",
            ] {
                let reply = answer(&server, REQUEST, &exchange_at(at(time))).expect("it answers");
                let line = parse(&reply).unwrap_or_else(|error| panic!("{zone}: {error}"));
                assert!(
                    line.is_ascii() && reply.ends_with(b"\r\n"),
                    "{zone}: {line}"
                );
                assert_eq!(line.len() + 2, reply.len(), "{zone}");
            }
        }
    }
}

#[test]
fn a_format_that_is_not_a_line_of_ascii_is_refused() {
    for (format, character) in [
        ("%H%n%M", '\n'),
        ("%H%t%M", '\t'),
        ("%H\r%M", '\r'),
        ("%H\n", '\n'),
        ("%H Uhr, Zürich", 'ü'),
        ("\x1b[2J%H", '\x1b'),
    ] {
        let error = strftime(format).expect_err("it is not a line");
        assert_eq!(error, FormatError::NotALineOfAscii(character), "{format:?}");
    }
    assert_eq!(
        strftime("%H %!"),
        Err(FormatError::UnknownConversion("%!".to_owned()))
    );
    assert_eq!(strftime("noon"), Err(FormatError::TellsNoTime));
}

#[test]
fn any_datagram_is_answered_alike() {
    let server = server(DaytimeFormat::Rfc867, Tz::UTC);
    assert!(server.ignores_payload());
    let exchange = exchange_at(at("2030-05-01T04:05:06Z"));
    let expected = answer(&server, REQUEST, &exchange).expect("it answers");
    for request in [&b"\r\n"[..], b"Send time", &[0xff; 2000]] {
        assert_eq!(answer(&server, request, &exchange).as_ref(), Ok(&expected));
    }
}

#[test]
fn an_unsynchronised_source_is_silent() {
    for quality in unsynchronised() {
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        let got = answer(&server(DaytimeFormat::Rfc867, Tz::UTC), REQUEST, &exchange);
        assert_eq!(got, Err("unsynchronised"));
    }
}

#[test]
fn the_server_keeps_the_rules_of_protocols() {
    let exchange = exchange_at(at("2030-05-01T04:05:06Z"));
    for format in [
        DaytimeFormat::Rfc867,
        DaytimeFormat::Smtp,
        DaytimeFormat::Strftime("%c %Z".to_owned()),
    ] {
        let requests: [&[u8]; 3] = [REQUEST, b"\r\n", &[0; 600]];
        check_protocol(&server(format, Tz::Asia__Kathmandu), &requests, &exchange);
    }
}

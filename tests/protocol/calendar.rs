//! Calendar text against chrono's own, and the formats that are refused.

use super::at;
use chrono::{DateTime, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use timeball::api::Timestamp;
use timeball::protocol::calendar::{CalendarFormat, FormatError, MAX_LEN};

fn written(format: &str, zone: Tz, time: Timestamp) -> String {
    let format = CalendarFormat::new(format, zone).expect("the format is good");
    let mut out = [0; MAX_LEN];
    let len = format.write(time, &mut out).expect("there is room");
    String::from_utf8(out[..len].to_vec()).expect("it is text")
}

/// Every conversion that chrono documents and can write.
const ALL: &str = "%Y %C %y %q %m %b %B %h %d %e %a %A %w %u %U %W %G %g %V %j %D %x %F %v \
    %H %k %I %l %P %p %M %S %f %.f %.3f %.6f %.9f %3f %6f %9f %R %T %X %r \
    %Z %z %:z %::z %:::z %c %+ %s %t %n %% %-d %_d %0e";

fn by_chrono(zone: Tz, nanos: i64) -> String {
    let time = DateTime::from_timestamp_nanos(nanos);
    zone.from_utc_datetime(&time.naive_utc())
        .format(ALL)
        .to_string()
}

#[test]
fn every_conversion_is_written_as_chrono_writes_it_in_every_zone() {
    for zone in TZ_VARIANTS {
        for time in [
            "1890-03-04T05:06:07Z",
            "1970-01-01T00:00:00Z",
            "2026-07-08T09:10:11.012Z",
        ] {
            let time = at(time);
            assert_eq!(
                written(ALL, zone, time),
                by_chrono(zone, time.as_nanos()),
                "{zone}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_time_is_written_as_chrono_writes_it(
        nanos in i64::MIN..4_102_444_800_000_000_000, zone in prop::sample::select(&TZ_VARIANTS[..]),
    ) {
        let time = Timestamp::from_nanos(nanos);
        prop_assert_eq!(written(ALL, zone, time), by_chrono(zone, nanos));
    }
}

#[test]
fn summer_time_begins_and_ends_between_two_nanoseconds() {
    let berlin = |time: &str| written("%H:%M:%S %Z %z", Tz::Europe__Berlin, at(time));
    assert_eq!(
        berlin("2026-03-29T00:59:59.999999999Z"),
        "01:59:59 CET +0100"
    );
    assert_eq!(berlin("2026-03-29T01:00:00Z"), "03:00:00 CEST +0200");
    assert_eq!(
        berlin("2026-10-25T00:59:59.999999999Z"),
        "02:59:59 CEST +0200"
    );
    assert_eq!(berlin("2026-10-25T01:00:00Z"), "02:00:00 CET +0100");
}

#[test]
fn summer_time_goes_on_after_2037_and_after_the_zone_data_end() {
    // The last Sundays of March, as the rule has been since 1996; 2100 is no
    // leap year.
    let berlin = |time: &str| written("%H:%M %Z", Tz::Europe__Berlin, at(time));
    for day in [
        "2038-03-28",
        "2099-03-29",
        "2100-03-28",
        "2150-03-29",
        "2261-03-31",
    ] {
        assert_eq!(berlin(&format!("{day}T00:59:00Z")), "01:59 CET", "{day}");
        assert_eq!(berlin(&format!("{day}T01:00:00Z")), "03:00 CEST", "{day}");
    }
    // The second Sunday of March, at 10:00 UTC.
    let los_angeles = |time: &str| written("%H:%M %Z", Tz::America__Los_Angeles, at(time));
    for day in ["2099-03-08", "2100-03-14", "2200-03-09"] {
        assert_eq!(
            los_angeles(&format!("{day}T09:59:00Z")),
            "01:59 PST",
            "{day}"
        );
        assert_eq!(
            los_angeles(&format!("{day}T10:00:00Z")),
            "03:00 PDT",
            "{day}"
        );
    }
}

#[test]
fn the_ends_of_the_range_are_written() {
    assert_eq!(
        written("%F %T", Tz::UTC, Timestamp::MIN),
        "1677-09-21 00:12:43"
    );
    assert_eq!(
        written("%F %T", Tz::UTC, Timestamp::MAX),
        "2262-04-11 23:47:16"
    );
    assert_eq!(
        written("%F", Tz::Pacific__Kiritimati, Timestamp::MAX),
        "2262-04-12"
    );
}

#[test]
fn a_zone_without_a_name_is_written_as_its_offset() {
    let time = at("2026-07-01T00:00:00Z");
    assert_eq!(written("%Z %H", Tz::America__Sao_Paulo, time), "-03 21");
    assert_eq!(written("%Z %H", Tz::Asia__Kathmandu, time), "+0545 05");
}

fn refused(format: &str) -> FormatError {
    CalendarFormat::new(format, Tz::UTC).expect_err("the format is bad")
}

#[test]
fn an_unknown_conversion_is_named() {
    for (format, name) in [
        ("%Q", "%Q"),
        ("%Y-%m-%d %E", "%E"),
        ("%%Q %H %J", "%J"),
        ("%H:%M %", "%"),
        ("%H %-Z", "%-Z"),
        ("%H %.4f", "%.4f"),
        ("%H %ä", "%ä"),
        ("%H %:", "%:"),
    ] {
        assert_eq!(
            refused(format),
            FormatError::UnknownConversion(name.to_owned()),
            "{format}"
        );
    }
}

#[test]
fn a_conversion_that_can_only_be_read_is_named() {
    assert_eq!(
        refused("%H %#z"),
        FormatError::NotWritable("%#z".to_owned())
    );
}

#[test]
fn a_format_that_tells_no_time_is_refused() {
    for format in ["", "Send time", "100 %%", "%Z", "%n%t"] {
        assert_eq!(refused(format), FormatError::TellsNoTime, "{format:?}");
    }
}

#[test]
fn a_text_has_512_octets_at_most_at_its_longest() {
    let padded = |len: usize| format!("{}%H", "x".repeat(len - 2));
    assert!(CalendarFormat::new(&padded(MAX_LEN), Tz::UTC).is_ok());
    assert_eq!(refused(&padded(MAX_LEN + 1)), FormatError::TooLong);
    // September is the longest month, Wednesday the longest day.
    let name = |len: usize| format!("{}%A%B", "x".repeat(len - 18));
    assert!(CalendarFormat::new(&name(MAX_LEN), Tz::UTC).is_ok());
    assert_eq!(refused(&name(MAX_LEN + 1)), FormatError::TooLong);
    let fraction = |len: usize| format!("{}%.f%-d", "x".repeat(len - 12));
    assert!(CalendarFormat::new(&fraction(MAX_LEN), Tz::UTC).is_ok());
    assert_eq!(refused(&fraction(MAX_LEN + 1)), FormatError::TooLong);
}

#[test]
fn there_is_no_text_without_room_for_all_of_it() {
    let format = CalendarFormat::new("%F %Z", Tz::UTC).expect("the format is good");
    for room in 0..14 {
        assert_eq!(
            format.write(Timestamp::UNIX_EPOCH, &mut vec![0; room]),
            None
        );
    }
    assert_eq!(format.write(Timestamp::UNIX_EPOCH, &mut [0; 14]), Some(14));
}

//! One value against what its setting accepts, and back to text.

use super::addresses::parse_socket_address;
use super::duration::{Decimal, DecimalError, format_duration, parse_duration};
use super::errors::{alternatives, nearest};
use super::zone;
use crate::api::settings::{Accepts, Value};
use crate::api::{Delta, ReferenceId, Timestamp};
use chrono::{DateTime, SecondsFormat, Timelike};
use chrono_tz::Tz;
use ipnet::IpNet;
use std::fmt::Write;
use std::net::IpAddr;

/// Millionths in a whole.
const MILLIONTHS: i64 = 1_000_000;
/// Parts per trillion in one part per million.
const TRILLIONTHS_PER_PPM: i64 = 1_000_000;
/// The longest name of a network interface: `IFNAMSIZ` without its zero octet.
const LONGEST_INTERFACE: usize = 15;
/// As much of a value as an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// A value as it was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Given<'a> {
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// Text, which stands for nothing but text.
    Text(&'a str),
    /// Text from where there are no types (the environment, a flag, a
    /// declared default): it stands for a value of any type.
    Untyped(&'a str),
    /// `[...]`.
    List,
    /// `{...}` or `[...]` above lines of their own.
    Table,
}

impl Given<'_> {
    /// The value as an error shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Flag(truth) => truth.to_string(),
            Self::Text(text) | Self::Untyped(text) => {
                let mut shown = text.chars();
                let start: String = shown.by_ref().take(SHOWN_CHARACTERS).collect();
                let more = if shown.next().is_some() { "…" } else { "" };
                format!("{start:?}{more}")
            }
            Self::List => "[...]".to_owned(),
            Self::Table => "{...}".to_owned(),
        }
    }
}

/// Why a value is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What is wrong with it, and what is accepted.
    Because(String),
    /// It is `local`, which cannot be told; that is an error of its own.
    NoLocalZone,
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self::Because(problem)
    }
}

/// The checked value of `given`; `local` is what that word means as a zone.
///
/// # Errors
/// [`Refusal`], in words for the person who gave the value.
pub(crate) fn check(
    accepts: &Accepts,
    given: Given<'_>,
    local: Option<Tz>,
) -> Result<Value, Refusal> {
    match accepts {
        Accepts::Integer { min, max } => integer(given, *min, *max).map_err(Refusal::Because),
        Accepts::Flag => match given {
            Given::Flag(truth) => Ok(Value::Flag(truth)),
            Given::Untyped("true" | "1") => Ok(Value::Flag(true)),
            Given::Untyped("false" | "0") => Ok(Value::Flag(false)),
            _ => Err(unfit(accepts)),
        },
        Accepts::Duration { min, max } => duration(given, *min, *max).map_err(Refusal::Because),
        Accepts::PartsPerMillion { min, max } => {
            parts_per_million(given, *min, *max).map_err(Refusal::Because)
        }
        Accepts::Decimal { min, max } => decimal(given, *min, *max).map_err(Refusal::Because),
        _ => match given {
            Given::Text(text) | Given::Untyped(text) => text_value(accepts, text, local),
            _ => Err(unfit(accepts)),
        },
    }
}

/// The checked value of a setting that is written as text.
fn text_value(accepts: &Accepts, text: &str, local: Option<Tz>) -> Result<Value, Refusal> {
    match accepts {
        Accepts::OneOf(words) => {
            if words.contains(&text) {
                return Ok(Value::Text(text.to_owned()));
            }
            let hint = nearest(text, words.iter().copied())
                .map_or_else(String::new, |word| format!("did you mean `{word}`? "));
            Err(format!("refused; {hint}accepted: {}", describe(accepts)).into())
        }
        Accepts::Instant => Ok(Value::Instant(instant(text)?)),
        Accepts::ReferenceId => text
            .parse::<ReferenceId>()
            .map(Value::ReferenceId)
            .map_err(|_| unfit(accepts)),
        Accepts::SocketAddress => Ok(Value::SocketAddress(parse_socket_address(text)?)),
        Accepts::Networks => Ok(Value::Networks(networks(text)?)),
        Accepts::TimeZone => match text {
            "local" => local.ok_or(Refusal::NoLocalZone),
            name => zone::named(name).map_err(Refusal::Because),
        }
        .map(|zone| Value::Text(zone.name().to_owned())),
        Accepts::Interface if !is_interface(text) => Err(unfit(accepts)),
        Accepts::SourceName if !is_source_name(text) => Err(unfit(accepts)),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// The refusal of a value of another type, or one that cannot be read.
fn unfit(accepts: &Accepts) -> Refusal {
    Refusal::Because(format!("refused; accepted: {}", describe(accepts)))
}

/// Whether `name` may stand in `[sources.NAME]`.
pub(crate) fn is_source_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_interface(name: &str) -> bool {
    (1..=LONGEST_INTERFACE).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

fn integer(given: Given<'_>, min: i64, max: i64) -> Result<Value, String> {
    let number = match given {
        Given::Integer(number) => Some(number),
        Given::Untyped(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) => i64::try_from(number)
            .ok()
            .filter(|number| (min..=max).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| format!("outside {min}..={max}")),
        None => {
            let quoted = matches!(given, Given::Text(text) if text.trim().parse::<i128>().is_ok());
            let remedy = if quoted {
                " (without quotation marks)"
            } else {
                ""
            };
            Err(format!("not a whole number in {min}..={max}{remedy}"))
        }
    }
}

/// The number that `given` says, as text.
fn number_text(given: Given<'_>) -> Option<String> {
    match given {
        Given::Integer(number) => Some(number.to_string()),
        // The shortest decimal that reads back as the same float.
        Given::Float(number) => Some(number.to_string()),
        Given::Text(text) | Given::Untyped(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn duration(given: Given<'_>, min: Delta, max: Delta) -> Result<Value, String> {
    let accepts = || describe(&Accepts::Duration { min, max });
    let text = number_text(given).ok_or_else(|| format!("refused; accepted: {}", accepts()))?;
    let span = parse_duration(&text).map_err(|error| error.to_string())?;
    if (min..=max).contains(&span) {
        Ok(Value::Duration(span))
    } else {
        Err(format!("outside the range; accepted: {}", accepts()))
    }
}

fn parts_per_million(given: Given<'_>, min: i64, max: i64) -> Result<Value, String> {
    let outside = || format!("outside {min}..={max}");
    let trillionths = number_text(given)
        .and_then(|text| Decimal::parse(&text))
        .ok_or_else(|| format!("not a number of parts per million in {min}..={max}"))?
        .times(TRILLIONTHS_PER_PPM)
        .map_err(|error| match error {
            DecimalError::TooFine => "finer than a millionth of a part per million".to_owned(),
            DecimalError::TooLarge => outside(),
        })?;
    let range = min.saturating_mul(TRILLIONTHS_PER_PPM)..=max.saturating_mul(TRILLIONTHS_PER_PPM);
    if range.contains(&trillionths) {
        Ok(Value::PartsPerTrillion(trillionths))
    } else {
        Err(outside())
    }
}

fn decimal(given: Given<'_>, min: i64, max: i64) -> Result<Value, String> {
    let refused = |problem: &str| {
        let accepts = describe(&Accepts::Decimal { min, max });
        format!("{problem}; accepted: {accepts}")
    };
    let millionths = number_text(given)
        .and_then(|text| Decimal::parse(&text))
        .ok_or_else(|| refused("not a number"))?
        .times(MILLIONTHS)
        .map_err(|error| match error {
            DecimalError::TooFine => refused("finer than a millionth"),
            DecimalError::TooLarge => refused("outside the range"),
        })?;
    if (min..=max).contains(&millionths) {
        Ok(Value::Millionths(millionths))
    } else {
        Err(refused("outside the range"))
    }
}

/// The networks in a text with commas between them, each without the bits that
/// do not count.
fn networks(text: &str) -> Result<Vec<(IpAddr, u8)>, String> {
    let named = text.split(',').map(str::trim);
    named.filter(|net| !net.is_empty()).map(network).collect()
}

fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    let net: IpNet = text.parse().or_else(|_| alone()).map_err(|_| {
        format!(
            "{text:?} is no network; accepted: {}",
            describe(&Accepts::Networks)
        )
    })?;
    let whole = net.trunc();
    if net != whole {
        return Err(format!(
            "{net} has bits behind its prefix; {whole} is accepted"
        ));
    }
    if let IpAddr::V6(address) = net.addr()
        && address.to_ipv4_mapped().is_some()
    {
        return Err(format!("{net} holds IPv4 addresses; write them as such"));
    }
    Ok((net.addr(), net.prefix_len()))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let time = DateTime::parse_from_rfc3339(text.trim()).map_err(|error| {
        format!(
            "not a date ({error}); accepted: {}",
            describe(&Accepts::Instant)
        )
    })?;
    // chrono keeps 23:59:60 as a second too many nanoseconds.
    if time.nanosecond() >= 1_000_000_000 {
        return Err(
            "a leap second has no number of its own; write the second before it".to_owned(),
        );
    }
    time.timestamp_nanos_opt()
        .filter(|nanos| *nanos >= 0)
        .map(Timestamp::from_nanos)
        .ok_or_else(|| "outside 1970-01-01 to 2262-04-11".to_owned())
}

/// What a setting accepts, as a phrase.
#[must_use]
pub fn describe(accepts: &Accepts) -> String {
    match accepts {
        Accepts::Integer { min, max } => format!("a whole number in {min}..={max}"),
        Accepts::Flag => "`true` or `false`".to_owned(),
        Accepts::Text => "text".to_owned(),
        Accepts::OneOf(words) => alternatives(words.iter().copied()),
        Accepts::Duration { min, max } => match (*min > Delta::MIN, *max < Delta::MAX) {
            (true, true) => format!(
                "a duration from {} to {}",
                format_duration(*min),
                format_duration(*max)
            ),
            (true, false) => format!("a duration of {} or more", format_duration(*min)),
            (false, true) => format!("a duration of {} or less", format_duration(*max)),
            (false, false) => "a duration, negative ones too".to_owned(),
        },
        Accepts::Instant => {
            "a point of time from 1970 to 2262 in RFC 3339, such as `2030-01-01T00:00:00Z`"
                .to_owned()
        }
        Accepts::ReferenceId => "1 to 4 printable ASCII characters, or an IPv4 address".to_owned(),
        Accepts::Decimal { min, max } => {
            format!("a number from {} to {}", millionths(*min), millionths(*max))
        }
        Accepts::Networks => {
            "a list of networks and addresses, such as `192.0.2.0/24` or `2001:db8::1`".to_owned()
        }
        Accepts::PartsPerMillion { min, max } => format!("parts per million in {min}..={max}"),
        Accepts::SocketAddress => {
            "an IP address and a port, such as `127.0.0.1:123` or `[::1]:123`".to_owned()
        }
        Accepts::TimeZone => "`local`, `UTC` or an IANA name such as `Europe/Paris`".to_owned(),
        Accepts::Strftime { words: [] } => {
            "a format of chrono's strftime, such as `%H:%M:%S`".to_owned()
        }
        Accepts::Strftime { words } => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!(
                "{} or a format of chrono's strftime, such as `%H:%M:%S`",
                words.join(", ")
            )
        }
        Accepts::Interface => "the name of a network interface, 1 to 15 octets".to_owned(),
        Accepts::SourceName => {
            "the NAME of a `[sources.NAME]`: lower-case letters, digits and hyphens".to_owned()
        }
    }
}

/// The value as it stands in TOML; reads back as the same value.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Flag(truth) => truth.to_string(),
        Value::Text(text) => toml_string(text),
        Value::Duration(span) => toml_string(&format_duration(*span)),
        Value::Instant(time) => {
            let time = DateTime::from_timestamp_nanos(time.as_nanos());
            toml_string(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        }
        Value::ReferenceId(id) => toml_string(&id.to_string()),
        Value::PartsPerTrillion(trillionths) => {
            let sign = if *trillionths < 0 { "-" } else { "" };
            let size = trillionths.unsigned_abs();
            let (whole, fraction) = (size / 1_000_000, size % 1_000_000);
            let fraction = format!("{fraction:06}");
            let fraction = fraction.trim_end_matches('0');
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            format!("{sign}{whole}.{fraction}")
        }
        Value::SocketAddress(address) => toml_string(&address.to_string()),
        Value::Millionths(number) => millionths(*number),
        Value::Networks(networks) => {
            let shown = networks.iter();
            let shown = shown.map(|(address, bits)| toml_string(&format!("{address}/{bits}")));
            format!("[{}]", shown.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A number of millionths as a decimal.
fn millionths(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let size = number.unsigned_abs();
    let (whole, fraction) = (size / 1_000_000, size % 1_000_000);
    let text = format!("{sign}{whole}.{fraction:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `text` as a basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c))
                    .expect("a String takes all that is written");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn because(accepts: &Accepts, given: Given<'_>) -> String {
        match check(accepts, given, None) {
            Err(Refusal::Because(problem)) => problem,
            other => panic!("{given:?} gave {other:?}"),
        }
    }

    #[test]
    fn a_date_is_checked_to_the_ends_of_its_range() {
        let nanos = |text| instant(text).map(Timestamp::as_nanos);
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(nanos("2262-04-11T23:47:16.854775807Z"), Ok(i64::MAX));
        assert_eq!(
            nanos("2030-01-01T01:00:00.5+01:00"),
            Ok(1_893_456_000_500_000_000)
        );
        for text in [
            "1969-12-31T23:59:59Z",
            "2262-04-11T23:47:16.854775808Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert!(nanos(text).unwrap_err().contains("outside"), "{text}");
        }
        for text in [
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-13-01T00:00:00Z",
            "soon",
            "",
        ] {
            assert!(nanos(text).unwrap_err().contains("not a date"), "{text}");
        }
        assert!(
            nanos("2016-12-31T23:59:60Z")
                .unwrap_err()
                .contains("leap second")
        );
    }

    #[test]
    fn a_rate_is_exact_to_a_millionth() {
        let ppm = Accepts::PartsPerMillion {
            min: -500,
            max: 500,
        };
        let rate = |given| check(&ppm, given, None);
        assert_eq!(
            rate(Given::Integer(-500)),
            Ok(Value::PartsPerTrillion(-500_000_000))
        );
        assert_eq!(
            rate(Given::Float(0.1)),
            Ok(Value::PartsPerTrillion(100_000))
        );
        assert_eq!(
            rate(Given::Untyped("0.000001")),
            Ok(Value::PartsPerTrillion(1))
        );
        assert_eq!(
            because(&ppm, Given::Float(500.000_001)),
            "outside -500..=500"
        );
        assert!(because(&ppm, Given::Text("0.0000001")).contains("finer"));
        assert!(because(&ppm, Given::Float(f64::NAN)).contains("not a number"));
        assert_eq!(
            because(&ppm, Given::Integer(i128::MAX)),
            "outside -500..=500"
        );
    }

    #[test]
    fn text_is_no_number_unless_it_has_no_type() {
        let accepts = Accepts::Integer { min: 1, max: 15 };
        assert_eq!(
            check(&accepts, Given::Untyped("3"), None),
            Ok(Value::Integer(3))
        );
        assert_eq!(
            because(&accepts, Given::Text("3")),
            "not a whole number in 1..=15 (without quotation marks)"
        );
        assert_eq!(because(&accepts, Given::Integer(99)), "outside 1..=15");
        assert_eq!(
            check(&Accepts::Flag, Given::Untyped("true"), None),
            Ok(Value::Flag(true))
        );
        assert!(check(&Accepts::Flag, Given::Text("true"), None).is_err());
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_value() {
        let ppm = Accepts::PartsPerMillion {
            min: -500,
            max: 500,
        };
        for trillionths in [0, 1, -1, 100_000, -499_999_999, 500_000_000] {
            let value = Value::PartsPerTrillion(trillionths);
            let number: f64 = toml(&value).parse().unwrap();
            assert_eq!(check(&ppm, Given::Float(number), None), Ok(value));
        }
        for nanos in [0, 1, 1_000_000, 1_893_456_000_500_000_000, i64::MAX] {
            let value = Value::Instant(Timestamp::from_nanos(nanos));
            let text = toml(&value);
            assert_eq!(
                check(&Accepts::Instant, Given::Text(text.trim_matches('"')), None),
                Ok(value)
            );
        }
    }

    #[test]
    fn a_long_or_strange_value_is_shown_short_and_escaped() {
        let long = "x".repeat(1_000);
        assert!(Given::Text(&long).shown().chars().count() < 100);
        assert_eq!(Given::Text("a\u{1b}[31m\n").shown(), r#""a\u{1b}[31m\n""#);
    }
}

//! Spans of time as people write them, without a float in between.

use crate::api::Delta;
use thiserror::Error;

/// The units, with the longest span first, in nanoseconds.
const UNITS: &[(&str, i64)] = &[
    ("weeks", 604_800_000_000_000),
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ns", 1),
];

/// Why a text is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// It does not begin with a decimal number.
    #[error("not a duration: a number of seconds (0.5), or a number with a unit (500ms)")]
    NotANumber,
    /// What stands behind the number is no unit.
    #[error("unknown unit `{0}`: ns, us, ms, s, m, h, d or w is accepted")]
    UnknownUnit(String),
    /// It does not come out as whole nanoseconds.
    #[error("finer than a nanosecond")]
    TooFine,
    /// It does not fit a [`Delta`].
    #[error("longer than 292 years")]
    TooLong,
}

/// The span that `text` says: seconds (`2`, `0.5`), or a number with a unit of
/// `ns`, `us` (`µs`), `ms`, `s`, `m` (`min`), `h`, `d` (of 86 400 s) or `w`
/// (`weeks`).
///
/// Exact to the nanosecond. A sign is accepted, and white space around and
/// before the unit.
///
/// ```
/// # use timeball::settings::parse_duration;
/// # use timeball::api::Delta;
/// assert_eq!(parse_duration("0.5"), Ok(Delta::from_millis(500)));
/// assert_eq!(parse_duration("-10us"), Ok(Delta::from_micros(-10)));
/// ```
///
/// # Errors
/// [`DurationError`] for anything else, for a span that is not a whole number
/// of nanoseconds, and for one beyond 292 years.
pub fn parse_duration(text: &str) -> Result<Delta, DurationError> {
    let text = text.trim();
    let unit_at = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.trim_start();
    // A word is no duration at all, rather than one with a strange unit.
    let number = Decimal::parse(number.trim_end()).ok_or(DurationError::NotANumber)?;
    let nanos_per_unit = match unit {
        "" => 1_000_000_000,
        _ => UNITS
            .iter()
            .find_map(|&(name, nanos)| (name == unit).then_some(nanos))
            .ok_or_else(|| DurationError::UnknownUnit(unit.to_owned()))?,
    };
    let nanos = number.times(nanos_per_unit).map_err(|error| match error {
        DecimalError::TooFine => DurationError::TooFine,
        DecimalError::TooLarge => DurationError::TooLong,
    })?;
    Ok(Delta::from_nanos(nanos))
}

/// The span as [`parse_duration`] reads it back exactly: a whole number of the
/// longest unit up to the second (`50ms`, `90s`).
#[must_use]
pub fn format_duration(span: Delta) -> String {
    let nanos = span.as_nanos();
    ["s", "ms", "us", "ns"]
        .into_iter()
        .zip([1_000_000_000, 1_000_000, 1_000, 1])
        .find(|(_, size)| nanos % size == 0)
        .map_or_else(String::new, |(unit, size)| {
            format!("{}{unit}", nanos / size)
        })
}

/// A decimal number, exactly as it was written: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Why a decimal number does not come out in some unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// It is not a whole number of the unit.
    TooFine,
    /// It does not fit 64 bits.
    TooLarge,
}

impl Decimal {
    /// The number that `text` says: a sign, digits, a point, digits; digits on
    /// one side at least, and no exponent.
    ///
    /// A number too long for 128 bits is as good as the largest one: it is
    /// refused where it is used.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let mantissa = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0_i128, |value, digit| {
                value
                    .saturating_mul(10)
                    .saturating_add(i128::from(digit - b'0'))
            });
        Some(Self {
            mantissa: if negative { -mantissa } else { mantissa },
            scale: u32::try_from(fraction.len()).unwrap_or(u32::MAX),
        })
    }

    /// How many of a unit this is, when one whole is `per_whole` of it.
    pub(super) fn times(self, per_whole: i64) -> Result<i64, DecimalError> {
        let product = self
            .mantissa
            .checked_mul(per_whole.into())
            .ok_or(if self.scale > 18 {
                DecimalError::TooFine
            } else {
                DecimalError::TooLarge
            })?;
        let divisor = 10_i128
            .checked_pow(self.scale)
            .ok_or(DecimalError::TooFine)?;
        if product % divisor != 0 {
            return Err(DecimalError::TooFine);
        }
        i64::try_from(product / divisor).map_err(|_| DecimalError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_exact() {
        let cases = [
            ("2", 2_000_000_000),
            ("0.5", 500_000_000),
            (".5", 500_000_000),
            ("1.", 1_000_000_000),
            ("+1", 1_000_000_000),
            ("-0.25", -250_000_000),
            ("0.000000001", 1),
            ("0.0000000010000000000000000000000000000000000000", 1),
            ("500ms", 500_000_000),
            ("10us", 10_000),
            ("10\u{b5}s", 10_000),
            ("10\u{3bc}s", 10_000),
            ("7 ns", 7),
            ("1.5us", 1_500),
            ("3m", 180_000_000_000),
            ("3min", 180_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1d", 86_400_000_000_000),
            ("2w", 1_209_600_000_000_000),
            ("-1024 weeks", -619_315_200_000_000_000),
            (" 1s ", 1_000_000_000),
            ("9223372036.854775807", i64::MAX),
            ("-9223372036.854775808", i64::MIN),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text), Ok(Delta::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        let many_nines = "9".repeat(60);
        let cases = [
            ("", DurationError::NotANumber),
            (".", DurationError::NotANumber),
            ("-", DurationError::NotANumber),
            ("soon", DurationError::NotANumber),
            ("1.2.3", DurationError::NotANumber),
            ("--1", DurationError::NotANumber),
            ("inf", DurationError::NotANumber),
            ("\u{661}", DurationError::NotANumber),
            (
                "1 fortnight",
                DurationError::UnknownUnit("fortnight".into()),
            ),
            ("1e3", DurationError::UnknownUnit("e3".into())),
            ("1S", DurationError::UnknownUnit("S".into())),
            ("0.1ns", DurationError::TooFine),
            ("0.0000000001", DurationError::TooFine),
            ("9223372036.854775808", DurationError::TooLong),
            (many_nines.as_str(), DurationError::TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_formatted_duration_reads_back_as_itself() {
        for nanos in [
            0,
            1,
            -1,
            1_000,
            50_000_000,
            90_000_000_000,
            i64::MAX,
            i64::MIN,
        ] {
            let span = Delta::from_nanos(nanos);
            assert_eq!(parse_duration(&format_duration(span)), Ok(span));
        }
        assert_eq!(format_duration(Delta::from_millis(50)), "50ms");
        assert_eq!(format_duration(Delta::ZERO), "0s");
    }
}

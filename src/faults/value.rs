//! Values as they are written in a rule, exact from there on.

pub use super::short::OneOrMany;
use super::short::{Short, deserialize_short};
use crate::api::Delta;
use crate::settings::parse_duration;
use serde::de::{MapAccess, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A span of time: seconds (`2`, `0.5`), or a number with a unit of `ns`, `us`,
/// `ms`, `s`, `m`, `h` or `d` (`"500ms"`). Exact to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Delta);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Span {
    const EXPECTED: &'static str = "a duration, such as \"500ms\" or 0.5 for seconds";

    fn from_text(text: &str) -> Option<Self> {
        parse_duration(text).ok().map(Self)
    }

    fn from_number(number: &str) -> Option<Self> {
        Self::from_text(number)
    }
}

/// A probability, exactly as it was written: `0.25`, `"25%"` or `"1/4"`.
///
/// From 0 (never) to 1 (always).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probability {
    numerator: u64,
    denominator: u64,
}

impl Probability {
    /// Never.
    pub const NEVER: Self = Self {
        numerator: 0,
        denominator: 1,
    };
    /// Always.
    pub const ALWAYS: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// `numerator` of `denominator` times; `None` for a denominator of zero
    /// and for more than always.
    #[must_use]
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator == 0 || numerator > denominator {
            return None;
        }
        Some(Self {
            numerator,
            denominator,
        })
    }

    /// Whether it can never happen.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.numerator == 0
    }

    /// Whether it happens, given 64 random bits: exact to 2^-64.
    #[must_use]
    pub const fn happens(self, bits: u64) -> bool {
        (bits as u128) * (self.denominator as u128) < (self.numerator as u128) << 64
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Probability {
    const EXPECTED: &'static str = "a probability from 0 to 1, such as 0.25, \"25%\" or \"1/4\"";

    fn from_text(text: &str) -> Option<Self> {
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Self::new(
                whole(numerator.trim_end())?,
                whole(denominator.trim_start())?,
            );
        }
        let (number, per_whole) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100),
            None => (text, 1),
        };
        let (numerator, denominator) = decimal(number)?;
        Self::new(numerator, denominator.checked_mul(per_whole)?)
    }

    fn from_number(number: &str) -> Option<Self> {
        Self::from_text(number)
    }
}

/// The whole number in `text`, which is digits and nothing else.
fn whole(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|octet| octet.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// A decimal number without a sign, as a fraction; at most 19 digits.
fn decimal(text: &str) -> Option<(u64, u64)> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let after = after.trim_end_matches('0');
    let denominator = 10_u64.checked_pow(u32::try_from(after.len()).ok()?)?;
    Some((whole(&format!("{before}{after}"))?, denominator))
}

/// Positions in a sequence that counts from 1: one of them (`6`), or
/// `{ from = 6, to = 10, every = 2 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Positions {
    /// The first position, from 1.
    pub from: u64,
    /// The last one; none means no end.
    pub to: Option<u64>,
    /// Every how many from the first on; 1 is each of them.
    pub every: u64,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            from: 1,
            to: None,
            every: 1,
        }
    }
}

impl Positions {
    /// This one position.
    #[must_use]
    pub const fn only(position: u64) -> Self {
        Self {
            from: position,
            to: Some(position),
            every: 1,
        }
    }

    /// Whether `position` is one of them.
    #[must_use]
    pub fn contains(&self, position: u64) -> bool {
        position >= self.from
            && self.to.is_none_or(|to| position <= to)
            && (position - self.from).is_multiple_of(self.every.max(1))
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Positions {
    const EXPECTED: &'static str = "a position from 1, or a table of from, to and every";

    fn from_number(number: &str) -> Option<Self> {
        whole(number).map(Self::only)
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A count of something: a fixed one (`20`), or one that is drawn anew for
/// each reply (`{ from = 0, to = 47 }`, both included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Amount {
    /// The least.
    pub from: u64,
    /// The most.
    pub to: u64,
}

impl Amount {
    /// Always this.
    #[must_use]
    pub const fn fixed(count: u64) -> Self {
        Self {
            from: count,
            to: count,
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Amount {
    const EXPECTED: &'static str = "a whole number, or a table of from and to";

    fn from_number(number: &str) -> Option<Self> {
        whole(number).map(Self::fixed)
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Octets, written as hexadecimal digits behind `0x` or as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Octets(pub Vec<u8>);

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Octets {
    const EXPECTED: &'static str = "text, or an even number of hexadecimal digits behind 0x";

    fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix("0x") {
            Some(digits) => hexadecimal(digits).map(Self),
            None => Some(Self(text.as_bytes().to_vec())),
        }
    }
}

/// The octets of an even number of hexadecimal digits.
pub(super) fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let octets = digits
        .chunks_exact(2)
        .map(|two| (two[0] << 4 | two[1]) as u8);
    Some(octets.collect())
}

//! Values of a scenario, written as the settings write theirs.

pub use crate::expect::Length;

use crate::api::settings::{Accepts, Value};
use crate::api::{Delta, ReferenceId, Timestamp, keys};
use crate::settings::{Given, Refusal, check, describe};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use timeball_mock::{Cleared, NotARatio, Ratio};

/// Takes what an [`Accepts`] takes.
struct Form<'a>(&'a Accepts);

impl Form<'_> {
    fn check<E: de::Error>(&self, given: Given<'_>) -> Result<Value, E> {
        check(self.0, given, None).map_err(|refusal| match refusal {
            Refusal::Because(problem) => E::custom(problem),
            Refusal::NoLocalZone => E::custom("a scenario has no local time zone"),
        })
    }
}

impl Visitor<'_> for Form<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self.0))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        self.check(Given::Flag(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        self.check(Given::Integer(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        self.check(Given::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.check(Given::Text(text))
    }
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $accepts:expr => $variant:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name(pub $inner);

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    const ACCEPTS: Accepts = $accepts;
                    match from.deserialize_any(Form(&ACCEPTS))? {
                        Value::$variant(value) => <$inner>::try_from(value)
                            .map(Self)
                            .map_err(|_| de::Error::custom("outside the range")),
                        _ => Err(de::Error::custom(describe(&ACCEPTS))),
                    }
                }
            }
        )*
    };
}

/// The most that a frequency may be off: the clock stands, or runs twice as
/// fast.
const MOST_PPM: i64 = 1_000_000;

forms! {
    /// A span of time: seconds, or a number with a unit of `ns`, `us`, `ms`,
    /// `s`, `m`, `h`, `d` or `w` (`"-1024 weeks"`); -292 to 292 years.
    Span(Delta), Accepts::Duration { min: Delta::MIN, max: Delta::MAX } => Duration;

    /// A [`Span`] from 0 to 65 535 s: what NTP's short format can say (RFC 5905
    /// section 6).
    Bound(Delta), keys::BOUND => Duration;

    /// A point of time in RFC 3339, from 1970 to 2262
    /// (`"2036-02-07T06:28:16Z"`), with or without quotation marks.
    Instant(Timestamp), Accepts::Instant => Instant;

    /// 1 to 4 printable ASCII characters, or an IPv4 address.
    Id(ReferenceId), Accepts::ReferenceId => ReferenceId;

    /// 0 to 16; both ends are unsynchronised (RFC 5905 section 7.3).
    Stratum(u8), Accepts::Integer { min: 0, max: 16 } => Integer;

    /// -128 to 127: a power of two, in seconds.
    Log2Seconds(i8), Accepts::Integer { min: -128, max: 127 } => Integer;

    /// A row of the table of scenarios, 1 to 47.
    Row(u8), Accepts::Integer { min: 1, max: 47 } => Integer;

    /// A count, from 1.
    Count(u64), Accepts::Integer { min: 1, max: i64::MAX } => Integer;

    /// A seed, from 0 to 2^63 - 1.
    Seed(u64), Accepts::Integer { min: 0, max: i64::MAX } => Integer;
}

/// A frequency error in parts per million, exact to a thousandth of one; kept
/// in parts per billion. -1 000 000 to 1 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartsPerMillion(pub i64);

impl<'de> Deserialize<'de> for PartsPerMillion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const ACCEPTS: Accepts = Accepts::PartsPerMillion {
            min: -MOST_PPM,
            max: MOST_PPM,
        };
        const TRILLIONTHS_PER_BILLIONTH: i64 = 1_000;
        match from.deserialize_any(Form(&ACCEPTS))? {
            Value::PartsPerTrillion(exact) if exact % TRILLIONTHS_PER_BILLIONTH == 0 => {
                Ok(Self(exact / TRILLIONTHS_PER_BILLIONTH))
            }
            _ => Err(de::Error::custom(format!(
                "finer than a thousandth; accepted: {} with three decimals at most",
                describe(&ACCEPTS)
            ))),
        }
    }
}

/// How fast a clock runs, exactly: a whole number (`60`), a decimal number
/// (`0.1`, `"0.1"`) or a fraction (`"1001/1000"`), -10^9 to 10^9, with nine
/// decimals or a denominator of 10^9 at most; below 0 it runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub Ratio);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RateForm)
    }
}

struct RateForm;

impl RateForm {
    fn parse<E: de::Error>(text: &str) -> Result<Rate, E> {
        text.trim()
            .parse()
            .map(Rate)
            .map_err(|error| E::custom(format!("refused; accepted: {error}")))
    }
}

impl Visitor<'_> for RateForm {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NotARatio}")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Rate, E> {
        Self::parse(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Rate, E> {
        // The shortest decimal that reads back as the same float.
        Self::parse(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
        Self::parse(text)
    }
}

/// Takes a word, or what an [`Accepts`] takes.
struct OrWord<'a> {
    words: &'static [&'static str],
    form: Form<'a>,
}

enum WordOr {
    Word(&'static str),
    Value(Value),
}

impl Visitor<'_> for OrWord<'_> {
    type Value = WordOr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.words {
            write!(f, "`{word}` or ")?;
        }
        self.form.expecting(f)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<WordOr, E> {
        self.form.visit_i64(number).map(WordOr::Value)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<WordOr, E> {
        self.form.visit_f64(number).map(WordOr::Value)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WordOr, E> {
        if let Some(word) = self.words.iter().find(|word| **word == text) {
            return Ok(WordOr::Word(word));
        }
        let expected = <dyn de::Expected>::to_string(&self);
        match self.form.visit_str::<E>(text) {
            Ok(value) => Ok(WordOr::Value(value)),
            Err(_) => Err(E::custom(format!("refused; accepted: {expected}"))),
        }
    }
}

const LENGTH: Accepts = Accepts::Duration {
    min: Delta::ZERO,
    max: Delta::MAX,
};

/// How long ahead a leap second is announced: a [`Length`], or `"never"`.
/// Default `"24h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced(pub Option<Delta>);

impl Default for Announced {
    fn default() -> Self {
        Self(Some(Delta::from_seconds(86_400)))
    }
}

impl<'de> Deserialize<'de> for Announced {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(OrWord {
            words: &["never"],
            form: Form(&LENGTH),
        })? {
            WordOr::Value(Value::Duration(ahead)) => Ok(Self(Some(ahead))),
            _ => Ok(Self(None)),
        }
    }
}

/// When the warning of a leap second ends: `"at-once"` (the default), a
/// [`Length`] after midnight, or `"never"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends(pub Cleared);

impl Default for Ends {
    fn default() -> Self {
        Self(Cleared::AtOnce)
    }
}

impl<'de> Deserialize<'de> for Ends {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(OrWord {
            words: &["at-once", "never"],
            form: Form(&LENGTH),
        })? {
            WordOr::Value(Value::Duration(after)) => Ok(Self(Cleared::After(after))),
            WordOr::Word("never") => Ok(Self(Cleared::Never)),
            _ => Ok(Self(Cleared::AtOnce)),
        }
    }
}

/// A reference timestamp: an [`Instant`], or `"none"`, which is zero on the
/// wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceTime(pub Option<Timestamp>);

impl<'de> Deserialize<'de> for ReferenceTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(OrWord {
            words: &["none"],
            form: Form(&Accepts::Instant),
        })? {
            WordOr::Value(Value::Instant(time)) => Ok(Self(Some(time))),
            _ => Ok(Self(None)),
        }
    }
}

/// `true`, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(Form(&Accepts::Flag))? {
            Value::Flag(true) => Ok(Self),
            _ => Err(de::Error::custom(
                "refused; accepted: `true`; leave the event out for nothing to happen",
            )),
        }
    }
}

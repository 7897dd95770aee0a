//! A span of time in a scenario.

use crate::api::Delta;
use crate::api::settings::{Accepts, Value};
use crate::settings::{Given, Refusal, check, describe, format_duration};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;

/// A span of time that is not negative, up to 292 years: a number of seconds
/// (`5`, `0.5`), or a number with a unit (`"500ms"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Delta);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Form)
    }
}

struct Form;

const ACCEPTS: Accepts = Accepts::Duration {
    min: Delta::ZERO,
    max: Delta::MAX,
};

impl Form {
    fn check<E: de::Error>(given: Given<'_>) -> Result<Length, E> {
        match check(&ACCEPTS, given, None) {
            Ok(Value::Duration(span)) => Ok(Length(span)),
            Err(Refusal::Because(problem)) => Err(E::custom(problem)),
            _ => Err(E::custom(describe(&ACCEPTS))),
        }
    }
}

impl Visitor<'_> for Form {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&ACCEPTS))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Length, E> {
        Self::check(Given::Integer(seconds.into()))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Length, E> {
        Self::check(Given::Integer(seconds.into()))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Length, E> {
        Self::check(Given::Float(seconds))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
        Self::check(Given::Text(text))
    }
}

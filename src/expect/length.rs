//! A span of time in a scenario.

use crate::api::Delta;
use crate::settings::{format_duration, parse_duration};
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
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

impl Visitor<'_> for Form {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration of 0s or more: seconds (0.5), or a number with a unit (\"500ms\")")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Length, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Length, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Length, E> {
        // The shortest decimal that reads back as the same float: as it was written.
        self.visit_str(&seconds.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
        match parse_duration(text) {
            Ok(span) if span >= Delta::ZERO => Ok(Length(span)),
            Ok(_) => Err(E::invalid_value(Unexpected::Other(text), &self)),
            Err(error) => Err(E::custom(error)),
        }
    }
}

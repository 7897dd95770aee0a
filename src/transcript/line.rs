//! The lines of a transcript, as they are written and read.

use super::fields::{self, Fields};
use super::record::{Direction, Record, Unseen};
use crate::api::{Delta, Timestamp};
use crate::protocol::ProtocolName;
use crate::settings::parse_duration;
use chrono::{DateTime, SecondsFormat};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use timeball_mock::Ratio;

/// The format of the lines described in [`transcript`](super).
pub(super) const FORMAT: u64 = 1;

/// The most octets that a datagram can have.
const MOST_OCTETS: usize = 65_535;

/// The first line of a transcript: what was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The version of timeball that ran it.
    pub version: String,
    /// The name of the scenario.
    pub name: String,
    /// The seed of the run.
    pub seed: u64,
    /// How much mock time passed in a second of the host's, where that was not
    /// what the scenario says.
    pub rate: Option<Ratio>,
    /// The names of the endpoints, in the order of the scenario.
    pub endpoints: Vec<String>,
    /// The text of the scenario's file.
    pub scenario: String,
}

impl Opening {
    /// The opening of a run by this version of timeball.
    #[must_use]
    pub fn new(name: &str, seed: u64, endpoints: Vec<String>, scenario: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            seed,
            rate: None,
            endpoints,
            scenario: scenario.to_owned(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpeningLine<'a> {
    pub(super) format: u64,
    version: Cow<'a, str>,
    name: Cow<'a, str>,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ratio")]
    rate: Option<Ratio>,
    endpoints: Cow<'a, [String]>,
    scenario: Cow<'a, str>,
}

impl<'a> From<&'a Opening> for OpeningLine<'a> {
    fn from(opening: &'a Opening) -> Self {
        Self {
            format: FORMAT,
            version: Cow::Borrowed(&opening.version),
            name: Cow::Borrowed(&opening.name),
            seed: opening.seed,
            rate: opening.rate,
            endpoints: Cow::Borrowed(&opening.endpoints),
            scenario: Cow::Borrowed(&opening.scenario),
        }
    }
}

impl From<OpeningLine<'_>> for Opening {
    fn from(line: OpeningLine<'_>) -> Self {
        Self {
            version: line.version.into_owned(),
            name: line.name.into_owned(),
            seed: line.seed,
            rate: line.rate,
            endpoints: line.endpoints.into_owned(),
            scenario: line.scenario.into_owned(),
        }
    }
}

/// A ratio as the text that it is written as.
pub(super) mod ratio {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use timeball_mock::Ratio;

    pub(in super::super) fn serialize<S: Serializer>(
        rate: &Option<Ratio>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match rate {
            Some(rate) => serializer.collect_str(rate),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Ratio>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Some).map_err(D::Error::custom)
    }
}

/// A line to write.
#[derive(Debug, Serialize)]
pub(super) struct LineOut<'a> {
    direction: Direction,
    number: u64,
    at: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Box<RawValue>>,
    elapsed: Box<RawValue>,
    time: String,
    endpoint: &'a str,
    protocol: &'static str,
    peer: SocketAddr,
    local: SocketAddr,
    bytes: String,
    fields: Fields,
    rule: Vec<&'a str>,
}

impl<'a> LineOut<'a> {
    /// The line of a record at the endpoint of this name.
    pub(super) fn of(record: &'a Record, endpoint: &'a str) -> serde_json::Result<Self> {
        Ok(Self {
            direction: record.direction,
            number: record.number,
            at: RawValue::from_string(fields::seconds(record.at))?,
            made: match record.made {
                Some(made) => Some(RawValue::from_string(fields::seconds(made))?),
                None => None,
            },
            elapsed: RawValue::from_string(fields::seconds(record.elapsed))?,
            time: rfc3339(record.time),
            endpoint,
            protocol: record.protocol.as_str(),
            peer: record.peer,
            local: record.local,
            bytes: HEXLOWER.encode(&record.octets),
            fields: fields::decode(record),
            rule: record.rules.iter().map(|name| &**name).collect(),
        })
    }
}

/// A line to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineIn<'a> {
    direction: Direction,
    number: u64,
    #[serde(borrow)]
    at: &'a RawValue,
    #[serde(borrow, default)]
    made: Option<&'a RawValue>,
    #[serde(borrow)]
    elapsed: &'a RawValue,
    time: String,
    endpoint: String,
    protocol: ProtocolName,
    peer: SocketAddr,
    local: SocketAddr,
    bytes: String,
    // What the bytes say; they say it again.
    #[serde(rename = "fields")]
    _fields: IgnoredAny,
    rule: Vec<String>,
}

impl LineIn<'_> {
    /// The record, in a run at the endpoints of these names.
    ///
    /// # Errors
    /// What is wrong with which key, in a sentence without its end.
    pub(super) fn record(self, endpoints: &[String]) -> Result<Record, String> {
        let endpoint = endpoints
            .iter()
            .position(|name| *name == self.endpoint)
            .ok_or_else(|| {
                format!(
                    "endpoint = {:?}: the first line has none of this name",
                    self.endpoint
                )
            })?;
        let octets = HEXLOWER_PERMISSIVE
            .decode(self.bytes.as_bytes())
            .map_err(|error| format!("bytes: not two hexadecimal digits an octet: {error}"))?;
        if octets.len() > MOST_OCTETS {
            return Err(format!(
                "bytes: {} octets are more than a datagram has",
                octets.len()
            ));
        }
        if self.number == 0 {
            return Err("number = 0: requests are counted from 1".to_owned());
        }
        Ok(Record {
            direction: self.direction,
            number: self.number,
            at: span("at", self.at)?,
            made: match self.made {
                Some(made) => Some(span("made", made)?),
                None => None,
            },
            elapsed: signed_span("elapsed", self.elapsed)?,
            time: time(&self.time)?,
            endpoint,
            protocol: self.protocol,
            peer: self.peer,
            local: self.local,
            octets,
            rules: self.rule.into_iter().map(Arc::from).collect(),
        })
    }
}

/// What became of a copy of a request, as a line to write.
#[derive(Debug, Serialize)]
pub(super) struct UnseenOut {
    unseen: u64,
    copy: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Box<RawValue>>,
}

impl UnseenOut {
    pub(super) fn of(unseen: &Unseen) -> serde_json::Result<Self> {
        Ok(Self {
            unseen: unseen.number,
            copy: unseen.copy,
            made: match unseen.made {
                Some(made) => Some(RawValue::from_string(fields::seconds(made))?),
                None => None,
            },
        })
    }
}

/// That line, to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnseenIn<'a> {
    unseen: u64,
    copy: u32,
    #[serde(borrow, default)]
    made: Option<&'a RawValue>,
}

impl UnseenIn<'_> {
    /// What became of which copy.
    ///
    /// # Errors
    /// What is wrong with which key, in a sentence without its end.
    pub(super) fn unseen(self) -> Result<Unseen, String> {
        if self.unseen == 0 {
            return Err("unseen = 0: requests are counted from 1".to_owned());
        }
        Ok(Unseen {
            number: self.unseen,
            copy: self.copy,
            made: match self.made {
                Some(made) => Some(span("made", made)?),
                None => None,
            },
        })
    }
}

/// A number of seconds from 0, exactly.
pub(super) fn span(key: &str, number: &RawValue) -> Result<Delta, String> {
    seconds(number)
        .filter(|span| *span >= Delta::ZERO)
        .ok_or_else(|| {
            format!("{key} = {number}: not a number of seconds from 0, with nine decimals at most")
        })
}

/// A number of seconds that may be negative, exactly.
pub(super) fn signed_span(key: &str, number: &RawValue) -> Result<Delta, String> {
    seconds(number).ok_or_else(|| {
        format!("{key} = {number}: not a number of seconds with nine decimals at most")
    })
}

fn seconds(number: &RawValue) -> Option<Delta> {
    let text = number.get();
    // A text may have a unit, which a number has not.
    let is_number = text.ends_with(|last: char| last.is_ascii_digit());
    let plain = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if is_number => &*without_exponent(mantissa, exponent)?,
        _ => text,
    };
    parse_duration(plain).ok().filter(|_| is_number)
}

/// The number `mantissa` times ten to the power of `exponent`, written out:
/// `1e-06` is how other programs write what was read as 0.000001000. `None` for
/// one that is not a span or finer than a nanosecond.
fn without_exponent(mantissa: &str, exponent: &str) -> Option<String> {
    const MOST: usize = 32;
    let exponent: isize = exponent.parse().ok()?;
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if exponent.unsigned_abs() > MOST || whole.len() + decimals.len() > MOST {
        return None;
    }
    let all = format!("{:0>MOST$}{whole}{decimals}{:0<MOST$}", "", "");
    let point = (MOST + whole.len()).checked_add_signed(exponent)?;
    let (before, behind) = all.split_at_checked(point)?;
    Some(format!("{sign}{before}.{}0", behind.trim_end_matches('0')))
}

/// The point of time of the key `time`.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let time: Option<DateTime<chrono::Utc>> = text.parse().ok();
    time.and_then(|time| time.timestamp_nanos_opt())
        .map(Timestamp::from_nanos)
        .ok_or_else(|| format!("time = {text:?}: not a point of time in RFC 3339, 1677 to 2262"))
}

/// The point of time in RFC 3339, with all nine decimals.
pub(super) fn rfc3339(time: Timestamp) -> String {
    DateTime::from_timestamp_nanos(time.as_nanos()).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

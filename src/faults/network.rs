//! Faults of the network that requests and replies cross.

use super::short::{Short, deserialize_short, end_of_choice};
use super::value::{Probability, Span};
use crate::api::Delta;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What happens to requests, and what to replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EachWay<T> {
    /// On the way to the server.
    pub request: Option<T>,
    /// On the way back.
    pub reply: Option<T>,
}

/// How long a datagram is on its way: always the same (`"10ms"`), or a table
/// with a distribution from which each is drawn.
///
/// A drawn delay below zero is zero, and one above the longest is the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "lowercase")]
pub enum Delay {
    /// Always this long, 0 to an hour.
    Constant(Span),
    /// Around a mean, as many small causes together make it.
    Normal {
        /// The mean, 0 to an hour.
        mean: Span,
        /// The standard deviation, 0 to an hour.
        deviation: Span,
    },
    /// As waiting behind others at a queue makes it.
    Exponential {
        /// The mean of what is drawn, above 0 to an hour.
        mean: Span,
        /// What is added to it, 0 to an hour; 0 unless told.
        #[serde(default)]
        minimum: Span,
    },
    /// With a long tail: most are near the least, a few are far above.
    Pareto {
        /// The least, above 0 to an hour.
        minimum: Span,
        /// The exponent, above 1 to 100: the smaller, the longer the tail.
        /// Without a finite variance from 2 down.
        shape: Shape,
        /// The longest, up to an hour; an hour unless told.
        maximum: Option<Span>,
    },
}

/// The exponent of a Pareto distribution, in thousandths, as `2.5` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Thousandths of one.
    pub thousandths: u32,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03}",
            self.thousandths / 1_000,
            self.thousandths % 1_000
        )
    }
}

impl Delay {
    /// The longest that a delay can be.
    pub const LONGEST: Delta = Delta::from_seconds(3600);
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Delay {
    const EXPECTED: &'static str =
        "a duration, or a table of one of normal, exponential and pareto";

    fn from_text(text: &str) -> Option<Self> {
        Span::from_text(text).map(Self::Constant)
    }

    fn from_number(number: &str) -> Option<Self> {
        Span::from_text(number).map(Self::Constant)
    }

    fn from_table<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let chosen = Self::deserialize(MapAccessDeserializer::new(&mut map))?;
        end_of_choice(map).map(|()| chosen)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Shape {
    const EXPECTED: &'static str = "a number above 1 to 100, in thousandths at the finest";

    fn from_number(number: &str) -> Option<Self> {
        // A duration in seconds is a decimal number, read exactly.
        let Span(seconds) = Span::from_text(number)?;
        let nanos = seconds.as_nanos();
        let is_whole = nanos % 1_000_000 == 0;
        let thousandths = u32::try_from(nanos / 1_000_000).ok()?;
        is_whole.then_some(Self { thousandths })
    }
}

/// Which datagrams are lost, of those that reach the rule: a probability
/// (`0.1`), or a table of one of `first`, `every` and `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "lowercase")]
pub enum Loss {
    /// Each by itself, with this probability.
    Random(Probability),
    /// The first so many, 1 and above.
    First(u64),
    /// The last of every so many, 1 (all) and above.
    Every(u64),
    /// In bursts.
    Burst(Burst),
}

/// The model of Gilbert and Elliott: a chain of two states, good and bad, that
/// makes one step before each datagram, from good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// The probability to go from good to bad.
    pub begin: Probability,
    /// The probability to go from bad to good: a burst is 1 / `end` datagrams
    /// long on average. Above 0.
    pub end: Probability,
    /// The probability to lose a datagram while bad; 1 unless told.
    #[serde(default = "always")]
    pub loss: Probability,
    /// The probability to lose a datagram while good; 0 unless told.
    #[serde(default = "never")]
    pub loss_between: Probability,
}

const fn always() -> Probability {
    Probability::ALWAYS
}

const fn never() -> Probability {
    Probability::NEVER
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Loss {
    const EXPECTED: &'static str =
        "a probability from 0 to 1, or a table of one of first, every and burst";

    fn from_text(text: &str) -> Option<Self> {
        Probability::from_text(text).map(Self::Random)
    }

    fn from_number(number: &str) -> Option<Self> {
        Probability::from_text(number).map(Self::Random)
    }

    fn from_table<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let chosen = Self::deserialize(MapAccessDeserializer::new(&mut map))?;
        end_of_choice(map).map(|()| chosen)
    }
}

/// Copies of a datagram: how many (`1`), or
/// `{ copies = 1, after = "1ms", flip_bits = 1 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Duplicate {
    /// How many beside the datagram itself, 1 to 16.
    #[serde(default = "one")]
    pub copies: i64,
    /// How long each follows the one before, 0 to an hour; 0 unless told.
    #[serde(default)]
    pub after: Span,
    /// How many bits of each copy are turned over, 0 to 512; 0 (the same
    /// octets) unless told. Replies only.
    #[serde(default)]
    pub flip_bits: i64,
}

const fn one() -> i64 {
    1
}

impl<'de> Deserialize<'de> for Duplicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Duplicate {
    const EXPECTED: &'static str = "how many copies, or a table of copies, after and flip_bits";

    fn from_number(number: &str) -> Option<Self> {
        Some(Self {
            copies: number.parse().ok()?,
            after: Span::default(),
            flip_bits: 0,
        })
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Until when a reply is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Until the client's next request to this endpoint has come: the late
    /// reply arrives before the one that is due.
    NextRequest,
    /// Until the reply to that request has left: the two arrive in the wrong
    /// order.
    NextReply,
}

/// Where a reply comes from, if not from where the request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFrom {
    /// Another port of the same address: `"other-port"`.
    OtherPort,
    /// This address of the host, and the same port if it is free there.
    Address(IpAddr),
}

impl<'de> Deserialize<'de> for ReplyFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for ReplyFrom {
    const EXPECTED: &'static str = "\"other-port\" or an IP address of this host";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "other-port" => Some(Self::OtherPort),
            address => address.parse().ok().map(Self::Address),
        }
    }
}

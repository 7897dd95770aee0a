//! What a rule matches.

use super::short::{Short, deserialize_short};
use super::value::{Positions, Span};
use crate::api::Delta;
use ipnet::IpNet;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use std::net::IpAddr;

/// A client's address, or a subnet of them (`"192.0.2.0/24"`).
///
/// An IPv4 client on a socket for IPv6 too is matched by its IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet(pub IpNet);

impl Subnet {
    /// Whether `address`, an IPv4 one where it can be, lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Subnet {
    const EXPECTED: &'static str =
        "an IP address or a subnet, such as \"192.0.2.7\" or \"192.0.2.0/24\"";

    fn from_text(text: &str) -> Option<Self> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).ok().map(Self)
    }
}

/// Which requests by their number: one of them (`6`), or
/// `{ from = 6, to = 10, every = 2, of = "endpoint" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Requests {
    /// The first, from 1.
    #[serde(default = "one")]
    pub from: u64,
    /// The last; none means no end.
    pub to: Option<u64>,
    /// Every how many from the first on.
    #[serde(default = "one")]
    pub every: u64,
    /// Which requests are counted together.
    #[serde(default)]
    pub of: Of,
}

/// Which requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// Those of one client (one IP address, whatever its port) to one
    /// endpoint.
    #[default]
    Client,
    /// All to one endpoint.
    Endpoint,
    /// All of the run.
    All,
}

impl Requests {
    /// The positions in the sequence that [`Of`] names.
    #[must_use]
    pub const fn positions(&self) -> Positions {
        Positions {
            from: self.from,
            to: self.to,
            every: self.every,
        }
    }
}

const fn one() -> u64 {
    1
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Requests {
    const EXPECTED: &'static str =
        "the number of a request from 1, or a table of from, to, every and of";

    fn from_number(number: &str) -> Option<Self> {
        let Positions { from, to, every } = Positions::from_number(number)?;
        Some(Self {
            from,
            to,
            every,
            of: Of::Client,
        })
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A stretch of the mock time that has elapsed since the start of the run:
/// `{ from = "10s", to = "20s" }`, without the end itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Its beginning; none means the start of the run.
    pub from: Option<Span>,
    /// Its end; none means never.
    pub to: Option<Span>,
}

impl Window {
    /// Whether the moment `elapsed` after the start lies in it.
    #[must_use]
    pub fn contains(&self, elapsed: Delta) -> bool {
        self.from.is_none_or(|from| elapsed >= from.0) && self.to.is_none_or(|to| elapsed < to.0)
    }
}

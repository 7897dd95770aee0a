//! How a kind of time source declares its settings.
//!
//! A kind is a name, a list of keys and a function that builds the source from
//! their values. The declaration is all there is: the settings file is checked
//! by it, `timeball sources` prints it, and an error names the key, the value
//! and what is accepted without the kind's help.

use crate::host::Host;
use crate::quality::ReferenceId;
use crate::source::{Source, Upkeep};
use crate::time::{Delta, Timestamp};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name, as it stands in the settings file.
    pub name: &'static str,
    /// What it accepts.
    pub accepts: Accepts,
    /// What holds when it is absent.
    pub default: Default,
    /// One line: what it does, and the unit.
    pub help: &'static str,
}

/// What holds when a setting is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value, written as it would stand in the settings file (without
    /// quotation marks).
    Is(&'static str),
    /// Nothing; the text says what that means.
    Absent(&'static str),
    /// An error: it has to be there.
    Required,
}

/// What a setting accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Accepts {
    /// A whole number, both ends included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A span of time: seconds, or a number with a unit (`500ms`).
    Duration {
        /// The shortest.
        min: Delta,
        /// The longest.
        max: Delta,
    },
    /// A point of time in RFC 3339 (`2030-01-01T00:00:00Z`).
    Instant,
    /// A reference id: 1 to 4 ASCII characters, or an IPv4 address.
    ReferenceId,
    /// A rate of drift in parts per million, exact to a millionth of one.
    PartsPerMillion {
        /// The least, in whole parts per million.
        min: i64,
        /// The greatest, in whole parts per million.
        max: i64,
    },
    /// A number, exact to a millionth.
    Decimal {
        /// The least, in millionths.
        min: i64,
        /// The greatest, in millionths.
        max: i64,
    },
    /// A list of networks: `["192.0.2.0/24", "2001:db8::/32"]`, or as one text
    /// with commas.
    Networks,
    /// An IP address and a port: `127.0.0.1:123`, `[::1]:123`.
    SocketAddress,
    /// `local`, `UTC` or an IANA name (`Europe/Paris`).
    TimeZone,
    /// A format of chrono's strftime, or one of these words.
    Strftime {
        /// Words with a meaning of their own.
        words: &'static [&'static str],
    },
    /// The name of a network interface: 1 to 15 octets.
    Interface,
    /// The name of a table `[sources.NAME]`.
    SourceName,
}

/// The value of a setting, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of [`Accepts::Integer`].
    Integer(i64),
    /// Of [`Accepts::Flag`].
    Flag(bool),
    /// Of [`Accepts::Text`], [`Accepts::OneOf`], [`Accepts::Strftime`],
    /// [`Accepts::Interface`], [`Accepts::SourceName`], and of
    /// [`Accepts::TimeZone`] as an IANA name (`local` is resolved).
    Text(String),
    /// Of [`Accepts::Duration`].
    Duration(Delta),
    /// Of [`Accepts::Instant`].
    Instant(Timestamp),
    /// Of [`Accepts::ReferenceId`].
    ReferenceId(ReferenceId),
    /// Of [`Accepts::PartsPerMillion`], in parts per million million.
    PartsPerTrillion(i64),
    /// Of [`Accepts::SocketAddress`].
    SocketAddress(SocketAddr),
    /// Of [`Accepts::Decimal`].
    Millionths(i64),
    /// Of [`Accepts::Networks`]: addresses, and how many of their bits count;
    /// the others are zero.
    Networks(Vec<(IpAddr, u8)>),
}

/// The values of a table, by key: checked, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, core::default::Default)]
pub struct Values(BTreeMap<&'static str, Value>);

macro_rules! getters {
    ($($(#[$doc:meta])* $get:ident, $find:ident: $variant:ident => $type:ty;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If the kind did not declare `key` of this type with a default.
            #[must_use]
            pub fn $get(&self, key: &str) -> $type {
                self.$find(key).unwrap_or_else(|| panic!("`{key}` was not declared with a default"))
            }

            $(#[$doc])*
            ///
            /// `None` where the key is absent and has no default.
            #[must_use]
            pub fn $find(&self, key: &str) -> Option<$type> {
                match self.0.get(key) {
                    Some(Value::$variant(value)) => Some(value.clone().into()),
                    _ => None,
                }
            }
        )*
    };
}

impl Values {
    /// Puts in the value of `key`, in the place of an earlier one.
    pub fn insert(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    /// The value of `key`, if it has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Every key that has a value, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    getters! {
        /// The whole number under `key`.
        integer, find_integer: Integer => i64;
        /// The truth under `key`.
        flag, find_flag: Flag => bool;
        /// The text under `key`.
        text, find_text: Text => String;
        /// The span of time under `key`.
        duration, find_duration: Duration => Delta;
        /// The point of time under `key`.
        instant, find_instant: Instant => Timestamp;
        /// The reference id under `key`.
        reference_id, find_reference_id: ReferenceId => ReferenceId;
        /// The rate under `key`, in parts per million million.
        parts_per_trillion, find_parts_per_trillion: PartsPerTrillion => i64;
        /// The address and port under `key`.
        socket_address, find_socket_address: SocketAddress => SocketAddr;
        /// The number under `key`, in millionths.
        millionths, find_millionths: Millionths => i64;
        /// The networks under `key`.
        networks, find_networks: Networks => Vec<(IpAddr, u8)>;
    }
}

/// A kind of time source.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What stands in the settings as `kind`.
    pub name: &'static str,
    /// One line: what it is.
    pub summary: &'static str,
    /// Its settings.
    pub keys: &'static [Key],
    /// Builds the source. The values have passed the declaration.
    pub build: fn(&Values, &Host) -> Result<Built, Problem>,
}

/// A source that was built from its settings.
pub struct Built {
    /// What to serve.
    pub source: Source,
    /// What it needs done now and then.
    pub upkeep: Option<Box<dyn Upkeep>>,
}

impl From<Source> for Built {
    fn from(source: Source) -> Self {
        Self {
            source,
            upkeep: None,
        }
    }
}

/// Values that are each accepted but cannot stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key to change.
    pub key: &'static str,
    /// What is wrong with it, and what is accepted.
    pub text: String,
}

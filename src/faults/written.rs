//! The values of a rule written down, as they are read: what control added to a
//! run stands in its transcript.

use super::kiss::Code;
use super::matching::{Requests, Subnet};
use super::network::{Delay, Duplicate, Loss, ReplyFrom, Shape};
use super::octets::{FlipBits, Pad};
use super::set::{Reference, ShortFormat};
use super::short::OneOrMany;
use super::stamp::Stamp;
use super::value::{Amount, Octets, Positions, Probability, Span};
use crate::api::Delta;
use crate::settings::format_duration;
use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use std::fmt;

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Values that are always written as a table, whose derived functions these
/// are.
macro_rules! in_full {
    ($($name:ident)*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        })*
    };
}

in_full! { Positions Requests Amount Pad FlipBits Delay Loss Duplicate }

/// Values that are written as text.
macro_rules! as_text {
    ($($name:ident)*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&Text(self))
            }
        })*
    };
}

as_text! { Span Probability Octets Subnet Code ShortFormat Reference Stamp ReplyFrom }

/// A value as its text.
struct Text<'a, T>(&'a T);

impl fmt::Display for Text<'_, Span> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0.0))
    }
}

impl fmt::Display for Text<'_, Probability> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Text<'_, Octets> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", HEXLOWER.encode(&self.0.0))
    }
}

impl fmt::Display for Text<'_, Subnet> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.0)
    }
}

impl fmt::Display for Text<'_, Code> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let characters = self.0.0.iter().take_while(|&&octet| octet != 0);
        characters
            .into_iter()
            .try_for_each(|&octet| write!(f, "{}", char::from(octet)))
    }
}

impl fmt::Display for Text<'_, ShortFormat> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0.0.to_bits())
    }
}

impl fmt::Display for Text<'_, Reference> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reference::Client => f.write_str("client"),
            Reference::Id(id) => write!(f, "0x{}", HEXLOWER.encode(&id.0)),
        }
    }
}

impl fmt::Display for Text<'_, Stamp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Stamp::Zero => "zero",
            Stamp::Random => "random",
            Stamp::Previous => "previous",
            Stamp::Frozen => "frozen",
            Stamp::Origin => "origin",
            Stamp::Receive => "receive",
            Stamp::Transmit => "transmit",
            Stamp::Relative(span) => {
                let sign = if *span < Delta::ZERO { "" } else { "+" };
                return write!(f, "{sign}{}", format_duration(*span));
            }
            Stamp::Bits(bits) => return write!(f, "0x{:016x}", bits.to_bits()),
        })
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Written as the shortest decimal, which is the three of it at most.
        serializer.serialize_f64(f64::from(self.thousandths) / 1_000.0)
    }
}

impl fmt::Display for Text<'_, ReplyFrom> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ReplyFrom::OtherPort => f.write_str("other-port"),
            ReplyFrom::Address(address) => write!(f, "{address}"),
        }
    }
}

//! Other values in the timestamps of an NTP header. RFC 5905 section 6.

use super::content::Content;
use super::draws::{Draws, Purpose};
use super::short::{Short, deserialize_short};
use super::value::hexadecimal;
use crate::api::{Delta, NtpTimestamp};
use crate::protocol::ntp::Header;
use crate::settings::parse_duration;
use serde::{Deserialize, Deserializer};

/// What is written in place of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// Sixty-four zero bits: `"zero"`.
    Zero,
    /// Bits that are drawn anew for each reply: `"random"`.
    Random,
    /// What this field held in the honest reply to the client's previous
    /// request: `"previous"`. So the previous request's transmit timestamp in
    /// the origin timestamp. The first reply to a client stays honest.
    Previous,
    /// What this field held in the datagram that was last sent to the client:
    /// `"frozen"`. The first reply to a client stays honest.
    Frozen,
    /// The honest origin timestamp: `"origin"`.
    Origin,
    /// The honest receive timestamp: `"receive"`.
    Receive,
    /// The honest transmit timestamp: `"transmit"`.
    Transmit,
    /// This long after the honest transmit timestamp: `"+1s"`, or before it:
    /// `"-1d"`. A sign is required.
    Relative(Delta),
    /// These bits: sixteen digits behind `0x`, or eight ASCII characters such
    /// as `"NTP5DRFT"`, the offer to speak version 5.
    Bits(NtpTimestamp),
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Stamp {
    const EXPECTED: &'static str = "\"zero\", \"random\", \"previous\", \"frozen\", \"origin\", \
         \"receive\", \"transmit\", a signed duration such as \"+1s\", 16 hexadecimal digits \
         behind 0x, or 8 ASCII characters in upper case or digits";

    fn from_text(text: &str) -> Option<Self> {
        let word = match text {
            "zero" => Self::Zero,
            "random" => Self::Random,
            "previous" => Self::Previous,
            "frozen" => Self::Frozen,
            "origin" => Self::Origin,
            "receive" => Self::Receive,
            "transmit" => Self::Transmit,
            _ => return Self::from_digits(text),
        };
        Some(word)
    }
}

impl Stamp {
    fn from_digits(text: &str) -> Option<Self> {
        if text.starts_with(['+', '-']) {
            return parse_duration(text).ok().map(Self::Relative);
        }
        let octets: [u8; 8] = match text.strip_prefix("0x") {
            Some(digits) => hexadecimal(digits)?.try_into().ok()?,
            // Upper case, so that a misspelt word is not taken for octets.
            None if text
                .bytes()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) =>
            {
                text.as_bytes().try_into().ok()?
            }
            None => return None,
        };
        Some(Self::Bits(NtpTimestamp::from_be_bytes(octets)))
    }
}

/// One of the four timestamps.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Reference,
    Origin,
    Receive,
    Transmit,
}

impl Field {
    const fn of(self, header: &Header) -> NtpTimestamp {
        match self {
            Self::Reference => header.reference_timestamp,
            Self::Origin => header.origin_timestamp,
            Self::Receive => header.receive_timestamp,
            Self::Transmit => header.transmit_timestamp,
        }
    }

    pub(super) const fn of_mut(self, header: &mut Header) -> &mut NtpTimestamp {
        match self {
            Self::Reference => &mut header.reference_timestamp,
            Self::Origin => &mut header.origin_timestamp,
            Self::Receive => &mut header.receive_timestamp,
            Self::Transmit => &mut header.transmit_timestamp,
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Reference => Purpose::ReferenceTimestamp,
            Self::Origin => Purpose::OriginTimestamp,
            Self::Receive => Purpose::ReceiveTimestamp,
            Self::Transmit => Purpose::TransmitTimestamp,
        }
    }
}

impl Stamp {
    /// What is written into `field`; `None` leaves it.
    pub(super) fn bits(
        self,
        field: Field,
        content: &Content<'_>,
        draws: &Draws,
    ) -> Option<NtpTimestamp> {
        let honest = content.honest?;
        match self {
            Self::Zero => Some(NtpTimestamp::ZERO),
            Self::Random => Some(NtpTimestamp::from_bits(draws.bits(field.purpose(), 0))),
            Self::Previous => content.previous_headers().map(|(it, _)| field.of(&it)),
            Self::Frozen => content.previous_headers().map(|(_, it)| field.of(&it)),
            Self::Origin => Some(honest.origin_timestamp),
            Self::Receive => Some(honest.receive_timestamp),
            Self::Transmit => Some(honest.transmit_timestamp),
            Self::Relative(span) => Some(shifted(honest.transmit_timestamp, span)),
            Self::Bits(bits) => Some(bits),
        }
    }
}

/// `timestamp` later by `span`, around the circle of 136 years; rounded down to
/// the units of the wire.
pub(super) fn shifted(timestamp: NtpTimestamp, span: Delta) -> NtpTimestamp {
    let units = (i128::from(span.as_nanos()) << 32).div_euclid(1_000_000_000);
    NtpTimestamp::from_bits(timestamp.to_bits().wrapping_add(units as u64))
}

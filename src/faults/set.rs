//! Other values in the fields of an NTP header. RFC 5905 section 7.3.

use super::content::Content;
use super::draws::Draws;
use super::short::{Short, deserialize_short};
use super::stamp::{Field, Stamp};
use super::value::hexadecimal;
use crate::api::{Delta, LeapIndicator, NtpShort, ReferenceId};
use crate::protocol::ntp::Header;
use crate::settings::parse_duration;
use md5::{Digest, Md5};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::IpAddr;

/// Fields of the header, each with what is sent in place of the honest value.
///
/// Numbers are raw: what the wire carries, whether it makes sense or not.
/// After `kiss` and `interleaved`, so that they can be made wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetHeader {
    /// 0 to 3.
    pub leap_indicator: Option<i64>,
    /// 0 to 7.
    pub version: Option<i64>,
    /// 0 to 7.
    pub mode: Option<i64>,
    /// 0 to 255.
    pub stratum: Option<i64>,
    /// -128 to 255: the octet, signed or not.
    pub poll: Option<i64>,
    /// -128 to 255: the octet, signed or not.
    pub precision: Option<i64>,
    /// Round trip to the reference clock.
    pub root_delay: Option<ShortFormat>,
    /// Error bound against the reference clock.
    pub root_dispersion: Option<ShortFormat>,
    /// Where the time comes from.
    pub reference_id: Option<Reference>,
    /// When the clock was last set.
    pub reference_timestamp: Option<Stamp>,
    /// The request's transmit timestamp, in an honest reply.
    pub origin_timestamp: Option<Stamp>,
    /// When the request arrived.
    pub receive_timestamp: Option<Stamp>,
    /// When the reply leaves.
    pub transmit_timestamp: Option<Stamp>,
}

/// 32 bits in NTP short format: a duration with a unit (`"1.5s"`), or the bits
/// (`"0xffff8000"`).
///
/// A negative duration gives the two's complement, which reads as -0.5 s to
/// those who take the field for signed, and as 65,535.5 s to the rest. The
/// range of a duration is -32768 s to 65535 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortFormat(pub NtpShort);

/// What is written in place of a reference id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// These octets: 1 to 4 ASCII characters (`"XFAK"`), an IPv4 address, or
    /// eight digits behind `0x`.
    Id(ReferenceId),
    /// The client's own address, as if the server followed the client: the
    /// word `"client"`. The address itself for IPv4, the first four octets of
    /// its MD5 for IPv6. RFC 5905 section 7.3.
    Client,
}

impl<'de> Deserialize<'de> for ShortFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for ShortFormat {
    const EXPECTED: &'static str =
        "a duration from \"-32768s\" to \"65535s\", or 8 hexadecimal digits behind 0x";

    fn from_text(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix("0x") {
            let octets: [u8; 4] = hexadecimal(digits)?.try_into().ok()?;
            return Some(Self(NtpShort::from_bits(u32::from_be_bytes(octets))));
        }
        let span = parse_duration(text).ok()?;
        let accepted = Delta::from_seconds(-32_768)..=Delta::from_seconds(65_535);
        if !accepted.contains(&span) {
            return None;
        }
        let magnitude = NtpShort::from(span.abs());
        Some(Self(if span < Delta::ZERO {
            NtpShort::from_bits(magnitude.to_bits().wrapping_neg())
        } else {
            magnitude
        }))
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Reference {
    const EXPECTED: &'static str = "1 to 4 printable ASCII characters, an IPv4 address, \
         8 hexadecimal digits behind 0x, or \"client\"";

    fn from_text(text: &str) -> Option<Self> {
        if text == "client" {
            return Some(Self::Client);
        }
        if let Some(digits) = text.strip_prefix("0x")
            && text.len() > 4
        {
            let octets: [u8; 4] = hexadecimal(digits)?.try_into().ok()?;
            return Some(Self::Id(ReferenceId(octets)));
        }
        text.parse().ok().map(Self::Id)
    }
}

impl SetHeader {
    /// Writes the fields; `false` where the reply is no NTP packet.
    pub(super) fn apply(&self, content: &mut Content<'_>, draws: &Draws) -> bool {
        let stamps = [
            (self.reference_timestamp, Field::Reference),
            (self.origin_timestamp, Field::Origin),
            (self.receive_timestamp, Field::Receive),
            (self.transmit_timestamp, Field::Transmit),
        ]
        .map(|(stamp, field)| (field, stamp.and_then(|it| it.bits(field, content, draws))));
        let client = content.client;
        content.edit_header(|header| {
            self.write_small(header);
            if let Some(reference) = self.reference_id {
                header.reference_id = reference.id(client);
            }
            for (field, bits) in stamps {
                if let Some(bits) = bits {
                    *field.of_mut(header) = bits;
                }
            }
        })
    }

    /// Writes all fields but the reference id and the timestamps. The octets
    /// take as many of a number's low bits as they have room for.
    fn write_small(&self, header: &mut Header) {
        if let Some(bits) = self.leap_indicator {
            header.leap_indicator = LeapIndicator::from_bits(bits as u8);
        }
        if let Some(version) = self.version {
            header.version = version as u8;
        }
        if let Some(mode) = self.mode {
            header.mode = mode as u8;
        }
        if let Some(stratum) = self.stratum {
            header.stratum = stratum as u8;
        }
        if let Some(poll) = self.poll {
            header.poll_log2_s = poll as i8;
        }
        if let Some(precision) = self.precision {
            header.precision_log2_s = precision as i8;
        }
        if let Some(root_delay) = self.root_delay {
            header.root_delay = root_delay.0;
        }
        if let Some(root_dispersion) = self.root_dispersion {
            header.root_dispersion = root_dispersion.0;
        }
    }
}

impl Reference {
    fn id(self, client: IpAddr) -> ReferenceId {
        match (self, client) {
            (Self::Id(id), _) => id,
            (Self::Client, IpAddr::V4(address)) => ReferenceId(address.octets()),
            (Self::Client, IpAddr::V6(address)) => {
                let digest = Md5::digest(address.octets());
                ReferenceId([digest[0], digest[1], digest[2], digest[3]])
            }
        }
    }
}

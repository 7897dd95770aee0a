//! What a datagram says, for people.

use super::line::rfc3339;
use super::record::Record;
use crate::api::{Delta, NtpTimestamp, Timestamp};
use crate::protocol::ProtocolName;
use crate::protocol::ntp::Header;
use crate::protocol::ntp::header::LEN as HEADER_LEN;
use crate::protocol::ntp::trailer::KEY_ID_LEN;
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::ops::Range;

/// The most extension fields that are told of one packet.
const MOST_EXTENSION_FIELDS: usize = 64;

/// Where the fields of the header begin, each ending where the next begins.
/// RFC 5905 figure 8.
const HEADER_FIELDS: [(usize, &str); 11] = [
    (0, "leap_indicator, version, mode"),
    (1, "stratum"),
    (2, "poll"),
    (3, "precision"),
    (4, "root_delay"),
    (8, "root_dispersion"),
    (12, "reference_id"),
    (16, "reference_timestamp"),
    (24, "origin_timestamp"),
    (32, "receive_timestamp"),
    (40, "transmit_timestamp"),
];

/// The `fields` of a line.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Fields {
    Ntp(Box<NtpFields>),
    Text { text: String },
    Time { seconds: u32 },
    Unreadable { octets: usize },
}

#[derive(Debug, Serialize)]
pub(super) struct NtpFields {
    leap_indicator: u8,
    version: u8,
    mode: u8,
    stratum: u8,
    poll: i8,
    precision: i8,
    root_delay: f64,
    root_dispersion: f64,
    reference_id: String,
    reference_timestamp: Option<String>,
    origin_timestamp: Option<String>,
    receive_timestamp: Option<String>,
    transmit_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extension_fields: Vec<ExtensionField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<Mac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypto_nak: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing_octets: Option<usize>,
}

#[derive(Debug, Serialize)]
struct ExtensionField {
    #[serde(rename = "type")]
    kind: String,
    len: usize,
}

#[derive(Debug, Serialize)]
struct Mac {
    key_id: u32,
    digest: String,
}

/// What the datagram says.
pub(super) fn decode(record: &Record) -> Fields {
    let octets = record.octets.as_slice();
    let unreadable = Fields::Unreadable {
        octets: octets.len(),
    };
    match record.protocol {
        ProtocolName::Ntp => match octets.split_first_chunk() {
            Some((header, behind)) => {
                let header = Header::decode(header);
                Fields::Ntp(Box::new(ntp(&header, behind, record.time)))
            }
            None => unreadable,
        },
        ProtocolName::Text | ProtocolName::Daytime => Fields::Text {
            text: String::from_utf8_lossy(octets).into_owned(),
        },
        ProtocolName::Time => match octets.try_into() {
            Ok(seconds) => Fields::Time {
                seconds: u32::from_be_bytes(seconds),
            },
            Err(_) => unreadable,
        },
    }
}

fn ntp(header: &Header, behind: &[u8], pivot: Timestamp) -> NtpFields {
    let timestamp = |bits: NtpTimestamp| (!bits.is_zero()).then(|| rfc3339(bits.near(pivot)));
    let seconds = |bits: u32| f64::from(bits) / 65_536.0;
    let mut fields = NtpFields {
        leap_indicator: header.leap_indicator.to_bits(),
        version: header.version,
        mode: header.mode,
        stratum: header.stratum,
        poll: header.poll_log2_s,
        precision: header.precision_log2_s,
        root_delay: seconds(header.root_delay.to_bits()),
        root_dispersion: seconds(header.root_dispersion.to_bits()),
        reference_id: header.reference_id.to_string(),
        reference_timestamp: timestamp(header.reference_timestamp),
        origin_timestamp: timestamp(header.origin_timestamp),
        receive_timestamp: timestamp(header.receive_timestamp),
        transmit_timestamp: timestamp(header.transmit_timestamp),
        extension_fields: Vec::new(),
        mac: None,
        crypto_nak: None,
        trailing_octets: None,
    };
    for (part, range) in trailer(header.version, behind) {
        let octets = &behind[range];
        match part {
            Part::ExtensionField { kind } => fields.extension_fields.push(ExtensionField {
                kind: format!("0x{kind:04x}"),
                len: octets.len(),
            }),
            Part::Mac { key_id } => {
                fields.mac = Some(Mac {
                    key_id,
                    digest: HEXLOWER.encode(&octets[KEY_ID_LEN..]),
                });
            }
            Part::CryptoNak => fields.crypto_nak = Some(true),
            Part::Junk => fields.trailing_octets = Some(octets.len()),
        }
    }
    fields
}

/// A part of what stands behind an NTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    ExtensionField { kind: u16 },
    Mac { key_id: u32 },
    CryptoNak,
    Junk,
}

/// What stands behind a header of this version, and where, from its end on. The
/// lengths mean what they mean to a server
/// ([`trailer`](crate::protocol::ntp::trailer)); what a server refuses is junk
/// from there on.
fn trailer(version: u8, behind: &[u8]) -> Vec<(Part, Range<usize>)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while parts.len() < MOST_EXTENSION_FIELDS {
        let rest = &behind[at..];
        let Some((kind, len)) = extension_field(version, rest) else {
            break;
        };
        parts.push((Part::ExtensionField { kind }, at..at + len));
        at += len;
    }
    let rest = &behind[at..];
    let last = match (rest.len(), rest.first_chunk()) {
        (0, _) => None,
        (KEY_ID_LEN, Some([0, 0, 0, 0])) => Some(Part::CryptoNak),
        (20 | 24, Some(key_id)) => Some(Part::Mac {
            key_id: u32::from_be_bytes(*key_id),
        }),
        (12 | 72, Some(key_id)) if version < 4 => Some(Part::Mac {
            key_id: u32::from_be_bytes(*key_id),
        }),
        _ => Some(Part::Junk),
    };
    parts.extend(last.map(|part| (part, at..behind.len())));
    parts
}

/// Type and length of the extension field at the front. RFC 7822.
fn extension_field(version: u8, octets: &[u8]) -> Option<(u16, usize)> {
    const LONGEST_MAC: usize = 24;
    const SHORTEST: usize = 16;
    let &[a, b, c, d] = octets.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([c, d]));
    let is_one = version >= 4
        && octets.len() > LONGEST_MAC
        && len >= SHORTEST
        && len.is_multiple_of(4)
        && len <= octets.len();
    is_one.then_some((u16::from_be_bytes([a, b]), len))
}

/// What the octet at `offset` of this payload belongs to.
pub(super) fn name_at(protocol: ProtocolName, octets: &[u8], offset: usize) -> String {
    match protocol {
        ProtocolName::Text | ProtocolName::Daytime => "text".to_owned(),
        ProtocolName::Time => "seconds".to_owned(),
        ProtocolName::Ntp => match HEADER_FIELDS.iter().rev().find(|(at, _)| *at <= offset) {
            Some((_, name)) if offset < HEADER_LEN => (*name).to_owned(),
            _ => behind_header(octets, offset),
        },
    }
}

fn behind_header(octets: &[u8], offset: usize) -> String {
    let behind = octets.get(HEADER_LEN..).unwrap_or_default();
    let version = octets.first().map_or(0, |first| (first >> 3) & 0b111);
    let part = trailer(version, behind)
        .into_iter()
        .find(|(_, range)| range.contains(&(offset - HEADER_LEN)));
    match part {
        Some((Part::ExtensionField { kind }, range)) => {
            let at = HEADER_LEN + range.start;
            format!("extension field 0x{kind:04x} at octet {at}")
        }
        Some((Part::Mac { .. }, _)) => "message authentication code".to_owned(),
        Some((Part::CryptoNak, _)) => "crypto-NAK".to_owned(),
        Some((Part::Junk, _)) => "trailing octets".to_owned(),
        None => "behind the end".to_owned(),
    }
}

/// Seconds with all nine decimals, exactly.
pub(super) fn seconds(span: Delta) -> String {
    let nanos = span.as_nanos();
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    format!(
        "{sign}{}.{:09}",
        nanos / 1_000_000_000,
        nanos % 1_000_000_000
    )
}

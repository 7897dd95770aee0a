//! Interleaved replies, right and wrong. RFC 9769.

use super::content::{Content, header_of};
use super::stamp::shifted;
use crate::api::{Delta, NtpTimestamp};
use crate::protocol::ntp::Header;
use serde::{Deserialize, Serialize};

/// Interleaved replies, as RFC 9769 defines them and as it does not: the origin
/// timestamp is the request's receive timestamp, and the transmit timestamp
/// that of the reply before.
///
/// The first reply to a client, which has none before it, and a basic one stay
/// as they are, but for a transmit timestamp that is the receive timestamp, as a
/// clock that stands writes it: it becomes one unit later. A server that supports
/// the interleaved mode must not send two that are the same, as a basic request
/// could not be told from an interleaved one then. RFC 9769 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interleaved {
    /// Which requests are answered so.
    pub to: InterleavedTo,
    /// How right the reply is.
    pub reply: InterleavedReply,
}

/// Which requests get an interleaved reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterleavedTo {
    /// Those that ask for it: version 4, an origin timestamp that is the
    /// receive timestamp of the reply before, and a receive timestamp that
    /// differs from the transmit timestamp. RFC 9769 section 2.
    #[default]
    Asked,
    /// All of them.
    All,
}

/// How right an interleaved reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterleavedReply {
    /// As it should be.
    #[default]
    Right,
    /// Half-way: the origin timestamp is interleaved, the transmit timestamp
    /// is not.
    OriginOnly,
    /// Half-way: the transmit timestamp is interleaved, the origin timestamp
    /// is not.
    TransmitOnly,
    /// The transmit timestamp of the reply before, less one second.
    WrongTransmit,
}

impl Interleaved {
    /// Makes the reply an interleaved one, where it is to be, and its timestamps
    /// two; `false` where nothing changes.
    pub(super) fn apply(&self, content: &mut Content<'_>) -> bool {
        let is_interleaved = self.interleave(content);
        tell_apart(content) || is_interleaved
    }

    fn interleave(&self, content: &mut Content<'_>) -> bool {
        let (Some(request), Some((honest, sent))) = (content.request, content.previous_headers())
        else {
            return false;
        };
        if self.to == InterleavedTo::Asked && !asks(&request, &sent) {
            return false;
        }
        content.edit_header(|header| {
            if self.reply != InterleavedReply::TransmitOnly {
                header.origin_timestamp = request.receive_timestamp;
            }
            header.transmit_timestamp = match self.reply {
                InterleavedReply::OriginOnly => header.transmit_timestamp,
                InterleavedReply::WrongTransmit => earlier(honest.transmit_timestamp),
                _ => honest.transmit_timestamp,
            };
        })
    }
}

/// Has a transmit timestamp that is the receive timestamp one unit later.
fn tell_apart(content: &mut Content<'_>) -> bool {
    let Some(header) = header_of(&content.octets) else {
        return false;
    };
    let transmit = header.transmit_timestamp;
    header.receive_timestamp == transmit
        && content.edit_header(|header| {
            header.transmit_timestamp = NtpTimestamp::from_bits(transmit.to_bits().wrapping_add(1));
        })
}

/// Whether a request asks for an interleaved reply, after this one was sent;
/// what was sent with two timestamps that are the same, before there was a rule,
/// is followed by a basic request. RFC 9769 section 2.
fn asks(request: &Header, sent: &Header) -> bool {
    request.version == 4
        && !request.origin_timestamp.is_zero()
        && request.origin_timestamp == sent.receive_timestamp
        && sent.receive_timestamp != sent.transmit_timestamp
        && request.receive_timestamp != request.transmit_timestamp
}

fn earlier(timestamp: NtpTimestamp) -> NtpTimestamp {
    shifted(timestamp, Delta::from_seconds(-1))
}

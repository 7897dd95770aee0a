//! Datagrams that nobody asked for: unsolicited NTP packets, and old replies.

use super::draws::{Draws, Purpose};
use super::value::Span;
use crate::api::{Delta, NtpTimestamp};
use crate::protocol::ntp::header::mode;
use crate::protocol::ntp::{Header, header};
use serde::{Deserialize, Serialize};

/// NTP packets beside the reply, to where the request came from.
///
/// Each is the header of the honest reply with another mode, and with an origin
/// timestamp that is not the request's. It tells the time of that reply, however
/// long after it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unsolicited {
    /// The mode, 0 to 7: 4 for a reply or 5 for a broadcast, whose origin and
    /// receive timestamps are zero; in other modes the origin timestamp is
    /// drawn.
    pub mode: i64,
    /// How many, 1 to 16; 1 unless told.
    #[serde(default = "one")]
    pub count: i64,
    /// How long after the reply would leave the first does, 0 to an hour; 0
    /// unless told.
    #[serde(default)]
    pub after: Span,
    /// How long after one the next leaves, whether or not the client asks again,
    /// 0 to an hour; `after` unless told.
    pub every: Option<Span>,
}

const fn one() -> i64 {
    1
}

impl Unsolicited {
    /// How long after the reply the packet of this number, from 1, leaves.
    pub(super) fn delay(&self, number: i64) -> Delta {
        let every = self.every.unwrap_or(self.after);
        self.after.0 + every.0 * (number - 1)
    }

    /// The octets of the `index`-th packet.
    pub(super) fn packet(&self, honest: &Header, draws: &Draws, index: u64) -> [u8; header::LEN] {
        let mode = self.mode as u8;
        let is_broadcast = mode == mode::BROADCAST;
        let drawn = NtpTimestamp::from_bits(draws.bits(Purpose::Unsolicited, index));
        Header {
            mode,
            origin_timestamp: if is_broadcast {
                NtpTimestamp::ZERO
            } else {
                drawn
            },
            receive_timestamp: if is_broadcast {
                NtpTimestamp::ZERO
            } else {
                honest.receive_timestamp
            },
            ..*honest
        }
        .encode()
    }
}

/// The reply to the client's previous request, octet for octet as it was sent,
/// once more. Nothing where there was none, or where it was longer than 1,024
/// octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Replay {
    /// In place of the reply that is due.
    Instead,
    /// Right before it.
    Before,
    /// Right after it.
    After,
}

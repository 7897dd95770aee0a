//! A kiss-o'-death that a client has to believe. RFC 5905 section 7.4.

use super::ntp_header;
use crate::api::{Delta, NtpTimestamp, ReferenceId};
use crate::protocol::ntp::header::mode;
use crate::transcript::Record;

/// A client's latest request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) at: Delta,
    pub(super) transmit_timestamp: NtpTimestamp,
}

impl Asked {
    /// The request in this datagram, if it is one of NTP.
    pub(super) fn of(record: &Record) -> Option<Self> {
        ntp_header(record).map(|header| Self {
            number: record.number,
            at: record.at,
            transmit_timestamp: header.transmit_timestamp,
        })
    }
}

/// A kiss, and the request that it answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kiss {
    pub(super) asked: Asked,
    pub(super) code: ReferenceId,
    pub(super) poll_log2_s: i8,
    /// When it left.
    pub(super) at: Delta,
}

impl Kiss {
    /// The kiss in this reply: with one of `codes`, and with the origin
    /// timestamp of the client's latest request. A client that has asked anew
    /// in the meantime may well ignore what answers its earlier request.
    pub(super) fn of(reply: &Record, latest: Option<Asked>, codes: &[ReferenceId]) -> Option<Self> {
        let asked = latest.filter(|asked| asked.number == reply.number)?;
        let header = ntp_header(reply)?;
        let is_kiss = header.mode == mode::SERVER
            && header.stratum == 0
            && codes.contains(&header.reference_id)
            && header.origin_timestamp == asked.transmit_timestamp;
        is_kiss.then_some(Self {
            asked,
            code: header.reference_id,
            poll_log2_s: header.poll_log2_s,
            at: reply.at,
        })
    }
}

/// `RATE`, or `DENY or RSTR`.
pub(super) fn any_of(codes: &[ReferenceId]) -> String {
    let codes: Vec<_> = codes.iter().map(ReferenceId::to_string).collect();
    codes.join(" or ")
}

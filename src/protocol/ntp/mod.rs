//! NTP, versions 1 to 4. RFC 5905.
//!
//! | module | what it holds |
//! |---|---|
//! | [`header`] | the 48 octets that every packet begins with |
//! | [`trailer`] | what may stand behind them |
//! | [`reply`] | the client's end: the request, and judging the reply to it |
//!
//! [`Ntp`] is the server: it answers clients and nobody else, with a packet
//! that is never longer than theirs. It keeps nothing from one request to the
//! next, so there is nothing to fill up and no association to steal.

pub mod header;
pub mod reply;
pub mod trailer;

pub use header::Header;
pub use trailer::Trailer;

use header::mode;
use std::mem;
use timeball_api::{
    Delta, DropReason, Exchange, Kiss, LeapIndicator, NtpShort, NtpTimestamp, Outcome, Protocol,
    ReferenceId, Timestamp,
};

/// The port of NTP servers and of peers, which ask one another from it.
const PORT: u16 = 123;

/// What to do with a request of mode 1, symmetric active, as old Windows
/// clients send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symmetric {
    /// Drop it, as a packet that is not a client's.
    #[default]
    Drop,
    /// Answer it in mode 2, symmetric passive, and forget it: no association
    /// comes of it.
    Reply,
}

/// What to answer while the source is not synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnsynchronised {
    /// The alarm, beside the time as the source has it: leap indicator 3 and
    /// stratum 0.
    #[default]
    Alarm,
    /// The alarm, and zero in place of all timestamps but the client's own.
    /// RFC 4330 section 6.
    Zero,
    /// Nothing.
    Silent,
}

/// The NTP server. RFC 5905, RFC 7822, RFC 9109.
///
/// A request is looked at in this order, and the first thing that is wrong
/// names the drop: 48 octets at least; version 1 to 4; a mode that asks; a
/// length that is a multiple of four, with a trailer that can be right; no
/// authentication, since no key is known.
///
/// # Why the version before the mode
/// The version says what the mode means: version 1 has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ntp {
    /// What to do with requests of mode 1.
    pub symmetric: Symmetric,
    /// What to answer while the source is not synchronised.
    pub unsynchronised: WhenUnsynchronised,
    /// Whether to answer a request that is authenticated with a crypto-NAK,
    /// rather than with silence. RFC 5905 section 7.3.
    pub crypto_nak: bool,
}

impl Protocol for Ntp {
    fn respond(&self, request: &[u8], exchange: &Exchange, reply: &mut [u8]) -> Outcome {
        // The one place that keeps a reply from being longer than its request.
        let room = reply.len().min(request.len());
        match self.answer(request, exchange, &mut reply[..room]) {
            Ok(len) => Outcome::Reply { len },
            Err(reason) => Outcome::Drop(reason),
        }
    }

    /// The reply that the request would get, with the alarm, stratum 0 and the
    /// code in place of the reference id; its timestamps stay true. RFC 5905
    /// section 7.4.
    fn refuse(
        &self,
        kiss: Kiss,
        request: &[u8],
        exchange: &Exchange,
        reply: &mut [u8],
    ) -> Option<usize> {
        let Outcome::Reply { len } = self.respond(request, exchange, reply) else {
            return None;
        };
        let header = reply.first_chunk_mut::<{ header::LEN }>()?;
        let honest = Header::decode(header);
        let poll = match kiss {
            Kiss::Rate { poll } => honest.poll_log2_s.max(poll),
            Kiss::Deny => honest.poll_log2_s,
        };
        *header = Header {
            leap_indicator: LeapIndicator::Unsynchronised,
            stratum: 0,
            reference_id: ReferenceId(kiss.code()),
            poll_log2_s: poll,
            ..honest
        }
        .encode();
        Some(len)
    }
}

impl Ntp {
    /// Writes the answer into `room`, which is no longer than the request.
    fn answer(
        &self,
        request: &[u8],
        exchange: &Exchange,
        room: &mut [u8],
    ) -> Result<usize, DropReason> {
        let Some((octets, behind)) = request.split_first_chunk::<{ header::LEN }>() else {
            return Err(DropReason::TooShort { len: request.len() });
        };
        let asked = Header::decode(octets);
        let mode = self.reply_mode(&asked, exchange)?;
        if !request.len().is_multiple_of(4) {
            return Err(DropReason::Malformed);
        }
        let trailer: &[u8] = match Trailer::recognise(asked.version, behind) {
            Some(Trailer::None) => &[],
            Some(Trailer::Mac { .. }) if self.crypto_nak => &[0; trailer::KEY_ID_LEN],
            // A crypto-NAK is an answer: to answer it could loop.
            Some(Trailer::Mac { .. } | Trailer::CryptoNak) => return Err(DropReason::UnknownKey),
            None => return Err(DropReason::Malformed),
        };
        let header = self.reply_header(&asked, mode, exchange)?.encode();
        let len = header.len() + trailer.len();
        let room = room.get_mut(..len).ok_or(DropReason::ReplyTooLong)?;
        let (front, back) = room.split_at_mut(header.len());
        front.copy_from_slice(&header);
        back.copy_from_slice(trailer);
        Ok(len)
    }

    /// The mode in which to answer, if this is a request at all.
    fn reply_mode(&self, asked: &Header, exchange: &Exchange) -> Result<u8, DropReason> {
        if !(1..=4).contains(&asked.version) {
            return Err(DropReason::UnsupportedVersion {
                version: asked.version,
            });
        }
        match asked.mode {
            mode::CLIENT => Ok(mode::SERVER),
            mode::SYMMETRIC_ACTIVE if self.symmetric == Symmetric::Reply => {
                Ok(mode::SYMMETRIC_PASSIVE)
            }
            // Version 1 tells clients from peers by the port. RFC 1059.
            mode::RESERVED if asked.version == 1 && exchange.peer.port() != PORT => {
                Ok(mode::SERVER)
            }
            mode => Err(DropReason::NotARequest { mode }),
        }
    }

    fn reply_header(
        &self,
        asked: &Header,
        mode: u8,
        exchange: &Exchange,
    ) -> Result<Header, DropReason> {
        let quality = &exchange.transmit.quality;
        let mut header = Header {
            leap_indicator: quality.leap_indicator,
            version: asked.version,
            mode,
            stratum: quality.stratum,
            poll_log2_s: asked.poll_log2_s,
            precision_log2_s: quality.precision_log2_s,
            root_delay: NtpShort::from(quality.root_delay),
            root_dispersion: NtpShort::from(quality.root_dispersion),
            reference_id: quality.reference_id,
            origin_timestamp: asked.transmit_timestamp,
            ..Header::default()
        };
        let is_synchronised = quality.is_synchronised();
        if !is_synchronised {
            if self.unsynchronised == WhenUnsynchronised::Silent {
                return Err(DropReason::Unsynchronised);
            }
            header.leap_indicator = LeapIndicator::Unsynchronised;
            header.stratum = 0;
            // At stratum 0 anything else would read as a kiss code.
            header.reference_id = ReferenceId::NONE;
        }
        if is_synchronised || self.unsynchronised != WhenUnsynchronised::Zero {
            stamp(&mut header, exchange);
        }
        Ok(header)
    }
}

/// Puts in the server's own timestamps: reference, receive and transmit, none
/// of them before the one it follows.
///
/// With entropy, the bits below the clock's precision are random; with none
/// (zero, as under a mock) the timestamps are exact. RFC 5905 section 6.
fn stamp(header: &mut Header, exchange: &Exchange) {
    let quality = &exchange.transmit.quality;
    let receive = exchange.receive.time;
    // A source that was stepped back in between must not show a reply that
    // left before its request came.
    let transmit = exchange.transmit.time.max(receive);
    let mut receive_timestamp = known(receive);
    let mut transmit_timestamp = known(transmit);
    if exchange.entropy != 0 {
        let precision = quality.precision_log2_s;
        let (low, high) = (exchange.entropy as u32, (exchange.entropy >> 32) as u32);
        receive_timestamp = nonzero(receive_timestamp.with_random_below(precision, low));
        transmit_timestamp = nonzero(transmit_timestamp.with_random_below(precision, high));
        // Only two moments that the clock cannot tell apart can have changed
        // places, so changing them back alters neither.
        if is_near(receive, transmit) && precedes(transmit_timestamp, receive_timestamp) {
            mem::swap(&mut transmit_timestamp, &mut receive_timestamp);
        }
    }
    header.receive_timestamp = receive_timestamp;
    header.transmit_timestamp = transmit_timestamp;
    if let Some(reference) = quality.reference_timestamp {
        let reference = reference.min(receive);
        let reference_timestamp = known(reference);
        header.reference_timestamp =
            if is_near(reference, receive) && precedes(receive_timestamp, reference_timestamp) {
                receive_timestamp
            } else {
                reference_timestamp
            };
    }
}

/// Whether random bits can have changed the order of these two. Timestamps
/// more than 68 years apart (a clock never set, a scripted step) tell nothing
/// about their order.
fn is_near(earlier: Timestamp, later: Timestamp) -> bool {
    later - earlier <= Delta::from_seconds(1)
}

/// The timestamp of a time that is known.
fn known(time: Timestamp) -> NtpTimestamp {
    nonzero(NtpTimestamp::from(time))
}

/// The timestamp itself, or the next one after zero, which would read as
/// "unknown": so the first instant of an era is sent 0.23 ns late.
const fn nonzero(timestamp: NtpTimestamp) -> NtpTimestamp {
    if timestamp.is_zero() {
        NtpTimestamp::from_bits(1)
    } else {
        timestamp
    }
}

/// Whether `one` lies before `other`, on the shorter way around the circle, to
/// the last bit.
const fn precedes(one: NtpTimestamp, other: NtpTimestamp) -> bool {
    (one.to_bits().wrapping_sub(other.to_bits()) as i64) < 0
}

//! The Time protocol: any datagram is answered with four octets, the seconds
//! since 1900. RFC 868.
//!
//! The count wraps in 2036 as NTP's does, with which it shares its epoch. Like
//! Daytime it answers anything: admission refuses requests from ports at which
//! services answer, and what they would send gets no answer here.

use super::line;
use timeball_api::{DropReason, Exchange, NtpTimestamp, Outcome, Protocol, Timestamp};

/// What a client sends: nothing, as RFC 868 has it.
pub const REQUEST: &[u8] = b"";

/// Octets of a reply.
pub const REPLY_LEN: usize = 4;

/// The Time server. RFC 868.
///
/// Sends the second that is passing when the reply leaves, modulo 2^32. An
/// unsynchronised source is silent, as the RFC asks of a server that does not
/// know the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time;

impl Protocol for Time {
    fn respond(&self, request: &[u8], exchange: &Exchange, reply: &mut [u8]) -> Outcome {
        if line::is_a_reply(request) {
            return Outcome::Drop(DropReason::NotTheQuestion);
        }
        if !exchange.transmit.quality.is_synchronised() {
            return Outcome::Drop(DropReason::Unsynchronised);
        }
        let Some(reply) = reply.first_chunk_mut::<REPLY_LEN>() else {
            return Outcome::Drop(DropReason::ReplyTooLong);
        };
        let seconds = NtpTimestamp::from(exchange.transmit.time).to_bits() >> 32;
        *reply = (seconds as u32).to_be_bytes();
        Outcome::Reply { len: REPLY_LEN }
    }

    fn ignores_payload(&self) -> bool {
        true
    }
}

/// A reply that does not have four octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply has {len} octets instead of {REPLY_LEN}")]
pub struct WrongLength {
    /// Octets of the reply.
    pub len: usize,
}

/// The second in a reply: the one within 68 years of `pivot`, since the reply
/// does not say how often the count has wrapped.
///
/// # Errors
/// [`WrongLength`] when the reply does not have four octets.
pub fn parse(reply: &[u8], pivot: Timestamp) -> Result<Timestamp, WrongLength> {
    let seconds =
        <[u8; REPLY_LEN]>::try_from(reply).map_err(|_| WrongLength { len: reply.len() })?;
    let timestamp = NtpTimestamp::from_bits(u64::from(u32::from_be_bytes(seconds)) << 32);
    Ok(timestamp.near(pivot))
}

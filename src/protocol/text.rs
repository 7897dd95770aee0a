//! The text protocol: `Send time` is answered with the time as text.
//!
//! Any other datagram gets silence, and no text of the time is the question:
//! so two servers can never answer one another. (An NTP server may take a long
//! text that begins with the right letter for a request; its reply then gets
//! silence.)

use super::calendar::CalendarFormat;
use super::line;
use timeball_api::{DropReason, Exchange, Outcome, Protocol};

/// The question, as this program's client asks it.
pub const REQUEST: &[u8] = b"Send time";

/// The format of the answer unless another one is set:
/// `2021-06-11 18:45:57.430034`.
pub const DEFAULT_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// The text protocol's server.
///
/// The reply is the time at which it leaves, without a line end. An
/// unsynchronised source is silent, since a text could not say so.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    format: CalendarFormat,
}

impl Text {
    /// A server that writes the time in `format`.
    #[must_use]
    pub const fn new(format: CalendarFormat) -> Self {
        Self { format }
    }
}

impl Protocol for Text {
    fn respond(&self, request: &[u8], exchange: &Exchange, reply: &mut [u8]) -> Outcome {
        if !is_question(request) {
            return Outcome::Drop(DropReason::NotTheQuestion);
        }
        if !exchange.transmit.quality.is_synchronised() {
            return Outcome::Drop(DropReason::Unsynchronised);
        }
        match self.format.write(exchange.transmit.time, reply) {
            // A format such as `Send%.f time` is the question once a second.
            Some(len) if is_question(&reply[..len]) => Outcome::Drop(DropReason::NotTheQuestion),
            Some(len) => Outcome::Reply { len },
            None => Outcome::Drop(DropReason::ReplyTooLong),
        }
    }
}

/// Whether these octets are the question, in any case and with any white space
/// around it.
fn is_question(octets: &[u8]) -> bool {
    octets.trim_ascii().eq_ignore_ascii_case(REQUEST)
}

/// The time in a reply, as the server wrote it.
///
/// # Errors
/// [`LineError`](line::LineError) when it is not a line that can be shown.
pub fn parse(reply: &[u8]) -> Result<&str, line::LineError> {
    line::parse(reply)
}

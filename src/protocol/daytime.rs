//! The Daytime protocol: any datagram is answered with one line of ASCII that
//! tells date and time. RFC 867.
//!
//! Since it answers anything, a forged request could make two servers answer
//! one another: admission refuses requests from ports at which services
//! answer, before they come here, and what such a server would send gets no answer
//! here.

use super::calendar::{CalendarFormat, FormatError};
use super::line;
use super::ntp::header;
use chrono_tz::Tz;
use timeball_api::{DropReason, Exchange, Outcome, Protocol};

/// What a client sends: nothing, since it would be ignored.
pub const REQUEST: &[u8] = b"";

/// What ends the line. RFC 867.
const LINE_END: &[u8] = b"\r\n";

/// What ends a line that an NTP server might take for a request.
const LINE_END_BEHIND_A_SPACE: &[u8] = b" \r\n";

/// How the line is written. RFC 867 leaves it open and suggests two ways.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DaytimeFormat {
    /// `Tuesday, February 22, 1982 17:37:43-PST`: the RFC's first suggestion.
    #[default]
    Rfc867,
    /// `22 FEB 82 17:37:43 PST`: the RFC's second one, used in SMTP.
    Smtp,
    /// A strftime format of one's own.
    Strftime(String),
}

/// The Daytime server. RFC 867.
///
/// The line tells the time at which it leaves. An unsynchronised source is
/// silent, since a line could not say so.
///
/// A line of one's own that would have 48 octets or more and a multiple of four
/// ends with a space: with an `S` or a `#` in front (on Saturdays, for example)
/// it is a request to an NTP server, whose reply this server would answer, and
/// so on. No NTP packet has any other length.
#[derive(Debug, Clone, PartialEq)]
pub struct Daytime {
    format: CalendarFormat,
    in_capitals: bool,
}

impl Daytime {
    /// A server that writes the time of `zone` in `format`.
    ///
    /// # Errors
    /// [`FormatError`] when the format is not a strftime format, when the line
    /// can be too long, or when it would not be one line of printable ASCII.
    pub fn new(format: DaytimeFormat, zone: Tz) -> Result<Self, FormatError> {
        let strftime = match &format {
            DaytimeFormat::Rfc867 => "%A, %B %-d, %Y %H:%M:%S-%Z",
            DaytimeFormat::Smtp => "%d %b %y %H:%M:%S %Z",
            DaytimeFormat::Strftime(strftime) => strftime,
        };
        // The literal parts of the format are what can be wrong; names of
        // months, days and zones are ASCII.
        let wrong = |c: &char| !c.is_ascii_graphic() && *c != ' ';
        if let Some(character) = strftime.chars().find(wrong) {
            return Err(FormatError::NotALineOfAscii(character));
        }
        let calendar = CalendarFormat::new(strftime, zone)?;
        calendar.for_each_shape(|line| {
            let line = line.unwrap_or_default();
            let wrong = line.iter().map(|&octet| char::from(octet)).find(wrong);
            wrong.map_or(Ok(()), |c| Err(FormatError::NotALineOfAscii(c)))
        })?;
        Ok(Self {
            format: calendar,
            in_capitals: format == DaytimeFormat::Smtp,
        })
    }
}

impl Protocol for Daytime {
    fn respond(&self, request: &[u8], exchange: &Exchange, reply: &mut [u8]) -> Outcome {
        if line::is_a_reply(request) {
            return Outcome::Drop(DropReason::NotTheQuestion);
        }
        if !exchange.transmit.quality.is_synchronised() {
            return Outcome::Drop(DropReason::Unsynchronised);
        }
        let Some(len) = self.format.write(exchange.transmit.time, reply) else {
            return Outcome::Drop(DropReason::ReplyTooLong);
        };
        let (line, rest) = reply.split_at_mut(len);
        if self.in_capitals {
            line.make_ascii_uppercase();
        }
        let line_end = match len + LINE_END.len() {
            len if len >= header::LEN && len.is_multiple_of(4) => LINE_END_BEHIND_A_SPACE,
            _ => LINE_END,
        };
        let Some(end) = rest.get_mut(..line_end.len()) else {
            return Outcome::Drop(DropReason::ReplyTooLong);
        };
        end.copy_from_slice(line_end);
        Outcome::Reply {
            len: len + line_end.len(),
        }
    }

    fn ignores_payload(&self) -> bool {
        true
    }
}

/// The line of a reply, without its end. The RFC leaves its words open, so
/// they are for people, not for programs.
///
/// # Errors
/// [`LineError`](line::LineError) when it is not a line that can be shown.
pub fn parse(reply: &[u8]) -> Result<&str, line::LineError> {
    line::parse(reply)
}

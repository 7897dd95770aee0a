//! The kiss-o'-death. RFC 5905 section 7.4.

use super::content::Content;
use super::short::{Short, deserialize_short};
use super::value::Span;
use crate::api::{LeapIndicator, ReferenceId};
use serde::{Deserialize, Deserializer, Serialize};

/// A kiss-o'-death in place of the time: leap indicator 3, stratum 0 and the
/// code as the reference id, everything else as in the honest reply, whose
/// origin timestamp lets the client trust it. `set` gives it a wrong one.
/// RFC 5905 section 7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kiss {
    /// The code: `RATE`, `DENY`, `RSTR` or any 1 to 4 ASCII characters.
    pub code: Code,
    /// The poll exponent to ask for, -128 to 255 as the raw octet; without it
    /// the request's own comes back.
    pub poll: Option<i64>,
    /// A client that stays silent for at least this long of host time after a
    /// kiss of this rule is pardoned: the rule does not match it again. One
    /// that asks sooner is kissed again, and has to wait anew.
    pub pardon: Option<Span>,
}

/// A kiss code: 1 to 4 printable ASCII characters, with zero octets behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub [u8; 4]);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Code {
    const EXPECTED: &'static str = "1 to 4 printable ASCII characters, such as \"RATE\"";

    fn from_text(text: &str) -> Option<Self> {
        let is_code = (1..=4).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        let mut octets = [0; 4];
        octets
            .iter_mut()
            .zip(text.bytes())
            .for_each(|(octet, character)| *octet = character);
        is_code.then_some(Self(octets))
    }
}

impl Kiss {
    /// Turns the reply into the kiss; `false` where it is no NTP packet.
    pub(super) fn apply(&self, content: &mut Content<'_>) -> bool {
        content.edit_header(|header| {
            header.leap_indicator = LeapIndicator::Unsynchronised;
            header.stratum = 0;
            header.reference_id = ReferenceId(self.code.0);
            if let Some(poll) = self.poll {
                header.poll_log2_s = poll as i8;
            }
        })
    }
}

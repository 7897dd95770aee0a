//! One rule, as it is written.

use super::interleaved::Interleaved;
use super::kiss::Kiss;
use super::matching::{Requests, Subnet, Window};
use super::network::{Delay, Duplicate, EachWay, Hold, Loss, ReplyFrom};
use super::octets::{FlipBits, Pad};
use super::set::SetHeader;
use super::short::OneOrMany;
use super::trailer::{Extension, Mac};
use super::unasked::{Replay, Unsolicited};
use super::value::{Amount, Octets, Positions, Probability, Span};
use crate::api::Delta;
use serde::{Deserialize, Serialize};

/// One `[[rules]]` table: what it matches, and the faults it makes.
///
/// Every key is optional, but there is a fault at least, or `honest = true`. A
/// rule matches when all that it says does; one that says nothing matches every
/// request. Faults of the NTP packet are for NTP: a rule with one of them
/// matches NTP requests only.
///
/// ```
/// # use timeball::faults::Rule;
/// let rule: Rule = toml::from_str(
///     r#"
///     name = "kiss after five"
///     request = { from = 6 }
///     kiss = { code = "RATE", pardon = "64s" }
///     "#,
/// )?;
/// assert_eq!(rule.check(), []);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// What it is called in transcripts, in counts and by control, and part of
    /// the seed of what it draws: 1 to 80 printable characters, different
    /// from those of the other rules. `rule-3` for the third one unless told.
    pub name: Option<String>,

    // What it matches.
    /// Requests to one of these endpoints, by name.
    pub endpoint: Option<OneOrMany<String>>,
    /// Requests from one of these addresses or subnets.
    pub client: Option<OneOrMany<Subnet>>,
    /// Clients by the order in which they first asked any endpoint: 1 is the
    /// first. A client is one IP address.
    pub arrival: Option<Positions>,
    /// Requests by their number.
    pub request: Option<Requests>,
    /// While the mock time elapsed since the start lies in here.
    pub during: Option<Window>,
    /// With this probability; else the rules behind it are looked at.
    pub probability: Option<Probability>,
    /// Whether the rules behind it are looked at too.
    pub also: bool,

    /// No fault at all: the request is answered honestly, and the rules behind
    /// are not looked at. Not beside a fault or `also`.
    pub honest: bool,

    // The NTP packet.
    /// A kiss-o'-death in place of the time.
    pub kiss: Option<Kiss>,
    /// An interleaved reply.
    pub interleaved: Option<Interleaved>,
    /// Other values in the header's fields.
    pub set: Option<SetHeader>,
    /// Extension fields at the end.
    pub extension: Option<OneOrMany<Extension>>,
    /// A message authentication code at the end.
    pub mac: Option<Mac>,

    // The octets of any protocol.
    /// Other octets in place of the reply, up to 65,507.
    pub replace: Option<Octets>,
    /// The first so many octets of the reply, 0 to 65,506, and no more.
    pub truncate: Option<Amount>,
    /// More octets, up to a length.
    pub pad: Option<Pad>,
    /// So many drawn octets behind the end, 1 to 65,507.
    pub junk: Option<Amount>,
    /// Bits turned over.
    pub flip_bits: Option<FlipBits>,

    // The network.
    /// How long datagrams are on their way.
    pub delay: Option<EachWay<Delay>>,
    /// Which datagrams are lost.
    pub lose: Option<EachWay<Loss>>,
    /// From the first request that matches on, and for this long of host time,
    /// above 0 to a day, every request is lost that the rule's `endpoint`,
    /// `client` and `arrival` match. Once in a run.
    pub blackhole: Option<Span>,
    /// Which datagrams arrive more than once.
    pub duplicate: Option<EachWay<Duplicate>>,
    /// Until when the reply is held back.
    pub hold: Option<Hold>,
    /// Where the reply comes from.
    pub reply_from: Option<ReplyFrom>,

    // Beside the reply.
    /// Packets that nobody asked for.
    pub unsolicited: Option<Unsolicited>,
    /// The previous reply once more.
    pub replay: Option<Replay>,
}

impl Rule {
    /// What the rule is called: its name, or one by its position from 1.
    #[must_use]
    pub fn name_at(&self, position: u64) -> String {
        (self.name.clone()).unwrap_or_else(|| format!("rule-{position}"))
    }

    /// Whether it has a fault that only an NTP packet can have, so that it
    /// matches requests of NTP and no others.
    #[must_use]
    pub fn is_for_ntp(&self) -> bool {
        self.kiss.is_some()
            || self.interleaved.is_some()
            || self.set.is_some()
            || self.extension.is_some()
            || self.mac.is_some()
            || self.unsolicited.is_some()
    }

    /// The error of the offset that a client calculates because of this rule's
    /// delays: half of what the way there takes longer than the way back, by
    /// the means of the distributions. RFC 5905 section 8.
    ///
    /// Positive: the client takes the server to be ahead. Zero without delays.
    /// `None` where a delay has no mean.
    #[must_use]
    pub fn expected_offset_error(&self) -> Option<Delta> {
        let Some(delay) = self.delay else {
            return Some(Delta::ZERO);
        };
        let mean = |delay: Option<Delay>| delay.map_or(Some(Delta::ZERO), |it| it.mean());
        let difference = mean(delay.request)? - mean(delay.reply)?;
        Some(Delta::from_nanos(difference.as_nanos() / 2))
    }
}

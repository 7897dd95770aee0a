//! Faults of the octets of a reply, whatever its protocol.

use super::content::Content;
use super::draws::{Draws, Purpose};
use super::short::{Short, deserialize_short};
use super::value::{Amount, Octets};
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// The longest payload of a UDP datagram over IPv4: 65,535 octets less the
/// headers of IP and UDP. Nothing longer leaves.
pub const LONGEST: usize = 65_507;

/// The reply made longer: a length (`1024`), or
/// `{ to = 1024, with = "x", inside_line = true }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Pad {
    /// Octets of the whole reply, 1 to 65,507; a longer one stays as it is.
    pub to: i64,
    /// What is repeated to fill it; zero octets unless told.
    pub with: Option<Octets>,
    /// Whether to put it before the end of the line (CR LF or LF) rather than
    /// behind it, so that the line itself is overlong.
    #[serde(default)]
    pub inside_line: bool,
}

impl<'de> Deserialize<'de> for Pad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for Pad {
    const EXPECTED: &'static str = "a length in octets, or a table of to, with and inside_line";

    fn from_number(number: &str) -> Option<Self> {
        Some(Self {
            to: number.parse().ok()?,
            with: None,
            inside_line: false,
        })
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Bits of the reply turned over, at drawn places: how many (`1`), or
/// `{ count = 3, from = 24, to = 31 }` with the octets among which to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct FlipBits {
    /// How many different bits, 1 to 512; all, where there are not so many.
    pub count: Amount,
    /// The first octet to draw from, 0 to 65,506.
    #[serde(default)]
    pub from: i64,
    /// The last octet to draw from, 0 to 65,506; the end of the reply unless
    /// told.
    pub to: Option<i64>,
}

impl<'de> Deserialize<'de> for FlipBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_short(deserializer)
    }
}

impl Short for FlipBits {
    const EXPECTED: &'static str = "how many bits, or a table of count, from and to";

    fn from_number(number: &str) -> Option<Self> {
        Some(Self {
            count: Amount::from_number(number)?,
            from: 0,
            to: None,
        })
    }

    fn from_table<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

impl Amount {
    /// How many it is this time.
    fn draw(&self, draws: &Draws, purpose: Purpose) -> usize {
        draws.between(purpose, 0, self.from, self.to) as usize
    }
}

/// Puts other octets in the place of the reply.
pub(super) fn replace(by: &Octets, content: &mut Content<'_>) -> bool {
    content.octets.clone_from(&by.0);
    true
}

/// Cuts the reply off.
pub(super) fn truncate(to: &Amount, content: &mut Content<'_>, draws: &Draws) -> bool {
    let (before, len) = (content.octets.len(), to.draw(draws, Purpose::TruncateLen));
    content.octets.truncate(len);
    content.octets.len() < before
}

/// Appends drawn octets, as many as there is room for.
pub(super) fn junk(len: &Amount, content: &mut Content<'_>, draws: &Draws) -> bool {
    let len = len.draw(draws, Purpose::JunkLen).min(content.room());
    draws.append(Purpose::Junk, 0, len, &mut content.octets);
    len > 0
}

impl Pad {
    pub(super) fn apply(&self, content: &mut Content<'_>) -> bool {
        let to = (self.to.max(0) as usize).min(LONGEST);
        let octets = &mut content.octets;
        let missing = to.saturating_sub(octets.len());
        let end = if self.inside_line {
            line_len(octets)
        } else {
            octets.len()
        };
        let with = self.with.as_ref().map_or(&[0][..], |with| &with.0);
        let line_end = octets.split_off(end);
        octets.extend(with.iter().cycle().take(missing));
        octets.extend(line_end);
        missing > 0
    }
}

/// Octets of a line without its end.
fn line_len(line: &[u8]) -> usize {
    let without_lf = line.strip_suffix(b"\n").unwrap_or(line);
    let is_ended = without_lf.len() < line.len();
    let without_cr = without_lf.strip_suffix(b"\r").filter(|_| is_ended);
    without_cr.unwrap_or(without_lf).len()
}

impl FlipBits {
    pub(super) fn apply(&self, content: &mut Content<'_>, draws: &Draws) -> bool {
        let end = content.octets.len();
        let from = (self.from.max(0) as usize).min(end);
        let to = self.to.map_or(end, |to| to.max(0) as usize + 1).min(end);
        let among = content.octets.get_mut(from..to).unwrap_or_default();
        let count = self.count.draw(draws, Purpose::FlipCount) as u64;
        flip(among, count, |index, high| {
            draws.between(Purpose::FlipPlaces, index, 0, high)
        })
    }
}

/// Turns over `count` different bits of `octets`, or all if there are not so
/// many. `draw(index, high)` is a number from 0 to `high`.
///
/// R. Floyd's way to take a sample without a second try.
pub(super) fn flip(octets: &mut [u8], count: u64, draw: impl Fn(u64, u64) -> u64) -> bool {
    let bits = octets.len() as u64 * 8;
    let count = count.min(bits);
    let mut places = BTreeSet::new();
    for (index, high) in (bits - count..bits).enumerate() {
        let place = draw(index as u64, high);
        if !places.insert(place) {
            places.insert(high);
        }
    }
    for place in &places {
        octets[(place / 8) as usize] ^= 0x80 >> (place % 8);
    }
    count > 0
}

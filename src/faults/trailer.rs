//! Faults behind the NTP header: extension fields and MACs. RFC 7822, RFC 5905
//! section 7.3.

use super::content::Content;
use super::draws::{Draws, Purpose};
use super::value::Octets;
use serde::{Deserialize, Serialize};

/// One or more extension fields at the end of the reply. RFC 7822 section 3.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The field type, 0 to 65535.
    #[serde(rename = "type")]
    pub field_type: i64,
    /// The octets of the body; without them, `len` drawn ones.
    pub body: Option<Octets>,
    /// How many octets of body are drawn, 0 to 65535; 24 unless told. Not
    /// beside `body`.
    pub len: Option<i64>,
    /// What the field says its length is, header and all, 0 to 65535: the
    /// right one unless told.
    pub says_len: Option<i64>,
    /// How many of these fields, 1 to 1000.
    #[serde(default = "one")]
    pub count: i64,
}

/// What looks like a message authentication code at the end of the reply: the
/// id of a key and a digest of drawn octets. RFC 5905 section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mac {
    /// Octets of key id and digest together, 4 to 68: 20 for MD5 and AES-CMAC,
    /// 24 for SHA-1, 28 for a truncated SHA-2, 4 for a crypto-NAK.
    pub len: i64,
    /// The id of the key, 0 to 4,294,967,295; without it 1, or 0 for a
    /// crypto-NAK.
    pub key_id: Option<i64>,
}

const fn one() -> i64 {
    1
}

impl Extension {
    /// Octets of drawn body, unless told: with type and length 28, the least
    /// that the last extension field has. RFC 7822 section 7.5.1.4.
    const DRAWN: usize = 24;
    /// Octets of type and length.
    pub(super) const HEAD: usize = 4;

    /// Octets of the body.
    pub(super) fn body_len(&self) -> usize {
        let drawn = self.len.map_or(Self::DRAWN, |len| len.max(0) as usize);
        self.body.as_ref().map_or(drawn, |body| body.0.len())
    }

    /// Appends the fields, as many as there is room for. `part` is the
    /// position among the rule's extensions.
    pub(super) fn apply(&self, part: usize, content: &mut Content<'_>, draws: &Draws) -> bool {
        let len = Self::HEAD + self.body_len();
        let says_len = self.says_len.unwrap_or(len as i64) as u16;
        let mut is_changed = false;
        for index in 0..self.count {
            if len > content.room() {
                break;
            }
            is_changed = true;
            let octets = &mut content.octets;
            octets.extend_from_slice(&(self.field_type as u16).to_be_bytes());
            octets.extend_from_slice(&says_len.to_be_bytes());
            match &self.body {
                Some(body) => octets.extend_from_slice(&body.0),
                None => {
                    let part = (part as u32) << 16 | index as u32;
                    draws.append(Purpose::Extension, part, len - Self::HEAD, octets);
                }
            }
        }
        is_changed
    }
}

impl Mac {
    /// Octets of the id of a key: all that a crypto-NAK has.
    const KEY_ID: usize = 4;

    /// Appends it, if there is room.
    pub(super) fn apply(&self, content: &mut Content<'_>, draws: &Draws) -> bool {
        let digest = (self.len.max(0) as usize).saturating_sub(Self::KEY_ID);
        if Self::KEY_ID + digest > content.room() {
            return false;
        }
        let key_id = self.key_id.unwrap_or(i64::from(digest > 0)) as u32;
        content.octets.extend_from_slice(&key_id.to_be_bytes());
        draws.append(Purpose::Mac, 0, digest, &mut content.octets);
        true
    }
}

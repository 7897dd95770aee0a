//! What stands behind the header of a request: extension fields and a message
//! authentication code. RFC 5905 section 7.5, RFC 7822 section 3.
//!
//! No extension field is understood here: they are walked over to find what
//! ends the packet, and never echoed. No key is known either, but a client
//! that authenticates must not get an answer that looks authentic, so a code
//! has to be seen for what it is.
//!
//! # What a given length means
//! The formats overlap, so length decides, as in RFC 7822: behind the header
//! and behind each extension field,
//!
//! | octets left | meaning |
//! |---|---|
//! | 0 | the end |
//! | 4 | a crypto-NAK if all are zero; else malformed |
//! | 20, 24 | a key id and a digest of 16 or 20 octets, never an extension field |
//! | 8, 12, 16 | malformed: the last extension field has 28 at least |
//! | 28 and more | an extension field of 16 at least, that ends inside of the packet and leaves one of these |
//!
//! Versions 1 to 3 have no extension fields. There 12 octets (key id and DES
//! checksum, RFC 1305 appendix C) and 72 (Microsoft's extended authenticator)
//! are a code too, and any other length is malformed.

/// Octets of a key id: what every code begins with, and all of a crypto-NAK.
pub const KEY_ID_LEN: usize = 4;

/// Octets of a code: key id and MD5 or AES-CMAC digest, key id and SHA-1
/// digest. RFC 5905 figure 8, RFC 8573.
const MAC_LENS: [usize; 2] = [KEY_ID_LEN + 16, KEY_ID_LEN + 20];

/// Octets of a code that only versions before 4 have: key id and DES checksum,
/// Microsoft's extended authenticator.
const OLD_MAC_LENS: [usize; 2] = [KEY_ID_LEN + 8, 72];

/// Octets of the type and the length that an extension field begins with.
const FIELD_HEADER_LEN: usize = 4;

/// The fewest octets of an extension field. RFC 7822 section 3.
const FIELD_MIN_LEN: usize = 16;

/// What ends a packet, behind the header and any extension fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailer {
    /// Nothing: the packet is not authenticated.
    None,
    /// Four zero octets: the sender could not authenticate what it got. Only
    /// ever an answer. RFC 5905 section 7.3.
    CryptoNak,
    /// A message authentication code.
    Mac {
        /// The number of the key.
        key_id: u32,
    },
}

impl Trailer {
    /// What ends the packet of this `version` with these `octets` behind its
    /// header; `None` when they cannot be right.
    #[must_use]
    pub fn recognise(version: u8, octets: &[u8]) -> Option<Self> {
        let has_fields = version >= 4;
        let mut rest = octets;
        loop {
            match rest.len() {
                0 => return Some(Self::None),
                KEY_ID_LEN => {
                    return rest
                        .iter()
                        .all(|&octet| octet == 0)
                        .then_some(Self::CryptoNak);
                }
                len if is_mac_len(has_fields, len) => {
                    let key_id = u32::from_be_bytes(*rest.first_chunk()?);
                    return Some(Self::Mac { key_id });
                }
                _ if has_fields => rest = skip_field(rest)?,
                _ => return None,
            }
        }
    }
}

fn is_mac_len(has_fields: bool, len: usize) -> bool {
    MAC_LENS.contains(&len) || (!has_fields && OLD_MAC_LENS.contains(&len))
}

/// What follows the extension field at the front of `octets`; `None` when
/// there is no such field.
fn skip_field(octets: &[u8]) -> Option<&[u8]> {
    // Nothing shorter than the longest code can be a field: the last one has
    // 28 octets at least, and one before a code is followed by 20.
    if octets.len() <= MAC_LENS[1] {
        return None;
    }
    let [_, _, high, low] = *octets.first_chunk::<FIELD_HEADER_LEN>()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len < FIELD_MIN_LEN || !len.is_multiple_of(4) {
        return None;
    }
    octets.get(len..)
}

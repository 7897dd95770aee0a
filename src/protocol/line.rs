//! The client's end of the protocols that answer with a line of text, and what
//! may be shown to people.

/// The most octets of a line that a client takes: as many as a server here
/// ever sends: a space and the end of the line stand behind the text.
const MAX_LEN: usize = super::calendar::MAX_LEN + 3;

/// Why a reply is not a line to show to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is nothing in it but white space.
    #[error("the reply is empty")]
    Empty,
    /// It is longer than any line should be.
    #[error("the reply has {len} octets; a line has {MAX_LEN} at most")]
    TooLong {
        /// Octets of the reply.
        len: usize,
    },
    /// It is not UTF-8 (of which ASCII is a part).
    #[error("the reply is not text: octet {at} is not UTF-8")]
    NotText {
        /// Octets before the first one that is wrong.
        at: usize,
    },
    /// It holds a character that could steer a terminal.
    #[error("the reply holds the control character {character:?}")]
    Control {
        /// The first such character.
        character: char,
    },
}

/// The line in `reply`, without white space and line ends around it.
///
/// Whatever comes back can be shown on a terminal: it is one line, it is not
/// empty and holds no control character and none that turns the direction of
/// writing, as a hostile server might send.
///
/// # Errors
/// [`LineError`] says what is wrong with the reply.
pub fn parse(reply: &[u8]) -> Result<&str, LineError> {
    if reply.len() > MAX_LEN {
        return Err(LineError::TooLong { len: reply.len() });
    }
    let text = std::str::from_utf8(reply).map_err(|error| LineError::NotText {
        at: error.valid_up_to(),
    })?;
    let line = text.trim_matches([' ', '\t', '\r', '\n', '\0']);
    if line.is_empty() {
        return Err(LineError::Empty);
    }
    match line.chars().find(|&character| steers(character)) {
        Some(character) => Err(LineError::Control { character }),
        None => Ok(line),
    }
}

/// Whether a server of Daytime or Time sends this: a line and its end, or four octets
/// and nothing else. What answers whatever it gets (RFC 867, RFC 868) does not answer
/// that, or two of them would answer one another without end, once somebody has sent
/// one of them a datagram in the name of the other.
pub(super) fn is_a_reply(payload: &[u8]) -> bool {
    payload.len() == super::time::REPLY_LEN || (payload.len() > 2 && payload.ends_with(b"\r\n"))
}

/// `text` with each character escaped that a reply may not hold, so that it is
/// one line and steers no terminal: a file's name, say.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a terminal does something else with this character than show it.
fn steers(character: char) -> bool {
    // Line and paragraph separators, marks and overrides of direction, and
    // characters of no width.
    const INVISIBLE: [std::ops::RangeInclusive<char>; 4] = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
    ];
    character.is_control()
        || character == '\u{61c}'
        || INVISIBLE.iter().any(|range| range.contains(&character))
}

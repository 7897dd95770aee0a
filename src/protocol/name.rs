//! What the protocols are called, wherever people or programs name one.

use serde::Deserialize;
use std::fmt;

/// The name of a protocol, as settings and scenarios write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolName {
    /// `Send time`, answered with text.
    Text,
    /// RFC 867.
    Daytime,
    /// RFC 868.
    Time,
    /// RFC 5905.
    Ntp,
}

impl ProtocolName {
    /// Every name, in the order in which help and errors list them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Daytime, Self::Time, Self::Ntp];

    /// The name as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Daytime => "daytime",
            Self::Time => "time",
            Self::Ntp => "ntp",
        }
    }
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

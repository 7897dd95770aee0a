//! What `query` and `bench` have in common: whom to ask, and what.

use clap::ValueEnum;
use timeball::api::Delta;
use timeball::client::{NtpVersion, Question, Target};
use timeball::settings::parse_duration;

/// The protocols by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// `Send time`, answered with text
    Text,
    /// A line of text (RFC 867)
    Daytime,
    /// The second, in 32 bits (RFC 868)
    Time,
    /// NTP (RFC 5905)
    Ntp,
}

impl Protocol {
    /// What to ask in it; `version` is that of NTP.
    pub const fn question(self, version: NtpVersion) -> Question {
        match self {
            Self::Text => Question::Text,
            Self::Daytime => Question::Daytime,
            Self::Time => Question::Time,
            Self::Ntp => Question::Ntp(version),
        }
    }
}

/// The server to ask where the command line names none: this host, at the port
/// of the shipped settings.
pub fn shipped_server(question: Question, is_ipv6: bool) -> Target {
    let host = if is_ipv6 { "::1" } else { "127.0.0.1" };
    Target::new(host, question.shipped_port())
}

/// A span of time on the command line, which has to lie within `min` and `max`:
/// `accepted`, in words.
///
/// # Errors
/// What is accepted.
pub fn span(text: &str, min: Delta, max: Delta, accepted: &str) -> Result<Delta, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    match (min..=max).contains(&span) {
        true => Ok(span),
        false => Err(format!("accepted is {accepted}")),
    }
}

//! `[log]`: what is told of the running server, how and where.

use super::schema::{JOURNALD, JSON, STDERR, TEXT};
use crate::api::settings::Values;
use tracing_subscriber::EnvFilter;

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// What is told: directives of [`filter`].
    pub level: String,
    /// How a line on stderr is written.
    pub format: LogFormat,
    /// Where it goes.
    pub to: LogTarget,
    /// Lines a second in the long run.
    pub lines_per_second: u32,
    /// Lines at once.
    pub burst: u32,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object of JSON.
    Json,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// The standard error stream.
    Stderr,
    /// The journal of systemd, with fields.
    Journald,
}

impl Default for LogSettings {
    /// What the shipped file says.
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            to: LogTarget::Stderr,
            lines_per_second: 100,
            burst: 1_000,
        }
    }
}

impl LogSettings {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            level: values.text("level"),
            format: match values.text("format").as_str() {
                JSON => LogFormat::Json,
                _ => LogFormat::Text,
            },
            to: match values.text("to").as_str() {
                JOURNALD => LogTarget::Journald,
                _ => LogTarget::Stderr,
            },
            lines_per_second: number(values, "lines_per_second"),
            burst: number(values, "burst"),
        }
    }
}

impl LogFormat {
    /// What stands in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::Json => JSON,
        }
    }
}

impl LogTarget {
    /// What stands in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stderr => STDERR,
            Self::Journald => JOURNALD,
        }
    }
}

/// The filter that `directives` say: `info`, `warn,timeball::served=debug`.
///
/// # Errors
/// What is wrong with them. A word that is no level is an error: as the name of a
/// part of the program it would silence all the others.
pub fn filter(directives: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    const ACCEPTED: &str = "accepted: `error`, `warn`, `info`, `debug`, `trace` or `off`, and with \
                            commas more of the form `timeball::served=debug`";
    for directive in directives.split(',').map(str::trim) {
        let is_level = LEVELS
            .iter()
            .any(|level| level.eq_ignore_ascii_case(directive));
        if !is_level && !directive.contains(['=', '[']) {
            return Err(format!("{directive:?} is no level; {ACCEPTED}"));
        }
    }
    EnvFilter::try_new(directives).map_err(|error| format!("{error}; {ACCEPTED}"))
}

fn number(values: &Values, key: &str) -> u32 {
    u32::try_from(values.integer(key)).expect("it is declared within 1 to 1,000,000")
}

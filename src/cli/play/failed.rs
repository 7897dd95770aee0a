//! Why a scenario did not come to a verdict.

use std::fmt::Display;
use std::io;
use std::path::Path;
use timeball::play::PlayError;

/// What a program exits with that was asked for something wrong.
const BAD_USAGE: u8 = 2;

/// Why it did not come to a verdict.
pub struct Failed {
    pub code: u8,
    pub text: String,
}

impl Failed {
    /// Something wrong was asked for.
    pub fn usage(text: impl Display) -> Self {
        let text = text.to_string();
        Self {
            code: BAD_USAGE,
            text,
        }
    }

    /// This host did not play along.
    pub fn host(text: impl Display) -> Self {
        let text = text.to_string();
        Self { code: 1, text }
    }

    /// A file could not be written.
    pub fn file(flag: &str, file: &Path, error: &io::Error) -> Self {
        Self::host(format!("{flag} {}: {error}", file.display()))
    }
}

impl From<PlayError> for Failed {
    fn from(error: PlayError) -> Self {
        match error.is_about_usage() {
            true => Self::usage(error),
            false => Self::host(error),
        }
    }
}

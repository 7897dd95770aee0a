//! Why a subcommand did not come to what it is for.

use super::output::tell;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use timeball::play::PlayError;
use timeball::protocol::line::printable;

/// What a program exits with that was asked for something wrong.
const BAD_USAGE: u8 = 2;

/// Why it came to nothing: what to tell, and what to exit with.
#[derive(Debug)]
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

    /// What was asked for was right, and could not be had: of this host, or of the
    /// server that was asked.
    pub fn other(text: impl Display) -> Self {
        let text = text.to_string();
        Self { code: 1, text }
    }

    /// A file could not be written.
    pub fn file(flag: &str, file: &Path, error: &io::Error) -> Self {
        let file = file.to_string_lossy();
        Self::other(format!("{flag} {}: {error}", printable(&file)))
    }

    /// A file was asked for that cannot be had.
    pub fn file_asked_for(flag: &str, file: &Path, error: &io::Error) -> Self {
        Self {
            code: BAD_USAGE,
            ..Self::file(flag, file, error)
        }
    }

    /// Tells it on stderr.
    pub fn tell(&self) -> ExitCode {
        tell(&format!("error: {}", self.text));
        ExitCode::from(self.code)
    }
}

impl From<PlayError> for Failed {
    fn from(error: PlayError) -> Self {
        match error.is_about_usage() {
            true => Self::usage(error),
            false => Self::other(error),
        }
    }
}

//! What can be wrong with settings, and how a person is told.
//!
//! An error carries where the value was given, the setting's full name, the
//! value and what is accepted. All of them are collected, so that one run of
//! the program shows everything that has to be changed.

use crate::protocol::line::printable;
use std::fmt;
use thiserror::Error;

/// Where a setting was given.
///
/// In the order in which errors are shown: by line in the file, then the
/// environment, then flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In a settings file.
    File {
        /// The file as it was named, or `<text>` and the like.
        name: String,
        /// The line, from 1; `None` for the file as a whole.
        line: Option<usize>,
    },
    /// In a variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// On the command line.
    Flag {
        /// The flag, with its dashes.
        name: String,
    },
}

impl fmt::Display for Origin {
    /// A name that could steer a terminal is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: None } => f.write_str(&printable(name)),
            Self::File {
                name,
                line: Some(line),
            } => write!(f, "{}:{line}", printable(name)),
            Self::Environment { variable } => {
                write!(f, "environment variable {}", printable(variable))
            }
            Self::Flag { name } => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file, or the environment, cannot be read at all.
    #[error("{origin}: {problem}")]
    Unreadable {
        /// What cannot be read.
        origin: Origin,
        /// Why, with the remedy where there is one.
        problem: String,
    },
    /// The file is not TOML.
    #[error("{origin}: not TOML: {problem}")]
    NotToml {
        /// The line.
        origin: Origin,
        /// What the parser says.
        problem: String,
    },
    /// No setting has this name.
    #[error("{origin}: {key}: unknown key; {hint}")]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// Its full name, such as `listeners[1].adress`.
        key: String,
        /// What was meant, or what there is.
        hint: String,
    },
    /// A setting without a default is absent.
    #[error("{origin}: {key}: missing; accepted: {accepted}")]
    Missing {
        /// The table that needs it.
        origin: Origin,
        /// Its full name.
        key: String,
        /// What is accepted.
        accepted: String,
    },
    /// A value is not accepted.
    #[error("{origin}: {key} = {value}: {problem}")]
    Rejected {
        /// Where it stands.
        origin: Origin,
        /// The setting's full name.
        key: String,
        /// The value, as it was given.
        value: String,
        /// What is wrong with it, and what is accepted.
        problem: String,
    },
}

impl SettingsError {
    /// Where the cause was given.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Unreadable { origin, .. }
            | Self::NotToml { origin, .. }
            | Self::UnknownKey { origin, .. }
            | Self::Missing { origin, .. }
            | Self::Rejected { origin, .. } => origin,
        }
    }

    /// The full name of the setting; `None` for what concerns the whole file.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::NotToml { .. } => None,
            Self::UnknownKey { key, .. }
            | Self::Missing { key, .. }
            | Self::Rejected { key, .. } => Some(key),
        }
    }
}

/// Everything that is wrong with the settings: at least one error, one a line
/// when shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsErrors(Vec<SettingsError>);

impl SettingsErrors {
    /// All of `errors`, in the order in which they stand in the file.
    pub(crate) fn of(mut errors: Vec<SettingsError>) -> Self {
        errors.sort_by(|a, b| (a.origin(), a.key()).cmp(&(b.origin(), b.key())));
        Self(errors)
    }

    /// The errors, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = &SettingsError> {
        self.0.iter()
    }
}

impl From<SettingsError> for SettingsErrors {
    fn from(error: SettingsError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsErrors {}

/// What a misspelt `word` may have been meant to be.
pub(crate) fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    among
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_ascii_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The words between back-quotes, with `or` before the last one.
pub(crate) fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// "did you mean …?" where a candidate is near, else what there is.
pub(crate) fn hint(word: &str, among: &[&str]) -> String {
    match nearest(word, among.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("accepted: {}", alternatives(among.iter().copied())),
    }
}

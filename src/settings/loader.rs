//! Where settings are read from: which file, which environment, which flags.

use super::check;
use super::errors::{Origin, SettingsError, SettingsErrors};
use super::tree::{Override, merge};
use super::{DEFAULT_FILE, Settings};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The file that is read when none is named.
const FILE_NAME: &str = "settings.toml";
/// How the built-in settings are called in errors.
const BUILT_IN: &str = "<built-in settings>";
/// More than this is no settings file (`/dev/zero`).
const LARGEST_FILE: u64 = 4 << 20;

/// Variables of an environment, by name. The process's own is only read by
/// [`of_process`](Self::of_process), so that a test has the one it makes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Every variable, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The value of the variable `name`; `None` also where it is not UTF-8.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(OsStr::new(name))?.to_str()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Reads settings: a file, then the environment, then flags, each over the
/// one before.
///
/// Without a named file, `settings.toml` in the current folder is read, and
/// where there is none, the settings that are built in (the same file).
///
/// ```
/// use timeball::settings::Loader;
///
/// let settings = Loader::text("", timeball::settings::DEFAULT_FILE)
///     .set("threads", 2, "--threads")
///     .load()?;
/// assert_eq!(settings.threads, 2);
/// # Ok::<(), timeball::settings::SettingsErrors>(())
/// ```
#[derive(Debug, Clone)]
pub struct Loader {
    from: From,
    environment: Environment,
    flags: Vec<Override>,
}

#[derive(Debug, Clone)]
enum From {
    Named(PathBuf),
    Folder(PathBuf),
    Text { name: String, text: String },
}

impl Loader {
    /// Reads `file`, or what stands in for it when none is named.
    #[must_use]
    pub fn file(file: Option<&Path>) -> Self {
        Self::from(match file {
            Some(file) => From::Named(file.to_owned()),
            None => From::Folder(PathBuf::new()),
        })
    }

    /// Reads `settings.toml` in `folder`, or the built-in settings.
    #[must_use]
    pub fn folder(folder: &Path) -> Self {
        Self::from(From::Folder(folder.to_owned()))
    }

    /// Reads `text`; errors call it `name` (`<text>` if that is empty).
    #[must_use]
    pub fn text(name: &str, text: &str) -> Self {
        let name = if name.is_empty() { "<text>" } else { name };
        Self::from(From::Text {
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    fn from(from: From) -> Self {
        Self {
            from,
            environment: Environment::default(),
            flags: Vec::new(),
        }
    }

    /// Puts `environment` over the file: its `TIMEBALL__…` variables, and `TZ`
    /// for the time zone `local`. Without it there are no variables.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Puts `value` over what stands at `path` (`threads`,
    /// `listeners[0].address`, `sources.wall.stratum`), because of the flag
    /// `flag`, which an error names.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl ToString, flag: &str) -> Self {
        self.flags.push(Override {
            path: path.to_owned(),
            value: value.to_string(),
            flag: flag.to_owned(),
        });
        self
    }

    /// The file that is read, or that would be if it were there.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.from {
            From::Named(file) => file.clone(),
            From::Folder(folder) => folder.join(FILE_NAME),
            From::Text { name, .. } => name.into(),
        }
    }

    /// What is read, as errors call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.from {
            From::Named(file) => file.display().to_string(),
            From::Folder(folder) => {
                let file = folder.join(FILE_NAME);
                if is_there(&file) {
                    file.display().to_string()
                } else {
                    BUILT_IN.to_owned()
                }
            }
            From::Text { name, .. } => name.clone(),
        }
    }

    /// The file that is read now, if it is one: to name it, so that nothing else is read
    /// in its place another time.
    #[must_use]
    pub fn found(&self) -> Option<PathBuf> {
        match &self.from {
            From::Named(file) => Some(file.clone()),
            From::Folder(_) => Some(self.path()).filter(|file| is_there(file)),
            From::Text { .. } => None,
        }
    }

    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Settings, SettingsErrors> {
        let (name, text) = match &self.from {
            From::Named(file) => read(file)?,
            From::Folder(folder) => {
                let file = folder.join(FILE_NAME);
                if is_there(&file) {
                    read(&file)?
                } else {
                    (BUILT_IN.to_owned(), DEFAULT_FILE.to_owned())
                }
            }
            From::Text { name, text } => (name.clone(), text.clone()),
        };
        let mut errors = Vec::new();
        match merge(&name, &text, &self.environment, &self.flags, &mut errors) {
            Ok(tree) => check::settle(&name, &tree, &self.environment, errors),
            Err(fatal) => {
                errors.extend(fatal);
                Err(SettingsErrors::of(errors))
            }
        }
    }
}

/// Whether there is such a file. A link that leads nowhere is there, and so is what may not
/// be looked at: to read either is an error, and not the same as to have none.
fn is_there(file: &Path) -> bool {
    !matches!(file.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The name and the text of a settings file.
fn read(file: &Path) -> Result<(String, String), SettingsErrors> {
    read_text(
        file,
        "settings",
        "`timeball settings` prints one to start from",
    )
}

/// The name and the text of a `kind` file; `remedy` is for who has none.
///
/// # Errors
/// The one reason why it cannot be read, with what helps.
pub(crate) fn read_text(
    file: &Path,
    kind: &str,
    remedy: &str,
) -> Result<(String, String), SettingsErrors> {
    let name = file.display().to_string();
    let refuse = |line, problem| SettingsError::Unreadable {
        origin: Origin::File {
            name: name.clone(),
            line,
        },
        problem,
    };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(None, why_not_read(&error, kind, remedy)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        let problem = format!("not a {kind} file: longer than {LARGEST_FILE} octets");
        return Err(refuse(None, problem).into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..good];
            let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
            let octet = error.as_bytes().get(good).copied().unwrap_or_default();
            let problem = format!("not UTF-8: octet 0x{octet:02x} at offset {good}");
            Err(refuse(Some(line), problem).into())
        }
    }
}

/// Why a `kind` file cannot be read, with the remedy.
fn why_not_read(error: &io::Error, kind: &str, remedy: &str) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("there is no such file; {remedy}"),
        ErrorKind::IsADirectory => {
            format!("this is a directory; the {kind} file itself is to be named")
        }
        ErrorKind::PermissionDenied => {
            "permission denied; the user that runs timeball has to be able to read it".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_is_told_with_its_remedy() {
        for (kind, part) in [
            (ErrorKind::PermissionDenied, "has to be able to read it"),
            (ErrorKind::IsADirectory, "a directory"),
            (ErrorKind::NotFound, "here is one"),
            (ErrorKind::TimedOut, "cannot be read"),
        ] {
            let said = why_not_read(&kind.into(), "settings", "here is one");
            assert!(said.contains(part), "{kind}: {said}");
        }
    }
}

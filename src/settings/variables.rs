//! The layer of the environment: which setting each `TIMEBALL__…` variable is.

use super::errors::{Origin, SettingsError};
use super::loader::Environment;
use super::tree::{Table, is_plain};
use crate::protocol::line::printable;
use config::{Value, ValueKind};
use std::collections::BTreeMap;

/// What every variable that is a setting begins with.
const PREFIX: &str = "TIMEBALL__";
/// What a variable of the environment names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Top(String),
    Log(String),
    Admission(String),
    RateLimit(String),
    Control(String),
    Http(String),
    Sandbox(String),
    Xdp(String),
    Source(String, String),
    Listener(usize, String),
}

impl Path {
    /// The setting that `name` (behind the prefix, in lower case) stands for.
    fn parse(name: &str) -> Result<Self, String> {
        let levels: Vec<&str> = name.split("__").collect();
        if let Some(level) = levels.iter().find(|level| !is_plain(level)) {
            let level = printable(level);
            return Err(format!("`{level}` cannot be part of a setting's name"));
        }
        match levels[..] {
            [key]
                if !matches!(
                    key,
                    "log"
                        | "admission"
                        | "control"
                        | "http"
                        | "listeners"
                        | "sandbox"
                        | "sources"
                        | "xdp"
                ) =>
            {
                Ok(Self::Top(key.to_owned()))
            }
            ["log", key] => Ok(Self::Log(key.to_owned())),
            ["admission", key] if key != "rate_limit" => Ok(Self::Admission(key.to_owned())),
            ["admission", "rate_limit", key] => Ok(Self::RateLimit(key.to_owned())),
            ["control", key] => Ok(Self::Control(key.to_owned())),
            ["http", key] => Ok(Self::Http(key.to_owned())),
            ["sandbox", key] => Ok(Self::Sandbox(key.to_owned())),
            ["xdp", key] => Ok(Self::Xdp(key.to_owned())),
            ["sources", source, key] => {
                // A shell cannot set a variable with a hyphen in its name, and
                // no source has an underscore in its.
                Ok(Self::Source(source.replace('_', "-"), key.to_owned()))
            }
            ["listeners", index, key] => match index.parse() {
                Ok(index) => Ok(Self::Listener(index, key.to_owned())),
                Err(_) => Err(format!(
                    "`{index}` is not the number of a listener (from 0)"
                )),
            },
            _ => Err(format!(
                "names no setting; {PREFIX}KEY, {PREFIX}LOG__KEY, {PREFIX}ADMISSION__KEY, \
                 {PREFIX}ADMISSION__RATE_LIMIT__KEY, {PREFIX}CONTROL__KEY, \
                 {PREFIX}HTTP__KEY, {PREFIX}SANDBOX__KEY, {PREFIX}XDP__KEY, \
                 {PREFIX}LISTENERS__NUMBER__KEY or {PREFIX}SOURCES__NAME__KEY is accepted"
            )),
        }
    }

    /// The path as `config` follows it.
    fn expression(&self) -> String {
        match self {
            Self::Top(key) => key.clone(),
            Self::Log(key) => format!("log.{key}"),
            Self::Admission(key) => format!("admission.{key}"),
            Self::RateLimit(key) => format!("admission.rate_limit.{key}"),
            Self::Control(key) => format!("control.{key}"),
            Self::Http(key) => format!("http.{key}"),
            Self::Sandbox(key) => format!("sandbox.{key}"),
            Self::Xdp(key) => format!("xdp.{key}"),
            Self::Source(source, key) => format!("sources.{source}.{key}"),
            Self::Listener(index, key) => format!("listeners[{index}].{key}"),
        }
    }
}

/// Values and where they were given, by the path that `config` follows.
pub(super) type Overrides = BTreeMap<String, (String, Origin)>;

/// The settings that the environment gives, by their path.
pub(super) fn from_environment(
    environment: &Environment,
    file: &Table,
    errors: &mut Vec<SettingsError>,
) -> Overrides {
    let mut named: BTreeMap<Path, (String, String)> = BTreeMap::new();
    for (variable, value) in environment.iter() {
        let Some(variable) = variable.to_str() else {
            continue;
        };
        let Some((prefix, name)) = variable.split_at_checked(PREFIX.len()) else {
            continue;
        };
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            continue;
        }
        let read = match value.to_str() {
            Some(value) => Path::parse(&name.to_ascii_lowercase()).map(|path| (path, value)),
            None => Err("its value is not UTF-8".to_owned()),
        };
        match read {
            Ok((path, value)) => {
                let previous = named.insert(path, (variable.to_owned(), value.to_owned()));
                if let Some((other, _)) = previous {
                    errors.push(bad_variable(
                        variable,
                        format!("{} is the same setting", printable(&other)),
                    ));
                }
            }
            Err(problem) => errors.push(bad_variable(variable, problem)),
        }
    }
    let mut listeners = table_list_len(file.get("listeners"));
    let mut overrides = Overrides::new();
    for (path, (variable, value)) in named {
        let fits = match &path {
            Path::Top(_) => true,
            // The file's own error is told by the walk over the tree.
            Path::Log(_) => file.get("log").is_none_or(is_table),
            Path::Admission(_) => file.get("admission").is_none_or(is_table),
            Path::RateLimit(_) => match file.get("admission").map(|value| &value.kind) {
                None => true,
                Some(ValueKind::Table(inner)) => inner.get("rate_limit").is_none_or(is_table),
                Some(_) => false,
            },
            Path::Control(_) => file.get("control").is_none_or(is_table),
            Path::Http(_) => file.get("http").is_none_or(is_table),
            Path::Sandbox(_) => file.get("sandbox").is_none_or(is_table),
            Path::Xdp(_) => file.get("xdp").is_none_or(is_table),
            Path::Source(source, _) => is_table_or_absent(file.get("sources"), source),
            Path::Listener(index, _) => match listeners.as_mut() {
                // The file's own error is told by the walk over the tree.
                None => false,
                Some(count) => {
                    if *index == *count {
                        *count += 1;
                    }
                    let fits = index < count;
                    if !fits {
                        let problem = format!(
                            "there is no listener {index}; 0 to {count} is accepted ({count} adds one)"
                        );
                        errors.push(bad_variable(&variable, problem));
                    }
                    fits
                }
            },
        };
        if fits {
            let origin = Origin::Environment { variable };
            overrides.insert(path.expression(), (value, origin));
        }
    }
    overrides
}

fn bad_variable(variable: &str, problem: String) -> SettingsError {
    SettingsError::Unreadable {
        origin: Origin::Environment {
            variable: variable.to_owned(),
        },
        problem,
    }
}

/// How many listeners the file has; `None` if they are no list of tables, over
/// which `config` would write.
fn table_list_len(listeners: Option<&Value>) -> Option<usize> {
    match listeners.map(|value| &value.kind) {
        None => Some(0),
        Some(ValueKind::Array(list)) => list.iter().all(is_table).then_some(list.len()),
        Some(_) => None,
    }
}

/// Whether a key can be put into the source without writing over something
/// that is no table.
fn is_table_or_absent(sources: Option<&Value>, source: &str) -> bool {
    match sources.map(|value| &value.kind) {
        None => true,
        Some(ValueKind::Table(sources)) => sources.get(source).is_none_or(is_table),
        Some(_) => false,
    }
}

fn is_table(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_))
}

//! What `fault add` and `load` read: files as they stand in scenarios.

use crate::cli::failed::Failed;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::Path;
use timeball::scenario::library;

/// More than this is refused by the server.
const LONGEST: u64 = 1 << 20;

/// The rules in `file`, in their order: one whose keys stand in no table, or
/// several `[[rules]]`.
pub(super) fn rules(file: &Path) -> Result<Vec<Value>, Failed> {
    let text = read(file)?;
    let refuse = |problem: String| Failed::usage(format!("{}: {problem}", file.display()));
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| refuse(format!("not TOML: {error}")))?;
    match table.get("rules") {
        None => Ok(vec![to_json(toml::Value::Table(table))]),
        Some(toml::Value::Array(rules)) if table.len() == 1 => {
            Ok(rules.iter().cloned().map(to_json).collect())
        }
        Some(_) => Err(refuse(
            "`rules` is accepted as a list of tables, [[rules]], with nothing beside it".to_owned(),
        )),
    }
}

/// What to ask for to have `scenario` played: the text of a file, or a name.
pub(super) fn scenario(scenario: &Path) -> Result<Value, Failed> {
    // As `timeball play` takes it: a name of the library comes before a file.
    let is_built_in = |name: &&str| library().iter().any(|it| it.name == *name);
    let name = scenario.to_str().filter(|name| is_name(name));
    match name {
        Some(name) if is_built_in(&name) || !scenario.exists() => Ok(json!({ "name": name })),
        _ => Ok(json!({ "text": read(scenario)? })),
    }
}

/// Whether a scenario of the library may be called so.
fn is_name(text: &str) -> bool {
    let is_good = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-');
    text != "-" && text.bytes().all(is_good)
}

/// The text in `file`, or on stdin where it is `-`.
fn read(file: &Path) -> Result<String, Failed> {
    let mut text = String::new();
    let mut take = |from: &mut dyn Read| from.take(LONGEST + 1).read_to_string(&mut text);
    let read: io::Result<usize> = if file == Path::new("-") {
        take(&mut stdin().lock())
    } else {
        File::open(file).and_then(|mut file| take(&mut file))
    };
    let refuse = |problem: String| Failed::usage(format!("{}: {problem}", file.display()));
    match read {
        Err(error) => Err(refuse(error.to_string())),
        Ok(len) if len as u64 > LONGEST => Err(refuse(format!("longer than {LONGEST} octets"))),
        Ok(_) => Ok(text),
    }
}

/// The same value in JSON, where a date is text.
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, to_json(value)));
            Value::Object(entries.collect())
        }
    }
}

//! The layers (file, environment, flags) as one tree of values, each with the
//! place where it was given.
//!
//! # Why
//! The `config` crate merges the layers, but three of its habits would cost
//! the people who write settings dearly, so they are done here: its TOML
//! reader drops line numbers and gives up at the first number it cannot hold;
//! its environment knows list indices only in brackets, which no shell can
//! set; and its deserialising stops at the first error.

use super::errors::{Origin, SettingsError};
use super::loader::Environment;
use super::value::Given;
use super::variables::from_environment;
use crate::protocol::line::printable;
use config::{Config, ConfigError, Source, Value, ValueKind};
use std::collections::{BTreeMap, HashMap};
use toml::de::{DeTable, DeValue};

/// The most syntax errors that are shown of one file.
const SYNTAX_ERRORS_SHOWN: usize = 10;

/// A table of the merged tree.
pub(super) type Table = HashMap<String, Value>;

/// Where each value was given. `config` keeps one text beside a value: it is
/// the number of the entry here.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<Origin>);

impl Origins {
    fn add(&mut self, origin: Origin) -> String {
        self.0.push(origin);
        (self.0.len() - 1).to_string()
    }

    /// Where `value` was given, or the first of the values within it.
    pub(super) fn of(&self, value: &Value) -> Option<&Origin> {
        let own = value
            .origin()
            .and_then(|number| self.0.get(number.parse::<usize>().ok()?));
        own.or_else(|| match &value.kind {
            ValueKind::Table(table) => table.values().filter_map(|inner| self.of(inner)).min(),
            ValueKind::Array(list) => list.iter().find_map(|inner| self.of(inner)),
            _ => None,
        })
    }

    /// `value` as it was given.
    pub(super) fn given<'v>(&self, value: &'v Value) -> Given<'v> {
        match &value.kind {
            ValueKind::Boolean(truth) => Given::Flag(*truth),
            ValueKind::I64(number) => Given::Integer((*number).into()),
            ValueKind::I128(number) => Given::Integer(*number),
            ValueKind::U64(number) => Given::Integer((*number).into()),
            ValueKind::U128(number) => Given::Integer(i128::try_from(*number).unwrap_or(i128::MAX)),
            ValueKind::Float(number) => Given::Float(*number),
            ValueKind::String(text) => match self.of(value) {
                Some(Origin::File { .. }) => Given::Text(text),
                _ => Given::Untyped(text),
            },
            ValueKind::Array(_) => Given::List,
            ValueKind::Table(_) | ValueKind::Nil => Given::Table,
        }
    }
}

/// The merged layers.
#[derive(Debug)]
pub(super) struct Tree {
    /// The tree itself.
    pub(super) root: Table,
    /// Where its values were given.
    pub(super) origins: Origins,
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub(super) struct Override {
    /// The setting's full name.
    pub(super) path: String,
    pub(super) value: String,
    /// The flag that gave it.
    pub(super) flag: String,
}

/// One layer that `config` merges: values that were read before.
#[derive(Debug, Clone)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Merges the file (shown as `name`), the environment and the flags.
///
/// Errors that leave a tree to look at go to `errors`.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn merge(
    name: &str,
    text: &str,
    environment: &Environment,
    flags: &[Override],
    errors: &mut Vec<SettingsError>,
) -> Result<Tree, Vec<SettingsError>> {
    let mut origins = Origins::default();
    let file = read_toml(name, text, &mut origins)?;
    // `config` takes a key of the top level for a path and would follow it.
    let (plain, strange): (Table, Table) = file.into_iter().partition(|(key, _)| is_plain(key));

    let mut builder = Config::builder().add_source(Layer(plain.clone()));
    let mut overrides = from_environment(environment, &plain, errors);
    overrides.extend(flags.iter().map(|flag| {
        let origin = Origin::Flag {
            name: flag.flag.clone(),
        };
        (flag.path.clone(), (flag.value.clone(), origin))
    }));
    for (path, (value, origin)) in overrides {
        let failed = origin.clone();
        let value = Value::new(Some(&origins.add(origin)), value);
        builder = builder
            .set_override(path.as_str(), value)
            .map_err(|error| {
                vec![SettingsError::Unreadable {
                    origin: failed,
                    problem: format!("`{path}` is not the name of a setting: {error}"),
                }]
            })?;
    }
    let merged = builder.build().map_err(|error| {
        vec![SettingsError::Unreadable {
            origin: file_origin(name, None),
            problem: error.to_string(),
        }]
    })?;
    let mut root = match merged.cache.kind {
        ValueKind::Table(root) => root,
        _ => Table::new(),
    };
    restore_origins(&mut root, &plain);
    root.extend(strange);
    Ok(Tree { root, origins })
}

/// Gives the tables their places in the file again: `config` merges what is in
/// them into tables of its own.
fn restore_origins(merged: &mut Table, file: &Table) {
    for (key, value) in merged {
        let Some(Value {
            kind: ValueKind::Table(in_file),
            ..
        }) = file.get(key)
        else {
            continue;
        };
        let origin = file.get(key).and_then(Value::origin).map(str::to_owned);
        if let ValueKind::Table(table) = &mut value.kind {
            restore_origins(table, in_file);
            *value = Value::new(origin.as_ref(), std::mem::take(&mut value.kind));
        }
    }
}

fn file_origin(name: &str, line: Option<usize>) -> Origin {
    Origin::File {
        name: name.to_owned(),
        line,
    }
}

/// Whether `key` can stand in TOML, and in a path, without quotation marks.
pub(super) fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'))
}

/// Numbers of the lines of a text.
pub(crate) struct Lines<'t> {
    name: &'t str,
    /// Where each line but the first begins.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Those of `text`, which errors call `name`.
    pub(crate) fn new(name: &'t str, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { name, starts }
    }

    /// The place of the octet `at`.
    pub(crate) fn origin(&self, at: usize) -> Origin {
        let line = 1 + self.starts.partition_point(|start| *start <= at);
        file_origin(self.name, Some(line))
    }
}

fn read_toml(name: &str, text: &str, origins: &mut Origins) -> Result<Table, Vec<SettingsError>> {
    let lines = Lines::new(name, text);
    Ok(from_table(parse(text, &lines)?, &lines, origins))
}

/// The values of a text of these `lines`.
///
/// # Errors
/// When it is not TOML: one error a line.
pub(crate) fn parse<'t>(
    text: &'t str,
    lines: &Lines<'_>,
) -> Result<DeTable<'t>, Vec<SettingsError>> {
    let (table, problems) = DeTable::parse_recoverable(text);
    if problems.is_empty() {
        return Ok(table.into_inner());
    }
    // One slip often gives several errors; the first of a line is the cause.
    let mut first_of_line = BTreeMap::new();
    for problem in problems {
        let at = problem.span().map_or(0, |span| span.start);
        first_of_line
            .entry(lines.origin(at))
            .or_insert_with(|| match problem.message() {
                // Which one it is, the parser shows in the line alone.
                message @ "duplicate key" => {
                    let key = problem.span().and_then(|span| text.get(span));
                    format!("{message} `{}`", printable(key.unwrap_or_default()))
                }
                message => message.to_owned(),
            });
    }
    Err(first_of_line
        .into_iter()
        .take(SYNTAX_ERRORS_SHOWN)
        .map(|(origin, problem)| SettingsError::NotToml { origin, problem })
        .collect())
}

fn from_table(table: DeTable<'_>, lines: &Lines<'_>, origins: &mut Origins) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let at = value.span().start;
            let value = from_value(value.into_inner(), at, lines, origins);
            (key.into_inner().into_owned(), value)
        })
        .collect()
}

fn from_value(value: DeValue<'_>, at: usize, lines: &Lines<'_>, origins: &mut Origins) -> Value {
    let origin = origins.add(lines.origin(at));
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.into_owned()),
        DeValue::Integer(number) => {
            match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => ValueKind::I128(number),
                // Beyond every range, and the error says so with its key.
                Err(_) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::INFINITY)),
            }
        }
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => ValueKind::Boolean(truth),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(list) => ValueKind::Array(
            list.into_iter()
                .map(|inner| {
                    let at = inner.span().start;
                    from_value(inner.into_inner(), at, lines, origins)
                })
                .collect(),
        ),
        DeValue::Table(table) => ValueKind::Table(from_table(table, lines, origins)),
    };
    Value::new(Some(&origin), kind)
}

//! A TOML file whose every value knows its line, read by serde types, with
//! every error collected.
//!
//! serde stops at the first error. So a reading that failed is tried again
//! without what was wrong, until the rest is right or nothing is left.

use super::reader::{Changes, LIST, Reader, Refused, Why};
use crate::settings::{Given, Lines, Origin, SettingsError, SettingsErrors, join, parse};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use toml::de::{DeTable, DeValue};

/// The most errors of one file: what comes after is not looked for.
const MOST_ERRORS: usize = 100;

/// A file that is TOML, and what is wrong with it so far.
pub(super) struct Document<'t> {
    root: DeTable<'t>,
    /// Where a key that stands in no table is added.
    top: Origin,
    /// Every value: where it stands, and how an error shows it.
    places: HashMap<String, Place>,
    changes: Changes,
    errors: Vec<SettingsError>,
}

struct Place {
    origin: Origin,
    shown: String,
    is_table: bool,
    is_scalar: bool,
}

impl<'t> Document<'t> {
    /// The values of `text`, which errors call `name`.
    ///
    /// # Errors
    /// When it is not TOML.
    pub(super) fn parse(name: &str, text: &'t str) -> Result<Self, SettingsErrors> {
        let lines = Lines::new(name, text);
        let root = parse(text, &lines).map_err(SettingsErrors::of)?;
        let mut places = HashMap::new();
        index_table("", &root, &lines, &mut places);
        Ok(Self {
            root,
            top: Origin::File {
                name: name.to_owned(),
                line: Some(1),
            },
            places,
            changes: Changes::default(),
            errors: Vec::new(),
        })
    }

    /// The file as a `T`, without what is wrong in it; `None` if too little is
    /// right.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        while self.errors.len() < MOST_ERRORS {
            let refused = match T::deserialize(Reader::of(&self.root, &self.changes)) {
                Ok(value) => return Some(value),
                Err(refused) => refused,
            };
            let wrong = self.record::<T>(refused);
            if wrong.is_empty() || !self.changes.without.insert(wrong) {
                break;
            }
        }
        None
    }

    /// Notes an error, and says what to leave out for the rest to be read.
    fn record<T: DeserializeOwned>(&mut self, refused: Refused) -> String {
        let path = refused.path.unwrap_or_default();
        match refused.why {
            // Without its parts the whole is wrong too; they have had their errors.
            Why::Unfit { .. } | Why::Problem(_) if !self.is_whole(&path) => {}
            Why::UnknownKey { name, hint } => {
                let key = join(&path, &name);
                self.errors.push(SettingsError::UnknownKey {
                    origin: self.origin(&key),
                    key: key.clone(),
                    hint,
                });
                return key;
            }
            Why::Missing { name } => {
                let key = join(&path, name);
                // What was left out before has had its error.
                if !self.changes.without.contains(&key) {
                    let accepted = self.expected::<T>(&path, name);
                    self.missing(&path, name, accepted);
                }
            }
            Why::Unfit { accepted } => {
                let is_table = self.places.get(&path).is_some_and(|place| place.is_table);
                if accepted == LIST && is_table {
                    let problem =
                        format!("a list of tables: write [[{path}]], in two brackets, for each");
                    self.reject(&path, problem);
                } else {
                    self.reject(&path, format!("refused; accepted: {accepted}"));
                }
            }
            Why::Problem(problem) => self.reject(&path, problem),
        }
        path
    }

    /// What is accepted under a key that is not there.
    fn expected<T: DeserializeOwned>(&mut self, table: &str, name: &'static str) -> String {
        self.changes.with = Some((table.to_owned(), name));
        let reading = T::deserialize(Reader::of(&self.root, &self.changes));
        self.changes.with = None;
        match reading {
            Err(Refused {
                why: Why::Unfit { accepted },
                ..
            }) => accepted,
            _ => "a value".to_owned(),
        }
    }

    /// Whether nothing at or below `path` was left out of the reading.
    pub(super) fn is_whole(&self, path: &str) -> bool {
        !self.changes.without.iter().any(|wrong| {
            wrong
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// The paths of the `count` elements that were read of the list at `path`.
    pub(super) fn paths(&self, path: &str, count: usize) -> Vec<String> {
        (0..)
            .map(|index| format!("{path}[{index}]"))
            .filter(|element| !self.changes.without.contains(element))
            .take(count)
            .collect()
    }

    /// Whether the file has something at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Whether the value at `path` is neither a table nor a list.
    pub(super) fn is_scalar(&self, path: &str) -> bool {
        self.places.get(path).is_some_and(|place| place.is_scalar)
    }

    /// The value at `path`, as an error shows it.
    pub(super) fn shown(&self, path: &str) -> String {
        self.places
            .get(path)
            .map_or_else(|| "(absent)".to_owned(), |place| place.shown.clone())
    }

    /// Notes that the value at `path` is not accepted; where it is absent, the
    /// line is that of the table.
    pub(super) fn reject(&mut self, path: &str, problem: impl Into<String>) {
        let value = self.shown(path);
        self.reject_value(path, value, problem);
    }

    /// Notes that `value`, which is at `path` or part of it, is not accepted.
    pub(super) fn reject_value(
        &mut self,
        path: &str,
        value: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.errors.push(SettingsError::Rejected {
            origin: self.origin(path),
            key: path.to_owned(),
            value: value.into(),
            problem: problem.into(),
        });
    }

    /// Notes that the key `name` of the table at `table` is absent.
    pub(super) fn missing(&mut self, table: &str, name: &str, accepted: impl Into<String>) {
        self.errors.push(SettingsError::Missing {
            origin: self.origin(table),
            key: join(table, name),
            accepted: accepted.into(),
        });
    }

    /// Notes that the key at `path` has no business there.
    pub(super) fn stray(&mut self, path: &str, hint: impl Into<String>) {
        self.errors.push(SettingsError::UnknownKey {
            origin: self.origin(path),
            key: path.to_owned(),
            hint: hint.into(),
        });
    }

    /// Where `path` stands, or the nearest that is above it.
    pub(super) fn origin(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.origin.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.top.clone(),
            }
        }
    }

    /// `value`, if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, SettingsErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(SettingsErrors::of(self.errors)),
        }
    }
}

fn index_table(
    path: &str,
    table: &DeTable<'_>,
    lines: &Lines<'_>,
    places: &mut HashMap<String, Place>,
) {
    for (key, value) in table {
        let at = value.span().start;
        index(
            join(path, key.get_ref()),
            value.get_ref(),
            at,
            lines,
            places,
        );
    }
}

fn index(
    path: String,
    value: &DeValue<'_>,
    at: usize,
    lines: &Lines<'_>,
    places: &mut HashMap<String, Place>,
) {
    match value {
        DeValue::Table(table) => index_table(&path, table, lines, places),
        DeValue::Array(list) => {
            for (number, inner) in list.iter().enumerate() {
                let at = inner.span().start;
                index(
                    format!("{path}[{number}]"),
                    inner.get_ref(),
                    at,
                    lines,
                    places,
                );
            }
        }
        _ => {}
    }
    let place = Place {
        origin: lines.origin(at),
        shown: shown(value),
        is_table: value.is_table(),
        is_scalar: !value.is_table() && !value.is_array(),
    };
    places.insert(path, place);
}

/// The value as an error shows it: as it was written, cut where it is long.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => Given::Text(text).shown(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => Given::List.shown(),
        DeValue::Table(_) => Given::Table.shown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Top {
        size: Option<u8>,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u16,
        kind: Option<Kind>,
        #[serde(default)]
        list: Vec<bool>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    enum Kind {
        Plain,
        Sized { octets: u8 },
    }

    fn read(text: &str) -> (Option<Top>, Vec<String>) {
        let mut document = Document::parse("f", text).unwrap();
        let top = document.read();
        let errors = match document.finish(Some(())) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
        };
        (top, errors)
    }

    #[test]
    fn a_right_file_is_read_whole() {
        let (top, errors) = read(
            "size = 0x10\n[[inner]]\ncount = 1\nkind = \"plain\"\nlist = [true]\n\
             [[inner]]\ncount = 2\nkind = { sized = { octets = 3 } }\n",
        );
        assert_eq!(errors, Vec::<String>::new());
        let inner = vec![
            Inner {
                count: 1,
                kind: Some(Kind::Plain),
                list: vec![true],
            },
            Inner {
                count: 2,
                kind: Some(Kind::Sized { octets: 3 }),
                list: vec![],
            },
        ];
        assert_eq!(
            top,
            Some(Top {
                size: Some(16),
                inner
            })
        );
    }

    #[test]
    fn every_error_is_told_with_its_line_and_the_rest_is_read() {
        let (top, errors) = read(
            "size = 256\nsise = 1\n[[inner]]\nkind = \"plane\"\nlist = [true, 7]\n\
             [[inner]]\ncount = 2\nkind = { sized = { octets = -1, more = 2 } }\n\
             [[inner]]\ncount = \"3\"\n[[inner]]\ncount = 99999999999999999999\n",
        );
        assert_eq!(
            errors,
            [
                "f:1: size = 256: refused; accepted: a whole number in 0..=255",
                "f:2: sise: unknown key; did you mean `size`?",
                "f:3: inner[0].count: missing; accepted: a whole number in 0..=65535",
                "f:4: inner[0].kind = \"plane\": refused; did you mean `plain`? \
                 accepted: `plain` or `sized`",
                "f:5: inner[0].list[1] = 7: refused; accepted: `true` or `false`",
                "f:8: inner[1].kind.sized.more: unknown key; accepted: `octets`",
                "f:8: inner[1].kind.sized.octets = -1: refused; \
                 accepted: a whole number in 0..=255",
                "f:10: inner[2].count = \"3\": refused; \
                 accepted: a whole number in 0..=65535",
                "f:12: inner[3].count = 99999999999999999999: refused; \
                 accepted: a whole number in 0..=65535",
            ]
        );
        // `count` was wrong or absent in three of the four.
        assert_eq!(top.map(|top| top.inner.len()), Some(1));
    }

    #[test]
    fn what_was_left_out_is_known() {
        let text = "[[inner]]\ncount = -1\n[[inner]]\ncount = 2\nlist = [1]\n";
        let mut document = Document::parse("f", text).unwrap();
        let top: Top = document.read().unwrap();
        assert_eq!(top.inner.len(), 1);
        assert_eq!(document.paths("inner", 1), ["inner[1]"]);
        assert!(!document.is_whole("inner[1]"));
        assert!(!document.is_whole("inner"));
        assert!(document.is_whole("inner[1].count"));
        assert!(document.is_whole("inn"));
    }

    #[test]
    fn one_bracket_where_two_are_needed_is_told() {
        assert_eq!(
            read("[inner]\ncount = 1\n").1,
            ["f:1: inner = {...}: a list of tables: write [[inner]], in two brackets, for each"]
        );
    }

    #[test]
    fn a_table_where_an_enum_has_one_key_is_refused_with_two() {
        let (_, errors) = read("[[inner]]\ncount = 1\nkind = { plain = {}, sized = {} }\n");
        assert_eq!(
            errors,
            ["f:3: inner[0].kind = {...}: refused; accepted: `plain` or `sized`"]
        );
    }

    #[test]
    fn errors_come_to_an_end() {
        let text: String = (0..1_000).map(|key| format!("key{key} = 1\n")).collect();
        assert_eq!(read(&text).1.len(), MOST_ERRORS);
    }
}

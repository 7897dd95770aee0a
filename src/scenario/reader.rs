//! Values of TOML for serde, with errors that know where they arose.
//!
//! # Why not toml's own deserialiser
//! Its errors are sentences. Here an error keeps its parts (the path, an
//! unknown key with the keys there are, what was expected), so that it can be
//! told in the words of every other error of timeball. A float is exact too:
//! it reaches a visitor as the shortest decimal would.

use crate::settings::{alternatives, hint, join, nearest};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use toml::de::{DeTable, DeValue};

/// What an error calls any list.
pub(super) const LIST: &str = "a list";

/// Why reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The path of what was being read; `None` until someone knows it.
    pub(super) path: Option<String>,
    pub(super) why: Why,
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The table has no key of this name.
    UnknownKey { name: String, hint: String },
    /// The table lacks the key of this name.
    Missing { name: &'static str },
    /// The value is of another type, or outside the range.
    Unfit { accepted: String },
    /// Something else, in words.
    Problem(String),
}

impl Refused {
    fn new(why: Why) -> Self {
        Self { path: None, why }
    }

    fn at(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.path, self.why)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: Display>(problem: T) -> Self {
        Self::new(Why::Problem(problem.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let accepted = phrase(&expected.to_string());
        Self::new(Why::Unfit { accepted })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(Unexpected::Seq, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected.iter().copied())
            .map_or_else(String::new, |word| format!("did you mean `{word}`? "));
        let all = alternatives(expected.iter().copied());
        Self::new(Why::Problem(format!("refused; {hint}accepted: {all}")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Why::UnknownKey {
            name: field.to_owned(),
            hint: hint(field, expected),
        })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Why::Missing { name })
    }
}

/// What serde expects, in the words of the settings.
fn phrase(expected: &str) -> String {
    let whole = |min: i128, max: i128| format!("a whole number in {min}..={max}");
    match expected {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        // TOML has no whole number beyond this one.
        "u64" | "usize" => whole(0, i64::MAX.into()),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => whole(i64::MIN.into(), i64::MAX.into()),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "string" => "text".to_owned(),
        "a sequence" => LIST.to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// What is left out of a reading, and what is put in.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Paths that are passed over.
    pub(super) without: BTreeSet<String>,
    /// A key that is not there: the table's path and the key's name. Whatever
    /// is wanted under it ends the reading with what was expected.
    pub(super) with: Option<(String, &'static str)>,
}

/// A value to be read, and its path.
pub(super) struct Reader<'a, 't> {
    what: What<'a, 't>,
    path: String,
    changes: &'a Changes,
}

#[derive(Clone, Copy)]
enum What<'a, 't> {
    Value(&'a DeValue<'t>),
    Table(&'a DeTable<'t>),
    Absent,
}

impl<'a, 't> Reader<'a, 't> {
    /// The whole file.
    pub(super) fn of(root: &'a DeTable<'t>, changes: &'a Changes) -> Self {
        Self {
            what: What::Table(root),
            path: String::new(),
            changes,
        }
    }

    fn within(&self, what: What<'a, 't>, path: String) -> Self {
        Self {
            what: match what {
                What::Value(DeValue::Table(table)) => What::Table(table),
                other => other,
            },
            path,
            changes: self.changes,
        }
    }

    fn keys(self, table: &'a DeTable<'t>) -> Keys<'a, 't> {
        let mut inner: Vec<(String, Self)> = table
            .iter()
            .map(|(key, value)| {
                let path = join(&self.path, key.get_ref());
                let value = self.within(What::Value(value.get_ref()), path);
                (key.get_ref().clone().into_owned(), value)
            })
            .filter(|(_, value)| !self.changes.without.contains(&value.path))
            .collect();
        if let Some((path, name)) = &self.changes.with
            && *path == self.path
        {
            let value = self.within(What::Absent, join(path, name));
            inner.push(((*name).to_owned(), value));
        }
        Keys {
            path: self.path,
            inner: inner.into_iter(),
            next: None,
        }
    }

    fn elements(self, list: &'a [toml::Spanned<DeValue<'t>>]) -> Elements<'a, 't> {
        let inner: Vec<Self> = list
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let path = format!("{}[{index}]", self.path);
                self.within(What::Value(value.get_ref()), path)
            })
            .filter(|value| !self.changes.without.contains(&value.path))
            .collect();
        Elements(inner.into_iter())
    }

    /// Reads a value that `visitor` takes; errors get the path.
    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let value = match self.what {
            What::Absent => {
                return Err(de::Error::invalid_type(Unexpected::Unit, &visitor));
            }
            What::Table(table) => return visitor.visit_map(self.keys(table)),
            What::Value(value) => value,
        };
        match value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_f64(number.as_str().parse().unwrap_or(f64::INFINITY)),
                }
            }
            DeValue::Float(number) => {
                visitor.visit_f64(number.as_str().parse().unwrap_or(f64::NAN))
            }
            DeValue::Boolean(truth) => visitor.visit_bool(*truth),
            DeValue::Datetime(time) => visitor.visit_str(&time.to_string()),
            DeValue::Array(list) => visitor.visit_seq(self.elements(list)),
            DeValue::Table(table) => visitor.visit_map(self.keys(table)),
        }
    }

    fn choose<'de, V: Visitor<'de>>(
        self,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match self.what {
            What::Value(DeValue::String(text)) => {
                let text: StrDeserializer<'_, Refused> = text.as_ref().into_deserializer();
                visitor.visit_enum(text)
            }
            What::Table(table) if table.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(self.keys(table)))
            }
            _ => Err(Refused::new(Why::Unfit {
                accepted: alternatives(variants.iter().copied()),
            })),
        }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_, '_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let path = self.path.clone();
        self.visit(visitor).map_err(|error| error.at(&path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let path = self.path.clone();
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.at(&path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let path = self.path.clone();
        self.choose(variants, visitor)
            .map_err(|error| error.at(&path))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The entries of a table.
struct Keys<'a, 't> {
    path: String,
    inner: std::vec::IntoIter<(String, Reader<'a, 't>)>,
    next: Option<Reader<'a, 't>>,
}

impl<'de> MapAccess<'de> for Keys<'_, '_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        let Some((key, value)) = self.inner.next() else {
            return Ok(None);
        };
        self.next = Some(value);
        let key: StrDeserializer<'_, Refused> = key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.at(&self.path))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let value = self
            .next
            .take()
            .ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        let path = value.path.clone();
        seed.deserialize(value).map_err(|error| error.at(&path))
    }
}

/// The elements of a list.
struct Elements<'a, 't>(std::vec::IntoIter<Reader<'a, 't>>);

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let Some(element) = self.0.next() else {
            return Ok(None);
        };
        let path = element.path.clone();
        seed.deserialize(element)
            .map(Some)
            .map_err(|error| error.at(&path))
    }
}

//! Why what was asked over HTTP was not done, for programs and for people.

use crate::settings::{alternatives, hint};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// As much of a value as a refusal shows.
const SHOWN_CHARACTERS: usize = 80;

/// What kind of refusal it is: its status code on the wire. RFC 9110 section
/// 15.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// 400: the body is no JSON object, or did not come whole.
    NotJson,
    /// 401: the token is absent, or another one.
    Unauthorized,
    /// 403: the request comes from a page in a browser.
    Forbidden,
    /// 404: there is no such path, clock or fault.
    NotFound,
    /// 405: the path is asked in another method.
    MethodNotAllowed,
    /// 408: the body takes too long to come.
    TooSlow,
    /// 409: it cannot be done as things stand.
    Conflict,
    /// 413: the body is too long.
    TooLarge,
    /// 415: the body is not declared as JSON.
    NotDeclaredJson,
    /// 422: the body is JSON, and a key or a value in it is not accepted.
    NotAccepted,
    /// 503: as many ask as may at once.
    Busy,
}

impl RefusalKind {
    /// The status code of HTTP.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotJson => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::NotDeclaredJson => 415,
            Self::NotAccepted => 422,
            Self::Busy => 503,
        }
    }
}

/// Why what was asked was not done; nothing was changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    #[serde(skip)]
    kind: RefusalKind,
    /// One sentence for people.
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Box<str>>,
    /// What else is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<Refusal>,
}

impl Refusal {
    /// A refusal that is about no key.
    #[must_use]
    pub fn new(kind: RefusalKind, error: impl Into<String>) -> Self {
        Self {
            kind,
            error: error.into(),
            key: None,
            value: None,
            accepted: None,
            more: Vec::new(),
        }
    }

    /// Something in the body is not accepted.
    #[must_use]
    pub fn not_accepted(error: impl Into<String>) -> Self {
        Self::new(RefusalKind::NotAccepted, error)
    }

    /// The first of `refusals`, with the others.
    pub(crate) fn all(refusals: impl IntoIterator<Item = Self>) -> Self {
        let mut refusals = refusals.into_iter();
        let first = refusals.next();
        let first = first.unwrap_or_else(|| Self::not_accepted("the body is not accepted"));
        Self {
            more: refusals.collect(),
            ..first
        }
    }

    /// It cannot be done as things stand.
    #[must_use]
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, error)
    }

    /// The `value` of `key` is not accepted, because of `problem`.
    #[must_use]
    pub fn value(
        key: impl Into<String>,
        value: &Value,
        problem: impl fmt::Display,
        accepted: impl Into<String>,
    ) -> Self {
        let key = key.into();
        Self::not_accepted(format!("{key} = {}: {problem}", shown(value)))
            .about(key, Some(shortened(value)))
            .accepting(accepted)
    }

    /// There is no `what` of the name that `key` gives, but those `among`.
    #[must_use]
    pub fn no_such(what: &str, key: &str, name: &str, among: &[&str]) -> Self {
        let name = &*text_shortened(name);
        let value = Value::from(name);
        let problem = format!("there is no such {what}; {}", hint(name, among));
        let accepted = alternatives(among.iter().copied());
        Self {
            kind: RefusalKind::NotFound,
            ..Self::value(key, &value, problem, accepted)
        }
    }

    /// No key has the name `key`, but those `among`.
    #[must_use]
    pub fn unknown_key(key: &str, value: &Value, among: &[&str]) -> Self {
        let key = text_shortened(key);
        Self {
            error: format!("{key}: unknown key; {}", hint(&key, among)),
            ..Self::value(key, value, "", alternatives(among.iter().copied()))
        }
    }

    /// `key` has to be there.
    #[must_use]
    pub fn missing(key: &str, accepted: impl Into<String>) -> Self {
        let accepted = accepted.into();
        Self::not_accepted(format!("{key}: missing; accepted: {accepted}"))
            .about(key, None)
            .accepting(accepted)
    }

    /// The same, with the key that it is about, and its value.
    #[must_use]
    pub fn about(self, key: impl Into<String>, value: Option<Value>) -> Self {
        Self {
            key: Some(key.into().into()),
            value,
            ..self
        }
    }

    /// The same, with what is accepted.
    #[must_use]
    pub fn accepting(self, accepted: impl Into<String>) -> Self {
        Self {
            accepted: Some(accepted.into().into()),
            ..self
        }
    }

    /// What is accepted, if that can be said.
    #[must_use]
    pub fn accepted(&self) -> Option<&str> {
        self.accepted.as_deref()
    }

    /// What kind of refusal it is.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Refusal {}

/// The value as people are shown it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "[...]".to_owned(),
        Value::Object(_) => "{...}".to_owned(),
        value => shortened(value).to_string(),
    }
}

/// The value as programs are given it back: none is longer than a line.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => text_shortened(text).into(),
        Value::Array(_) | Value::Object(_) => shown(value).into(),
        value => value.clone(),
    }
}

fn text_shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

//! Keys that are not declared where they stand, and what they may have been
//! meant to be.

use super::check::{
    ADMISSION_TABLE, CONTROL_TABLE, HTTP_TABLE, LISTENERS, LOG_TABLE, RATE_LIMIT_TABLE,
    SANDBOX_TABLE, SOURCES, XDP_TABLE,
};
use super::errors::{alternatives, hint};
use super::schema::{
    ADMISSION, KIND, LISTENER, LOG, PROTOCOL, PROTOCOLS, ProtocolSchema, RATE_LIMIT, SANDBOX, TOP,
    XDP,
};
use crate::api::settings::{Key, Kind};
use crate::sources::KINDS;

/// Other servers' words for keys of a listener.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("port", "address"),
    ("host", "address"),
    ("ip", "address"),
    ("bind", "address"),
    ("listen", "address"),
    ("type", "protocol"),
    ("clock", "source"),
    ("device", "interface"),
    ("workers", "responders"),
    ("tz", "timezone"),
];

/// What stands beside the keys of the top level.
const TABLES: [&str; 8] = [
    LOG_TABLE,
    ADMISSION_TABLE,
    CONTROL_TABLE,
    HTTP_TABLE,
    LISTENERS,
    SANDBOX_TABLE,
    SOURCES,
    XDP_TABLE,
];

/// What a key that is not declared is.
pub(crate) enum Stray {
    /// Looked at elsewhere.
    Known,
    /// An error, with what was probably meant.
    Unknown(String),
}

/// What the key `key` above all tables is.
pub(super) fn of_the_top(key: &str) -> Stray {
    if TABLES.contains(&key) {
        return Stray::Known;
    }
    let names: Vec<&str> = TOP.iter().map(|key| key.name).chain(TABLES).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of `[log]` is.
pub(super) fn of_log(key: &str) -> Stray {
    let names: Vec<&str> = LOG.iter().map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of `[admission]` is.
pub(super) fn of_admission(key: &str) -> Stray {
    if key == RATE_LIMIT_TABLE {
        return Stray::Known;
    }
    let names: Vec<&str> = ADMISSION
        .iter()
        .map(|key| key.name)
        .chain([RATE_LIMIT_TABLE])
        .collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of `[admission.rate_limit]` is.
pub(super) fn of_rate_limit(key: &str) -> Stray {
    let names: Vec<&str> = RATE_LIMIT.iter().map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of a table with these `keys` and no others is.
pub(super) fn of_table(keys: &[Key], key: &str) -> Stray {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of `[xdp]` is.
pub(super) fn of_xdp(key: &str) -> Stray {
    let names: Vec<&str> = XDP.iter().map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of `[sandbox]` is.
pub(super) fn of_sandbox(key: &str) -> Stray {
    let names: Vec<&str> = SANDBOX.iter().map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// What the key `key` of a source of this kind is.
pub(super) fn of_kind(kind: &Kind, key: &str) -> Stray {
    if key == KIND.name {
        return Stray::Known;
    }
    let names: Vec<&str> = kind
        .keys
        .iter()
        .map(|key| key.name)
        .chain([KIND.name])
        .collect();
    let others = KINDS
        .iter()
        .filter(|other| other.keys.iter().any(|other| other.name == key))
        .map(|other| other.name);
    Stray::Unknown(elsewhere("kind", others, kind.name).unwrap_or_else(|| hint(key, &names)))
}

/// What the key `key` of a listener of this protocol is.
pub(crate) fn of_protocol(protocol: Option<&ProtocolSchema>, key: &str) -> Stray {
    let others = PROTOCOLS
        .iter()
        .filter(|other| other.keys.iter().any(|other| other.name == key))
        .map(|other| other.name);
    let own = match protocol {
        Some(protocol) => {
            if let Some(hint) = elsewhere(PROTOCOL, others, protocol.name) {
                return Stray::Unknown(hint);
            }
            protocol.keys
        }
        // Which keys it has cannot be told before its protocol is right.
        None if others.count() > 0 => return Stray::Known,
        None => &[],
    };
    if let Some((_, meant)) = OTHER_WORDS.iter().find(|(word, _)| *word == key) {
        return Stray::Unknown(format!("did you mean `{meant}`?"));
    }
    let names: Vec<&str> = LISTENER.iter().chain(own).map(|key| key.name).collect();
    Stray::Unknown(hint(key, &names))
}

/// That a key belongs to another kind or protocol, if it does.
fn elsewhere<'a>(what: &str, others: impl Iterator<Item = &'a str>, this: &str) -> Option<String> {
    let others: Vec<&str> = others.collect();
    (!others.is_empty()).then(|| {
        format!(
            "it is a key of {what} {}, and this is `{this}`",
            alternatives(others)
        )
    })
}

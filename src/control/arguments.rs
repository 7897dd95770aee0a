//! The body of a request: a JSON object with the keys that its verb declares,
//! as the settings declare theirs.

use super::refusal::{Refusal, RefusalKind};
use crate::api::settings::{self, Accepts, Default, Key, Values};
use crate::settings::{Given, Refusal as Problem, check, describe};
use serde_json::{Map, Value};

/// The object of a body; an empty one counts as `{}`.
///
/// # Errors
/// [`RefusalKind::NotJson`].
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let refuse = |why: String| {
        Refusal::new(RefusalKind::NotJson, format!("the body: {why}")).accepting("a JSON object")
    };
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(refuse("JSON, and no object".to_owned())),
        Err(error) => Err(refuse(format!("not JSON: {error}"))),
    }
}

/// The values of `keys` in `object`, checked.
///
/// # Errors
/// The first key that is unknown, absent without a default, or has a value that
/// is not accepted.
pub(super) fn arguments(
    keys: &[&'static Key],
    object: &Map<String, Value>,
) -> Result<Values, Refusal> {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let is_declared = |name: &str| names.contains(&name);
    if let Some((name, value)) = object.iter().find(|(name, _)| !is_declared(name)) {
        return Err(Refusal::unknown_key(name, value, &names));
    }
    let mut values = Values::default();
    for key in keys {
        match object.get(key.name) {
            Some(value) => values.insert(key.name, argument(key, value)?),
            None if key.default == Default::Required => {
                return Err(Refusal::missing(key.name, accepted(key)));
            }
            None => {}
        }
    }
    Ok(values)
}

/// The checked value of one key.
fn argument(key: &Key, value: &Value) -> Result<settings::Value, Refusal> {
    let is_text = key.accepts == Accepts::Text;
    // A number may stand for itself (`60`) or be text (`"1/3"`).
    let number = Some(value).filter(|value| is_text && value.is_number());
    let as_text = number.map(|number| Value::from(number.to_string()));
    let given = given(as_text.as_ref().unwrap_or(value));
    let problem = match given.map(|given| check(&key.accepts, given, None)) {
        Some(Ok(checked)) => return Ok(checked),
        Some(Err(Problem::Because(problem))) if !is_text => problem,
        _ => format!("refused; accepted: {}", accepted(key)),
    };
    Err(Refusal::value(key.name, value, problem, accepted(key)))
}

/// What a key accepts; for one of text, what the text is.
fn accepted(key: &Key) -> String {
    match key.accepts {
        Accepts::Text => key.help.to_owned(),
        _ => describe(&key.accepts),
    }
}

/// The value as settings know it; `None` for `null`, which none of them has.
fn given(value: &Value) -> Option<Given<'_>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => Given::Flag(*truth),
        Value::String(text) => Given::Text(text),
        Value::Array(_) => Given::List,
        Value::Object(_) => Given::Table,
        Value::Number(number) => match number.as_i128() {
            Some(number) => Given::Integer(number),
            None => Given::Float(number.as_f64()?),
        },
    })
}

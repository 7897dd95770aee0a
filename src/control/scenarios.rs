//! The verbs of a scenario that is played: a fault rule out of JSON, and another
//! scenario, with everything that is wrong with either.

use super::refusal::{Refusal, RefusalKind};
use crate::faults::{Problem, Rule};
use crate::scenario::{Scenario, ScenarioError, ScenarioErrors};
use serde_json::{Map, Value};

/// What errors call a scenario that came as text.
const TEXT: &str = "<text>";
/// What stands before the values that an error says are accepted.
const ACCEPTED: &str = "accepted: ";

/// The rule that has these keys.
///
/// # Errors
/// Everything that is wrong with them, as if they stood in a scenario.
pub(super) fn rule(keys: &Map<String, Value>) -> Result<Rule, Refusal> {
    // One reader of rules, so that what a scenario accepts is accepted here,
    // and refused in the same words.
    let text = toml::to_string(keys).map_err(|error| {
        // `null`, or a number that is none in TOML.
        Refusal::not_accepted(format!("the rule: {error}"))
    })?;
    Scenario::rule_from_toml(&text, TEXT).map_err(|errors| without_places(&errors))
}

/// Why a rule is refused that would be right by itself.
pub(super) fn problems(problems: Vec<Problem>) -> Refusal {
    let refusals = problems.into_iter().map(|problem| {
        let value = (!problem.value.is_empty()).then(|| as_json(&problem.value));
        Refusal::not_accepted(problem.to_string())
            .about(problem.key, value)
            .accepting(problem.accepted)
    });
    Refusal::all(refusals)
}

/// The scenario of the library of this name.
///
/// # Errors
/// There is none.
pub(super) fn named(name: &str) -> Result<Scenario, Refusal> {
    Scenario::builtin(name).map_err(|errors| {
        let refusal = Refusal::new(RefusalKind::NotFound, errors.to_string());
        refusal.about("name", Some(name.into()))
    })
}

/// The scenario that `text` says.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub(super) fn from_text(text: &str) -> Result<Scenario, Refusal> {
    Scenario::from_toml(text, TEXT).map_err(|errors| {
        Refusal::all(errors.iter().map(|error| refusal(error, error.to_string())))
    })
}

/// The errors of a text that nobody wrote, so that its lines say nothing.
fn without_places(errors: &ScenarioErrors) -> Refusal {
    Refusal::all(errors.iter().map(|error| {
        let (text, place) = (error.to_string(), format!("{}: ", error.origin()));
        refusal(error, text.strip_prefix(&place).unwrap_or(&text).to_owned())
    }))
}

/// The refusal that says `text` because of `error`.
fn refusal(error: &ScenarioError, text: String) -> Refusal {
    let refusal = Refusal::not_accepted(text);
    let (refusal, said) = match error {
        ScenarioError::Rejected {
            key,
            value,
            problem,
            ..
        } => (refusal.about(key, Some(as_json(value))), problem.as_str()),
        ScenarioError::UnknownKey { key, hint, .. } => (refusal.about(key, None), hint.as_str()),
        ScenarioError::Missing { key, accepted, .. } => {
            return refusal.about(key, None).accepting(accepted);
        }
        _ => return refusal,
    };
    match said.rsplit_once(ACCEPTED) {
        Some((_, accepted)) => refusal.accepting(accepted),
        None => refusal,
    }
}

/// A value as an error shows it, as what it stands for where that is JSON.
fn as_json(shown: &str) -> Value {
    serde_json::from_str(shown).unwrap_or_else(|_| shown.into())
}

//! What control can be asked: a path, a method, and what is done then.

use super::arguments::arguments;
use super::clocks::{self, CLOCK};
use super::controllable::{Controllable, Stage};
use super::refusal::{Refusal, RefusalKind};
use super::scenarios;
use super::status::{Clocks, Faults, Mode, Reached, Status};
use crate::api::Delta;
use crate::api::settings::{Accepts, Default, Key, Values};
use crate::scenario::Scenario;
use crate::transcript::Motion;
use serde::Serialize;
use serde_json::{Map, Value};
use timeball_mock::{Event, NotARatio, Ratio};

/// The longest body, in octets.
pub(super) const LONGEST_BODY: usize = 64 << 10;
/// The longest body that may hold a scenario, in octets.
pub(super) const LONGEST_SCENARIO: usize = 1 << 20;

/// How a verb is asked. RFC 9110 section 9.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// It changes nothing.
    Get,
    /// It changes something, and has a body of JSON.
    Post,
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// The answer as a line of JSON, or why there is none.
type Answer = Result<String, Refusal>;

/// Something that control can be asked.
pub(super) struct Verb {
    path: &'static str,
    pub(super) method: Method,
    pub(super) longest_body: usize,
    pub(super) run: fn(&dyn Controllable, Map<String, Value>) -> Answer,
}

const fn get(path: &'static str, run: fn(&dyn Controllable, Map<String, Value>) -> Answer) -> Verb {
    Verb {
        path,
        method: Method::Get,
        longest_body: 0,
        run,
    }
}

const fn post(
    path: &'static str,
    run: fn(&dyn Controllable, Map<String, Value>) -> Answer,
) -> Verb {
    Verb {
        path,
        method: Method::Post,
        longest_body: LONGEST_BODY,
        run,
    }
}

/// Everything that control can be asked.
const VERBS: &[Verb] = &[
    get("/status", |controlled, _| json(status(controlled))),
    get("/verdict", |controlled, _| {
        json(stage(controlled, "verdict")?.verdict())
    }),
    post("/pause", |controlled, body| {
        let values = arguments(&[&NAME], &body)?;
        moved(controlled, &values, Motion::Pause)
    }),
    post("/resume", |controlled, body| {
        let values = arguments(&[&NAME], &body)?;
        moved(controlled, &values, Motion::Resume)
    }),
    post("/advance", |controlled, body| {
        let values = arguments(&[&FORWARD, &NAME], &body)?;
        let by = values.duration(FORWARD.name);
        moved(controlled, &values, Motion::Advance(by))
    }),
    post("/set", |controlled, body| {
        let values = arguments(&[&TIME, &NAME], &body)?;
        let time = values.instant(TIME.name);
        moved(controlled, &values, Motion::Set(time))
    }),
    post("/step", |controlled, body| {
        let values = arguments(&[&BY, &NAME], &body)?;
        let by = values.duration(BY.name);
        moved(controlled, &values, Motion::Step(by))
    }),
    post("/rate", |controlled, body| {
        let values = arguments(&[&RATE, &NAME], &body)?;
        let rate = ratio(&values.text(RATE.name))?;
        moved(controlled, &values, Motion::Rate(rate))
    }),
    post("/next", |controlled, body| {
        let values = arguments(&[&NAME], &body)?;
        moved(controlled, &values, Motion::Next)
    }),
    post("/fault/add", |controlled, body| {
        let stage = stage(controlled, "fault add")?;
        let added = stage.add_fault(scenarios::rule(&body)?);
        added.map_err(scenarios::problems)?;
        json(Faults {
            faults: stage.faults(),
        })
    }),
    post("/fault/remove", |controlled, body| {
        let name = arguments(&[&FAULT], &body)?.text(FAULT.name);
        let stage = stage(controlled, "fault remove")?;
        if stage.remove_fault(&name) {
            return json(Faults {
                faults: stage.faults(),
            });
        }
        let all = stage.faults();
        let names: Vec<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
        Err(Refusal::no_such("fault", FAULT.name, &name, &names))
    }),
    Verb {
        longest_body: LONGEST_SCENARIO,
        ..post("/load", |controlled, body| {
            let values = arguments(&[&SCENARIO, &TEXT], &body)?;
            stage(controlled, "load")?.load(new_scenario(&values)?)?;
            json(status(controlled))
        })
    },
    post("/stop", |controlled, body| {
        arguments(&[], &body)?;
        let stage = stage(controlled, "stop")?;
        stage.stop();
        json(stage.verdict())
    }),
];

const NAME: Key = Key {
    name: CLOCK,
    accepts: Accepts::Text,
    default: Default::Absent("the only clock, or all those of a scenario"),
    help: "the name of the mock source, or of the endpoint",
};

const FORWARD: Key = Key {
    name: "by",
    accepts: Accepts::Duration {
        min: Delta::ZERO,
        max: Delta::MAX,
    },
    default: Default::Required,
    help: "how much time passes",
};

const BY: Key = Key {
    accepts: Accepts::Duration {
        min: Delta::MIN,
        max: Delta::MAX,
    },
    help: "how far the clock steps",
    ..FORWARD
};

const TIME: Key = Key {
    name: "time",
    accepts: Accepts::Instant,
    default: Default::Required,
    help: "what the clock shows from now on",
};

const RATE: Key = Key {
    name: "rate",
    accepts: Accepts::Text,
    default: Default::Required,
    help: "a number such as 60, 0.5 or 1/3",
};

const FAULT: Key = Key {
    name: "name",
    accepts: Accepts::Text,
    default: Default::Required,
    help: "the name of the fault rule",
};

const SCENARIO: Key = Key {
    name: "name",
    accepts: Accepts::Text,
    default: Default::Absent("`text` has it"),
    help: "a scenario of the library",
};

const TEXT: Key = Key {
    name: "text",
    accepts: Accepts::Text,
    default: Default::Absent("`name` names it"),
    help: "a scenario file",
};

/// The verb at `path` for `method`.
///
/// # Errors
/// There is none, or only one for another method.
pub(super) fn find(path: &str, method: &str) -> Result<&'static Verb, Refusal> {
    let Some(verb) = VERBS.iter().find(|verb| verb.path == path) else {
        let paths: Vec<&str> = VERBS.iter().map(|verb| verb.path).collect();
        return Err(Refusal::no_such("path", "path", path, &paths));
    };
    if verb.method.name() == method {
        return Ok(verb);
    }
    let accepted = verb.method.name();
    let error = format!("{path} is asked with {accepted}");
    Err(Refusal::new(RefusalKind::MethodNotAllowed, error).accepting(accepted))
}

/// Moves the clocks that `values` name, and tells what they show then, and to
/// which event that took them.
fn moved(controlled: &dyn Controllable, values: &Values, motion: Motion) -> Answer {
    let name = values.find_text(CLOCK);
    let event = controlled.move_clocks(name.as_deref(), motion)?;
    let mut clocks = clocks::told(&controlled.clocks());
    clocks.retain(|clock| name.as_ref().is_none_or(|name| clock.name == *name));
    match event {
        Some(Event { name: event, .. }) => json(Reached { event, clocks }),
        None => json(Clocks { clocks }),
    }
}

fn stage<'a>(controlled: &'a dyn Controllable, verb: &str) -> Result<&'a dyn Stage, Refusal> {
    controlled.stage().ok_or_else(|| {
        Refusal::conflict(format!(
            "`{verb}` is for a scenario that `timeball play` plays; this server plays none"
        ))
    })
}

fn status(controlled: &dyn Controllable) -> Status {
    let stage = controlled.stage();
    let listeners = controlled.listeners();
    let is_test = stage.is_some() || listeners.iter().any(|listener| listener.test_time);
    Status {
        mode: if is_test { Mode::Test } else { Mode::Real },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: stage.map(Stage::scenario),
        clocks: clocks::told(&controlled.clocks()),
        listeners,
        faults: stage.map(Stage::faults).unwrap_or_default(),
    }
}

/// The scenario that is named, or that stands there as text.
fn new_scenario(values: &Values) -> Result<Scenario, Refusal> {
    let (name, text) = (SCENARIO.name, TEXT.name);
    match (values.find_text(name), values.find_text(text)) {
        (Some(name), None) => scenarios::named(&name),
        (None, Some(text)) => scenarios::from_text(&text),
        (None, None) => Err(Refusal::missing(name, "`name` or `text`")),
        (Some(given), Some(_)) => Err(Refusal::value(
            name,
            &given.into(),
            "`text` is there too; one of them is accepted",
            "`name` or `text`",
        )),
    }
}

fn ratio(text: &str) -> Result<Ratio, Refusal> {
    text.parse().map_err(|error: NotARatio| {
        Refusal::value(
            RATE.name,
            &text.into(),
            format!("refused; accepted: {error}"),
            error.to_string(),
        )
    })
}

fn json(answer: impl Serialize) -> Answer {
    let mut line = serde_json::to_string(&answer).expect("keys are text and no value can fail");
    line.push('\n');
    Ok(line)
}

//! Scenarios: time that misbehaves as a file says.
//!
//! A scenario is one TOML file: what is served, by which clocks, what happens
//! to them, what goes wrong with datagrams, and what a good client makes of it.
//! [`schema`] has every key. The file is read whole and checked whole:
//! whatever is wrong is told with the file, the line, the key, the value and
//! what is accepted, all at once. Nothing here opens a socket or reads a clock.
//!
//! ```
//! use timeball::scenario::Scenario;
//!
//! let scenario = Scenario::from_toml(
//!     r#"
//!     name = "a-step"
//!     description = "The clock jumps ten seconds ahead after a minute"
//!
//!     [[clock.events]]
//!     elapsed = "1m"
//!     step = "10s"
//!     "#,
//!     "a-step.toml",
//! )?;
//! assert_eq!(scenario.endpoints.len(), 1);
//!
//! let wrong = Scenario::from_toml("name = \"x\"\nsede = 1", "x.toml").unwrap_err();
//! assert!(wrong.to_string().contains("x.toml:2: sede: unknown key; did you mean `seed`?"));
//! # Ok::<(), timeball::scenario::ScenarioErrors>(())
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`schema`], [`forms`] | the keys, and how their values are written |
//! | `document`, `reader` | TOML whose every value knows its line, and every error of it |
//! | `clock`, `event`, `endpoint` | tables turned into plans, and judged beside one another |
//! | `held` | the clock that several mocks wait for together |
//! | `summary` | what a scenario holds, for people |
//! | `library` | the scenarios that are built in: the files of `scenarios/` |

mod clock;
mod document;
mod endpoint;
mod event;
pub mod forms;
mod held;
mod library;
mod reader;
pub mod schema;
mod summary;

pub use clock::{ClockPlan, TimePlan};
pub use endpoint::Endpoint;
pub use library::{BuiltIn, library};

use crate::api::{Delta, HostClock};
use crate::client::Target;
use crate::expect::Expectation;
use crate::faults::{self, Engine, Rule, check_family, check_rules};
use crate::settings::{
    Origin, SettingsError, SettingsErrors, alternatives, is_source_name, read_text,
};
use document::Document;
use endpoint::Common;
use held::Held;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use timeball_mock::{Base, MockClock, Starts};

/// One thing that is wrong with a scenario: the same, in the same words, as
/// with settings.
pub type ScenarioError = SettingsError;
/// Everything that is wrong with a scenario.
pub type ScenarioErrors = SettingsErrors;

/// The seed of a scenario that names none.
const SEED: u64 = 1;
/// How many expectations a scenario can have: each looks at every datagram.
const MOST_EXPECTATIONS: usize = 256;
/// How many names stand in for one that there is not.
const NAMES_SHOWN: usize = 3;

/// The scenario asks a server for the time, which a network is needed for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "endpoint `{endpoint}` has upstream = \"{upstream}\", a server on the network; \
     only `timeball play` asks it"
)]
pub struct HasUpstream {
    /// The endpoint's name.
    pub endpoint: String,
    /// Whom it asks.
    pub upstream: Target,
}

/// A scenario, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called: lower-case letters, digits and hyphens.
    pub name: String,
    /// One line: what happens.
    pub description: String,
    /// What all noise and all chance come from.
    pub seed: u64,
    /// The rows of the table of scenarios that it covers, 1 to 47.
    pub covers: Vec<u8>,
    /// How long it is served, in host time; `None` until it is stopped.
    pub duration: Option<Delta>,
    /// After how many requests it ends; `None` after any number.
    pub requests: Option<u64>,
    /// What makes mock time elapse, for all of its clocks.
    pub time: TimePlan,
    /// What is served; at least one.
    pub endpoints: Vec<Endpoint>,
    /// What goes wrong with datagrams, in the order in which it is tried.
    pub rules: Vec<Rule>,
    /// What a good client does.
    pub expectations: Vec<Expectation>,
    /// The file as it was read.
    pub text: String,
    /// What errors call the file.
    pub file: String,
}

impl Scenario {
    /// The scenario that `text` says; errors call it `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioErrors> {
        let mut document = Document::parse(file, text)?;
        let scenario = document
            .read::<schema::File>()
            .map(|table| Self::checked(&mut document, table, text, file));
        document.finish(scenario)
    }

    /// A rule by itself, as it stands in a `[[rules]]`; errors call the text
    /// `file`. What [`Rule::check`] and the other rules say of it is not asked.
    ///
    /// # Errors
    /// Everything that is wrong with its keys and their types.
    pub(crate) fn rule_from_toml(text: &str, file: &str) -> Result<Rule, ScenarioErrors> {
        let mut document = Document::parse(file, text)?;
        let rule = document.read();
        document.finish(rule)
    }

    /// Says that no endpoint asks an upstream server, so that the scenario has
    /// all of its time in itself.
    ///
    /// # Errors
    /// The first endpoint that does.
    pub fn without_upstream(&self) -> Result<(), HasUpstream> {
        let asks = |endpoint: &Endpoint| {
            Some(HasUpstream {
                endpoint: endpoint.name.clone(),
                upstream: endpoint.upstream.clone()?,
            })
        };
        match self.endpoints.iter().find_map(asks) {
            Some(found) => Err(found),
            None => Ok(()),
        }
    }

    /// The scenario in the file at `path`.
    ///
    /// # Errors
    /// That it cannot be read, or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ScenarioErrors> {
        let (name, text) = read_text(
            path,
            "scenario",
            "`timeball play --list` lists the built-in ones",
        )?;
        Self::from_toml(&text, &name)
    }

    /// The scenario of this name that is built in.
    ///
    /// # Errors
    /// That there is none, with the nearest names there are.
    pub fn builtin(name: &str) -> Result<Self, ScenarioErrors> {
        match library().iter().find(|scenario| scenario.name == name) {
            Some(found) => found.scenario(),
            None => Err(unreadable(
                name,
                &format!("no built-in scenario; {}", near(name)),
            )),
        }
    }

    /// The scenario that a person means by `word`: the built-in one of that
    /// name, else the file of that name. `./leap-2016` is always a file.
    ///
    /// # Errors
    /// That there is neither, with the nearest names there are; that the file
    /// cannot be read; or everything that is wrong with it.
    pub fn find(word: &str) -> Result<Self, ScenarioErrors> {
        let is_built_in = library().iter().any(|scenario| scenario.name == word);
        if is_built_in {
            return Self::builtin(word);
        }
        let path = Path::new(word);
        // What reads as the name of a built-in one is not looked for in vain.
        if is_source_name(word) && path.symlink_metadata().is_err() {
            let problem = format!("neither a file nor a built-in scenario; {}", near(word));
            return Err(unreadable(word, &problem));
        }
        Self::load(path)
    }

    /// Turns the tables into what they mean, and judges them beside one
    /// another. What is wrong is noted in `document`.
    fn checked(document: &mut Document<'_>, table: schema::File, text: &str, file: &str) -> Self {
        let name = required(document, "name", table.name, &NAME);
        let description = required(document, "description", table.description, &DESCRIPTION);
        let time = clock::time(document, &table.time);
        let clock = clock::clock(document, "clock", &table.clock, time, 0);
        let common = Common { time, clock };
        let endpoints = endpoint::endpoints(document, table.endpoints.as_deref(), &common);
        if table.duration.is_some_and(|length| length.0 == Delta::ZERO) {
            document.reject("duration", "over before it begins; accepted: above 0");
        }
        let scenario = Self {
            name,
            description,
            seed: table.seed.map_or(SEED, |seed| seed.0),
            covers: table.covers.iter().map(|row| row.0).collect(),
            duration: table.duration.map(|length| length.0),
            requests: table.requests.map(|count| count.0),
            time,
            endpoints,
            rules: table.rules,
            expectations: table.expect,
            text: text.to_owned(),
            file: file.to_owned(),
        };
        scenario.check_between(document);
        scenario
    }

    /// Lets the rules and the expectations judge themselves beside the
    /// endpoints, as long as all of those are known.
    fn check_between(&self, document: &mut Document<'_>) {
        if !document.is_whole("endpoints") {
            return;
        }
        let paths = document.paths("rules", self.rules.len());
        for found in check_rules(&self.rules, &self.fault_endpoints()) {
            let problem = found.problem;
            refuse(
                document,
                &paths[found.rule],
                problem.key,
                problem.value,
                &problem.accepted,
            );
        }
        for (path, rule) in paths.iter().zip(&self.rules) {
            let endpoints = self
                .endpoints
                .iter()
                .map(|it| (it.name.as_str(), it.address));
            if let Some(problem) = check_family(rule, endpoints) {
                refuse(
                    document,
                    path,
                    problem.key,
                    problem.value,
                    &problem.accepted,
                );
            }
        }
        if !document.is_whole("rules") {
            return;
        }
        let endpoints: Vec<&str> = self.endpoints.iter().map(|it| it.name.as_str()).collect();
        let rules: Vec<String> = self.rule_names().collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let count = self.expectations.len();
        if count > MOST_EXPECTATIONS {
            let accepted = format!("too many; accepted: at most {MOST_EXPECTATIONS}");
            document.reject_value("expect", format!("{count} expectations"), accepted);
            return;
        }
        let paths = document.paths("expect", count);
        for (path, expectation) in paths.iter().zip(&self.expectations) {
            for problem in expectation.check(&endpoints, &rules) {
                refuse(
                    document,
                    path,
                    problem.key,
                    problem.value,
                    &problem.accepted,
                );
            }
        }
    }

    /// What each rule is called.
    fn rule_names(&self) -> impl Iterator<Item = String> {
        self.rules.iter().zip(1..).map(|(rule, number)| {
            rule.name
                .clone()
                .unwrap_or_else(|| format!("rule-{number}"))
        })
    }

    /// The endpoints as rules see them.
    fn fault_endpoints(&self) -> Vec<faults::Endpoint> {
        self.endpoints
            .iter()
            .map(|endpoint| faults::Endpoint {
                name: endpoint.name.as_str().into(),
                protocol: endpoint.protocol.protocol(),
            })
            .collect()
    }

    /// The rules, ready to be asked.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.seed, self.rules.clone(), self.fault_endpoints())
            .expect("the rules were checked for these endpoints when the scenario was read")
    }

    /// The clock of each endpoint, on the clock `host` of a wall base.
    ///
    /// Endpoints that share a clock get handles of the same one, so that their
    /// requests are counted together. Mock time of a wall base that waits for
    /// the first request begins for all of them with the first that any of them
    /// answers.
    #[must_use]
    pub fn clocks(&self, host: &Arc<dyn HostClock>) -> Vec<MockClock> {
        let mut plans: BTreeMap<u64, ClockPlan> = self
            .endpoints
            .iter()
            .map(|endpoint| (endpoint.clock.stream, endpoint.clock.clone()))
            .collect();
        let mut host = Arc::clone(host);
        if plans.len() > 1
            && let Base::Wall {
                rate,
                starts: Starts::FirstRequest,
            } = self.time.base
        {
            host = Arc::new(Held::new(host));
            let starts = Starts::Now;
            for plan in plans.values_mut() {
                plan.time.base = Base::Wall { rate, starts };
            }
        }
        let clocks: BTreeMap<u64, MockClock> = plans
            .iter()
            .map(|(stream, plan)| (*stream, plan.build(self.seed, Arc::clone(&host))))
            .collect();
        self.endpoints
            .iter()
            .map(|endpoint| clocks[&endpoint.clock.stream].clone())
            .collect()
    }
}

/// A text that every scenario has.
struct Needed {
    accepted: &'static str,
    is_right: fn(&str) -> bool,
}

const NAME: Needed = Needed {
    accepted: "lower-case letters, digits and hyphens, such as `\"leap-2016\"`",
    is_right: is_source_name,
};

const DESCRIPTION: Needed = Needed {
    accepted: "one line that says what happens",
    is_right: |text| !text.trim().is_empty() && !text.contains(char::is_control),
};

fn required(
    document: &mut Document<'_>,
    key: &'static str,
    value: Option<String>,
    needed: &Needed,
) -> String {
    match value {
        Some(text) if (needed.is_right)(&text) => text,
        Some(_) => {
            document.reject(key, format!("refused; accepted: {}", needed.accepted));
            String::new()
        }
        None => {
            // One that was of the wrong type has had its error.
            if document.is_whole(key) {
                document.missing("", key, needed.accepted);
            }
            String::new()
        }
    }
}

/// Notes what a rule or an expectation found wrong with itself, unless some of
/// it was left out.
fn refuse(document: &mut Document<'_>, path: &str, key: String, value: String, accepted: &str) {
    if !document.is_whole(path) {
        return;
    }
    let full = if key.is_empty() {
        path.to_owned()
    } else {
        format!("{path}.{key}")
    };
    if document.has(&full) && (document.is_scalar(&full) || value.is_empty()) {
        // As it was written, rather than as it was understood.
        document.reject(&full, format!("refused; accepted: {accepted}"));
    } else if value.is_empty() {
        document.missing(path, &key, accepted);
    } else {
        document.reject_value(&full, value, format!("refused; accepted: {accepted}"));
    }
}

/// The names of the library that are nearest to `word`.
fn near(word: &str) -> String {
    let mut names: Vec<(usize, &str)> = library()
        .iter()
        .map(|scenario| {
            let distance = strsim::damerau_levenshtein(word, scenario.name);
            (distance, scenario.name)
        })
        .collect();
    names.sort_unstable();
    let names = names.iter().take(NAMES_SHOWN).map(|(_, name)| *name);
    format!(
        "the nearest of those that `timeball play --list` lists: {}",
        alternatives(names)
    )
}

fn unreadable(name: &str, problem: &str) -> ScenarioErrors {
    SettingsError::Unreadable {
        origin: Origin::File {
            name: name.to_owned(),
            line: None,
        },
        problem: problem.to_owned(),
    }
    .into()
}

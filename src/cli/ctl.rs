//! `timeball ctl`: controls a running server.

mod client;
mod files;
mod human;

use super::failed::Failed;
use super::output::print;
use chrono::DateTime;
use client::{Client, Reply};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use timeball::api::Delta;
use timeball::expect::Verdict;
use timeball::settings::parse_duration;
use timeball_mock::Ratio;

/// Control a running server: move its clocks, add faults, read the verdict
///
/// The server is one with [control] in its settings, or one that plays a
/// scenario with --control. Exit codes: 0 done; 1 the server refused, could not
/// be reached, or an expectation of `verdict` fails; 2 bad usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where control is asked [default: http://127.0.0.1:8090]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,

    /// Read the URL from what `--ports-file` of the server wrote
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "url")]
    ports_file: Option<PathBuf>,

    /// Show the token in FILE [default: that of the variable
    /// TIMEBALL_CONTROL_TOKEN, if it is set]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,

    /// Write what the server answers, as JSON (docs/control.md has the schema)
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// How the server and its clocks stand
    Status,
    /// No time elapses until it is resumed
    Pause(Which),
    /// Time elapses again
    Resume(Which),
    /// Let time pass at once, and whatever is due
    Advance {
        /// How much: seconds, or with a unit (10s, 2h)
        #[arg(value_name = "SPAN", value_parser = span_ahead, allow_hyphen_values = true)]
        by: String,
        #[command(flatten)]
        which: Which,
    },
    /// Make the clock show a time
    Set {
        /// The time in RFC 3339 (2036-02-07T06:28:06Z)
        #[arg(value_parser = time)]
        time: String,
        #[command(flatten)]
        which: Which,
    },
    /// Make the clock show more, or less
    Step {
        /// How much: seconds, or with a unit (-1s)
        #[arg(value_name = "SPAN", value_parser = span, allow_hyphen_values = true)]
        by: String,
        #[command(flatten)]
        which: Which,
    },
    /// How much time elapses in a second of the host's
    Rate {
        /// The rate (60, 0.5, 1/3)
        #[arg(value_parser = rate, allow_hyphen_values = true)]
        rate: String,
        #[command(flatten)]
        which: Which,
    },
    /// Go to the next event of the scenario
    Next(Which),
    /// Add or remove a fault
    #[command(subcommand)]
    Fault(Fault),
    /// Play another scenario
    Load {
        /// A scenario file, `-` for stdin, or a name of the library
        #[arg(value_name = "FILE|NAME")]
        scenario: PathBuf,
    },
    /// How the client has done so far
    Verdict,
    /// End the run
    Stop,
}

#[derive(Debug, clap::Subcommand)]
enum Fault {
    /// Add the rules of a file, before those there are
    Add {
        /// The keys of one rule, or several [[rules]], as in a scenario; `-` for
        /// stdin
        file: PathBuf,
    },
    /// Remove a rule
    Remove {
        /// Its name
        name: String,
    },
}

/// Which clock is meant.
#[derive(Debug, clap::Args)]
struct Which {
    /// The name of the mock source or of the endpoint [default: the only one,
    /// or all of a scenario]
    #[arg(long, value_name = "NAME")]
    clock: Option<String>,
}

impl Which {
    /// The body that names the clock, with this value under `key`.
    fn with(&self, key: &str, value: &str) -> Value {
        let mut body = self.alone();
        body[key] = value.into();
        body
    }

    fn alone(&self) -> Value {
        match &self.clock {
            Some(clock) => json!({ "clock": clock }),
            None => json!({}),
        }
    }
}

fn span(text: &str) -> Result<String, String> {
    let span = parse_duration(text).map_err(|error| error.to_string());
    span.map(|_| text.to_owned())
}

fn span_ahead(text: &str) -> Result<String, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        by if by < Delta::ZERO => Err(
            "time passes forwards alone; accepted: not negative (`step` takes time back)".into(),
        ),
        _ => Ok(text.to_owned()),
    }
}

fn time(text: &str) -> Result<String, String> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|_| text.to_owned())
        .map_err(|error| format!("{error}; accepted: RFC 3339, such as 2036-02-07T06:28:06Z"))
}

fn rate(text: &str) -> Result<String, String> {
    let rate = text.parse::<Ratio>();
    rate.map(|_| text.to_owned())
        .map_err(|error| format!("accepted: {error}"))
}

/// What is asked: a path, and a body if it changes something.
#[derive(Debug)]
struct Question {
    path: &'static str,
    body: Option<Value>,
}

impl Question {
    fn get(path: &'static str) -> Vec<Self> {
        vec![Self { path, body: None }]
    }

    fn post(path: &'static str, body: Value) -> Vec<Self> {
        let body = Some(body);
        vec![Self { path, body }]
    }
}

impl Verb {
    /// What to ask, in this order.
    fn questions(&self) -> Result<Vec<Question>, Failed> {
        Ok(match self {
            Self::Status => Question::get("/status"),
            Self::Pause(which) => Question::post("/pause", which.alone()),
            Self::Resume(which) => Question::post("/resume", which.alone()),
            Self::Advance { by, which } => Question::post("/advance", which.with("by", by)),
            Self::Set { time, which } => Question::post("/set", which.with("time", time)),
            Self::Step { by, which } => Question::post("/step", which.with("by", by)),
            Self::Rate { rate, which } => Question::post("/rate", which.with("rate", rate)),
            Self::Next(which) => Question::post("/next", which.alone()),
            Self::Fault(Fault::Add { file }) => {
                // Each is added before the others, so the first comes last.
                let rules = files::rules(file)?.into_iter().rev();
                rules
                    .flat_map(|rule| Question::post("/fault/add", rule))
                    .collect()
            }
            Self::Fault(Fault::Remove { name }) => {
                Question::post("/fault/remove", json!({ "name": name }))
            }
            Self::Load { scenario } => Question::post("/load", files::scenario(scenario)?),
            Self::Verdict => Question::get("/verdict"),
            Self::Stop => Question::post("/stop", json!({})),
        })
    }
}

/// Runs the subcommand.
pub fn run(args: &Args) -> ExitCode {
    match control(args) {
        Ok((text, code)) => print(&text, code),
        Err(failed) => failed.tell(),
    }
}

/// Asks, and returns what to print and how to exit.
fn control(args: &Args) -> Result<(String, ExitCode), Failed> {
    let questions = args.verb.questions()?;
    let client = Client::new(args)?;
    let mut last = None;
    for question in questions {
        match client.ask(&question)? {
            Reply::Done(answer) => last = Some(answer),
            Reply::Refused(answer) if args.json => return Ok((answer, ExitCode::FAILURE)),
            Reply::Refused(answer) => return Err(Failed::other(human::refusal(&answer))),
        }
    }
    let answer = last.ok_or_else(|| Failed::usage("the file holds no rule"))?;
    let code = match args.verb {
        Verb::Verdict if !passes(&answer)? => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    };
    let text = match args.json {
        true => answer,
        false => human::answer(&args.verb, &answer)?,
    };
    Ok((text, code))
}

fn passes(answer: &str) -> Result<bool, Failed> {
    read::<Verdict>(answer).map(|verdict| verdict.passes())
}

/// The answer as the type that this verb has.
fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, Failed> {
    serde_json::from_str(answer)
        .map_err(|error| Failed::other(format!("no answer of timeball's control: {error}")))
}

//! `timeball play`: scenarios from a file or from the library.

mod args;
mod distinct;
mod ended;
mod outputs;
mod serve;
mod view;

use super::output::{print, tell};
use std::path::Path;
use std::process::ExitCode;
use timeball::play::{Play, PlayError};
use timeball::scenario::{Scenario, ScenarioErrors, library};

/// What a program exits with whose scenario is wrong.
const WRONG_SCENARIO: u8 = 2;

/// Serve a scenario and judge the client, check one, or list those that are
/// built in
///
/// Exit codes: 0 every expectation holds; 1 one does not, or the scenario could
/// not be served; 2 something wrong was asked for, and nothing was bound.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The scenario: the name of a built-in one, or a file
    #[arg(value_name = "FILE|NAME", required_unless_present = "list")]
    scenario: Option<String>,

    /// Say what the scenario holds, or everything that is wrong with it; with a
    /// note if it is served with --serve-test-time only
    #[arg(long, conflicts_with_all = ["list", "ServeArgs"])]
    check: bool,

    /// List the built-in scenarios: name, description, rows covered
    #[arg(long, conflicts_with_all = ["scenario", "ServeArgs"])]
    list: bool,

    #[command(flatten)]
    serve: args::ServeArgs,
}

/// Prints what was asked for. Exits 2 where a scenario is wrong, with every
/// error on stderr. Binds nothing.
pub fn run(args: &Args) -> ExitCode {
    let text = match &args.scenario {
        None => list(),
        Some(word) => match Scenario::find(word) {
            Ok(scenario) if !args.check => return serve::run(&args.serve, scenario, file_of(word)),
            found => found.map(|scenario| checked(&scenario)),
        },
    };
    match text {
        Ok(text) => print(&text, ExitCode::SUCCESS),
        Err(errors) => {
            tell(&errors.to_string());
            ExitCode::from(WRONG_SCENARIO)
        }
    }
}

/// What the scenario holds; and on stderr, that `play` serves it only when it is
/// told to: the scenario is right all the same.
fn checked(scenario: &Scenario) -> String {
    if let Err(PlayError::OutOfBounds(found)) = Play::new(scenario.clone()).check() {
        tell(&format!("note: {}", serve::placed(scenario, &found)));
    }
    scenario.summary()
}

/// The file that [`Scenario::find`] reads for `word`, unless it is built in.
fn file_of(word: &str) -> Option<&Path> {
    let is_built_in = library().iter().any(|scenario| scenario.name == word);
    (!is_built_in).then(|| Path::new(word))
}

/// A line for each built-in scenario, the name first.
fn list() -> Result<String, ScenarioErrors> {
    let width = library().iter().map(|scenario| scenario.name.len()).max();
    let width = width.unwrap_or_default();
    library()
        .iter()
        .map(|built_in| {
            let scenario = built_in.scenario()?;
            let rows = scenario.rows();
            let (name, description) = (&scenario.name, &scenario.description);
            Ok(format!("{name:width$}  {description} ({rows})\n"))
        })
        .collect()
}

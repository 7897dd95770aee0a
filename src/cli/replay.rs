//! `timeball replay`: runs a transcript again, without a network.

use super::output::{print, tell};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use timeball::play::replay::{ReplayError, Replayed, replay, scenario_of};
use timeball::transcript::Reader;

/// What a program exits with that was given a transcript which it cannot run.
const UNREADABLE: u8 = 2;

/// Run the requests of a transcript again, and find the first octet that differs
///
/// Exit codes: 0 every reply comes out the same; 1 one does not; 2 the transcript
/// cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `timeball play --transcript` wrote
    #[arg(value_name = "FILE")]
    transcript: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> ExitCode {
    let file = args.transcript.display();
    match compared(&args.transcript) {
        Ok(Replayed {
            requests,
            replies,
            difference: None,
            ..
        }) => {
            let text = format!("{file}: the same: requests {requests}, replies {replies}\n");
            print(&text, ExitCode::SUCCESS)
        }
        Ok(Replayed {
            difference: Some(difference),
            loaded,
            ..
        }) => {
            let loaded = loaded.map_or_else(String::new, |name| format!("{name}: "));
            let text = format!("{file}: {loaded}{difference}\n");
            print(&text, ExitCode::FAILURE)
        }
        Err(text) => {
            tell(&format!("error: {text}"));
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Runs the transcript again; an error is told with the file and the line.
fn compared(path: &Path) -> Result<Replayed, String> {
    let file = path.display();
    let at_file = |error: &dyn std::fmt::Display| format!("{file}: {error}");
    let input = File::open(path).map_err(|error| at_file(&error))?;
    let reader = Reader::new(BufReader::new(input)).map_err(|error| at_file(&error))?;
    let name = format!("{file}: the scenario in line 1");
    let scenario = scenario_of(reader.opening(), &name).map_err(|error| error.to_string())?;
    let entries: Result<Vec<_>, _> = reader.collect();
    let entries = entries.map_err(|error| at_file(&error))?;
    replay(&scenario, entries).map_err(|error| match error {
        // The first line is none of the entries, and lines count from 1.
        ReplayError::Entry { place, problem } => format!("{file}: line {}: {problem}", place + 2),
        error => at_file(&error),
    })
}

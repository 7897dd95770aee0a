//! `timeball replay`: runs a transcript again, without a network.

use super::output::{print, tell};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use timeball::play::replay::replay;
use timeball::scenario::Scenario;
use timeball::transcript::{Comparison, Reader};

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
        Ok(Comparison {
            requests,
            replies,
            difference: None,
        }) => {
            let text = format!("{file}: the same: requests {requests}, replies {replies}\n");
            print(&text, ExitCode::SUCCESS)
        }
        Ok(Comparison {
            difference: Some(difference),
            ..
        }) => print(&format!("{file}: {difference}\n"), ExitCode::FAILURE),
        Err(text) => {
            tell(&format!("error: {text}"));
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Runs the transcript again; an error is told with the file and the line.
fn compared(path: &Path) -> Result<Comparison, String> {
    let file = path.display();
    let at_file = |error: &dyn std::fmt::Display| format!("{file}: {error}");
    let input = File::open(path).map_err(|error| at_file(&error))?;
    let reader = Reader::new(BufReader::new(input)).map_err(|error| at_file(&error))?;
    let opening = reader.opening().clone();
    let name = format!("{file}: the scenario in line 1");
    let mut scenario =
        Scenario::from_toml(&opening.scenario, &name).map_err(|errors| errors.to_string())?;
    scenario.seed = opening.seed;
    if let Some(rate) = opening.rate {
        scenario = scenario
            .with_rate(rate)
            .map_err(|error| format!("{file}: line 1: rate = {rate}: {error}"))?;
    }
    let records: Result<Vec<_>, _> = reader.collect();
    let records = records.map_err(|error| at_file(&error))?;
    replay(&scenario, &records).map_err(|error| at_file(&error))
}

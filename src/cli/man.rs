//! `timeball man`: the manual pages, written from the command line itself.

use super::output::tell;
use chrono::DateTime;
use clap::CommandFactory;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use timeball::api::HostClock;
use timeball::host::OsClock;
use timeball::protocol::line::printable;

/// By which whoever packages says what day it is, so that a package can be made again.
const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Write the manual pages, one for each subcommand, into a folder
///
/// For whoever packages timeball: `timeball.1`, `timeball-serve.1` and so on, in troff.
/// The folder is made if it is not there. The pages bear the date of this day, or that of
/// the variable SOURCE_DATE_EPOCH. Exit codes: 0; 1 when a page cannot be written; 2 when
/// the variable is no date.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages.
pub fn run(args: &Args) -> ExitCode {
    let date = match date(std::env::var_os(VARIABLE).as_deref()) {
        Ok(date) => date,
        Err(problem) => {
            tell(&format!("error: {problem}"));
            return ExitCode::from(2);
        }
    };
    match write(&args.folder, &date) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let folder = args.folder.to_string_lossy();
            tell(&format!(
                "error: the pages cannot be written to {}: {error}",
                printable(&folder)
            ));
            ExitCode::FAILURE
        }
    }
}

/// The date of the pages; without one, what stands behind it would be taken for it.
fn date(given: Option<&OsStr>) -> Result<String, String> {
    let seconds = match given {
        None => OsClock.now().realtime.as_nanos().div_euclid(1_000_000_000),
        Some(given) => {
            let seconds = given.to_str().and_then(|given| given.parse().ok());
            seconds.ok_or_else(|| {
                format!("{VARIABLE} = {given:?}: accepted: seconds since 1970, a whole number")
            })?
        }
    };
    let date = DateTime::from_timestamp(seconds, 0);
    let date = date.ok_or_else(|| format!("{VARIABLE} = {seconds}: beyond the calendar"))?;
    Ok(date.format("%Y-%m-%d").to_string())
}

fn write(folder: &Path, date: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    pages(&command, folder, date)
}

/// The page of `command` and those of all below it.
fn pages(command: &clap::Command, folder: &Path, date: &str) -> io::Result<()> {
    let page = clap_mangen::Man::new(command.clone())
        .date(date)
        .manual("User Commands")
        .source(concat!("timeball ", env!("CARGO_PKG_VERSION")));
    page.generate_to(folder)?;
    let shown = |command: &&clap::Command| !command.is_hide_set();
    command
        .get_subcommands()
        .filter(shown)
        .try_for_each(|below| pages(below, folder, date))
}

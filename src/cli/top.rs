//! `timeball top`: what a running server does, in a terminal.

mod client;
mod figures;
mod past;
mod plain;
mod screen;
mod view;

use super::failed::Failed;
use super::output::print;
use client::Client;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use timeball::api::Delta;
use timeball::settings::parse_duration;

/// Show what a running server does: its sources, requests a second, outcomes
///
/// The server is one with [http] in its settings. `q`, Esc and Ctrl-C end it. Where
/// stdout is no terminal it prints one look and ends. Exit codes: 0 done; 1 the
/// server could not be reached or refused, or the terminal was lost; 2 bad usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the server tells its status
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8088")]
    url: String,

    /// How often to ask: seconds, or with a unit (500ms, 10s)
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// Show the token in FILE [default: that of the variable TIMEBALL_HTTP_TOKEN, if
    /// it is set]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Print one look as text and end
    #[arg(long)]
    once: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if !(Delta::from_millis(100)..=Delta::from_seconds(3600)).contains(&span) {
        return Err("accepted: 100ms to 1h".to_owned());
    }
    let nanos = u64::try_from(span.as_nanos()).map_err(|error| error.to_string())?;
    Ok(Duration::from_nanos(nanos))
}

/// Runs the subcommand.
pub fn run(args: &Args) -> ExitCode {
    let shown = if args.once || !io::stdout().is_terminal() {
        once(args)
    } else {
        watch(args).map(|()| ExitCode::SUCCESS)
    };
    shown.unwrap_or_else(|failed| failed.tell())
}

fn once(args: &Args) -> Result<ExitCode, Failed> {
    let client = Client::new(args)?;
    let status = client.status()?;
    Ok(print(
        &plain::text(client.url(), &status),
        ExitCode::SUCCESS,
    ))
}

fn watch(args: &Args) -> Result<(), Failed> {
    let client = Client::new(args)?;
    // What is wrong from the start is told without taking the screen.
    let first = client.status()?;
    screen::show(client, args.interval, first)
}

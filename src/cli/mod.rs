//! The command line: one file a subcommand, and what several of them share.
//!
//! Results go to stdout, logs and errors to stderr. Exit codes are those of
//! each subcommand; 2 always means that the command line or the settings are at
//! fault.

mod asking;
mod bench;
mod check;
mod ctl;
mod output;
mod panics;
mod play;
mod ports;
mod query;
mod replay;
mod serve;
mod settings;
mod sources;
mod token;

use clap::{ArgAction, Parser, Subcommand};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A UDP time server, honest and fast for operators, dishonest on purpose for
/// testers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// Say more in the log; for `serve`, one line for each request served
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Query(query::Args),
    Bench(bench::Args),
    Play(play::Args),
    Replay(replay::Args),
    Ctl(ctl::Args),
    Check(check::Args),
    Settings(settings::Args),
    Sources(sources::Args),
}

/// Runs the subcommand that the command line names.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.verbose);
    match arguments.command {
        Command::Serve(args) => serve::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Play(args) => play::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Settings(args) => settings::run(&args),
        Command::Sources(args) => sources::run(&args),
    }
}

/// Logs to stderr; `RUST_LOG` overrides what `-v` says. What stderr does not take
/// (`timeball serve -v 2>&1 | head`) is lost, and the server serves on:
/// otherwise the log would complain of it on stderr, and panic.
fn start_log(verbose: u8) {
    // What control's server says of its threads is for who looks for a fault; and
    // what it says of bad requests, a line each, would let anybody fill the disk.
    let level = match verbose {
        0 => "info,actix_server=warn,actix_http=off",
        1 => "timeball=debug,info,actix_server=warn,actix_http=off",
        _ => "timeball=trace,debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

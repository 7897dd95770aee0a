//! The command line: one file a subcommand, and what several of them share.
//!
//! Results go to stdout, logs and errors to stderr. Exit codes are those of
//! each subcommand; 2 always means that the command line or the settings are at
//! fault.

mod asking;
mod bench;
mod check;
mod completions;
mod ctl;
mod failed;
mod log;
mod man;
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
mod top;

use clap::{ArgAction, Parser, Subcommand};
use std::process::ExitCode;
use timeball::sandbox::give_up_the_clock;

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
    Top(top::Args),
    Check(check::Args),
    Settings(settings::Args),
    Sources(sources::Args),
    Man(man::Args),
    Completions(completions::Args),
}

/// Runs the subcommand that the command line names.
pub fn run() -> ExitCode {
    // Before anything else, the command line included: nothing here sets a clock.
    if let Err(error) = give_up_the_clock() {
        output::tell(&format!("error: {error}"));
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    let verbose = arguments.verbose;
    // That of `serve` is as its settings say.
    if !matches!(arguments.command, Command::Serve(_)) {
        log::to_stderr(verbose);
    }
    match arguments.command {
        Command::Serve(args) => serve::run(&args, verbose),
        Command::Query(args) => query::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Play(args) => play::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Settings(args) => settings::run(&args),
        Command::Sources(args) => sources::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

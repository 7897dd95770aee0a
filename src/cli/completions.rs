//! `timeball completions`: what a shell needs to complete the command line.

use super::output::print;
use clap::CommandFactory;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print the completions of the command line for a shell
///
/// For bash: timeball completions bash >~/.local/share/bash-completion/completions/timeball
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
pub fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(args.shell, &mut command, "timeball", &mut script);
    print(&String::from_utf8_lossy(&script), ExitCode::SUCCESS)
}

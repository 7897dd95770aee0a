//! `timeball settings`: the default settings file, for those who have only
//! the program.

use super::output::print;
use std::process::ExitCode;
use timeball::settings::{DEFAULT_FILE, reference};

/// Print the default settings file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the reference of all settings, as Markdown, instead
    #[arg(long)]
    reference: bool,
}

/// Prints the file, octet for octet.
pub fn run(args: &Args) -> ExitCode {
    if args.reference {
        print(&reference::markdown(), ExitCode::SUCCESS)
    } else {
        print(DEFAULT_FILE, ExitCode::SUCCESS)
    }
}

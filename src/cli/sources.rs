//! `timeball sources`: the kinds of time source and their settings.

use super::output::print;
use std::process::ExitCode;
use timeball::settings::reference;

/// List the kinds of time source with their settings, defaults and units
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the list.
pub fn run(_args: &Args) -> ExitCode {
    print(&reference::kinds(), ExitCode::SUCCESS)
}

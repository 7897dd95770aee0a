//! `timeball check`: the settings that a server would have, or everything
//! that is wrong with them.

use super::output::{print, tell};
use std::path::PathBuf;
use std::process::ExitCode;
use timeball::api::Host;
use timeball::host::this_host;
use timeball::protocol::line::printable;
use timeball::settings::{Environment, Loader, Settings, SettingsErrors};
use timeball::xdp::Interface;

/// What a program exits with whose settings are wrong.
const WRONG_SETTINGS: u8 = 2;

/// Print the settled settings, or every error in them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings file; without it ./settings.toml, else the built-in one
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// Prints the settings with every default filled in, and warnings to stderr;
/// with an error in them, prints all errors to stderr and exits 2.
pub fn run(args: &Args) -> ExitCode {
    let loader = Loader::file(args.settings.as_deref()).environment(Environment::of_process());
    let host = this_host();
    let found = settled(&loader, &host).and_then(|settings| {
        settings.sandbox(&loader.name())?;
        Ok(settings)
    });
    match found {
        Ok(settings) => {
            for warning in warnings(&settings, &host) {
                tell(&format!("warning: {warning}"));
            }
            let text = format!(
                "# Settled from {}.\n{}",
                printable(&loader.name()),
                settings.to_toml()
            );
            print(&text, ExitCode::SUCCESS)
        }
        Err(errors) => {
            tell(&errors.to_string());
            ExitCode::from(WRONG_SETTINGS)
        }
    }
}

/// The settings, after every source was built from them and thrown away: what only shows
/// there is told as the rest is, with the file's name, and before anything is bound.
pub(super) fn settled(loader: &Loader, host: &Host) -> Result<Settings, SettingsErrors> {
    let settings = loader.load()?;
    settings.build_sources(host, &loader.name())?;
    settings.read_tokens(&loader.name())?;
    Ok(settings)
}

/// What is accepted and still deserves a look.
fn warnings(settings: &Settings, host: &Host) -> Vec<String> {
    let mut warnings: Vec<String> = settings
        .unused_sources()
        .map(|name| format!("sources.{name} is served by no listener"))
        .collect();
    if let Some(xdp) = &settings.xdp
        && let Err(error) = Interface::look(&xdp.interface)
    {
        let interface = printable(&xdp.interface);
        warnings.push(format!(
            "xdp.interface = \"{interface}\": {error}; sockets would answer all"
        ));
    }
    warnings.extend(kernel_advice(settings, host));
    warnings
}

/// What the `system` source would tell of the kernel's clock, once.
fn kernel_advice(settings: &Settings, host: &Host) -> Option<String> {
    let required: Vec<bool> = settings
        .listeners
        .iter()
        .filter_map(|listener| settings.sources.get(&listener.source))
        .filter(|source| source.kind.name == timeball_system::KIND.name)
        .map(|source| source.values.flag("require_synchronised"))
        .collect();
    if required.is_empty() {
        return None;
    }
    let all_required = required.into_iter().all(|required| required);
    timeball_system::advice(&host.kernel.state(), all_required).map(|notice| notice.text)
}

//! The log: to stderr as text or JSON, or to the journal.
//!
//! # Why
//! A server may be run by a program that does not read its stderr, or reads it
//! slowly. So [`of_the_server`] writes on a thread of its own, to which lines are
//! handed without waiting; what it cannot take is left out and counted, as is what
//! comes faster than the settings allow. The other subcommands end by themselves
//! and write as they go.

mod cap;
mod writer;

use cap::{Cap, Capped};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use timeball::api::HostClock;
use timeball::host::OsClock;
use timeball::settings::{LogFormat, LogSettings, LogTarget, filter};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};
pub use writer::{Pending, Writer};

/// The variable that overrides what is told.
const VARIABLE: &str = "RUST_LOG";
/// What the journal calls the lines.
const IDENTIFIER: &str = "timeball";

/// Logs to stderr as it goes; `RUST_LOG` overrides what `-v` says. What stderr does
/// not take is lost (`timeball play 2>&1 | head`): otherwise the log would complain
/// of it on stderr, and panic.
pub fn to_stderr(verbose: u8) {
    fmt()
        .with_env_filter(told("info", verbose))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nobody is there to take it.
    #[error(
        "log.to = \"journald\": journald cannot be written to: {0}; only where systemd's \
         journal runs; accepted everywhere: \"stderr\""
    )]
    NoJournal(io::Error),
}

/// Logs as the settings say, until the first of what this returns is dropped; nothing is
/// written before the second is started.
///
/// # Errors
/// There is no journal, or no thread to be had.
pub fn of_the_server(settings: &LogSettings, verbose: u8) -> Result<(Writer, Pending), LogError> {
    let clock: Arc<dyn HostClock> = Arc::new(OsClock);
    let cap = Arc::new(Cap::new(settings.lines_per_second, settings.burst));
    let (lines, queue) = writer::queue(cap.clone());
    let shown: Box<dyn Layer<_> + Send + Sync> = match (settings.to, settings.format) {
        (LogTarget::Journald, _) => {
            let journal = tracing_journald::layer().map_err(LogError::NoJournal)?;
            Box::new(
                journal
                    .with_syslog_identifier(IDENTIFIER.to_owned())
                    .with_priority_mappings(PriorityMappings {
                        info: Priority::Informational,
                        debug: Priority::Debug,
                        ..PriorityMappings::new()
                    }),
            )
        }
        (LogTarget::Stderr, LogFormat::Json) => Box::new(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(lines.clone())
                .log_internal_errors(false),
        ),
        (LogTarget::Stderr, LogFormat::Text) => Box::new(
            fmt::layer()
                .with_writer(lines.clone())
                .with_ansi(io::stderr().is_terminal())
                .with_target(false)
                .log_internal_errors(false),
        ),
    };
    tracing_subscriber::registry()
        .with(told(&settings.level, verbose))
        .with(Capped::new(cap, clock.clone(), lines.clone()))
        .with(shown)
        .init();
    Ok(Writer::of(lines, queue, clock))
}

/// What is told: `RUST_LOG`, or else `level` and what `-v` adds to it.
fn told(level: &str, verbose: u8) -> EnvFilter {
    if let Ok(directives) = std::env::var(VARIABLE) {
        match EnvFilter::try_new(&directives) {
            Ok(filter) => return filter,
            Err(error) => super::output::tell(&format!(
                "warning: {VARIABLE} = {directives:?} is left aside: {error}"
            )),
        }
    }
    // What control's server says of its threads is for who looks for a fault; and
    // what it says of bad requests, a line each, would let anybody fill the disk.
    const QUIET: &str = "actix_server=warn,actix_http=off";
    let directives = match verbose {
        0 => format!("{QUIET},{level}"),
        1 => format!("{QUIET},{level},timeball=debug"),
        _ => format!("{level},debug,timeball=trace"),
    };
    filter(&directives).expect("the level was checked with the settings")
}

//! How a run goes on, while it does: one line that changes on a terminal, plain
//! lines elsewhere. All of it goes to stderr.

use crate::cli::output::tell;
use chrono::DateTime;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::time::Duration;
use timeball::api::Timestamp;
use timeball::play::{StageHandle, Status};

/// How often the line is drawn anew on a terminal.
const TICK: Duration = Duration::from_millis(100);
/// How often there may be another plain line.
const PLAIN_TICK: Duration = Duration::from_secs(1);

/// A view of a run.
pub struct View<'a> {
    handle: &'a StageHandle,
    is_terminal: bool,
    /// What the last plain line said.
    told: Option<Told>,
}

/// What changes in a run, but for the time: the requests, and the phases of the
/// clocks.
type Told = (u64, Vec<Option<String>>);

impl<'a> View<'a> {
    /// Shows how the run begins.
    pub fn new(handle: &'a StageHandle) -> Self {
        let mut view = Self {
            handle,
            is_terminal: io::stderr().is_terminal(),
            told: None,
        };
        view.tell_change();
        view
    }

    /// Shows how it goes on, until this is dropped.
    pub async fn show(mut self) {
        if self.is_terminal {
            return on_terminal(self.handle).await;
        }
        loop {
            tokio::time::sleep(PLAIN_TICK).await;
            self.tell_change();
        }
    }

    /// A plain line, when something other than the time has changed; and one for
    /// each clock but the first that has come to another phase.
    fn tell_change(&mut self) {
        if self.is_terminal {
            return;
        }
        let status = self.handle.status();
        let phases: Vec<_> = status.endpoints.iter().map(|it| it.phase.clone()).collect();
        let now = Some((status.requests, phases));
        if now == self.told {
            return;
        }
        tell(&line(&status));
        for index in other_clocks(self.handle) {
            let endpoint = &status.endpoints[index];
            let before = self.told.as_ref().map(|(_, phases)| &phases[index]);
            if let Some(phase) = &endpoint.phase
                && before != Some(&endpoint.phase)
            {
                tell(&format!(
                    "{}: {}  {phase}",
                    endpoint.name,
                    shown(endpoint.time)
                ));
            }
        }
        self.told = now;
    }
}

async fn on_terminal(handle: &StageHandle) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let bar = match ProgressStyle::with_template("{spinner} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    // Taken away when this is dropped, wherever it waits.
    let bar = Cleared(bar);
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        let status = handle.status();
        let mut line = line(&status);
        for index in other_clocks(handle) {
            let endpoint = &status.endpoints[index];
            if let Some(phase) = &endpoint.phase {
                line.push_str(&format!("  {}: {phase}", endpoint.name));
            }
        }
        // Cut where the terminal ends.
        bar.0.set_message(line);
        bar.0.tick();
    }
}

/// The endpoints, by their places, whose clocks are neither that of the first
/// nor that of one between. They stay in their places whatever is loaded.
fn other_clocks(handle: &StageHandle) -> Vec<usize> {
    let endpoints = handle.scenario().endpoints;
    let first = |stream| endpoints.iter().position(|it| it.clock.stream == stream);
    (1..endpoints.len())
        .filter(|&index| {
            let endpoint = &endpoints[index];
            let has_clock = endpoint.upstream.is_none() && !endpoint.closed;
            has_clock && first(endpoint.clock.stream) == Some(index)
        })
        .collect()
}

fn shown(time: Timestamp) -> impl Display {
    DateTime::from_timestamp_nanos(time.as_nanos()).format("%Y-%m-%dT%H:%M:%S%.3fZ")
}

struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How the run stands: the clock of the first endpoint, its phase, the
/// requests, and the rules that did something.
fn line(status: &Status) -> String {
    let mut line = String::from("test time");
    if let Some(endpoint) = status.endpoints.first() {
        line.push_str(&format!(" {}", shown(endpoint.time)));
        if let Some(phase) = &endpoint.phase {
            line.push_str(&format!("  {phase}"));
        }
    }
    line.push_str(&format!("  requests {}", status.requests));
    for (rule, count) in status.rules.iter().filter(|(_, count)| *count > 0) {
        line.push_str(&format!("  {rule} {count}"));
    }
    line
}

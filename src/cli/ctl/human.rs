//! What the server answers, as plain text.

use super::{Verb, read};
use crate::cli::failed::Failed;
use serde::Deserialize;
use std::fmt::Write;
use timeball::api::Delta;
use timeball::control::status::{ClockStatus, Clocks, FaultStatus, Faults, Mode, Reached, Status};
use timeball::expect::Verdict;
use timeball::settings::format_duration;

/// What `verb` was answered.
pub(super) fn answer(verb: &Verb, answer: &str) -> Result<String, Failed> {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = match verb {
        Verb::Status | Verb::Load { .. } => status(&mut out, &read(answer)?),
        Verb::Next(_) => {
            let reached: Reached = read(answer)?;
            let event = reached.event.as_deref().unwrap_or("without a name");
            writeln!(out, "event {event}").and_then(|()| clocks(&mut out, &reached.clocks))
        }
        Verb::Fault(_) => faults(&mut out, &read::<Faults>(answer)?.faults),
        Verb::Verdict | Verb::Stop => writeln!(out, "{}", read::<Verdict>(answer)?),
        _ => clocks(&mut out, &read::<Clocks>(answer)?.clocks),
    };
    Ok(out)
}

/// Why the server refused.
pub(super) fn refusal(answer: &str) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
        #[serde(default)]
        more: Vec<Refused>,
    }
    match serde_json::from_str::<Refused>(answer) {
        Ok(refused) => {
            let more = refused.more.into_iter().map(|more| more.error);
            let all: Vec<String> = [refused.error].into_iter().chain(more).collect();
            all.join("\nerror: ")
        }
        Err(_) => "this is no control of timeball's".to_owned(),
    }
}

fn status(out: &mut String, status: &Status) -> std::fmt::Result {
    let mode = match status.mode {
        Mode::Test => "test time",
        Mode::Real => "real time",
    };
    writeln!(out, "{mode}, timeball {}", status.version)?;
    if let Some(scenario) = &status.scenario {
        let (name, seed, requests) = (&scenario.name, scenario.seed, scenario.requests);
        let over = if scenario.is_over { "  over" } else { "" };
        writeln!(
            out,
            "scenario {name}  seed {seed}  requests {requests}{over}"
        )?;
    }
    clocks(out, &status.clocks)?;
    for listener in &status.listeners {
        writeln!(
            out,
            "listener {} {}  source {}  received {}  replied {}  dropped {}",
            listener.protocol,
            listener.address,
            listener.source,
            listener.received,
            listener.replied,
            listener.dropped,
        )?;
    }
    faults(out, &status.faults)
}

fn clocks(out: &mut String, clocks: &[ClockStatus]) -> std::fmt::Result {
    for clock in clocks {
        let elapsed = format_duration(Delta::from_nanos(clock.elapsed_ns));
        write!(out, "clock {}  {}  {}", clock.name, clock.time, clock.base)?;
        if let Some(rate) = &clock.rate {
            write!(out, " x {rate}")?;
        }
        write!(out, "  elapsed {elapsed}  served {}", clock.served)?;
        if clock.paused {
            write!(out, "  paused")?;
        }
        if let Some(phase) = &clock.phase {
            write!(out, "  phase {phase}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn faults(out: &mut String, faults: &[FaultStatus]) -> std::fmt::Result {
    for fault in faults {
        writeln!(out, "fault {}  applied {}", fault.name, fault.applied)?;
    }
    Ok(())
}

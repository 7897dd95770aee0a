//! What came of a run, on stdout.

use crate::cli::failed::Failed;
use serde::Serialize;
use std::collections::BTreeMap;
use timeball::expect::Verdict;
use timeball::play::Status;

/// What came of a run, for people.
pub fn table(status: &Status, verdict: &Verdict) -> String {
    let mut text = format!(
        "{}: requests {}, {:.1} s, seed {}\n",
        status.scenario,
        status.requests,
        status.at.as_seconds_f64(),
        status.seed
    );
    for (rule, count) in &status.rules {
        text.push_str(&format!("rule {rule}: requests {count}\n"));
    }
    if status.not_sent > 0 {
        text.push_str(&format!(
            "datagrams that could not be sent: {}\n",
            status.not_sent
        ));
    }
    if status.unanswered > 0 {
        text.push_str(&format!(
            "requests without an answer from upstream: {}\n",
            status.unanswered
        ));
    }
    text + &format!("{verdict}\n")
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    mode: &'a str,
    scenario: &'a str,
    seed: u64,
    seconds: f64,
    requests: u64,
    not_sent: u64,
    unanswered: u64,
    rules: BTreeMap<&'a str, u64>,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// The same for programs, on one line.
pub fn json(status: &Status, verdict: &Verdict) -> Result<String, Failed> {
    let rules = status.rules.iter();
    let line = serde_json::to_string(&Json {
        mode: status.mode,
        scenario: &status.scenario,
        seed: status.seed,
        seconds: status.at.as_seconds_f64(),
        requests: status.requests,
        not_sent: status.not_sent,
        unanswered: status.unanswered,
        rules: rules.map(|(name, count)| (name.as_str(), *count)).collect(),
        verdict,
    });
    Ok(line.map_err(Failed::other)? + "\n")
}

//! The highest rate that a server stands.

use super::plan::{Pace, Plan};
use super::report::Report;
use super::watch::Watch;
use super::{LoadError, run};
use serde::Serialize;

/// The loss that is still good: less than one in a thousand.
const LOSS: f64 = 0.001;
/// The search ends when the rate that failed is within 2 % of the one that
/// did not.
const CLOSE: f64 = 1.02;
/// The most steps.
const STEPS: usize = 32;

/// The search for the highest rate: doubling until one fails, or halving until
/// one does not, then the middle of the two again and again.
#[derive(Debug, Clone)]
struct Search {
    good: Option<u64>,
    bad: Option<u64>,
    next: u64,
}

impl Search {
    fn new(start: u64) -> Self {
        Self {
            good: None,
            bad: None,
            next: start.clamp(1, Plan::MAX_RATE),
        }
    }

    /// The next rate to try; `None` when there is nothing more to learn.
    fn next(&self) -> Option<u64> {
        let is_new = Some(self.next) != self.good && Some(self.next) != self.bad;
        is_new.then_some(self.next)
    }

    /// Takes note of whether the rate was good.
    fn tried(&mut self, is_good: bool) {
        if is_good {
            self.good = Some(self.next);
        } else {
            self.bad = Some(self.next);
        }
        self.next = match (self.good, self.bad) {
            (Some(good), Some(bad)) if bad as f64 <= good as f64 * CLOSE => good,
            (Some(good), Some(bad)) => good + (bad - good) / 2,
            (Some(good), None) => (good * 2).min(Plan::MAX_RATE),
            (None, Some(bad)) => (bad / 2).max(1),
            (None, None) => self.next,
        };
    }
}

/// One rate that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Requests a second.
    pub rate: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests lost.
    pub lost: u64,
    /// The share that was lost, 0 to 1.
    pub loss: f64,
    /// Valid replies a second.
    pub replies_per_second: f64,
    /// Whether the generator sent that many on time.
    pub kept_up: bool,
    /// Whether the rate was good: less than 0.1 % lost and a generator that
    /// kept up.
    pub good: bool,
}

/// What bounded the highest rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Beyond it, requests were lost.
    Server,
    /// Beyond it, the generator did not send on time: the server may stand more.
    Generator,
    /// Nothing: the search ended before.
    None,
}

/// What the search found.
#[derive(Debug, Clone, Serialize)]
pub struct Ramp {
    /// The highest good rate, in requests a second; `None` when no rate was
    /// good.
    pub highest_rate: Option<u64>,
    /// What bounded it.
    pub limited_by: Limit,
    /// The rates that were tried, in that order.
    pub steps: Vec<Step>,
}

/// Finds the highest rate at which less than 0.1 % of the requests are lost, to
/// within 2 %: measures as `plan` says, at one rate after the other, and tells
/// `each` of them. Begins at the plan's rate, or at 10,000 a second.
///
/// A rate is bad when it failed twice in a row, since a machine may be busy
/// with something else for a moment. At most 32 measurements are made.
///
/// Returns what it found with the report of the highest good rate; of the last
/// one when none was good.
///
/// # Errors
/// As [`run`].
pub fn ramp(
    plan: &Plan,
    watch: &Watch,
    mut each: impl FnMut(&Step),
) -> Result<(Ramp, Report), LoadError> {
    let start = match plan.pace {
        Pace::Rate(rate) => rate,
        Pace::Window(_) => 10_000,
    };
    let mut search = Search::new(start);
    let mut found = Ramp {
        highest_rate: None,
        limited_by: Limit::None,
        steps: Vec::new(),
    };
    let mut best: Option<Report> = None;
    let mut has_failed = false;
    while let Some(rate) = search.next() {
        let plan = Plan {
            pace: Pace::Rate(rate),
            ..plan.clone()
        };
        let report = run(&plan, watch)?;
        let step = step(rate, &report);
        let is_whole = !report.interrupted;
        if is_whole {
            each(&step);
            found.steps.push(step);
        }
        if is_whole && step.good || best.is_none() || found.highest_rate.is_none() {
            best = Some(report);
        }
        if !is_whole || found.steps.len() == STEPS {
            break;
        }
        if step.good {
            found.highest_rate = Some(rate);
        } else if !has_failed {
            has_failed = true;
            continue;
        } else {
            found.limited_by = match step.loss < LOSS {
                true => Limit::Generator,
                false => Limit::Server,
            };
        }
        has_failed = false;
        search.tried(step.good);
    }
    // The first rate is always tried, and tried ones leave a report.
    let best = best.expect("at least one rate was tried");
    Ok((found, best))
}

fn step(rate: u64, report: &Report) -> Step {
    let kept_up = report.generator_kept_up();
    Step {
        rate,
        sent: report.sent,
        lost: report.lost,
        loss: report.loss(),
        replies_per_second: report.replies_per_second,
        kept_up,
        good: kept_up && report.valid > 0 && report.loss() < LOSS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried on a server that stands `limit`, and the
    /// highest good one.
    fn search(start: u64, limit: u64) -> (Vec<u64>, Option<u64>) {
        let mut search = Search::new(start);
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tried(rate <= limit);
        }
        (tried, search.good)
    }

    #[test]
    fn the_search_finds_any_limit_to_within_2_percent_in_few_steps() {
        for limit in [1, 2, 9, 999, 10_000, 10_001, 273_000, 99_999_999] {
            for start in [1, 10_000, 5_000_000] {
                let (tried, good) = search(start, limit);
                let good = good.unwrap();
                assert!(
                    good <= limit && limit as f64 <= good as f64 * CLOSE,
                    "{limit}: {good}"
                );
                // Each of them may be measured twice.
                assert!(tried.len() <= 40, "{limit}: {tried:?}");
            }
        }
    }

    #[test]
    fn the_search_stops_at_both_ends() {
        assert_eq!(search(1_000, 0).1, None);
        assert_eq!(search(1_000, u64::MAX).1, Some(Plan::MAX_RATE));
    }

    #[test]
    fn no_rate_is_tried_again_once_it_is_settled() {
        let (mut tried, _) = search(10_000, 273_000);
        let count = tried.len();
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried.len(), count);
    }
}

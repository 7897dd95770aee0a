//! What came of the expectations.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What came of one expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// `held`: the client did what was expected.
    Held,
    /// `failed`: it did not.
    Failed,
    /// `not-tested`: not enough was seen to say.
    NotTested,
}

/// One expectation, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the expectation is called.
    pub name: String,
    /// What was expected, in a sentence without its end.
    pub what: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it may go untested.
    pub optional: bool,
    /// What was seen that says so, in a sentence without its end.
    pub why: String,
    /// The number of the request at which it first failed, or of the last one
    /// before something that never came:
    /// [`Record::number`](crate::transcript::Record::number).
    pub record: Option<u64>,
}

impl Finding {
    /// Whether a run with this finding may pass: it held, or it is optional and
    /// was not tested.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self.outcome {
            Outcome::Held => true,
            Outcome::NotTested => self.optional,
            Outcome::Failed => false,
        }
    }

    /// The outcome for people: in capital letters if the run does not pass
    /// because of it.
    const fn shown(&self) -> &'static str {
        match self.outcome {
            Outcome::Held => "held",
            Outcome::Failed => "FAILED",
            Outcome::NotTested if self.optional => "not tested",
            Outcome::NotTested => "NOT TESTED",
        }
    }
}

/// All expectations of a scenario, judged, in the order in which they stand in
/// it.
///
/// Shown, it is a table with a line for each and one that sums them up. As JSON
/// it has the keys `passes` and `expectations`, a list of [`Finding`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Summed", from = "Summed")]
pub struct Verdict {
    /// One for each expectation.
    pub expectations: Vec<Finding>,
}

impl Verdict {
    /// Whether the client passes: every finding does. A scenario that expects
    /// nothing is passed by everyone.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.expectations.iter().all(Finding::passes)
    }

    fn count(&self, outcome: Outcome) -> usize {
        let findings = self.expectations.iter();
        findings.filter(|one| one.outcome == outcome).count()
    }
}

/// A verdict as JSON.
#[derive(Serialize, Deserialize)]
struct Summed {
    passes: bool,
    expectations: Vec<Finding>,
}

impl From<Verdict> for Summed {
    fn from(verdict: Verdict) -> Self {
        Self {
            passes: verdict.passes(),
            expectations: verdict.expectations,
        }
    }
}

impl From<Summed> for Verdict {
    fn from(summed: Summed) -> Self {
        Self {
            expectations: summed.expectations,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.expectations.iter().map(|one| one.name.chars().count());
        let width = names.max().unwrap_or(0);
        for finding in &self.expectations {
            let Finding { name, why, .. } = finding;
            writeln!(f, "{:10}  {name:width$}  {why}", finding.shown())?;
            if finding.outcome != Outcome::Held {
                writeln!(f, "{:10}  {:width$}  expected: {}", "", "", finding.what)?;
            }
        }
        let sum = if self.passes() { "PASSED" } else { "FAILED" };
        write!(
            f,
            "{sum}: {} held, {} failed, {} not tested",
            self.count(Outcome::Held),
            self.count(Outcome::Failed),
            self.count(Outcome::NotTested)
        )
    }
}

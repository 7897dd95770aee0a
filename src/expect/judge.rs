//! Looks on, and judges the client.

use super::kinds::{End, Failure, Settled, Test};
use super::model::Expectation;
use super::problem::Problem;
use super::scope::Scope;
use super::verdict::{Finding, Outcome, Verdict};
use crate::api::Delta;
use crate::faults::Rule;
use crate::transcript::{Change, Direction, Record, Witness};

/// Judges a client by the datagrams of a run.
///
/// ```
/// use timeball::api::Delta;
/// use timeball::expect::{Expectation, Judge, Outcome};
///
/// let expectation: Expectation = toml::from_str("requests = { at_least = 1 }")?;
/// let judge = Judge::new(&[expectation], &["server"]).expect("the expectation is right");
/// // ... judge.saw(&record) for each datagram of the run ...
/// let verdict = judge.finish(Delta::from_seconds(60), &[Delta::from_seconds(60)]);
/// assert!(!verdict.passes(), "a client that never asked passes nothing");
/// assert_eq!(verdict.expectations[0].outcome, Outcome::Failed);
/// # Ok::<(), toml::de::Error>(())
/// ```
pub struct Judge {
    watches: Vec<Watch>,
    /// Whether anyone asked anything.
    asked: bool,
}

/// One expectation, and what was seen of it.
struct Watch {
    name: String,
    optional: bool,
    scope: Scope,
    test: Box<dyn Test>,
    failure: Option<Failure>,
    /// How often it failed after that.
    further_failures: u64,
}

impl Judge {
    /// A judge of these expectations, at the endpoints of these names in the
    /// order of the scenario.
    ///
    /// # Errors
    /// Everything that is wrong with them, with keys such as
    /// `expect[0].requests.at_most`. Rules are not looked up: they come and go
    /// in a run.
    pub fn new<S: AsRef<str>>(
        expectations: &[Expectation],
        endpoints: &[S],
    ) -> Result<Self, Vec<Problem>> {
        let mut watches = Vec::new();
        let mut problems = Vec::new();
        for (index, expectation) in expectations.iter().enumerate() {
            match expectation.compile(endpoints) {
                Ok((scope, test)) => watches.push(Watch {
                    name: expectation.title().to_owned(),
                    optional: expectation.optional,
                    scope,
                    test,
                    failure: None,
                    further_failures: 0,
                }),
                Err(found) => problems.extend(found.into_iter().map(|problem| Problem {
                    key: match problem.key.as_str() {
                        "" => format!("expect[{index}]"),
                        key => format!("expect[{index}].{key}"),
                    },
                    ..problem
                })),
            }
        }
        if problems.is_empty() {
            Ok(Self {
                watches,
                asked: false,
            })
        } else {
            Err(problems)
        }
    }

    /// Tells the judge of the fault rules with which the run begins, in the order
    /// of the scenario: of some it is known beforehand when they let go, and
    /// [`Recovery`](super::Recovery) goes by that. To be told before the first
    /// datagram.
    #[must_use]
    pub fn knowing(mut self, rules: &[Rule]) -> Self {
        let rules: Vec<(String, Rule)> = (1..)
            .zip(rules)
            .map(|(position, rule)| (rule.name_at(position), rule.clone()))
            .collect();
        for watch in &mut self.watches {
            watch.test.knows(&rules);
        }
        self
    }

    /// The verdict, if the run ends now: `at` host time since it began, when so
    /// much of each endpoint's mock time has elapsed.
    ///
    /// The judge goes on looking: a verdict can be had at any time, and what is
    /// not tested yet may be later.
    #[must_use]
    pub fn finish(&self, at: Delta, elapsed: &[Delta]) -> Verdict {
        let end = End {
            at,
            elapsed,
            asked: self.asked,
        };
        Verdict {
            expectations: self
                .watches
                .iter()
                .map(|watch| watch.finding(&end))
                .collect(),
        }
    }
}

impl Witness for Judge {
    /// What an upstream server says is no deed of the client, nor said to it; and
    /// what was not sent the client was not told.
    fn saw(&mut self, record: &Record) {
        if matches!(record.direction, Direction::Upstream | Direction::Unsent) {
            return;
        }
        self.asked |= record.direction == Direction::In;
        for watch in &mut self.watches {
            watch.saw(record);
        }
    }

    fn changed(&mut self, change: &Change) {
        for watch in &mut self.watches {
            watch.test.changed(change);
        }
    }
}

impl Watch {
    fn saw(&mut self, record: &Record) {
        if !self.scope.is_here(record) {
            self.test.saw_elsewhere(record);
            return;
        }
        if let Err(failure) = self.test.saw(record, self.scope.chooses(record)) {
            match self.failure {
                None => self.failure = Some(failure),
                Some(_) => self.further_failures += 1,
            }
        }
    }

    fn finding(&self, end: &End<'_>) -> Finding {
        let (outcome, why, record) = match (&self.failure, self.test.settle(end)) {
            (Some(failure), _) => {
                let further = match self.further_failures {
                    0 => String::new(),
                    1 => "; and once more".to_owned(),
                    count => format!("; and {count} times more"),
                };
                let why = format!("{}{further}", failure.why);
                (Outcome::Failed, why, failure.record)
            }
            (None, Settled::Failed(failure)) => (Outcome::Failed, failure.why, failure.record),
            (None, Settled::NotTested(why)) => (Outcome::NotTested, why, None),
            (None, Settled::Held(why)) => match self.test.unwatched() {
                None => (Outcome::Held, why, None),
                Some(why) => (Outcome::NotTested, why, None),
            },
        };
        Finding {
            name: self.name.clone(),
            what: self.test.what(),
            outcome,
            optional: self.optional,
            why,
            record,
        }
    }
}

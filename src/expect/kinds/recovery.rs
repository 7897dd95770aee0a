//! Asking again once the trouble is over.

use super::clients::Clients;
use super::{Count, End, Failure, Seconds, Settled, Test};
use crate::api::Delta;
use crate::expect::scope::touches;
use crate::transcript::{Direction, Record};
use std::collections::BTreeMap;

/// What ends the trouble.
#[derive(Debug, Clone)]
pub(in crate::expect) enum Trouble {
    /// These rules leave requests alone again.
    Rules(Vec<String>),
    /// This much mock time has elapsed.
    Until(Delta),
}

#[derive(Debug)]
pub(in crate::expect) struct RecoveryTest {
    trouble: Trouble,
    within: Delta,
    clients: Clients<Trial>,
    /// How mock time passed at each endpoint.
    passing: BTreeMap<usize, Passing>,
    recovered: u64,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, Default)]
enum Trial {
    /// It has not asked, or has asked again.
    #[default]
    Nothing,
    /// Its latest request came in the trouble.
    InTrouble { number: u64, at: Delta },
}

/// When an endpoint's mock time reached the end of the trouble.
#[derive(Debug, Clone, Copy)]
enum Passing {
    /// Not yet: so much had elapsed at that host time.
    Before {
        at: Delta,
        elapsed: Delta,
    },
    Reached {
        at: Delta,
    },
}

impl RecoveryTest {
    pub(in crate::expect) const fn new(trouble: Trouble, within: Delta) -> Self {
        Self {
            trouble,
            within,
            clients: Clients::new(),
            passing: BTreeMap::new(),
            recovered: 0,
        }
    }

    /// A request came: did it come in time after `over`?
    fn judge(&mut self, record: &Record, over: Delta, after: &str) -> Result<(), Failure> {
        let took = record.at - over;
        if took <= self.within {
            self.recovered += 1;
            return Ok(());
        }
        let why = format!(
            "request {} came {} after {after}",
            record.number,
            Seconds(took)
        );
        Err(Failure::at(record, why))
    }

    /// When the trouble was over for a client whose latest request is this one;
    /// `None` if it is not over at the end of the run.
    fn over_at(&self, endpoint: usize, at: Delta, end: &End<'_>) -> Option<Delta> {
        match &self.trouble {
            Trouble::Rules(_) => Some(at),
            Trouble::Until(until) => match self.passing.get(&endpoint)? {
                Passing::Reached { at } => Some(*at),
                Passing::Before { at, elapsed } => {
                    let elapsed_at_end = *end.elapsed.get(endpoint)?;
                    (elapsed_at_end >= *until)
                        .then(|| reached((*at, *elapsed), (end.at, elapsed_at_end), *until))
                }
            },
        }
    }
}

impl Test for RecoveryTest {
    fn what(&self) -> String {
        let within = Seconds(self.within);
        match &self.trouble {
            Trouble::Rules(rules) => format!(
                "after `{}` let go, a request comes within {within}",
                rules.join("` or `")
            ),
            Trouble::Until(until) => format!(
                "once {} of mock time have elapsed, a request comes within {within}",
                Seconds(*until)
            ),
        }
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In {
            return Ok(());
        }
        let over = match &self.trouble {
            Trouble::Rules(rules) if touches(rules, record) => None,
            Trouble::Rules(_) => Some(None),
            Trouble::Until(until) if record.elapsed < *until => {
                let before = Passing::Before {
                    at: record.at,
                    elapsed: record.elapsed,
                };
                self.passing.insert(record.endpoint, before);
                None
            }
            Trouble::Until(until) => {
                let now = (record.at, record.elapsed);
                let at = match self.passing.get(&record.endpoint) {
                    Some(Passing::Reached { at }) => *at,
                    Some(Passing::Before { at, elapsed }) => reached((*at, *elapsed), now, *until),
                    None => record.at,
                };
                self.passing
                    .insert(record.endpoint, Passing::Reached { at });
                Some(Some(at))
            }
        };
        let Some(trial) = self.clients.of(record) else {
            return Ok(());
        };
        match (over, *trial) {
            (None, _) if chosen => {
                *trial = Trial::InTrouble {
                    number: record.number,
                    at: record.at,
                };
                Ok(())
            }
            (None, _) | (Some(_), Trial::Nothing) => Ok(()),
            (Some(moment), Trial::InTrouble { number, at }) => {
                *trial = Trial::Nothing;
                match moment {
                    Some(over) => self.judge(record, over, "that"),
                    None => self.judge(record, at, &format!("request {number}")),
                }
            }
        }
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let mut is_waiting = false;
        for (pair, trial) in self.clients.iter() {
            let Trial::InTrouble { number, at } = trial else {
                continue;
            };
            is_waiting = true;
            let Some(over) = self.over_at(pair.endpoint, *at, end) else {
                continue;
            };
            if end.at - over > self.within {
                return Settled::Failed(Failure {
                    record: Some(*number),
                    why: format!(
                        "{} did not ask again after request {number}, up to the end of the run {} later",
                        pair.client,
                        Seconds(end.at - *at)
                    ),
                });
            }
        }
        match self.recovered {
            0 if is_waiting => Settled::NotTested("the run ended before".to_owned()),
            0 => Settled::NotTested("no client asked during the trouble".to_owned()),
            count => Settled::Held(format!("{} came in time", Count(count, "request"))),
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched()
    }
}

/// When mock time reached `until`, if it passed evenly from `before` to `after`,
/// which are each a host time and what had elapsed then.
fn reached(before: (Delta, Delta), after: (Delta, Delta), until: Delta) -> Delta {
    let nanos = |span: Delta| i128::from(span.as_nanos());
    let (host, mock) = (nanos(after.0 - before.0), nanos(after.1 - before.1));
    if mock <= 0 {
        return after.0;
    }
    let part = nanos(until - before.1) * host / mock;
    before.0 + Delta::from_nanos(i64::try_from(part).unwrap_or(i64::MAX))
}

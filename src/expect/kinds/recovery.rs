//! Asking again once the trouble is over.

use super::clients::Clients;
use super::trouble::{LetsGo, Moment};
use super::{Count, End, Failure, Seconds, Settled, Test};
use crate::api::Delta;
use crate::faults::Rule;
use crate::transcript::{Change, Direction, Record};

/// What the client recovers from.
#[derive(Debug, Clone)]
pub(in crate::expect) enum Trouble {
    /// These rules, until they leave requests alone again.
    Rules(Vec<String>),
    /// Whatever it is, until this much mock time has elapsed.
    Until(Delta),
}

#[derive(Debug)]
pub(in crate::expect) struct RecoveryTest {
    cause: Cause,
    within: Delta,
    clients: Clients<Trial>,
    recovered: u64,
}

/// The trouble, and what is known of its end.
#[derive(Debug)]
enum Cause {
    Rules(Vec<(String, LetsGo)>),
    Until(Moment),
}

/// Where a client is.
#[derive(Debug, Clone, Default)]
enum Trial {
    /// It has not asked, or has asked again.
    #[default]
    Nothing,
    /// Its latest request came in the trouble.
    InTrouble {
        number: u64,
        at: Delta,
        /// The rules that touched it, by their place among those of the
        /// expectation.
        touched: Vec<usize>,
    },
}

impl RecoveryTest {
    pub(in crate::expect) fn new(trouble: Trouble, within: Delta) -> Self {
        let unknown = |rule| (rule, LetsGo::Unknown);
        Self {
            cause: match trouble {
                Trouble::Rules(rules) => Cause::Rules(rules.into_iter().map(unknown).collect()),
                Trouble::Until(until) => Cause::Until(Moment::new(until)),
            },
            within,
            clients: Clients::new(),
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
}

impl Cause {
    fn saw(&mut self, record: &Record) {
        match self {
            Self::Rules(rules) => {
                for (rule, lets_go) in rules {
                    lets_go.saw(rule, record);
                }
            }
            Self::Until(moment) => moment.saw(record),
        }
    }

    /// The rules that touched a request in the trouble; `None` if there is no
    /// trouble for it.
    fn of(&self, record: &Record) -> Option<Vec<usize>> {
        match self {
            Self::Rules(rules) => {
                let touches = |rule: &str| record.rules.iter().any(|touched| **touched == *rule);
                let touched = rules.iter().enumerate();
                let touched: Vec<usize> = touched
                    .filter(|(_, (rule, _))| touches(rule))
                    .map(|(index, _)| index)
                    .collect();
                (!touched.is_empty()).then_some(touched)
            }
            Self::Until(moment) => (record.elapsed < moment.elapsed).then(Vec::new),
        }
    }

    /// When it was over for a client whose latest request in it came `at` that
    /// time and was `touched` by those rules, and which asks again with
    /// `record`; `None` if that is not known.
    fn over(&self, at: Delta, touched: &[usize], record: &Record) -> Option<Delta> {
        match self {
            Self::Rules(rules) => touched
                .iter()
                .filter_map(|&index| rules[index].1.at(record.endpoint))
                .filter(|over| (at..=record.at).contains(over))
                .max(),
            Self::Until(moment) => moment.at(record.endpoint),
        }
    }

    /// The same for a client that did not ask again, with its last request
    /// itself in the place of an end that is not known; `None` if it is not over
    /// at the end of the run.
    fn over_at_end(
        &self,
        endpoint: usize,
        at: Delta,
        touched: &[usize],
        end: &End<'_>,
    ) -> Option<Delta> {
        let over = match self {
            Self::Rules(rules) => touched
                .iter()
                .filter_map(|&index| rules[index].1.at_end(endpoint, end))
                .max()
                .map_or(at, |over| over.max(at)),
            Self::Until(moment) => moment.at_end(endpoint, end)?,
        };
        (over <= end.at).then_some(over)
    }
}

impl Test for RecoveryTest {
    fn what(&self) -> String {
        let within = Seconds(self.within);
        match &self.cause {
            Cause::Rules(rules) => {
                let names: Vec<&str> = rules.iter().map(|(rule, _)| rule.as_str()).collect();
                let names = names.join("` or `");
                if rules.iter().all(|(_, lets_go)| lets_go.is_known()) {
                    format!("after `{names}` let go, a request comes within {within}")
                } else {
                    format!(
                        "after a request that `{names}` touched, one that is left alone comes within {within}"
                    )
                }
            }
            Cause::Until(moment) => format!(
                "once {} of mock time have elapsed, a request comes within {within}",
                Seconds(moment.elapsed)
            ),
        }
    }

    fn knows(&mut self, known: &[(String, Rule)]) {
        if let Cause::Rules(rules) = &mut self.cause {
            for (name, lets_go) in rules {
                if let Some((_, rule)) = known.iter().find(|(known, _)| known == name) {
                    *lets_go = LetsGo::from(rule);
                }
            }
        }
    }

    fn changed(&mut self, change: &Change) {
        if let Cause::Rules(rules) = &mut self.cause {
            for (name, lets_go) in rules {
                lets_go.changed(name, change);
            }
        }
    }

    fn saw_elsewhere(&mut self, record: &Record) {
        if record.direction == Direction::In {
            self.cause.saw(record);
        }
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In {
            return Ok(());
        }
        self.cause.saw(record);
        let touched = self.cause.of(record);
        let Some(trial) = self.clients.of(record) else {
            return Ok(());
        };
        let Some(touched) = touched else {
            return match std::mem::take(trial) {
                Trial::Nothing => Ok(()),
                Trial::InTrouble {
                    number,
                    at,
                    touched,
                } => match self.cause.over(at, &touched, record) {
                    Some(over) => self.judge(record, over, "the trouble was over"),
                    None => self.judge(record, at, &format!("request {number}")),
                },
            };
        };
        if chosen {
            *trial = Trial::InTrouble {
                number: record.number,
                at: record.at,
                touched,
            };
        }
        Ok(())
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let mut is_waiting = false;
        for (pair, trial) in self.clients.iter() {
            let Trial::InTrouble {
                number,
                at,
                touched,
            } = trial
            else {
                continue;
            };
            is_waiting = true;
            let Some(over) = self.cause.over_at_end(pair.endpoint, *at, touched, end) else {
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

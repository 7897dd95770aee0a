//! When trouble is over.

use super::End;
use crate::api::Delta;
use crate::expect::scope::touches;
use crate::faults::Rule;
use crate::transcript::{Change, Control, Record};
use std::collections::BTreeMap;

/// When a rule lets go, as far as that is known.
#[derive(Debug, Clone)]
pub(super) enum LetsGo {
    /// Chance or a count of requests decides.
    Unknown,
    /// So much host time after the first request that it touches.
    After { span: Delta, until: Option<Delta> },
    /// When so much mock time has elapsed.
    Elapsed(Moment),
    /// It was removed at this host time.
    Removed(Delta),
}

impl From<&Rule> for LetsGo {
    fn from(rule: &Rule) -> Self {
        let until = rule.during.and_then(|window| window.to);
        match (rule.blackhole, until) {
            (Some(span), _) => Self::After {
                span: span.0,
                until: None,
            },
            (None, Some(until)) => Self::Elapsed(Moment::new(until.0)),
            (None, None) => Self::Unknown,
        }
    }
}

impl LetsGo {
    pub(super) const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// A request came to any endpoint.
    pub(super) fn saw(&mut self, rule: &String, record: &Record) {
        match self {
            Self::After { span, until } if until.is_none() => {
                if touches(std::slice::from_ref(rule), record) {
                    *until = Some(record.at + *span);
                }
            }
            Self::Elapsed(moment) => moment.saw(record),
            Self::Unknown | Self::After { .. } | Self::Removed(_) => {}
        }
    }

    /// Control changed something.
    pub(super) fn changed(&mut self, rule: &str, change: &Change) {
        match &change.what {
            Control::AddFault(added) if added.name.as_deref() == Some(rule) => {
                *self = Self::from(&**added);
            }
            Control::RemoveFault(removed) if removed == rule => *self = Self::Removed(change.at),
            _ => {}
        }
    }

    /// The host time at which it lets go of the requests to `endpoint`, once
    /// that is known.
    pub(super) fn at(&self, endpoint: usize) -> Option<Delta> {
        match self {
            Self::Unknown => None,
            Self::After { until, .. } => *until,
            Self::Elapsed(moment) => moment.at(endpoint),
            Self::Removed(at) => Some(*at),
        }
    }

    /// The same at the end of the run; [`Delta::MAX`] if it is not reached.
    pub(super) fn at_end(&self, endpoint: usize, end: &End<'_>) -> Option<Delta> {
        match self {
            Self::Elapsed(moment) => moment.at_end(endpoint, end).or(Some(Delta::MAX)),
            _ => self.at(endpoint),
        }
    }
}

/// When the mock time of each endpoint reaches a moment.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// So much has elapsed then.
    pub(super) elapsed: Delta,
    passing: BTreeMap<usize, Passing>,
}

/// How the mock time of an endpoint stands to the moment.
#[derive(Debug, Clone, Copy)]
enum Passing {
    /// Not there yet: so much had elapsed at that host time.
    Before { at: Delta, elapsed: Delta },
    /// It was there at that host time.
    Reached { at: Delta },
}

impl Moment {
    pub(super) const fn new(elapsed: Delta) -> Self {
        Self {
            elapsed,
            passing: BTreeMap::new(),
        }
    }

    /// A datagram came.
    pub(super) fn saw(&mut self, record: &Record) {
        let (at, elapsed) = (record.at, record.elapsed);
        let before = self.passing.get(&record.endpoint).copied();
        let now = if elapsed < self.elapsed {
            Passing::Before { at, elapsed }
        } else {
            let at = match before {
                Some(Passing::Reached { at }) => at,
                Some(Passing::Before {
                    at: before,
                    elapsed: then,
                }) => reached((before, then), (at, elapsed), self.elapsed),
                None => at,
            };
            Passing::Reached { at }
        };
        self.passing.insert(record.endpoint, now);
    }

    /// The host time at which the endpoint was there.
    pub(super) fn at(&self, endpoint: usize) -> Option<Delta> {
        match self.passing.get(&endpoint)? {
            Passing::Reached { at } => Some(*at),
            Passing::Before { .. } => None,
        }
    }

    /// The same, if the run ends like this.
    pub(super) fn at_end(&self, endpoint: usize, end: &End<'_>) -> Option<Delta> {
        match self.passing.get(&endpoint)? {
            Passing::Reached { at } => Some(*at),
            Passing::Before { at, elapsed } => {
                let elapsed_at_end = *end.elapsed.get(endpoint)?;
                (elapsed_at_end >= self.elapsed)
                    .then(|| reached((*at, *elapsed), (end.at, elapsed_at_end), self.elapsed))
            }
        }
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

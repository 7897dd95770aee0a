//! How often a client asks.

use super::clients::Clients;
use super::{Count, End, Failure, Seconds, Settled, Test};
use crate::api::Delta;
use crate::transcript::{Direction, Record};
use std::collections::VecDeque;

/// At most so many requests from a client at an endpoint.
#[derive(Debug, Clone, Copy)]
pub(in crate::expect) enum AtMost {
    /// In the whole run.
    Ever(u64),
    /// In any stretch of this length, its end excluded.
    Within(usize, Delta),
}

#[derive(Debug)]
pub(in crate::expect) struct RequestsTest {
    at_least: Option<u64>,
    at_most: Option<AtMost>,
    /// From all clients.
    count: u64,
    /// Whether there was one at the right place, if not at the right time.
    seen: bool,
    clients: Clients<Asked>,
}

/// What is known of one client.
#[derive(Debug, Default)]
struct Asked {
    count: u64,
    /// When the latest came, as many as are allowed.
    latest: VecDeque<Delta>,
}

impl RequestsTest {
    pub(in crate::expect) const fn new(at_least: Option<u64>, at_most: Option<AtMost>) -> Self {
        Self {
            at_least,
            at_most,
            count: 0,
            seen: false,
            clients: Clients::new(),
        }
    }
}

impl Test for RequestsTest {
    fn what(&self) -> String {
        let at_least = self
            .at_least
            .map(|least| format!("at least {} in all", Count(least, "request")));
        let at_most = self.at_most.map(|most| match most {
            AtMost::Ever(most) => format!("at most {} from a client", Count(most, "request")),
            AtMost::Within(most, span) => format!(
                "at most {} from a client in any {}",
                Count(most as u64, "request"),
                Seconds(span)
            ),
        });
        [at_least, at_most]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In {
            return Ok(());
        }
        self.seen = true;
        if !chosen {
            return Ok(());
        }
        self.count += 1;
        let Some(most) = self.at_most else {
            return Ok(());
        };
        let Some(asked) = self.clients.of(record) else {
            return Ok(());
        };
        asked.count += 1;
        let client = record.peer.ip().to_canonical();
        match most {
            AtMost::Ever(most) if asked.count > most => Err(Failure::at(
                record,
                format!(
                    "request {} is number {} from {client}",
                    record.number, asked.count
                ),
            )),
            AtMost::Ever(_) => Ok(()),
            AtMost::Within(most, span) => {
                let first = if asked.latest.len() < most {
                    None
                } else {
                    // With none allowed, the request itself is one too many.
                    Some(asked.latest.pop_front().unwrap_or(record.at))
                };
                if most > 0 {
                    asked.latest.push_back(record.at);
                }
                match first.map(|first| record.at - first) {
                    Some(took) if took < span => Err(Failure::at(
                        record,
                        format!(
                            "with request {} {client} asked {} times in {}",
                            record.number,
                            most + 1,
                            Seconds(took)
                        ),
                    )),
                    _ => Ok(()),
                }
            }
        }
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let seen = Count(self.count, "request");
        if let Some(least) = self.at_least
            && self.count < least
        {
            return Settled::Failed(Failure {
                record: None,
                why: format!("{seen} came"),
            });
        }
        let is_shown = match self.at_most {
            // To ask nowhere is not to obey.
            Some(AtMost::Ever(0) | AtMost::Within(0, _)) => end.asked,
            _ => self.seen,
        };
        if is_shown {
            Settled::Held(format!("{seen} came"))
        } else {
            Settled::NotTested("no client asked".to_owned())
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched()
    }
}

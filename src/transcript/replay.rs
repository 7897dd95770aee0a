//! A run, served again and compared with its transcript.

use super::fields::name_at;
use super::record::{Direction, Record};
use crate::api::Delta;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// The most replies that wait for the transcript to show them. One that is held
/// back by so many others is taken for one that the transcript lacks.
const MOST_WAITING: usize = 65_536;

/// Octets in a row of a comparison.
const ROW: usize = 16;

/// A reply to a request that is served again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// When it would leave: host time since the run began.
    pub at: Delta,
    /// Its payload.
    pub octets: Vec<u8>,
}

/// How a run that is served again compares with its transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Requests that were served again.
    pub requests: u64,
    /// Replies that are the same, octet by octet.
    pub replies: u64,
    /// The first reply that is not; nothing was served after it.
    pub difference: Option<Difference>,
}

/// How a reply that is made again differs from the transcript.
///
/// Shown, it has one line, and for octets that differ three more with the row
/// of 16 octets around the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It has other octets.
    Octets {
        /// The number of the request.
        number: u64,
        /// Where the first one is that differs, or that only one of them has;
        /// from 0.
        offset: usize,
        /// What that octet belongs to, such as `transmit_timestamp`.
        field: String,
        /// The reply in the transcript.
        expected: Vec<u8>,
        /// The reply that is made now.
        got: Vec<u8>,
    },
    /// The transcript has it, and now there is none.
    Missing {
        /// The number of the request.
        number: u64,
        /// The reply in the transcript.
        expected: Vec<u8>,
    },
    /// There is one now, and the transcript has none.
    Unexpected {
        /// The number of the request.
        number: u64,
        /// The reply that is made now.
        got: Vec<u8>,
    },
}

/// Hands each request of a transcript to `serve`, and compares the replies that
/// it gives with those that follow in the transcript under the same number, each
/// with that of its moment, or else in the order in which they leave.
///
/// A reply that was not sent has to come out the same too, and is not counted.
/// One that would leave only after the last datagram of the transcript may be
/// absent from it: the run was over.
///
/// # Errors
/// The first among the `records`.
pub fn compare<E>(
    records: impl IntoIterator<Item = Result<Record, E>>,
    mut serve: impl FnMut(&Record) -> Vec<Reply>,
) -> Result<Comparison, E> {
    let mut comparison = Comparison {
        requests: 0,
        replies: 0,
        difference: None,
    };
    let mut waiting = Waiting::default();
    let mut latest = Delta::ZERO;
    for record in records {
        let record = record?;
        if record.direction != Direction::Unsent {
            latest = latest.max(record.at);
        }
        let difference = match record.direction {
            Direction::In => {
                comparison.requests += 1;
                waiting.add(record.number, serve(&record));
                let is_too_much = waiting.count > MOST_WAITING;
                is_too_much.then(|| waiting.first(|_| true)).flatten()
            }
            // It was not made here, and cannot be made again.
            Direction::Upstream => None,
            Direction::Out => match waiting.next(&record) {
                None => Some(Difference::Missing {
                    number: record.number,
                    expected: record.octets,
                }),
                Some(reply) => {
                    let difference = compare_octets(record, reply.octets);
                    comparison.replies += u64::from(difference.is_none());
                    difference
                }
            },
            Direction::Unsent => match waiting.take(&record) {
                None => Some(Difference::Missing {
                    number: record.number,
                    expected: record.octets,
                }),
                Some(reply) => compare_octets(record, reply.octets),
            },
        };
        if difference.is_some() {
            return Ok(Comparison {
                difference,
                ..comparison
            });
        }
    }
    comparison.difference = waiting.first(|reply| reply.at <= latest);
    Ok(comparison)
}

/// Replies that the transcript has not shown yet, by the number of their request.
#[derive(Debug, Default)]
struct Waiting {
    replies: BTreeMap<u64, VecDeque<Reply>>,
    count: usize,
}

impl Waiting {
    fn add(&mut self, number: u64, mut replies: Vec<Reply>) {
        self.count += replies.len();
        replies.sort_by_key(|reply| reply.at);
        if !replies.is_empty() {
            self.replies.entry(number).or_default().extend(replies);
        }
    }

    /// The reply that was to leave at the moment of this record: one that was held
    /// back may really have left behind one that came later. Where there is none,
    /// the next.
    fn next(&mut self, record: &Record) -> Option<Reply> {
        let number = record.number;
        let replies = self.replies.get(&number)?;
        let then = replies.iter().position(|reply| reply.at == record.at);
        self.remove(number, then.unwrap_or(0))
    }

    fn remove(&mut self, number: u64, place: usize) -> Option<Reply> {
        let replies = self.replies.get_mut(&number)?;
        let reply = replies.remove(place)?;
        self.count -= 1;
        if replies.is_empty() {
            self.replies.remove(&number);
        }
        Some(reply)
    }

    /// The reply of this record, which did not leave and so has no place in their
    /// order; where none is the same, the next.
    fn take(&mut self, record: &Record) -> Option<Reply> {
        let replies = self.replies.get(&record.number)?;
        let is_same = |reply: &Reply| reply.octets == record.octets;
        let place = replies.iter().position(is_same);
        self.remove(record.number, place.unwrap_or(0))
    }

    /// The first reply that `is` overdue: the transcript should have shown it.
    fn first(&self, is: impl Fn(&Reply) -> bool) -> Option<Difference> {
        let all = self
            .replies
            .iter()
            .flat_map(|(number, replies)| replies.iter().map(move |reply| (number, reply)));
        all.into_iter()
            .find(|(_, reply)| is(reply))
            .map(|(&number, reply)| Difference::Unexpected {
                number,
                got: reply.octets.clone(),
            })
    }
}

fn compare_octets(record: Record, got: Vec<u8>) -> Option<Difference> {
    if record.octets == got {
        return None;
    }
    let pairs = record.octets.iter().zip(&got);
    let offset = pairs.take_while(|(expected, got)| expected == got).count();
    // Beyond the end of one only the other has the octet.
    let whole = if offset < record.octets.len() {
        &record.octets
    } else {
        &got
    };
    Some(Difference::Octets {
        number: record.number,
        offset,
        field: name_at(record.protocol, whole, offset),
        expected: record.octets,
        got,
    })
}

impl Difference {
    /// The number of the request whose reply differs.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Octets { number, .. }
            | Self::Missing { number, .. }
            | Self::Unexpected { number, .. } => *number,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets {
                number,
                offset,
                field,
                expected,
                got,
            } => {
                let octet = |octets: &[u8]| match octets.get(*offset) {
                    Some(octet) => format!("{octet:02x}"),
                    None => "the end".to_owned(),
                };
                let start = offset - offset % ROW;
                let row = |octets: &[u8]| -> String {
                    let row = octets.iter().skip(start).take(ROW);
                    row.map(|octet| format!(" {octet:02x}")).collect()
                };
                writeln!(
                    f,
                    "the reply to request {number} differs at octet {offset} ({field}): expected {}, got {}",
                    octet(expected),
                    octet(got)
                )?;
                writeln!(f, "  expected  {start:5}:{}", row(expected))?;
                writeln!(f, "  got       {start:5}:{}", row(got))?;
                write!(f, "{:width$}^^", "", width = 19 + 3 * (offset - start))
            }
            Self::Missing { number, expected } => write!(
                f,
                "the transcript has a reply of {} octets to request {number}; now there is none",
                expected.len()
            ),
            Self::Unexpected { number, got } => write!(
                f,
                "the transcript has no such reply to request {number}; now there is one of {} octets",
                got.len()
            ),
        }
    }
}

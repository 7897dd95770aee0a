//! A run made again from its transcript: the same requests at the same moments
//! through the same rules and the same service, without a network.
//!
//! Every reply has to come out as it was, to the octet. A clock that runs with
//! the host's wall is moved by the moments that stand in the transcript, so its
//! timestamps too are those of the first time. An upstream server is not asked
//! again: what it answered stands in the transcript.

use super::run::{Ends, Leaving};
use crate::api::Delta;
use crate::client::Target;
use crate::protocol::calendar::FormatError;
use crate::scenario::Scenario;
use crate::simulate::{World, locals};
use crate::transcript::{Comparison, Direction, Record, Reply, compare};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use thiserror::Error;

/// Why a run cannot be made again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// A reply was made of what an upstream server had answered, and the
    /// transcript does not have that.
    #[error(
        "the transcript has a reply to request {number} at endpoint `{endpoint}` and not what its \
         upstream {upstream} answered, which cannot be asked again"
    )]
    NoAnswer {
        /// The number of the request.
        number: u64,
        /// The endpoint's name.
        endpoint: String,
        /// Whom it asked.
        upstream: Target,
    },
    /// A format of the scenario cannot be used; none of a scenario that was read.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Makes the run of `records` again, as `scenario` has it, and compares what
/// comes out with them.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(scenario: &Scenario, records: &[Record]) -> Result<Comparison, ReplayError> {
    has_answers(scenario, records)?;
    let recorded = Recorded::of(records);
    // Which reply is that to which copy of a request is not in the transcript.
    // It comes out, the same each time, as it does not depend on the clocks.
    let first = run_again(scenario, &recorded, HashMap::new())?;
    let made = recorded.made(&first);
    let mut again = run_again(scenario, &recorded, made)?;
    let serve = |request: &Record| {
        let replies = again.remove(&request.number).unwrap_or_default();
        replies.into_iter().map(reply).collect()
    };
    let compared = compare(records.iter().cloned().map(Ok::<_, Infallible>), serve);
    Ok(compared.unwrap_or_else(|never| match never {}))
}

/// Says whether the answers of upstream servers are there of which replies were
/// made.
fn has_answers(scenario: &Scenario, records: &[Record]) -> Result<(), ReplayError> {
    let mut answered = HashSet::new();
    for record in records {
        let number = record.number;
        let endpoint = scenario.endpoints.get(record.endpoint);
        match (record.direction, endpoint) {
            (Direction::Upstream, _) => drop(answered.insert(number)),
            (Direction::Out, Some(endpoint)) if !answered.contains(&number) => {
                if let Some(upstream) = endpoint.upstream.clone() {
                    let endpoint = endpoint.name.clone();
                    return Err(ReplayError::NoAnswer {
                        number,
                        endpoint,
                        upstream,
                    });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn reply(datagram: Leaving) -> Reply {
    let Record { at, octets, .. } = datagram.record;
    Reply { at, octets }
}

/// The replies to each request, by its number, in the order in which they leave.
type Replies = BTreeMap<u64, Vec<Leaving>>;

/// A transcript, by request.
struct Recorded<'r> {
    /// Requests, and the answers of upstream servers.
    came: Vec<&'r Record>,
    /// The replies to each.
    replies: BTreeMap<u64, Vec<&'r Record>>,
}

fn run_again(
    scenario: &Scenario,
    recorded: &Recorded<'_>,
    made: HashMap<(u64, u32), Delta>,
) -> Result<Replies, ReplayError> {
    let mut addresses = locals(&scenario.endpoints);
    for request in &recorded.came {
        if request.direction == Direction::In
            && let Some(address) = addresses.get_mut(request.endpoint)
        {
            *address = request.local;
        }
    }
    let mut world = World::new(scenario, &addresses, Vec::new())?;
    world.made = made;
    let mut replies = Replies::new();
    let mut left = |datagram: Leaving| {
        let of_request = replies.entry(datagram.record.number);
        of_request.or_default().push(datagram);
    };
    for record in &recorded.came {
        while world.next_at().is_some_and(|at| at <= record.at) {
            world.step(&mut left);
        }
        if record.direction == Direction::Upstream {
            world.hears(record, &mut left);
            continue;
        }
        let ends = Ends {
            endpoint: record.endpoint,
            peer: record.peer,
            local: record.local,
        };
        world.asks(ends, record.octets.clone(), record.at, &mut left);
    }
    while world.next_at().is_some() {
        world.step(&mut left);
    }
    Ok(replies)
}

impl<'r> Recorded<'r> {
    fn of(records: &'r [Record]) -> Self {
        let mut came = Vec::new();
        let mut replies = BTreeMap::<u64, Vec<_>>::new();
        for record in records {
            match record.direction {
                Direction::In | Direction::Upstream => came.push(record),
                Direction::Out => replies.entry(record.number).or_default().push(record),
            }
        }
        Self { came, replies }
    }

    /// For what moments the replies were made, by request and copy.
    fn made(&self, again: &Replies) -> HashMap<(u64, u32), Delta> {
        let pairs = again.iter().flat_map(|(number, now)| {
            let before = self.replies.get(number).into_iter().flatten();
            before.zip(now)
        });
        pairs
            .filter_map(|(record, now)| Some(((record.number, now.copy?), record.made?)))
            .collect()
    }
}

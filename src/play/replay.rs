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
use crate::transcript::{
    Change, Comparison, Control, Difference, Direction, Entry, Opening, Record, Reply, Unseen,
    compare,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use thiserror::Error;

/// Why a transcript cannot be run again.
#[derive(Debug, Error)]
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
    /// A format of a scenario cannot be used; none of a scenario that was read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The scenario of a transcript is none.
    #[error("{0}")]
    Scenario(String),
    /// What is there cannot happen in its scenario.
    #[error("{problem}")]
    Entry {
        /// Its place among the entries, from 0.
        place: usize,
        /// Why not.
        problem: String,
    },
}

/// How a run that was made again compares with its transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Requests that were served again.
    pub requests: u64,
    /// Replies that are the same, octet by octet.
    pub replies: u64,
    /// The first reply that is not; nothing was served after it.
    pub difference: Option<Difference>,
    /// The scenario that it is a difference in, if that was loaded while the
    /// first was played: requests are counted anew in each.
    pub loaded: Option<String>,
}

/// The scenario of a transcript; errors call its text `file`.
///
/// # Errors
/// [`ReplayError::Scenario`] with everything that is wrong with it.
pub fn scenario_of(opening: &Opening, file: &str) -> Result<Scenario, ReplayError> {
    let scenario = Scenario::from_toml(&opening.scenario, file);
    let mut scenario = scenario.map_err(|errors| ReplayError::Scenario(errors.to_string()))?;
    scenario.seed = opening.seed;
    match opening.rate {
        None => Ok(scenario),
        Some(rate) => scenario
            .with_rate(rate)
            .map_err(|error| ReplayError::Scenario(format!("{file}: rate = {rate}: {error}"))),
    }
}

/// Makes the run of a transcript again, which began as `scenario` has it, and
/// compares what comes out with it. What control changed is changed again, in
/// the same place.
///
/// # Errors
/// [`ReplayError`].
pub fn replay<E: Into<Entry>>(
    scenario: &Scenario,
    entries: impl IntoIterator<Item = E>,
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed {
        requests: 0,
        replies: 0,
        difference: None,
        loaded: None,
    };
    for part in parts(scenario, entries.into_iter().map(Into::into))? {
        let compared = part.again()?;
        replayed.requests += compared.requests;
        replayed.replies += compared.replies;
        replayed.difference = compared.difference;
        if replayed.difference.is_some() {
            let loaded = part.is_loaded.then_some(part.scenario.name);
            return Ok(Replayed { loaded, ..replayed });
        }
    }
    Ok(replayed)
}

/// A run of one scenario.
struct Part {
    scenario: Scenario,
    is_loaded: bool,
    records: Vec<Record>,
    unseen: Vec<Unseen>,
    steps: Vec<Step>,
}

/// What happens in a run from outside.
enum Step {
    /// The request among the records that is there.
    Asks(usize),
    /// An upstream server answers as in the record that is there.
    Hears(usize),
    /// The change that stands at this place of the transcript.
    Changes(usize, Change),
}

impl Part {
    fn new(scenario: Scenario, is_loaded: bool) -> Self {
        Self {
            scenario,
            is_loaded,
            records: Vec::new(),
            unseen: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// The runs of a transcript: one more than scenarios were loaded.
fn parts(
    scenario: &Scenario,
    entries: impl Iterator<Item = Entry>,
) -> Result<Vec<Part>, ReplayError> {
    let mut parts = Vec::new();
    let mut part = Part::new(scenario.clone(), false);
    for (place, entry) in entries.enumerate() {
        match entry {
            Entry::Datagram(record) => {
                let count = part.scenario.endpoints.len();
                if record.endpoint >= count {
                    let number = record.endpoint + 1;
                    let problem =
                        format!("endpoint: the scenario has {count}, and this is number {number}");
                    return Err(ReplayError::Entry { place, problem });
                }
                match record.direction {
                    Direction::In => part.steps.push(Step::Asks(part.records.len())),
                    Direction::Upstream => part.steps.push(Step::Hears(part.records.len())),
                    Direction::Out | Direction::Unsent => {}
                }
                part.records.push(record);
            }
            Entry::Change(Change {
                what: Control::Load(opening),
                ..
            }) => {
                let loaded =
                    scenario_of(&opening, "the scenario that was loaded").map_err(|it| {
                        let problem = it.to_string();
                        ReplayError::Entry { place, problem }
                    })?;
                parts.push(std::mem::replace(&mut part, Part::new(loaded, true)));
            }
            Entry::Unseen(unseen) => part.unseen.push(unseen),
            Entry::Change(change) => part.steps.push(Step::Changes(place, change)),
        }
    }
    parts.push(part);
    Ok(parts)
}

impl Part {
    /// Makes the run again.
    fn again(&self) -> Result<Comparison, ReplayError> {
        self.has_answers()?;
        // Which reply is that to which copy of a request is not in the
        // transcript. It comes out, the same each time, as it does not depend
        // on the clocks; what does, such as a change, counts the second time.
        let (first, _) = self.run(self.unseen())?;
        let (mut again, refused) = self.run(self.made(&first))?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let serve = |request: &Record| {
            let replies = again.remove(&request.number).unwrap_or_default();
            replies.into_iter().map(reply).collect()
        };
        let records = self.records.iter().cloned().map(Ok::<_, Infallible>);
        let compared = compare(records, serve);
        Ok(compared.unwrap_or_else(|never| match never {}))
    }

    /// Runs it, with replies that are made for these moments; also gives why the
    /// first change that was not possible was not.
    fn run(&self, made: Mades) -> Result<(Replies, Option<ReplayError>), FormatError> {
        let mut addresses = locals(&self.scenario.endpoints);
        for request in self.requests() {
            if let Some(address) = addresses.get_mut(request.endpoint) {
                *address = request.local;
            }
        }
        let mut world = World::new(&self.scenario, &addresses, Vec::new())?;
        world.made = made;
        let mut replies = Replies::new();
        let mut refused = None;
        let mut left = |datagram: Leaving| {
            let of_request = replies.entry(datagram.record.number);
            of_request.or_default().push(datagram);
        };
        for step in &self.steps {
            let at = match step {
                Step::Asks(place) | Step::Hears(place) => self.records[*place].at,
                Step::Changes(_, change) => change.at,
            };
            while world.next_at().is_some_and(|next| next <= at) {
                world.step(&mut left);
            }
            match step {
                Step::Asks(place) => {
                    let request = &self.records[*place];
                    let ends = Ends {
                        endpoint: request.endpoint,
                        peer: request.peer,
                        local: request.local,
                    };
                    world.asks(ends, request.octets.clone(), at, &mut left);
                }
                Step::Hears(place) => world.hears(&self.records[*place], &mut left),
                Step::Changes(place, change) => {
                    if let Err(problem) = world.change(at, &change.what) {
                        let place = *place;
                        refused.get_or_insert(ReplayError::Entry { place, problem });
                    }
                }
            }
        }
        while world.next_at().is_some() {
            world.step(&mut left);
        }
        Ok((replies, refused))
    }

    /// Says whether the answers of upstream servers are there of which replies
    /// were made.
    fn has_answers(&self) -> Result<(), ReplayError> {
        let mut answered = HashSet::new();
        for record in &self.records {
            let number = record.number;
            let endpoint = self.scenario.endpoints.get(record.endpoint);
            match (record.direction, endpoint) {
                (Direction::Upstream, _) => drop(answered.insert(number)),
                (Direction::Out | Direction::Unsent, Some(endpoint))
                    if !answered.contains(&number) =>
                {
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

    fn requests(&self) -> impl Iterator<Item = &Record> {
        let is_request = |record: &&Record| record.direction == Direction::In;
        self.records.iter().filter(is_request)
    }

    /// What the transcript says of copies whose replies it does not show at once.
    fn unseen(&self) -> Mades {
        let unseen = self.unseen.iter();
        unseen.map(|it| ((it.number, it.copy), it.made)).collect()
    }

    /// For what moments the replies were made.
    fn made(&self, again: &Replies) -> Mades {
        let mut made = self.unseen();
        let unseen: HashSet<_> = self.unseen.iter().map(|it| (it.number, it.made)).collect();
        let mut recorded = BTreeMap::<u64, Vec<Delta>>::new();
        for record in &self.records {
            let is_reply = matches!(record.direction, Direction::Out | Direction::Unsent);
            if is_reply && !unseen.contains(&(record.number, record.made)) {
                let of_request = recorded.entry(record.number).or_default();
                of_request.extend(record.made);
            }
        }
        for (number, now) in again {
            // Copies are served one after the other, and each reply is made for a
            // moment of its own, however often it leaves and in what order.
            let mut served: Vec<_> = now
                .iter()
                .filter_map(|it| Some((it.record.made?, it.copy?)))
                .filter(|&(_, copy)| !made.contains_key(&(*number, copy)))
                .collect();
            served.sort_by_key(|&(made, _)| made);
            let mut copies = Vec::new();
            for (_, copy) in served {
                if !copies.contains(&copy) {
                    copies.push(copy);
                }
            }
            let recorded = recorded.get(number).into_iter().flatten();
            let mut moments: BTreeSet<Delta> = recorded.copied().collect();
            if moments.len() > copies.len() {
                // Some of it was decided when the request came, for no copy.
                let came = now.iter().filter(|it| it.copy.is_none());
                for at in came.filter_map(|it| it.record.made) {
                    moments.remove(&at);
                }
            }
            for (moment, copy) in moments.into_iter().zip(copies) {
                made.insert((*number, copy), Some(moment));
            }
        }
        made
    }
}

/// For what moments the replies were made, by request and copy; `None` of a copy
/// that did not get to its server.
type Mades = HashMap<(u64, u32), Option<Delta>>;

/// The replies to each request, by its number, in the order in which they leave.
type Replies = BTreeMap<u64, Vec<Leaving>>;

fn reply(datagram: Leaving) -> Reply {
    let Record { at, octets, .. } = datagram.record;
    Reply { at, octets }
}

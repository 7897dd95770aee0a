//! Not taking a bad reply for a good one.

use super::clients::{Clients, Pair};
use super::{Count, End, Failure, Seconds, Settled, Test, ntp_header};
use crate::api::{Delta, NtpTimestamp};
use crate::protocol::ntp::Header;
use crate::transcript::{Direction, Record};
use std::collections::VecDeque;

/// How many replies of each kind are remembered of a client.
const REMEMBERED: usize = 8;

/// A clock that is further away than this from a time can be seen to be set by
/// it: more than what a clock of whole seconds, and the way, may hide.
const IS_NOT_SET: Delta = Delta::from_seconds(2);

/// How near a clock that was `before` away from a time is to it once it is set
/// by it.
fn set(before: Delta) -> Delta {
    Delta::from_nanos(before.as_nanos() / 4).min(Delta::from_seconds(1))
}

#[derive(Debug)]
pub(in crate::expect) struct RejectionTest {
    asks_again_within: Option<Delta>,
    clients: Clients<State>,
    /// Good replies to a client, from all endpoints together (as endpoint 0).
    good: Clients<VecDeque<Reply>>,
    /// Bad replies after which a client asked again.
    tested: u64,
}

#[derive(Debug, Default)]
struct State {
    bad: VecDeque<Bad>,
    /// The latest request.
    asked: Option<Told>,
    /// The first bad reply since then.
    unanswered: Option<Awaited>,
}

/// What a reply says, and when.
#[derive(Debug, Clone, Copy)]
struct Reply {
    at: Delta,
    receive_timestamp: NtpTimestamp,
    transmit_timestamp: NtpTimestamp,
}

#[derive(Debug, Clone, Copy)]
struct Bad {
    number: u64,
    reply: Reply,
    /// What the client's clock told before.
    before: Option<Told>,
}

/// What a client's clock told, and when.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Delta,
    transmit_timestamp: NtpTimestamp,
}

/// A bad reply after which the client has not asked yet.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    number: u64,
    at: Delta,
}

impl Reply {
    const fn of(record: &Record, header: &Header) -> Self {
        Self {
            at: record.at,
            receive_timestamp: header.receive_timestamp,
            transmit_timestamp: header.transmit_timestamp,
        }
    }

    const fn timestamps(&self) -> [NtpTimestamp; 2] {
        [self.receive_timestamp, self.transmit_timestamp]
    }

    /// How far `timestamp`, told at `at`, is from what a clock tells that was
    /// set by this reply, `later` than its transmit timestamp; `None` if the reply
    /// tells no time.
    fn distance(&self, timestamp: NtpTimestamp, at: Delta, later: Delta) -> Option<Delta> {
        let told = self.transmit_timestamp;
        (!told.is_zero()).then(|| (timestamp.since(told) - (at - self.at) - later).abs())
    }

    /// How much later than its transmit timestamp a clock is set by this reply
    /// to a request that came at `asked`, if by the offset of RFC 5905 section 8.
    fn later(&self, asked: Delta) -> Delta {
        let served = self.transmit_timestamp.since(self.receive_timestamp);
        Delta::from_nanos(((self.at - asked) - served).as_nanos() / 2)
    }
}

impl RejectionTest {
    pub(in crate::expect) const fn new(asks_again_within: Option<Delta>) -> Self {
        Self {
            asks_again_within,
            clients: Clients::new(),
            good: Clients::new(),
            tested: 0,
        }
    }

    fn replied(&mut self, record: &Record, is_bad: bool) {
        let reply = ntp_header(record).map(|header| Reply::of(record, &header));
        if !is_bad {
            if let Some(reply) = reply
                && let Some(good) = self.good.at(anywhere(record))
            {
                remember(good, reply);
            }
            return;
        }
        let Some(state) = self.clients.of(record) else {
            return;
        };
        state.unanswered.get_or_insert(Awaited {
            number: record.number,
            at: record.at,
        });
        if let Some(reply) = reply {
            let bad = Bad {
                number: record.number,
                reply,
                before: state.asked,
            };
            remember(&mut state.bad, bad);
        }
    }
}

impl Test for RejectionTest {
    fn what(&self) -> String {
        let again = self.asks_again_within.map_or_else(String::new, |span| {
            format!(", and asked again within {}", Seconds(span))
        });
        format!("no bad reply is taken for a good one{again}")
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction == Direction::Out {
            self.replied(record, chosen);
            return Ok(());
        }
        let Some(header) = ntp_header(record) else {
            return Ok(());
        };
        let good = self.good.at(anywhere(record)).map(|good| &*good);
        let Some(state) = self.clients.of(record) else {
            return Ok(());
        };
        let told = Told {
            at: record.at,
            transmit_timestamp: header.transmit_timestamp,
        };
        state.asked = Some(told);
        let awaited = state.unanswered.take();
        self.tested += u64::from(awaited.is_some());
        let number = record.number;
        if let Some((bad, sign)) = state
            .bad
            .iter()
            .find_map(|bad| Some((bad, shows(&header, told, bad, good?)?)))
        {
            let why = format!(
                "request {number} {sign} the bad reply to request {}",
                bad.number
            );
            // Each bad reply fails once.
            let accepted = bad.number;
            state.bad.retain(|bad| bad.number != accepted);
            return Err(Failure::at(record, why));
        }
        match (awaited, self.asks_again_within) {
            (Some(bad), Some(within)) if record.at - bad.at > within => {
                let took = Seconds(record.at - bad.at);
                let why = format!(
                    "request {number} came {took} after the bad reply to request {}",
                    bad.number
                );
                Err(Failure::at(record, why))
            }
            _ => Ok(()),
        }
    }

    fn saw_elsewhere(&mut self, record: &Record) {
        if record.direction == Direction::Out {
            self.replied(record, false);
        }
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let awaited = || {
            let all = self.clients.iter();
            all.filter_map(|(pair, state)| Some((pair.client, state.unanswered?)))
        };
        if let Some(within) = self.asks_again_within
            && let Some((client, bad)) = awaited().find(|(_, bad)| end.at - bad.at > within)
        {
            return Settled::Failed(Failure {
                record: Some(bad.number),
                why: format!(
                    "{client} did not ask again after the bad reply to request {}, up to the end of the run {} later",
                    bad.number,
                    Seconds(end.at - bad.at)
                ),
            });
        }
        match (self.tested, awaited().next()) {
            (0, None) => Settled::NotTested("no bad reply left".to_owned()),
            (0, Some(_)) => Settled::NotTested("no request came after a bad reply".to_owned()),
            (count, _) => Settled::Held(format!("{} after bad replies", Count(count, "request"))),
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched().or_else(|| self.good.unwatched())
    }
}

/// How a request shows that `bad` was taken for a good reply, if it does.
fn shows(header: &Header, told: Told, bad: &Bad, good: &VecDeque<Reply>) -> Option<&'static str> {
    let fields = [
        (
            header.reference_timestamp,
            "has as its reference timestamp one of",
        ),
        (
            header.origin_timestamp,
            "has as its origin timestamp one of",
        ),
        (
            header.receive_timestamp,
            "has as its receive timestamp one of",
        ),
        (
            header.transmit_timestamp,
            "has as its transmit timestamp one of",
        ),
    ];
    let is_of_the_bad_only = |timestamp: NtpTimestamp| {
        !timestamp.is_zero()
            && bad.reply.timestamps().contains(&timestamp)
            && !good
                .iter()
                .any(|good| good.timestamps().contains(&timestamp))
    };
    if let Some((_, sign)) = fields
        .iter()
        .find(|(timestamp, _)| is_of_the_bad_only(*timestamp))
    {
        return Some(sign);
    }
    let before = bad.before?;
    let later = [Delta::ZERO, bad.reply.later(before.at)];
    let is_set = |later: Delta| {
        let distance = |timestamp, at| bad.reply.distance(timestamp, at, later);
        let now = distance(told.transmit_timestamp, told.at)?;
        let before = distance(before.transmit_timestamp, before.at)?;
        let near = set(before);
        // A good reply that tells the same time may have set the clock as well.
        let may_be_good = good.iter().any(|good| {
            distance(good.transmit_timestamp, good.at).is_some_and(|it| it <= near * 2)
        });
        Some(now <= near && before > IS_NOT_SET && !may_be_good)
    };
    later
        .into_iter()
        .any(|later| is_set(later) == Some(true))
        .then_some("tells the time, as the one before did not, of")
}

/// The client, wherever it asks.
fn anywhere(record: &Record) -> Pair {
    Pair {
        endpoint: 0,
        ..Pair::of(record)
    }
}

fn remember<T>(latest: &mut VecDeque<T>, one: T) {
    if latest.len() == REMEMBERED {
        latest.pop_front();
    }
    latest.push_back(one);
}

//! One run of a scenario: what comes of each request, without socket, clock or
//! thread. The network, virtual time and a transcript all drive this.

use crate::api::{Delta, Timestamp};
use crate::expect::{Judge, Verdict};
use crate::faults::{Arrivals, Ask, Departure, Engine, Ticket, Via};
use crate::protocol::ProtocolName;
use crate::scenario::Scenario;
use crate::transcript::{Change, Direction, Record, Unseen, Witness};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use timeball_mock::{Base, MockClock};

/// How many requests are remembered whose replies have not left; the oldest
/// gives way.
const MAX_REMEMBERED: usize = 1_024;

/// The rules, the judge and the other witnesses of one run.
pub(crate) struct Run {
    endpoints: Vec<Endpoint>,
    pub(crate) engine: Engine,
    judge: Judge,
    witnesses: Vec<Box<dyn Witness>>,
    /// The requests whose replies may be held back, by their numbers, each of
    /// their copies in turn.
    remembered: BTreeMap<u64, VecDeque<Made>>,
    requests: u64,
}

/// One endpoint of a run.
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) protocol: ProtocolName,
    pub(crate) clock: MockClock,
    /// Mock time where nothing of it has elapsed.
    pub(crate) start: Timestamp,
}

impl Endpoint {
    /// The endpoints of a scenario, with these clocks.
    pub(crate) fn of(scenario: &Scenario, clocks: Vec<MockClock>) -> Vec<Self> {
        let endpoint = |(endpoint, clock): (&crate::scenario::Endpoint, _)| Self {
            name: endpoint.name.clone(),
            protocol: endpoint.protocol.protocol(),
            clock,
            start: endpoint.clock.time.start,
        };
        scenario
            .endpoints
            .iter()
            .zip(clocks)
            .map(endpoint)
            .collect()
    }
}

/// Who speaks with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) endpoint: usize,
    /// The client.
    pub(crate) peer: SocketAddr,
    /// The address of the server that the request came to.
    pub(crate) local: SocketAddr,
}

/// A request, as it came from the client.
pub(crate) struct Asked {
    pub(crate) ticket: Ticket,
    pub(crate) ends: Ends,
    pub(crate) octets: Vec<u8>,
}

impl Asked {
    /// What its datagrams are marked with.
    pub(crate) const fn number(&self) -> u64 {
        self.ticket.0
    }
}

/// What becomes of a request.
pub(crate) struct Arrived {
    pub(crate) asked: Asked,
    /// How long until each of its copies reaches the server; none: it is lost.
    pub(crate) copies: Vec<Delta>,
    /// What leaves because it came.
    pub(crate) leaving: Vec<Leaving>,
}

/// When something was decided for a request.
#[derive(Debug, Clone, Copy)]
struct Made {
    ends: Ends,
    at: Delta,
    /// How much mock time had elapsed.
    elapsed: Delta,
    /// For which copy of it; none if for the request as such.
    copy: Option<u32>,
}

/// A copy of a request, as it was given to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    /// Its number among the copies, from 0.
    pub(crate) copy: u32,
    /// How much mock time had elapsed.
    pub(crate) elapsed: Delta,
}

/// What an upstream server answered.
pub(crate) struct Answer {
    pub(crate) octets: Vec<u8>,
    /// The server.
    pub(crate) from: SocketAddr,
    /// Where it was asked from.
    pub(crate) to: SocketAddr,
}

/// A datagram that is to leave.
pub(crate) struct Leaving {
    /// What the witnesses will see, `at` the moment at which it leaves.
    pub(crate) record: Record,
    /// The copy of the request that it was decided for, if it was one.
    pub(crate) copy: Option<u32>,
    /// Where it leaves from.
    pub(crate) via: Via,
}

impl Run {
    pub(crate) fn new(
        scenario: &Scenario,
        endpoints: Vec<Endpoint>,
        witnesses: Vec<Box<dyn Witness>>,
    ) -> Self {
        let names: Vec<&str> = endpoints.iter().map(|it| it.name.as_str()).collect();
        let judge = Judge::new(&scenario.expectations, &names)
            .expect("the expectations were checked for these endpoints when they were read")
            .knowing(&scenario.rules);
        Self {
            engine: scenario.engine(),
            judge,
            endpoints,
            witnesses,
            remembered: BTreeMap::new(),
            requests: 0,
        }
    }

    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many requests have come.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// What the expectations have come to by the moment `at`.
    pub(crate) fn verdict(&self, at: Delta) -> Verdict {
        let elapsed: Vec<Delta> = self.endpoints.iter().map(|it| it.clock.elapsed()).collect();
        self.judge.finish(at, &elapsed)
    }

    /// Gives the witnesses back, but for the judge.
    pub(crate) fn into_witnesses(self) -> Vec<Box<dyn Witness>> {
        self.witnesses
    }

    /// Has these look on from now on, beside the judge.
    pub(crate) fn set_witnesses(&mut self, witnesses: Vec<Box<dyn Witness>>) {
        self.witnesses = witnesses;
    }

    /// A datagram came, at the present moment `at`.
    pub(crate) fn arrives(&mut self, ends: Ends, octets: Vec<u8>, at: Delta) -> Arrived {
        let Endpoint {
            protocol,
            ref clock,
            start,
            ..
        } = self.endpoints[ends.endpoint];
        let elapsed = clock.elapsed();
        let Arrivals {
            ticket,
            copies,
            departures,
            rules,
        } = self.engine.request(&Ask {
            endpoint: ends.endpoint,
            peer: ends.peer,
            octets: &octets,
            at,
            elapsed,
        });
        self.requests += 1;
        let record = Record {
            direction: Direction::In,
            number: ticket.0,
            at,
            made: None,
            elapsed,
            time: start + elapsed,
            endpoint: ends.endpoint,
            protocol,
            peer: ends.peer,
            local: ends.local,
            octets,
            rules,
        };
        self.show(&record);
        let leaving = self.leaving(
            departures,
            ticket,
            Made {
                ends,
                at,
                elapsed,
                copy: None,
            },
        );
        let asked = Asked {
            ticket,
            ends,
            octets: record.octets,
        };
        Arrived {
            asked,
            copies,
            leaving,
        }
    }

    /// How much mock time has elapsed at an endpoint.
    pub(crate) fn elapsed(&self, endpoint: usize) -> Delta {
        self.endpoints[endpoint].clock.elapsed()
    }

    /// The server made `reply` of a copy of a request, or none, at the present
    /// moment `at`: what leaves, in the order in which it was decided.
    pub(crate) fn answered(
        &mut self,
        asked: &Asked,
        given: Given,
        reply: Option<&[u8]>,
        at: Delta,
    ) -> Vec<Leaving> {
        let leaving = self.decide(asked, given, reply, at);
        let shows = |it: &Leaving| {
            it.record.number == asked.number() && it.copy == Some(given.copy) && it.record.at <= at
        };
        if reply.is_some() && self.is_on_wall(asked.ends.endpoint) && !leaving.iter().any(shows) {
            self.tell_unseen(&Unseen {
                number: asked.number(),
                copy: given.copy,
                made: Some(at),
            });
        }
        leaving
    }

    /// What leaves because of this reply, in the order in which it was decided.
    fn decide(
        &mut self,
        asked: &Asked,
        given: Given,
        reply: Option<&[u8]>,
        at: Delta,
    ) -> Vec<Leaving> {
        let &Asked {
            ticket,
            ends,
            ref octets,
        } = asked;
        let elapsed = self.elapsed_at_reply(ends.endpoint, given);
        let ask = Ask {
            endpoint: ends.endpoint,
            peer: ends.peer,
            octets,
            at,
            elapsed,
        };
        let departures = self.engine.reply(ticket, &ask, reply);
        let made = Made {
            ends,
            at,
            elapsed,
            copy: Some(given.copy),
        };
        if departures
            .iter()
            .all(|departure| departure.ticket != ticket)
        {
            if self.remembered.len() == MAX_REMEMBERED {
                self.remembered.pop_first();
            }
            self.remembered.entry(ticket.0).or_default().push_back(made);
        }
        self.leaving(departures, ticket, made)
    }

    /// How much mock time had elapsed for a reply that was just made.
    fn elapsed_at_reply(&self, endpoint: usize, given: Given) -> Delta {
        if self.is_on_wall(endpoint) {
            self.elapsed(endpoint)
        } else {
            // The reply may have moved it already.
            given.elapsed
        }
    }

    /// Whether the host's clock moves that of the endpoint.
    fn is_on_wall(&self, endpoint: usize) -> bool {
        matches!(self.endpoints[endpoint].clock.base(), Base::Wall { .. })
    }

    /// The upstream server of the endpoint answered a copy of a request, at the
    /// present moment `at`: what leaves, as of a reply of the endpoint's own. For
    /// its clock, which the reply does not show, it is a reply like any other.
    pub(crate) fn answered_upstream(
        &mut self,
        asked: &Asked,
        given: Given,
        answer: Answer,
        at: Delta,
    ) -> Vec<Leaving> {
        let index = asked.ends.endpoint;
        self.endpoints[index].clock.source().clock.replied();
        let elapsed = self.elapsed_at_reply(index, given);
        let endpoint = &self.endpoints[index];
        let record = Record {
            direction: Direction::Upstream,
            number: asked.number(),
            at,
            made: None,
            elapsed,
            time: endpoint.start + elapsed,
            endpoint: index,
            protocol: endpoint.protocol,
            peer: answer.from,
            local: answer.to,
            octets: answer.octets,
            rules: Vec::new(),
        };
        self.show(&record);
        self.decide(asked, given, Some(&record.octets), at)
    }

    /// The departures that were decided for the request of this ticket just
    /// now; some may be replies to an earlier one.
    fn leaving(&mut self, departures: Vec<Departure>, present: Ticket, now: Made) -> Vec<Leaving> {
        let datagram = |departure: Departure| {
            let earlier = (departure.ticket != present)
                .then(|| self.remembered.get_mut(&departure.ticket.0)?.pop_front())
                .flatten();
            let Made {
                ends,
                at,
                elapsed,
                copy,
            } = earlier.unwrap_or(now);
            let endpoint = &self.endpoints[ends.endpoint];
            let record = Record {
                direction: Direction::Out,
                number: departure.ticket.0,
                at: now.at + departure.after,
                made: self.is_on_wall(ends.endpoint).then_some(at),
                elapsed,
                time: endpoint.start + elapsed,
                endpoint: ends.endpoint,
                protocol: endpoint.protocol,
                peer: departure.to,
                local: ends.local,
                octets: departure.octets,
                rules: departure.rules,
            };
            Leaving {
                record,
                copy,
                via: departure.from,
            }
        };
        departures.into_iter().map(datagram).collect()
    }

    /// The clocks of the endpoints, each with the endpoint's name.
    pub(crate) fn clocks(&self) -> Vec<(String, MockClock)> {
        let endpoints = self.endpoints.iter();
        endpoints
            .map(|endpoint| (endpoint.name.clone(), endpoint.clock.clone()))
            .collect()
    }

    /// Control changed something: every witness is told.
    pub(crate) fn tell(&mut self, change: &Change) {
        self.judge.changed(change);
        for witness in &mut self.witnesses {
            witness.changed(change);
        }
    }

    /// A copy of a request will not get to the server.
    pub(crate) fn never_served(&mut self, asked: &Asked, copy: u32) {
        self.tell_unseen(&Unseen {
            number: asked.number(),
            copy,
            made: None,
        });
    }

    fn tell_unseen(&mut self, unseen: &Unseen) {
        for witness in &mut self.witnesses {
            witness.unseen(unseen);
        }
    }

    /// What should have left does not: every witness sees that.
    pub(crate) fn show_unsent(&mut self, datagram: Leaving) {
        let mut record = datagram.record;
        record.direction = Direction::Unsent;
        self.show(&record);
    }

    /// A datagram came or left: every witness sees it.
    pub(crate) fn show(&mut self, record: &Record) {
        self.judge.saw(record);
        for witness in &mut self.witnesses {
            witness.saw(record);
        }
    }
}

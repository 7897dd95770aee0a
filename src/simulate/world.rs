//! A scenario in virtual time: the server's side of it, without a network.

use crate::admission::ports::PortSet;
use crate::api::{Datagram, Delta, HostClock, Outcome, Timestamp};
use crate::control::clocks::{carry_out, chosen};
use crate::expect::Verdict;
use crate::faults::{Problem, Rule, Via};
use crate::play::agenda::Agenda;
use crate::play::moments::VirtualMoments;
use crate::play::run::{Answer, Arrived, Asked, Endpoint, Ends, Given, Leaving, Run};
use crate::protocol::calendar::FormatError;
use crate::scenario::Scenario;
use crate::server::{room, service};
use crate::service::Service;
use crate::transcript::{Control, Record, Witness};
use crate::transport::Room;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// The servers of a scenario, their clocks and the network's faults.
pub(crate) struct World {
    run: Run,
    moments: Arc<VirtualMoments>,
    servers: Vec<Server>,
    agenda: Agenda<Delta, What>,
    /// For what moments replies were made, by request and copy, where that is
    /// known; otherwise a reply takes no time. `None`: that copy does not reach
    /// its server.
    pub(crate) made: HashMap<(u64, u32), Option<Delta>>,
    reply: Vec<u8>,
    /// The copies of requests that have reached an endpoint with an upstream
    /// server, by request, until the answer is told.
    asked_upstream: HashMap<u64, VecDeque<(Rc<Asked>, Given)>>,
}

struct Server {
    service: Service,
    room: Room,
    /// Whether nobody is at its port.
    is_closed: bool,
    /// Whether another server is asked in its place.
    has_upstream: bool,
}

/// What is to happen.
enum What {
    /// A copy of a request, by its number among them, reaches the server.
    Arrives(Rc<Asked>, u32),
    Leaves(Box<Leaving>),
}

impl World {
    /// The world of `scenario`, whose servers are at `locals`.
    ///
    /// # Errors
    /// A format that cannot be used.
    pub(crate) fn new(
        scenario: &Scenario,
        locals: &[SocketAddr],
        witnesses: Vec<Box<dyn Witness>>,
    ) -> Result<Self, FormatError> {
        let moments = Arc::<VirtualMoments>::default();
        let host: Arc<dyn HostClock> = Arc::<VirtualMoments>::clone(&moments);
        let clocks = scenario.clocks(&host);
        let ports: PortSet = locals.iter().map(SocketAddr::port).collect();
        let ports = Arc::new(ports);
        let server =
            |(endpoint, clock): (&crate::scenario::Endpoint, &timeball_mock::MockClock)| {
                Ok(Server {
                    service: service(&endpoint.protocol, clock.source(), &ports)?,
                    room: room(&endpoint.protocol),
                    is_closed: endpoint.closed,
                    has_upstream: endpoint.upstream.is_some(),
                })
            };
        let servers: Result<Vec<_>, FormatError> =
            scenario.endpoints.iter().zip(&clocks).map(server).collect();
        let servers = servers?;
        let most = servers.iter().map(|server| server.room.reply).max();
        Ok(Self {
            run: Run::new(scenario, Endpoint::of(scenario, clocks), witnesses),
            moments,
            servers,
            agenda: Agenda::new(),
            made: HashMap::new(),
            reply: vec![0; most.unwrap_or(0)],
            asked_upstream: HashMap::new(),
        })
    }

    pub(crate) const fn run(&self) -> &Run {
        &self.run
    }

    /// What the expectations come to if the run ends at the moment `at`, up to
    /// which mock time passes.
    pub(crate) fn verdict(&self, at: Delta) -> Verdict {
        self.moments.set(at, at);
        self.run.verdict(at)
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_at(&self) -> Option<Delta> {
        self.agenda.peek().map(|(at, _)| at)
    }

    /// A client's datagram comes at the moment `at`; `left` is told of what
    /// leaves at once.
    pub(crate) fn asks(
        &mut self,
        ends: Ends,
        octets: Vec<u8>,
        at: Delta,
        left: &mut impl FnMut(Leaving),
    ) {
        if self.servers[ends.endpoint].is_closed {
            return;
        }
        self.moments.set(at, at);
        let Arrived {
            asked,
            copies,
            leaving,
        } = self.run.arrives(ends, octets, at);
        self.leave(leaving, at, left);
        let asked = Rc::new(asked);
        for (delay, copy) in copies.into_iter().zip(0..) {
            if delay > Delta::ZERO {
                let what = What::Arrives(Rc::clone(&asked), copy);
                self.agenda.put(at + delay, what);
            } else {
                self.serve(&asked, copy, at, left);
            }
        }
    }

    /// The upstream server of an endpoint answers, as it did in this record; an
    /// answer to what it was not asked is nothing.
    pub(crate) fn hears(&mut self, record: &Record, left: &mut impl FnMut(Leaving)) {
        let copies = self.asked_upstream.get_mut(&record.number);
        let Some((asked, given)) = copies.and_then(VecDeque::pop_front) else {
            return;
        };
        self.moments.set(record.at, record.at);
        let answer = Answer {
            octets: record.octets.clone(),
            from: record.peer,
            to: record.local,
        };
        let leaving = self.run.answered_upstream(&asked, given, answer, record.at);
        self.leave(leaving, record.at, left);
    }

    /// Control changes something at the moment `at`, but for the scenario, which
    /// stays the one that it is.
    ///
    /// # Errors
    /// Why it cannot be changed so.
    pub(crate) fn change(&mut self, at: Delta, what: &Control) -> Result<(), String> {
        self.moments.set(at, at);
        match what {
            Control::Clocks { clock, motion } => {
                chosen(self.run.clocks(), true, clock.as_deref())
                    .and_then(|clocks| carry_out(&clocks, *motion))
                    .map_err(|refusal| refusal.to_string())?;
            }
            Control::AddFault(rule) => {
                let added = self.run.engine.add(Rule::clone(rule));
                added.map_err(|problems| {
                    let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
                    problems.join("; ")
                })?;
            }
            Control::RemoveFault(name) => {
                if !self.run.engine.remove(name) {
                    return Err(format!("name = {name:?}: there is no such fault"));
                }
            }
            Control::Load(_) => {}
        }
        Ok(())
    }

    /// Has happen what is next.
    pub(crate) fn step(&mut self, left: &mut impl FnMut(Leaving)) {
        let Some((at, what)) = self.agenda.take() else {
            return;
        };
        match what {
            What::Arrives(asked, copy) => self.serve(&asked, copy, at, left),
            What::Leaves(datagram) => self.send(*datagram, left),
        }
    }

    /// A copy of a request reaches its server at the moment `at`.
    fn serve(&mut self, asked: &Rc<Asked>, copy: u32, at: Delta, left: &mut impl FnMut(Leaving)) {
        let made = self.made.get(&(asked.number(), copy)).copied();
        let Some(moment) = made.unwrap_or(Some(at)) else {
            return;
        };
        self.moments.set(at, moment);
        let given = Given {
            copy,
            elapsed: self.run.elapsed(asked.ends.endpoint),
        };
        let Server {
            service,
            room,
            has_upstream,
            ..
        } = &mut self.servers[asked.ends.endpoint];
        if *has_upstream {
            let copies = self.asked_upstream.entry(asked.number()).or_default();
            copies.push_back((Rc::clone(asked), given));
            return;
        }
        // As much as a server's batch has room for.
        let len = asked.octets.len().min(room.request);
        let datagram = Datagram {
            payload: &asked.octets[..len],
            is_truncated: len < asked.octets.len(),
            peer: asked.ends.peer,
            local: None,
            arrived: Some(Timestamp::UNIX_EPOCH + at),
        };
        let reply = &mut self.reply[..room.reply];
        let now = service.now();
        let served = service.serve(&datagram, now, Delta::ZERO, reply);
        let reply = match served.outcome {
            Outcome::Reply { len } => Some(&reply[..len]),
            Outcome::Drop(_) => None,
        };
        let leaving = self.run.answered(asked, given, reply, moment);
        self.leave(leaving, moment, left);
    }

    fn leave(&mut self, leaving: Vec<Leaving>, moment: Delta, left: &mut impl FnMut(Leaving)) {
        for datagram in leaving {
            let at = datagram.record.at;
            if at > moment {
                self.agenda.put(at, What::Leaves(Box::new(datagram)));
            } else {
                self.send(datagram, left);
            }
        }
    }

    fn send(&mut self, mut datagram: Leaving, left: &mut impl FnMut(Leaving)) {
        let record = &mut datagram.record;
        match datagram.via {
            Via::Same => {}
            Via::OtherPort => record.local.set_port(record.local.port() ^ 1),
            Via::OtherAddress(address) => record.local.set_ip(address),
        }
        self.run.show(record);
        left(datagram);
    }
}

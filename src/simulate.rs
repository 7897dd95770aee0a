//! A scenario without a network: clients and servers in one process, in virtual
//! time.
//!
//! It is the same scenario as on sockets: the same clocks, service, codecs,
//! rules and judge. Only the network is not there, and time passes as fast as
//! it can be counted. A client is whatever implements [`VirtualClient`]; the
//! way there and back takes no time but what the rules make of it.
//!
//! ```
//! use timeball::api::Delta;
//! use timeball::scenario::Scenario;
//! use timeball::simulate::{Received, Request, Simulation, VirtualClient};
//!
//! /// Asks each 16 s, whatever it is told.
//! #[derive(Default)]
//! struct Stubborn {
//!     asked: i64,
//! }
//!
//! impl VirtualClient for Stubborn {
//!     fn next(&self) -> Option<Delta> {
//!         Some(Delta::from_seconds(16) * self.asked)
//!     }
//!
//!     fn send(&mut self, _at: Delta) -> Request {
//!         self.asked += 1;
//!         let mut octets = vec![0; 48];
//!         octets[0] = 0x23;
//!         Request { endpoint: 0, port: 40_000, octets }
//!     }
//!
//!     fn receive(&mut self, _reply: &Received<'_>) {}
//! }
//!
//! let scenario = Scenario::from_toml(
//!     "name = 'an-hour'\ndescription = 'Nothing happens'",
//!     "an-hour.toml",
//! )?;
//! let simulated = Simulation::new(scenario)
//!     .client([192, 0, 2, 7].into(), Stubborn::default())
//!     .run(Delta::from_seconds(3_600))?;
//! assert_eq!(simulated.requests, 226);
//! assert!(simulated.verdict.passes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod world;

pub(crate) use world::World;

use crate::api::Delta;
use crate::expect::Verdict;
use crate::play::run::Ends;
use crate::protocol::ProtocolName;
use crate::protocol::calendar::FormatError;
use crate::scenario::{Endpoint, HasUpstream, Scenario};
use crate::transcript::{Record, Witness};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};

/// A client that lives in virtual time.
///
/// It is asked for its next moment at the start, after each datagram that it
/// sent, and after each that reached it.
pub trait VirtualClient {
    /// When it sends next, as far as it knows now, in virtual time since the
    /// start; a moment that has passed is now. `None`: not before something has
    /// reached it.
    fn next(&self) -> Option<Delta>;

    /// Its moment has come: what it sends.
    fn send(&mut self, at: Delta) -> Request;

    /// A datagram has reached it.
    fn receive(&mut self, datagram: &Received<'_>);
}

/// A datagram that a virtual client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The endpoint, by its place in the scenario from 0; where there are not
    /// so many, or nobody is at its port, it is lost.
    pub endpoint: usize,
    /// The port that it comes from.
    pub port: u16,
    /// Its payload.
    pub octets: Vec<u8>,
}

/// A datagram that reaches a virtual client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Virtual time since the start.
    pub at: Delta,
    /// The endpoint that it belongs to.
    pub endpoint: usize,
    /// The address that it came from.
    pub from: SocketAddr,
    /// The port that it came to.
    pub port: u16,
    /// Its payload.
    pub octets: &'a [u8],
}

/// A scenario and the clients that ask its servers.
pub struct Simulation {
    scenario: Scenario,
    clients: Vec<(IpAddr, Box<dyn VirtualClient>)>,
    witnesses: Vec<Box<dyn Witness>>,
}

/// What came of a simulation.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// What the expectations came to.
    pub verdict: Verdict,
    /// How many requests came.
    pub requests: u64,
    /// When it was over, in virtual time since the start.
    pub at: Delta,
}

/// Why a scenario is not simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// It needs a network.
    #[error(transparent)]
    HasUpstream(#[from] HasUpstream),
    /// A format of it cannot be used; none of a scenario that was read.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Simulation {
    /// Simulates `scenario`, with nobody to ask as yet.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            clients: Vec::new(),
            witnesses: Vec::new(),
        }
    }

    /// Adds a client. Of two at one address the later gets what is sent there.
    #[must_use]
    pub fn client(mut self, address: IpAddr, client: impl VirtualClient + 'static) -> Self {
        self.clients.push((address, Box::new(client)));
        self
    }

    /// Has `witness` look on.
    #[must_use]
    pub fn witness(mut self, witness: impl Witness + 'static) -> Self {
        self.witnesses.push(Box::new(witness));
        self
    }

    /// Lets virtual time pass until the moment `until`, or until the scenario's
    /// number of requests has come and what they bring about has happened.
    ///
    /// # Errors
    /// [`SimulateError`].
    pub fn run(self, until: Delta) -> Result<Simulated, SimulateError> {
        self.scenario.without_upstream()?;
        let limit = self.scenario.requests.unwrap_or(u64::MAX);
        let locals = locals(&self.scenario.endpoints);
        let mut world = World::new(&self.scenario, &locals, self.witnesses)?;
        let mut clients = Clients::new(self.clients);
        let mut at = Delta::ZERO;
        loop {
            let has_room = world.run().requests() < limit;
            let of_client = clients.next_at().filter(|_| has_room);
            let of_world = world.next_at();
            let next = match (of_client, of_world) {
                (None, None) => break,
                (Some(client), None) => client,
                (None, Some(world)) => world,
                (Some(client), Some(world)) => client.min(world),
            };
            if next > until {
                break;
            }
            at = next;
            // What is on its way comes before what is sent at the same moment.
            if of_world == Some(next) {
                world.step(&mut |left| clients.receive(&left.record));
            } else if let Some((
                client,
                Request {
                    endpoint,
                    port,
                    octets,
                },
            )) = clients.send(next)
                && let Some(&local) = locals.get(endpoint)
            {
                let ends = Ends {
                    endpoint,
                    peer: SocketAddr::new(client, port),
                    local,
                };
                world.asks(ends, octets, next, &mut |left| {
                    clients.receive(&left.record);
                });
            }
        }
        let is_full = world.run().requests() >= limit;
        let at = if is_full { at } else { until };
        Ok(Simulated {
            verdict: world.verdict(at),
            requests: world.run().requests(),
            at,
        })
    }
}

/// Where the servers are: the addresses of the scenario, and where those leave
/// the port open, that of the protocol or the next that is free.
pub(crate) fn locals(endpoints: &[Endpoint]) -> Vec<SocketAddr> {
    let mut taken: BTreeSet<SocketAddr> = endpoints.iter().map(|it| it.address).collect();
    let local = |endpoint: &Endpoint| {
        let mut local = endpoint.address;
        if local.port() == 0 {
            local.set_port(match endpoint.protocol.protocol() {
                ProtocolName::Ntp => 123,
                ProtocolName::Daytime => 13,
                ProtocolName::Time => 37,
                ProtocolName::Text => 8_089,
            });
            while !taken.insert(local) {
                local.set_port(local.port() + 1);
            }
        }
        local
    };
    endpoints.iter().map(local).collect()
}

/// The clients, and when each wants to send.
struct Clients {
    clients: Vec<Client>,
    by_address: HashMap<IpAddr, usize>,
    /// When whom, oldest wish first; wishes that were changed since are still
    /// there.
    wishes: BinaryHeap<Reverse<(Delta, u64, usize)>>,
    /// The number of the next wish.
    next: u64,
    now: Delta,
}

struct Client {
    address: IpAddr,
    client: Box<dyn VirtualClient>,
    /// Its wish, by moment and number.
    wish: Option<(Delta, u64)>,
}

impl Clients {
    fn new(clients: Vec<(IpAddr, Box<dyn VirtualClient>)>) -> Self {
        let by_address = clients
            .iter()
            .enumerate()
            .map(|(index, (address, _))| (*address, index));
        let mut all = Self {
            by_address: by_address.collect(),
            clients: clients
                .into_iter()
                .map(|(address, client)| Client {
                    address,
                    client,
                    wish: None,
                })
                .collect(),
            wishes: BinaryHeap::new(),
            next: 0,
            now: Delta::ZERO,
        };
        for index in 0..all.clients.len() {
            all.hear_wish(index);
        }
        all
    }

    /// Notes when a client wants to send next, if that has changed.
    fn hear_wish(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let at = client.client.next().map(|at| at.max(self.now));
        if at == client.wish.map(|(at, _)| at) {
            return;
        }
        client.wish = at.map(|at| {
            let number = self.next;
            self.next += 1;
            self.wishes.push(Reverse((at, number, index)));
            (at, number)
        });
    }

    /// When the next client sends.
    fn next_at(&mut self) -> Option<Delta> {
        while let Some(&Reverse((at, number, index))) = self.wishes.peek() {
            if self.clients[index].wish == Some((at, number)) {
                return Some(at);
            }
            self.wishes.pop();
        }
        None
    }

    /// What the client sends whose turn it is, and its address.
    fn send(&mut self, at: Delta) -> Option<(IpAddr, Request)> {
        let Reverse((_, _, index)) = self.wishes.pop()?;
        self.now = at;
        let client = &mut self.clients[index];
        client.wish = None;
        let request = client.client.send(at);
        let address = client.address;
        self.hear_wish(index);
        Some((address, request))
    }

    /// A datagram has left a server and reaches whom it is for.
    fn receive(&mut self, record: &Record) {
        let Some(&index) = self.by_address.get(&record.peer.ip()) else {
            return;
        };
        self.now = self.now.max(record.at);
        self.clients[index].client.receive(&Received {
            at: record.at,
            endpoint: record.endpoint,
            from: record.local,
            port: record.peer.port(),
            octets: &record.octets,
        });
        self.hear_wish(index);
    }
}

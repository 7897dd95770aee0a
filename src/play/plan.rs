//! A scenario that is to be served: how, and the server for it.

use super::error::PlayError;
use super::fence::{self, ReplyOutOfBounds};
use super::handle::{Parts, StageHandle};
use super::moments::Moments;
use super::network::Network;
use super::recorder::Recorder;
use super::run::{Endpoint, Run};
use super::stage::{LaunchedStage, Stage};
use super::staged::Staged;
use super::transport::FaultyTransport;
use super::upstreams;
use crate::api::{Host, HostClock};
use crate::host::this_host;
use crate::scenario::{Scenario, ScenarioErrors};
use crate::server::{BoundListener, Server};
use crate::settings::{
    ListenerAdmission, ListenerSettings, LogSettings, SandboxSettings, Settings,
};
use crate::transcript::Witness;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use timeball_mock::MockClock;

/// Octets of receive buffer for each endpoint: a burst of some hundred requests.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A scenario that is to be served.
pub struct Play {
    scenario: Scenario,
    host: Option<Host>,
    /// In the place of the endpoints' own, in their order.
    clocks: BTreeMap<usize, MockClock>,
    witnesses: Vec<Box<dyn Witness>>,
    /// Where the upstream servers are, by endpoint, once that is known.
    upstreams: Option<Vec<Option<SocketAddr>>>,
    requests: Option<u64>,
    may_be_seen: bool,
}

impl Play {
    /// Serves `scenario` at the addresses that it names.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            requests: scenario.requests,
            scenario,
            host: None,
            clocks: BTreeMap::new(),
            witnesses: Vec::new(),
            upstreams: None,
            may_be_seen: false,
        }
    }

    /// Serves the scenario that `text` says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioErrors> {
        Scenario::from_toml(text, "<text>").map(Self::new)
    }

    /// Serves `clock` by NTP on a port of 127.0.0.1 that the kernel chooses,
    /// without any faults.
    #[must_use]
    pub fn clock(clock: MockClock) -> Self {
        let scenario = Scenario::from_toml(
            "name = 'clock'\ndescription = 'A clock that a test moves'\ntime.base = 'manual'",
            "<clock>",
        )
        .expect("the text is that of a scenario");
        Self::new(scenario).with_clock(0, clock)
    }

    /// Gives an endpoint, by its place in the scenario from 0, this clock in the
    /// place of its own.
    #[must_use]
    pub fn with_clock(mut self, endpoint: usize, clock: MockClock) -> Self {
        self.clocks.insert(endpoint, clock);
        self
    }

    /// Moves the first endpoint to `address`; the others get ports that the
    /// kernel chooses, on the addresses that they have.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        let mut endpoints = self.scenario.endpoints.iter_mut();
        if let Some(first) = endpoints.next() {
            first.address = address;
        }
        for other in endpoints {
            other.address.set_port(0);
        }
        self
    }

    /// Ends the run after so many requests, once everything that they bring
    /// about has left.
    #[must_use]
    pub fn requests(mut self, count: u64) -> Self {
        self.requests = Some(count);
        self
    }

    /// Has `witness` look on.
    #[must_use]
    pub fn witness(mut self, witness: impl Witness + 'static) -> Self {
        self.witnesses.push(Box::new(witness));
        self
    }

    /// Uses these clocks in the place of this machine's.
    #[must_use]
    pub fn with_host(self, host: Host) -> Self {
        Self {
            host: Some(host),
            ..self
        }
    }

    /// Lets it be served on port 123, and where others than this host and its
    /// private networks see it: whoever asks there may take test time for true.
    #[must_use]
    pub fn serve_test_time(self) -> Self {
        Self {
            may_be_seen: true,
            ..self
        }
    }

    /// Says whether it may be served, without binding anything. Starting it says
    /// the same.
    ///
    /// # Errors
    /// [`PlayError::OutOfBounds`], [`PlayError::ReplyOutOfBounds`].
    pub fn check(&self) -> Result<(), PlayError> {
        for endpoint in &self.scenario.endpoints {
            if !self.may_be_seen {
                fence::check(&endpoint.name, endpoint.address)?;
            }
        }
        let addresses = self.scenario.endpoints.iter().map(|it| it.address);
        check_replies(&self.scenario, addresses, self.may_be_seen)?;
        Ok(())
    }

    /// Finds out where the upstream servers are, without binding anything.
    /// Starting it does so too, where it was not done.
    ///
    /// # Errors
    /// [`PlayError::Upstream`] where one cannot be found, [`PlayError::Endpoint`]
    /// where one is its own.
    pub async fn find_upstreams(&mut self) -> Result<(), PlayError> {
        if self.upstreams.is_none() {
            self.upstreams = Some(upstreams::find(&self.scenario).await?);
        }
        Ok(())
    }

    /// Starts to serve it on threads of its own; returns once every endpoint is
    /// bound.
    ///
    /// # Errors
    /// [`PlayError`]; nothing is left running then.
    pub fn start(mut self) -> Result<Stage, PlayError> {
        let recorder = Recorder::default();
        self.witnesses.push(Box::new(recorder.clone()));
        self.check()?;
        if self.upstreams.is_none() {
            self.upstreams = Some(upstreams::find_now(&self.scenario)?);
        }
        let Prepared {
            server,
            scenario,
            parts,
        } = self.prepare()?;
        let server = server
            .start()
            .map_err(|error| PlayError::starting(error, &scenario.endpoints))?;
        let handle = open(parts, scenario, &server.listeners());
        Ok(Stage {
            handle,
            server,
            recorder,
        })
    }

    /// Starts to serve it on the actix system that this is called in. Keeps
    /// nothing in memory but what the witnesses keep.
    ///
    /// # Errors
    /// [`PlayError`]; nothing is left running then.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub async fn launch(mut self) -> Result<LaunchedStage, PlayError> {
        self.check()?;
        self.find_upstreams().await?;
        let Prepared {
            server,
            scenario,
            parts,
        } = self.prepare()?;
        let server = server.launch().await;
        let server = server.map_err(|error| PlayError::starting(error, &scenario.endpoints))?;
        let handle = open(parts, scenario, &server.listeners());
        Ok(LaunchedStage { handle, server })
    }

    fn prepare(self) -> Result<Prepared, PlayError> {
        let Self {
            scenario,
            host,
            clocks,
            witnesses,
            upstreams,
            requests,
            may_be_seen,
        } = self;
        let host = host.unwrap_or_else(this_host);
        let moments = Arc::new(Moments::new(Arc::clone(&host.clock)));
        let run = run_of(&scenario, &moments, &clocks, witnesses);
        let staged: Vec<Staged> = run
            .endpoints()
            .iter()
            .map(|endpoint| Staged::new(endpoint.clock.source()))
            .collect();
        let network = Network::new(run, moments, requests)?;
        let mut server = Server::new(settings(&scenario)).with_host(host.clone());
        for (endpoint, staged) in scenario.endpoints.iter().zip(&staged) {
            server = server.with_source(&endpoint.name, staged.source());
        }
        let wrapped = Arc::clone(&network);
        let clock = Arc::clone(&host.clock);
        let closed: Vec<bool> = scenario.endpoints.iter().map(|it| it.closed).collect();
        let server = server.with_transport(Arc::new(move |endpoint, inner| {
            let (network, clock) = (Arc::clone(&wrapped), Arc::clone(&clock));
            let is_closed = closed.get(endpoint).is_some_and(|&is_closed| is_closed);
            Box::new(FaultyTransport::new(
                inner, network, clock, endpoint, is_closed,
            ))
        }));
        Ok(Prepared {
            server,
            scenario,
            parts: Parts {
                network,
                upstreams: upstreams.unwrap_or_default(),
                staged,
                host,
                may_be_seen,
            },
        })
    }
}

/// Checks where the rules of a scenario let replies leave from, with its
/// endpoints at these addresses.
pub(super) fn check_replies(
    scenario: &Scenario,
    addresses: impl Iterator<Item = SocketAddr> + Clone,
    may_be_seen: bool,
) -> Result<(), ReplyOutOfBounds> {
    for (position, rule) in (1..).zip(&scenario.rules) {
        let names = scenario.endpoints.iter().map(|it| it.name.as_str());
        let endpoints = names.zip(addresses.clone());
        fence::check_rule(rule, &rule.name_at(position), endpoints, may_be_seen)?;
    }
    Ok(())
}

/// The run of a scenario on these moments.
pub(super) fn run_of(
    scenario: &Scenario,
    moments: &Arc<Moments>,
    given: &BTreeMap<usize, MockClock>,
    witnesses: Vec<Box<dyn Witness>>,
) -> Run {
    let host: Arc<dyn HostClock> = Arc::<Moments>::clone(moments);
    let mut clocks = scenario.clocks(&host);
    for (&endpoint, clock) in given {
        if let Some(own) = clocks.get_mut(endpoint) {
            *own = clock.clone();
        }
    }
    Run::new(scenario, Endpoint::of(scenario, clocks), witnesses)
}

/// The server of a scenario. One thread and one socket an endpoint: the order
/// of requests is decided, and test time is not served for speed.
fn settings(scenario: &Scenario) -> Settings {
    let listener = |endpoint: &crate::scenario::Endpoint| ListenerSettings {
        protocol: endpoint.protocol.clone(),
        address: endpoint.address,
        source: endpoint.name.clone(),
        responders: 1,
        responder_threads: 0,
        receive_buffer: RECEIVE_BUFFER,
        freebind: false,
        interface: None,
        admission: ListenerAdmission::default(),
    };
    Settings {
        threads: 1,
        batch: 1,
        max_queue_delay: None,
        log: LogSettings::default(),
        admission: None,
        control: None,
        http: None,
        sandbox: SandboxSettings::default(),
        xdp: None,
        listeners: scenario.endpoints.iter().map(listener).collect(),
        sources: BTreeMap::new(),
    }
}

/// A run whose server is not bound yet.
struct Prepared {
    server: Server,
    scenario: Scenario,
    parts: Parts,
}

/// Lets the run begin, now that its server is bound.
fn open(parts: Parts, scenario: Scenario, listeners: &[BoundListener]) -> StageHandle {
    let addresses: Vec<_> = listeners.iter().map(|it| it.address).collect();
    parts.network.open(addresses.clone(), &parts.upstreams);
    StageHandle::new(parts, scenario, addresses)
}

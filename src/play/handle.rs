//! What may be done to a run while it is served.

use super::error::LoadError;
use super::fence;
use super::moments::Moments;
use super::network::Network;
use super::plan::{check_replies, run_of};
use super::staged::Staged;
use super::upstream::Upstream;
use crate::api::{Delta, Host, Timestamp};
use crate::control::Refusal;
use crate::control::clocks::{carry_out, chosen};
use crate::expect::Verdict;
use crate::faults::{Problem, Rule};
use crate::scenario::Scenario;
use crate::transcript::{Change, Control, Motion, Opening};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use timeball_mock::{Base, Event, MockClock};

/// A hold on a run, for control from any thread. Clones are holds on the same
/// run; none of them keeps it going.
#[derive(Clone)]
pub struct StageHandle(Arc<Inner>);

struct Inner {
    parts: Parts,
    scenario: Mutex<Scenario>,
    addresses: Vec<SocketAddr>,
}

/// What a hold on a run reaches.
pub(super) struct Parts {
    pub(super) network: Arc<Network>,
    /// Where the upstream servers are, by endpoint.
    pub(super) upstreams: Vec<Option<SocketAddr>>,
    /// The sources of the endpoints.
    pub(super) staged: Vec<Staged>,
    pub(super) host: Host,
    /// Whether it may be served where others than this host and its private
    /// networks see it.
    pub(super) may_be_seen: bool,
}

/// How a run stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// Always `test`: nobody may take this time for true.
    pub mode: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// What its noise and its chance come from.
    pub seed: u64,
    /// Host time since the run began.
    pub at: Delta,
    /// How many requests have come, answered or not.
    pub requests: u64,
    /// Each rule, in the order in which they are tried, and for how many
    /// requests it has done something.
    pub rules: Vec<(String, u64)>,
    /// How many datagrams could not be sent, or were too many to be delayed.
    pub not_sent: u64,
    /// How many requests went to an upstream server that did not answer.
    pub unanswered: u64,
    /// Whether the run is over.
    pub is_over: bool,
    /// The endpoints, in the order of the scenario.
    pub endpoints: Vec<EndpointStatus>,
}

/// How an endpoint stands.
#[derive(Debug, Clone)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Its protocol's name.
    pub protocol: &'static str,
    /// Where it is bound.
    pub address: SocketAddr,
    /// The server that is asked in the place of the clock, if one is.
    pub upstream: Option<SocketAddr>,
    /// The time that its clock shows.
    pub time: Timestamp,
    /// How much mock time has elapsed.
    pub elapsed: Delta,
    /// The latest event of its clock that has a name.
    pub phase: Option<String>,
    /// How many requests its clock has answered.
    pub served: u64,
}

impl StageHandle {
    pub(super) fn new(parts: Parts, scenario: Scenario, addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(Inner {
            parts,
            scenario: Mutex::new(scenario),
            addresses,
        }))
    }

    fn network(&self) -> &Network {
        &self.0.parts.network
    }

    fn scenario_now(&self) -> MutexGuard<'_, Scenario> {
        self.0
            .scenario
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The scenario that is served now.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        self.scenario_now().clone()
    }

    /// Where the endpoints are bound, in the order of the scenario.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// The clock of the endpoint, by its place in the scenario from 0; `None`
    /// where there are not so many. After [`load`](Self::load) it is another.
    ///
    /// Who moves it by itself leaves no trace of that:
    /// [`move_clocks`](Self::move_clocks) tells the witnesses, so that the
    /// transcript can be run again.
    #[must_use]
    pub fn clock(&self, endpoint: usize) -> Option<MockClock> {
        let state = self.network().lock();
        let endpoint = state.run.endpoints().get(endpoint)?;
        Some(endpoint.clock.clone())
    }

    /// The clock of the endpoint of this name.
    #[must_use]
    pub fn clock_of(&self, endpoint: &str) -> Option<MockClock> {
        let state = self.network().lock();
        let mut endpoints = state.run.endpoints().iter();
        let found = endpoints.find(|it| it.name == endpoint)?;
        Some(found.clock.clone())
    }

    /// The clocks of the endpoints, each with the endpoint's name.
    pub(super) fn clocks(&self) -> Vec<(String, MockClock)> {
        self.network().lock().run.clocks()
    }

    /// Moves the clock of this endpoint, or with `None` those of all of them,
    /// between two datagrams. Says to which event that took it.
    ///
    /// # Errors
    /// There is no such endpoint, or its clock cannot be moved so: another
    /// [`Rate`](Motion::Rate) where the host's clock does not move it,
    /// [`Advance`](Motion::Advance) and [`Step`](Motion::Step) to where time
    /// cannot be told, and [`Next`](Motion::Next) where no event is left. Nothing
    /// has changed then.
    pub fn move_clocks(
        &self,
        clock: Option<&str>,
        motion: Motion,
    ) -> Result<Option<Event>, Refusal> {
        self.network().between(|state, at| {
            let clocks = chosen(state.run.clocks(), true, clock)?;
            let event = state.standing_at(at, |_| carry_out(&clocks, motion))?;
            let clock = clock.map(str::to_owned);
            let what = Control::Clocks { clock, motion };
            state.run.tell(&Change { at, what });
            Ok(event)
        })
    }

    /// How the run stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let (scenario, seed) = {
            let scenario = self.scenario_now();
            (scenario.name.clone(), scenario.seed)
        };
        let is_over = self.is_over();
        let state = self.network().lock();
        let rules = state.run.engine.counts();
        let upstream = |index: usize| state.upstreams.get(index)?.as_ref().map(Upstream::address);
        let endpoint =
            |(index, (endpoint, &address)): (_, (&super::run::Endpoint, _))| EndpointStatus {
                name: endpoint.name.clone(),
                protocol: endpoint.protocol.as_str(),
                address,
                upstream: upstream(index),
                time: endpoint.clock.now(),
                elapsed: endpoint.clock.elapsed(),
                phase: endpoint.clock.phase(),
                served: endpoint.clock.served(),
            };
        let endpoints = state
            .run
            .endpoints()
            .iter()
            .zip(&self.0.addresses)
            .enumerate();
        Status {
            mode: "test",
            scenario,
            seed,
            at: state.moments.at(),
            requests: state.run.requests(),
            rules: rules
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            not_sent: state.not_sent,
            unanswered: state.unanswered,
            is_over,
            endpoints: endpoints.map(endpoint).collect(),
        }
    }

    /// Adds a rule before all others, for the requests that come from now on;
    /// gives its name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn add_rule(&self, rule: Rule) -> Result<Arc<str>, Vec<Problem>> {
        self.network().between(|state, at| {
            let names = state.run.endpoints().iter().map(|it| it.name.as_str());
            let endpoints = names.zip(self.0.addresses.iter().copied());
            fence::check_rule(&rule, "", endpoints, self.0.parts.may_be_seen).map_err(|found| {
                vec![Problem {
                    key: "reply_from".to_owned(),
                    value: format!("\"{}\"", found.address),
                    accepted: found.accepted,
                }]
            })?;
            let name = state.run.engine.add(rule.clone())?;
            let what = Control::AddFault(Box::new(rule));
            state.run.tell(&Change { at, what });
            Ok(name)
        })
    }

    /// Takes the rule of this name away, for the requests that come from now
    /// on; `false` where there is none.
    pub fn remove_rule(&self, name: &str) -> bool {
        self.network().between(|state, at| {
            let is_removed = state.run.engine.remove(name);
            if is_removed {
                let what = Control::RemoveFault(name.to_owned());
                state.run.tell(&Change { at, what });
            }
            is_removed
        })
    }

    /// What the expectations have come to so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let state = self.network().lock();
        state.run.verdict(state.moments.at())
    }

    /// Puts `scenario` in the place of the one that is served, on the same
    /// sockets: a new run begins, with its first request, its own clocks, rules
    /// and expectations. Addresses, and when the run ends, stay as they are.
    /// Upstream servers of the one before are asked no more; the new one can have
    /// none.
    ///
    /// # Errors
    /// [`LoadError`]; the one before is served on then.
    pub fn load(&self, scenario: Scenario) -> Result<(), LoadError> {
        let Parts {
            network,
            upstreams: _,
            staged,
            host,
            may_be_seen,
        } = &self.0.parts;
        let mut current = self.scenario_now();
        fits(&scenario, &current)?;
        check_replies(&scenario, self.0.addresses.iter().copied(), *may_be_seen)?;
        let moments = Arc::new(Moments::new(Arc::clone(&host.clock)));
        let run = run_of(&scenario, &moments, &BTreeMap::new(), Vec::new());
        let what = Control::Load(Box::new(opening(&scenario)));
        network.between(|state, at| {
            network.abandon(state);
            state.run.tell(&Change { at, what });
            for (staged, endpoint) in staged.iter().zip(run.endpoints()) {
                staged.replace(endpoint.clock.source());
            }
            state.begin(run, moments);
        });
        *current = scenario;
        Ok(())
    }

    /// Ends the run: what is on its way is not sent any more.
    pub fn stop(&self) {
        self.network().end();
    }

    /// Whether the run is over: it had its number of requests, or was stopped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.network().is_over()
    }

    /// Waits until the run is over.
    pub async fn until_over(&self) {
        self.network().until_over().await;
    }
}

/// What a transcript says of a scenario that is loaded.
fn opening(scenario: &Scenario) -> Opening {
    let endpoints = scenario.endpoints.iter().map(|it| it.name.clone());
    Opening {
        rate: match scenario.time.base {
            Base::Wall { rate, .. } => Some(rate),
            Base::Manual | Base::PerRequest(_) => None,
        },
        ..Opening::new(
            &scenario.name,
            scenario.seed,
            endpoints.collect(),
            &scenario.text,
        )
    }
}

/// Whether `scenario` can be served on the sockets of `served`.
fn fits(scenario: &Scenario, served: &Scenario) -> Result<(), LoadError> {
    if scenario.endpoints.len() != served.endpoints.len() {
        return Err(LoadError::Count {
            wanted: scenario.endpoints.len(),
            served: served.endpoints.len(),
        });
    }
    for (wanted, served) in scenario.endpoints.iter().zip(&served.endpoints) {
        let endpoint = wanted.name.clone();
        if wanted.upstream.is_some() {
            let why = "it has an `upstream`; serve such a scenario from the start";
            return Err(LoadError::Endpoint { endpoint, why });
        }
        if wanted.closed != served.closed {
            let why = "a port stays closed, or open, as long as it is served";
            return Err(LoadError::Endpoint { endpoint, why });
        }
        if wanted.protocol != served.protocol {
            return Err(LoadError::Protocol {
                endpoint,
                wanted: wanted.protocol.name(),
                served: served.protocol.name(),
            });
        }
    }
    Ok(())
}

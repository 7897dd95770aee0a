//! What control drives of a scenario that is served.

use super::handle::StageHandle;
use crate::control::status::{FaultStatus, ListenerStatus, ScenarioStatus};
use crate::control::{Controllable, Refusal, Stage};
use crate::expect::Verdict;
use crate::faults::{Problem, Rule};
use crate::scenario::Scenario;
use crate::transcript::Motion;
use std::sync::Arc;
use timeball_mock::{Event, MockClock};

/// A run, and the server that serves it.
pub(super) struct Played {
    pub(super) server: Arc<dyn Controllable>,
    pub(super) stage: StageHandle,
}

impl Controllable for Played {
    fn clocks(&self) -> Vec<(String, MockClock)> {
        self.stage.clocks()
    }

    fn move_clocks(&self, clock: Option<&str>, motion: Motion) -> Result<Option<Event>, Refusal> {
        self.stage.move_clocks(clock, motion)
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        self.server.listeners()
    }

    fn stage(&self) -> Option<&dyn Stage> {
        Some(&self.stage)
    }
}

impl Stage for StageHandle {
    fn scenario(&self) -> ScenarioStatus {
        let status = self.status();
        ScenarioStatus {
            name: status.scenario,
            seed: status.seed,
            requests: status.requests,
            is_over: status.is_over,
        }
    }

    fn faults(&self) -> Vec<FaultStatus> {
        let rules = self.status().rules.into_iter();
        rules
            .map(|(name, applied)| FaultStatus { name, applied })
            .collect()
    }

    fn add_fault(&self, rule: Rule) -> Result<Arc<str>, Vec<Problem>> {
        self.add_rule(rule)
    }

    fn remove_fault(&self, name: &str) -> bool {
        self.remove_rule(name)
    }

    fn load(&self, scenario: Scenario) -> Result<(), Refusal> {
        self.load(scenario)
            .map_err(|error| Refusal::conflict(error.to_string()))
    }

    fn verdict(&self) -> Verdict {
        self.verdict()
    }

    fn stop(&self) {
        self.stop();
    }
}

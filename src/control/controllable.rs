//! What control drives: a server that serves, or a scenario that is played.

use super::clocks::{carry_out, chosen};
use super::refusal::Refusal;
use super::status::{FaultStatus, ListenerStatus, ScenarioStatus};
use crate::expect::Verdict;
use crate::faults::{Problem, Rule};
use crate::scenario::Scenario;
use crate::transcript::Motion;
use std::sync::Arc;
use timeball_mock::{Event, MockClock};

/// A running server with clocks that can be moved.
pub trait Controllable: Send + Sync {
    /// The clocks, each with the name of its source or of its endpoint.
    fn clocks(&self) -> Vec<(String, MockClock)>;

    /// Moves the clock of this name; without a name the only one, or all those
    /// of a scenario. Says to which event that took it.
    ///
    /// # Errors
    /// There is no such clock, or it cannot be moved so; nothing has changed
    /// then.
    fn move_clocks(&self, clock: Option<&str>, motion: Motion) -> Result<Option<Event>, Refusal> {
        let clocks = chosen(self.clocks(), self.stage().is_some(), clock)?;
        carry_out(&clocks, motion)
    }

    /// Where time is served, and what was counted there.
    fn listeners(&self) -> Vec<ListenerStatus>;

    /// What is played; nothing under `timeball serve`.
    fn stage(&self) -> Option<&dyn Stage> {
        None
    }
}

/// A scenario that is played.
///
/// Every method returns soon: while one runs, no other request is answered.
pub trait Stage: Send + Sync {
    /// What it is.
    fn scenario(&self) -> ScenarioStatus;

    /// The fault rules, in the order in which they are looked at.
    fn faults(&self) -> Vec<FaultStatus>;

    /// Adds a fault rule before all others, and gives its name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn add_fault(&self, rule: Rule) -> Result<Arc<str>, Vec<Problem>>;

    /// Removes the fault rule of this name; `false` if there is none.
    fn remove_fault(&self, name: &str) -> bool;

    /// Plays another scenario from its start.
    ///
    /// # Errors
    /// Why it cannot take the place of the present one, which goes on then.
    fn load(&self, scenario: Scenario) -> Result<(), Refusal>;

    /// How the client has done so far.
    fn verdict(&self) -> Verdict;

    /// Ends the run, as its duration would.
    fn stop(&self);
}

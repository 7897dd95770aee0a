//! What control drives of a server that serves: the clocks of its mocks.

use super::running::Handle;
use crate::control::Controllable;
use crate::control::status::ListenerStatus;
use timeball_mock::MockClock;

impl Controllable for Handle {
    fn clocks(&self) -> Vec<(String, MockClock)> {
        let state = self.state();
        let mocks = state.mocks.iter();
        mocks
            .map(|(name, clock)| (name.clone(), clock.clone()))
            .collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let state = self.state();
        let listeners = state.listeners.iter();
        listeners
            .map(|listener| ListenerStatus::new(&listener.told, &listener.totals()))
            .collect()
    }
}

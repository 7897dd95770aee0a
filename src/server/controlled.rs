//! What control drives of a server that serves: the clocks of its mocks.

use super::running::Handle;
use crate::control::Controllable;
use crate::control::status::ListenerStatus;
use timeball_mock::MockClock;

impl Controllable for Handle {
    fn clocks(&self) -> Vec<(String, MockClock)> {
        let mocks = self.mocks.iter();
        mocks
            .map(|(name, clock)| (name.clone(), clock.clone()))
            .collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let listeners = self.listeners.iter().enumerate();
        listeners
            .map(|(number, listener)| ListenerStatus::new(listener, &self.totals_of(number)))
            .collect()
    }
}

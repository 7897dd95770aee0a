//! A time source that blocks while a test wants it to.

use super::PATIENCE;
use std::sync::{Arc, Condvar, Mutex};
use timeball::api::{HostInstant, Quality, Reading, Source, TimeSource, Unavailable};
use timeball::host::OsClock;

/// Holds readings back until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many of the next readings are to be held.
    to_hold: usize,
    /// How many are held now.
    held: usize,
}

impl Gate {
    /// A gate that is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds the next `count` readings.
    pub fn hold(&self, count: usize) {
        self.0.state.lock().unwrap().to_hold = count;
    }

    /// Waits until `count` readings are held.
    pub fn wait_until_held(&self, count: usize) {
        let state = self.0.state.lock().unwrap();
        let few = |state: &mut State| state.held < count;
        let (state, waited) = self
            .0
            .changed
            .wait_timeout_while(state, PATIENCE, few)
            .unwrap();
        drop(state);
        assert!(!waited.timed_out(), "{count} readings do not come");
    }

    /// Lets every reading go, and holds no more.
    pub fn open(&self) {
        self.0.state.lock().unwrap().to_hold = 0;
        let mut state = self.0.state.lock().unwrap();
        state.held = 0;
        drop(state);
        self.0.changed.notify_all();
    }

    /// A source behind this gate, on the host's clock, that does not say it may
    /// block.
    pub fn source(&self) -> Source {
        Source::new(Gated(self.clone()), Arc::new(OsClock))
    }
}

/// The host's clock behind a gate.
struct Gated(Gate);

impl TimeSource for Gated {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        let shared = &self.0.0;
        let mut state = shared.state.lock().unwrap();
        if state.to_hold > 0 {
            state.to_hold -= 1;
            state.held += 1;
            shared.changed.notify_all();
            drop(
                shared
                    .changed
                    .wait_while(state, |state| state.held > 0)
                    .unwrap(),
            );
        }
        Ok(Reading {
            time: at.realtime,
            quality: Quality::default(),
        })
    }
}

//! A scenario that is served.

use super::controlled::Played;
use super::handle::{StageHandle, Status};
use super::recorder::Recorder;
use crate::control::Controllable;
use crate::expect::Verdict;
use crate::metrics::Totals;
use crate::server::{BoundListener, Launched, RunningServer};
use crate::transcript::Record;
use std::net::SocketAddr;
use std::sync::Arc;
use timeball_mock::MockClock;

/// A scenario that is served on threads of its own. Dropping it ends the run.
pub struct Stage {
    pub(super) handle: StageHandle,
    pub(super) server: RunningServer,
    pub(super) recorder: Recorder,
}

impl Stage {
    /// Where the endpoint is bound, by its place in the scenario from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn address(&self, endpoint: usize) -> SocketAddr {
        self.server.address(endpoint)
    }

    /// The clock of the endpoint, by its place in the scenario from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn clock(&self, endpoint: usize) -> MockClock {
        self.handle
            .clock(endpoint)
            .expect("the endpoint is one of the scenario's")
    }

    /// What may be done to the run from any thread.
    #[must_use]
    pub fn handle(&self) -> StageHandle {
        self.handle.clone()
    }

    /// What control drives: the run and all of its clocks.
    #[must_use]
    pub fn controlled(&self) -> Arc<dyn Controllable> {
        controlled(self.server.controlled(), &self.handle)
    }

    /// The datagrams so far, up to 2^20 and 256 MiB.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.recorder.records()
    }

    /// What the expectations have come to so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.handle.verdict()
    }

    /// Ends the run, and says what came of it.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.handle.stop();
        let verdict = self.handle.verdict();
        let totals = self.server.stop();
        Finished {
            verdict,
            records: self.recorder.records(),
            totals,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What the expectations came to.
    pub verdict: Verdict,
    /// The datagrams, up to 2^20 and 256 MiB.
    pub records: Vec<Record>,
    /// What the server counted, which does not see the requests that an upstream
    /// server is asked in its place.
    pub totals: Totals,
}

/// A scenario that is served on the present actix system.
pub struct LaunchedStage {
    pub(super) handle: StageHandle,
    pub(super) server: Launched,
}

impl LaunchedStage {
    /// What may be done to the run from any thread.
    #[must_use]
    pub fn handle(&self) -> StageHandle {
        self.handle.clone()
    }

    /// The listeners, in the order of the endpoints.
    #[must_use]
    pub fn listeners(&self) -> Vec<BoundListener> {
        self.server.listeners()
    }

    /// What control drives: the run and all of its clocks.
    #[must_use]
    pub fn controlled(&self) -> Arc<dyn Controllable> {
        controlled(self.server.controlled(), &self.handle)
    }

    /// Ends the run and its threads, and says how it stood then and what the
    /// expectations came to.
    pub async fn finish(self) -> (Status, Verdict) {
        self.handle.stop();
        let ended = (self.handle.status(), self.handle.verdict());
        self.server.stop().await;
        ended
    }
}

/// What control drives: the server, and the run on it.
fn controlled(server: Arc<dyn Controllable>, stage: &StageHandle) -> Arc<dyn Controllable> {
    let stage = stage.clone();
    Arc::new(Played { server, stage })
}

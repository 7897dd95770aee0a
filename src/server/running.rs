//! A server that runs: its listeners, its counts, its end.

use crate::actors::supervisor::{Stop, Supervisor};
use crate::control::{BoundControl, Control, Controllable};
use crate::metrics::{ShardCounters, Totals};
use actix::Addr;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use timeball_mock::MockClock;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// A listener that is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundListener {
    /// The protocol's name.
    pub protocol: &'static str,
    /// The address, with the port that was chosen if the settings say 0.
    pub address: SocketAddr,
    /// The name of the time source.
    pub source: String,
    /// Whether the time is made up for a test.
    pub test_time: bool,
}

impl BoundListener {
    /// Tells people that it listens.
    pub(super) fn announce(&self) {
        let Self {
            protocol,
            address,
            source,
            test_time,
        } = self;
        if *test_time {
            warn!(%protocol, %address, %source, mode = "test", "listening; the time is test time");
        } else {
            info!(%protocol, %address, %source, "listening");
        }
    }
}

/// What may be known of a running server, from any thread.
#[derive(Clone, Default)]
pub(super) struct Handle {
    pub listeners: Vec<BoundListener>,
    /// Of each listener, on each of its shards.
    pub counters: Vec<Vec<ShardCounters>>,
    pub mocks: Arc<BTreeMap<String, MockClock>>,
    /// Where control is asked.
    pub control: Option<SocketAddr>,
}

impl Handle {
    pub fn totals_of(&self, listener: usize) -> Totals {
        let mut totals = Totals::default();
        for counters in self.counters.get(listener).into_iter().flatten() {
            counters.add_to(&mut totals);
        }
        totals
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for listener in 0..self.counters.len() {
            totals += self.totals_of(listener);
        }
        totals
    }
}

/// A server that runs on the present actix system.
pub struct Launched {
    pub(super) handle: Handle,
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) control: Option<Control>,
}

impl Launched {
    /// The listeners, in the order of the settings.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.handle.listeners
    }

    /// Where control is asked, if the settings have any.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.handle.control
    }

    /// Answers what has been received, ends every thread, and says what was
    /// counted.
    pub async fn stop(self) -> Totals {
        if let Some(control) = self.control {
            control.stop().await;
        }
        // An error means that the supervisor has ended already.
        let _ = self.supervisor.send(Stop).await;
        self.handle.totals()
    }

    /// Has control answered at `bound`, if there is any; ends everything where it
    /// cannot be.
    pub(super) async fn controlled_by(mut self, bound: Option<BoundControl>) -> io::Result<Self> {
        let Some(bound) = bound else {
            return Ok(self);
        };
        self.handle.control = Some(bound.address());
        match bound.serve(self.controlled()) {
            Ok(control) => self.control = Some(control),
            Err(error) => {
                self.stop().await;
                return Err(error);
            }
        }
        Ok(self)
    }

    /// What control drives: the clocks of the mocks.
    #[must_use]
    pub fn controlled(&self) -> Arc<dyn Controllable> {
        Arc::new(self.handle.clone())
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// A server that runs on threads of its own. Dropping it stops it.
pub struct RunningServer {
    pub(super) handle: Handle,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// The listeners, in the order of the settings.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.handle.listeners
    }

    /// The address of the listener of this number, in the order of the
    /// settings.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn address(&self, listener: usize) -> SocketAddr {
        self.handle.listeners[listener].address
    }

    /// Where control is asked, if the settings have any.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.handle.control
    }

    /// The handle of the mock source of this name in the settings.
    #[must_use]
    pub fn mock(&self, source: &str) -> Option<MockClock> {
        self.handle.mocks.get(source).cloned()
    }

    /// What control drives: the clocks of the mocks.
    #[must_use]
    pub fn controlled(&self) -> Arc<dyn Controllable> {
        Arc::new(self.handle.clone())
    }

    /// What has been counted so far. A reply may reach its client a moment
    /// before it is counted; after [`stop`](Self::stop) the counts are exact.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.handle.totals()
    }

    /// The same for the listener of this number.
    #[must_use]
    pub fn totals_of(&self, listener: usize) -> Totals {
        self.handle.totals_of(listener)
    }

    /// Answers what has been received, ends every thread, and says what was
    /// counted.
    pub fn stop(mut self) -> Totals {
        self.end();
        self.handle.totals()
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the server has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the server's thread ended by a panic");
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.end();
    }
}

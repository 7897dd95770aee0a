//! A server that runs: its listeners, its counts, its end.

use super::accelerated::Counted;
use super::orders::{OrderBook, Orders, orders};
use super::pulse::Pulse;
use super::reloaded::{ReloadError, Reloaded};
use crate::actors::supervisor::End;
use crate::admission::Limits;
use crate::api::{HostClock, HostInstant};
use crate::control::{BoundControl, Control, Controllable};
use crate::host::OsClock;
use crate::http::{BoundHttp, Http, Observed, ObservedSource};
use crate::metrics::{ShardCounters, Totals};
use crate::settings::Settings;
use crate::transport::inherited::BoundSocket;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
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

/// Where a server is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundAddresses {
    /// The listeners, in the order of the settings.
    pub listeners: Vec<BoundListener>,
    /// Where control is asked, if the settings have any.
    pub control: Option<SocketAddr>,
    /// Where metrics and status are asked, if the settings have them.
    pub http: Option<SocketAddr>,
}

/// What may be known of a running server, and asked of it, from any thread.
#[derive(Clone)]
pub(super) struct Handle {
    state: Arc<RwLock<State>>,
    /// Where control is asked.
    control: Arc<OnceLock<SocketAddr>>,
    /// Where metrics and status are asked.
    http: Arc<OnceLock<SocketAddr>>,
    /// When the server was started.
    pub started: HostInstant,
    /// Of the thread that tends the sources, once there is one.
    pub pulse: Arc<OnceLock<Pulse>>,
    pub orders: Orders,
}

/// What a server is made of now.
#[derive(Default)]
pub(super) struct State {
    /// In the order of the settings.
    pub listeners: Vec<Shown>,
    pub mocks: BTreeMap<String, MockClock>,
    /// The sources that listeners name, in the order of their names.
    pub sources: Vec<ObservedSource>,
    /// What limits clients.
    pub limits: Option<Arc<Limits>>,
    /// What was counted by listeners that are gone.
    pub past: Totals,
}

/// What may be known of a listener.
pub(super) struct Shown {
    pub told: BoundListener,
    /// On each of its shards.
    pub counters: Vec<ShardCounters>,
    /// What was counted on shards that it has no more.
    pub past: Totals,
    /// What the program in the network driver counts.
    pub in_driver: Option<Counted>,
}

impl Shown {
    /// What it has counted so far.
    pub fn totals(&self) -> Totals {
        let mut totals = self.past;
        for counters in &self.counters {
            counters.add_to(&mut totals);
        }
        if let Some(counted) = &self.in_driver {
            counted.add_to(&mut totals);
        }
        totals
    }
}

impl Handle {
    /// A handle of a server that has no listeners yet, and where its orders come.
    pub fn new() -> (Self, OrderBook) {
        let (orders, book) = orders();
        let handle = Self {
            state: Arc::default(),
            control: Arc::default(),
            http: Arc::default(),
            started: OsClock.now(),
            pulse: Arc::default(),
            orders,
        };
        (handle, book)
    }

    /// Shows this from now on.
    pub fn show(&self, state: State) {
        let mut shown = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *shown = state;
    }

    /// What there is to be seen now.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> Vec<BoundListener> {
        let state = self.state();
        state.listeners.iter().map(|it| it.told.clone()).collect()
    }

    fn totals(&self) -> Totals {
        let state = self.state();
        let mut totals = state.past;
        for listener in &state.listeners {
            totals += listener.totals();
        }
        totals
    }
}

/// A server that runs on the present actix system.
pub struct Launched {
    pub(super) handle: Handle,
    pub(super) control: Option<Control>,
    pub(super) http: Option<Http>,
}

impl Launched {
    /// The listeners, in the order of the settings.
    #[must_use]
    pub fn listeners(&self) -> Vec<BoundListener> {
        self.handle.listeners()
    }

    /// Where control is asked, if the settings have any.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.handle.control.get().copied()
    }

    /// Where metrics and status are asked, if the settings say so.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.handle.http.get().copied()
    }

    /// Answers what has been received, ends every thread, and says what was
    /// counted.
    pub async fn stop(self) -> Totals {
        self.end(End::Drain).await
    }

    async fn end(self, how: End) -> Totals {
        if let Some(control) = self.control {
            control.stop().await;
        }
        if let Some(http) = self.http {
            http.stop().await;
        }
        self.handle.orders.stop(how).await;
        self.handle.totals()
    }

    /// Has control answered at `bound`, if there is any; ends everything where it
    /// cannot be.
    pub(super) async fn controlled_by(mut self, bound: Option<BoundControl>) -> io::Result<Self> {
        let Some(bound) = bound else {
            return Ok(self);
        };
        // It is set here and nowhere else.
        let _ = self.handle.control.set(bound.address());
        match bound.serve(self.controlled()) {
            Ok(control) => self.control = Some(control),
            Err(error) => {
                self.stop().await;
                return Err(error);
            }
        }
        Ok(self)
    }

    /// Has metrics and status told at `bound`, if there is any; ends everything
    /// where they cannot be.
    pub(super) async fn observed_at(mut self, bound: Option<BoundHttp>) -> io::Result<Self> {
        let Some(bound) = bound else {
            return Ok(self);
        };
        // It is set here and nowhere else.
        let _ = self.handle.http.set(bound.address());
        match bound.serve(self.observed()) {
            Ok(http) => self.http = Some(http),
            Err(error) => {
                self.stop().await;
                return Err(error);
            }
        }
        Ok(self)
    }

    /// What is told over HTTP.
    #[must_use]
    pub fn observed(&self) -> Arc<dyn Observed> {
        Arc::new(self.handle.clone())
    }

    /// Reads the settings anew and becomes what they say, without losing a
    /// datagram of a listener that stays at its address; says what that changed.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.handle.orders.reload(None).await
    }

    /// Its sockets, for a server that is to take its place; both receive from them
    /// as long as both have them.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub async fn sockets(&self) -> io::Result<Vec<BoundSocket>> {
        let mut sockets = self.handle.orders.sockets().await?;
        if let Some(control) = &self.control {
            sockets.push(control.socket()?);
        }
        if let Some(http) = &self.http {
            sockets.push(http.socket()?);
        }
        Ok(sockets)
    }

    /// Receives no more, answers what has been received, and ends every thread;
    /// what waits in the sockets is left to whoever has them too.
    pub async fn hand_over(self) -> Totals {
        self.end(End::HandOver).await
    }

    /// Resolves once every thread that serves has had a turn: none of them hangs.
    pub async fn pulse(&self) {
        self.handle.orders.pulse().await;
    }

    /// What has been counted so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.handle.totals()
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
    pub fn listeners(&self) -> Vec<BoundListener> {
        self.handle.listeners()
    }

    /// The address of the listener of this number, in the order of the
    /// settings.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn address(&self, listener: usize) -> SocketAddr {
        self.handle.state().listeners[listener].told.address
    }

    /// Where control is asked, if the settings have any.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.handle.control.get().copied()
    }

    /// Where metrics and status are asked, if the settings say so.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.handle.http.get().copied()
    }

    /// The handle of the mock source of this name in the settings.
    #[must_use]
    pub fn mock(&self, source: &str) -> Option<MockClock> {
        self.handle.state().mocks.get(source).cloned()
    }

    /// What control drives: the clocks of the mocks.
    #[must_use]
    pub fn controlled(&self) -> Arc<dyn Controllable> {
        Arc::new(self.handle.clone())
    }

    /// Becomes what `settings` say, without losing a datagram of a listener that
    /// stays at its address; says what that changed.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    ///
    /// # Panics
    /// On a thread that drives asynchronous tasks.
    pub fn reload(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        self.handle.orders.reload_blocking(settings)
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
        let state = self.handle.state();
        let listener = state.listeners.get(listener);
        listener.map(Shown::totals).unwrap_or_default()
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

//! A server from its settings: what `timeball serve` runs, and what a test in
//! Rust starts in its own process.

use crate::actors::supervisor::{
    ListenerPlan, OpenTransport, Responders, Stop, Supervisor, allowed_cpus,
};
use crate::admission::Admission;
use crate::api::settings::Problem;
use crate::api::{Host, Protocol, Source, Upkeep};
use crate::host::this_host;
use crate::metrics::{Counters, Totals};
use crate::protocol::calendar::{CalendarFormat, FormatError};
use crate::protocol::daytime::Daytime;
use crate::protocol::text::Text;
use crate::protocol::time::Time;
use crate::service::Service;
use crate::settings::{ListenerSettings, ProtocolSettings, Settings};
use crate::sources;
use crate::transport::udp::{BindOptions, Bound, UdpTransport, bind};
use crate::transport::{Room, Transport};
use actix::Addr;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use thiserror::Error;
use timeball_mock::MockClock;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener names a source that is neither in the settings nor given.
    #[error("listeners[{listener}].source = \"{source_name}\": there is no such source")]
    NoSuchSource {
        /// The number of the listener.
        listener: usize,
        /// The name it gives.
        source_name: String,
    },
    /// Settings of a source that cannot stand together.
    #[error("sources.{name}.{}: {}", .problem.key, .problem.text)]
    Source {
        /// The source.
        name: String,
        /// What is wrong.
        problem: Problem,
    },
    /// The format of a listener cannot be used.
    #[error("listeners[{listener}].format: {error}")]
    Format {
        /// The number of the listener.
        listener: usize,
        /// What is wrong with it.
        error: FormatError,
    },
    /// A listener's address could not be bound.
    #[error("listeners[{listener}] ({protocol} on {address}): {error}{}", remedy(.address, .error))]
    Bind {
        /// The number of the listener.
        listener: usize,
        /// Its protocol.
        protocol: &'static str,
        /// Its address.
        address: SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
    /// A thread or a reactor could not be had.
    #[error("the server's threads could not be started: {0}")]
    Threads(#[from] io::Error),
}

impl StartError {
    /// Whether the settings are at fault, rather than the state of this host.
    #[must_use]
    pub fn is_about_settings(&self) -> bool {
        !matches!(self, Self::Bind { .. } | Self::Threads(_))
    }
}

/// What to do about an address that could not be bound.
fn remedy(address: &SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            ": another program, or another timeball, has it; stop that one (`ss -ulpn sport = :{port}` \
             tells which) or choose another address"
        ),
        io::ErrorKind::PermissionDenied => format!(
            ": ports below 1024 need CAP_NET_BIND_SERVICE; start as root, grant the capability \
             (`setcap cap_net_bind_service=+ep` on the binary), or choose a port above {}",
            port.max(1023)
        ),
        io::ErrorKind::AddrNotAvailable => {
            ": no interface has this address; bring it up, or set freebind = true".into()
        }
        _ => String::new(),
    }
}

/// A listener that is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundListener {
    /// The protocol's name.
    pub protocol: &'static str,
    /// The address, with the port that was chosen if the settings say 0.
    pub address: SocketAddr,
    /// The name of the time source.
    pub source: String,
}

/// Puts something between the network and a listener: called with the number
/// of the listener and its transport, on the thread that will watch it.
pub type WrapTransport = Arc<dyn Fn(usize, Box<dyn Transport>) -> Box<dyn Transport> + Send + Sync>;

/// A server that has not been started.
pub struct Server {
    settings: Settings,
    host: Option<Host>,
    given: BTreeMap<String, Source>,
    wrap: Option<WrapTransport>,
}

impl Server {
    /// A server with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            host: None,
            given: BTreeMap::new(),
            wrap: None,
        }
    }

    /// Adds a time source under `name`, in the place of one from the settings.
    #[must_use]
    pub fn with_source(mut self, name: &str, source: Source) -> Self {
        self.given.insert(name.to_owned(), source);
        self
    }

    /// Uses these clocks instead of this machine's.
    #[must_use]
    pub fn with_host(self, host: Host) -> Self {
        Self {
            host: Some(host),
            ..self
        }
    }

    /// Puts something between the network and each listener.
    #[must_use]
    pub fn with_transport(self, wrap: WrapTransport) -> Self {
        Self {
            wrap: Some(wrap),
            ..self
        }
    }

    /// Starts the server on threads of its own; returns once every listener is
    /// bound.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(self) -> Result<RunningServer, StartError> {
        let (ready, readiness) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            actix_rt::System::new().block_on(async move {
                let launched = match self.launch().await {
                    Ok(launched) => launched,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // Nobody is left to be told only when the caller is gone.
                let _ = ready.send(Ok(launched.handle()));
                // An error means that the handle is gone, which is a stop too.
                let _ = stopped.await;
                launched.stop().await;
            });
        };
        let thread = std::thread::Builder::new()
            .name("timeball".into())
            .spawn(serve)?;
        let handle = readiness
            .recv()
            .map_err(|_| io::Error::other("the server's thread has ended"))??;
        Ok(RunningServer {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Starts the server on the actix system that this is called in.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub async fn launch(self) -> Result<Launched, StartError> {
        let host = self.host.unwrap_or_else(this_host);
        let available = Sources::build(&self.settings, self.given, &host)?;
        let shards = shard_count(self.settings.threads);
        let mut bound = Vec::new();
        for (number, listener) in self.settings.listeners.iter().enumerate() {
            let source = available.get(number, &listener.source)?;
            let responders = responders(listener, source);
            let sockets = match responders {
                // One order of requests, and one count of them.
                _ if source.test_time => 1,
                Responders::OnThreads(_) => 1,
                Responders::OnShard(_) => shards,
            };
            bound.push((responders, bind_listener(number, listener, sockets)?));
        }
        let ports: Vec<u16> = bound
            .iter()
            .map(|(_, bound)| bound.address.port())
            .collect();
        let mut plans = Vec::new();
        let mut listeners = Vec::new();
        let mut counters = Vec::new();
        for (number, (responders, bound)) in bound.into_iter().enumerate() {
            let settings = &self.settings.listeners[number];
            let source = available.get(number, &settings.source)?;
            let (protocol, room) = protocol(number, &settings.protocol)?;
            let admission = match settings.protocol {
                ProtocolSettings::Ntp(_) => Admission::for_checked_requests(),
                _ => Admission::for_any_datagram(&ports),
            };
            let service = Service::new(protocol, source.clone(), admission)
                .with_max_queue_delay(self.settings.max_queue_delay);
            let name = settings.protocol.name();
            let mut counted = Vec::new();
            let first_shard = if source.test_time { 0 } else { number };
            for (index, socket) in bound.sockets.into_iter().enumerate() {
                let shared: Vec<Arc<Counters>> =
                    (0..=responders.count()).map(|_| Arc::default()).collect();
                counted.extend(shared.iter().cloned());
                plans.push(ListenerPlan {
                    name: format!("{name} {}", bound.address),
                    protocol: name,
                    shard: (first_shard + index) % shards,
                    open: open(number, socket, self.wrap.clone()),
                    service: service.another(),
                    batch: self.settings.batch,
                    room,
                    responders,
                    counters: shared,
                });
            }
            counters.push(counted);
            listeners.push(BoundListener {
                protocol: name,
                address: bound.address,
                source: settings.source.clone(),
            });
        }
        let supervisor = Supervisor::launch(shards, plans, available.upkeep, host.clock).await?;
        for listener in &listeners {
            let BoundListener {
                protocol,
                address,
                source,
            } = listener;
            let test_time = available
                .sources
                .get(source)
                .is_some_and(|source| source.test_time);
            if test_time {
                warn!(%protocol, %address, %source, mode = "test", "listening; the time is test time");
            } else {
                info!(%protocol, %address, %source, "listening");
            }
        }
        let handle = Handle {
            listeners: listeners.into(),
            counters: counters.into(),
            mocks: Arc::new(available.mocks),
        };
        Ok(Launched { handle, supervisor })
    }
}

/// The sources that a server's listeners may name.
struct Sources {
    sources: BTreeMap<String, Source>,
    mocks: BTreeMap<String, MockClock>,
    upkeep: Vec<Box<dyn Upkeep>>,
}

impl Sources {
    fn build(
        settings: &Settings,
        given: BTreeMap<String, Source>,
        host: &Host,
    ) -> Result<Self, StartError> {
        let mut all = Self {
            sources: given,
            mocks: BTreeMap::new(),
            upkeep: Vec::new(),
        };
        for (name, source) in &settings.sources {
            if all.sources.contains_key(name) {
                continue;
            }
            let built = sources::build(source, host).map_err(|problem| StartError::Source {
                name: name.clone(),
                problem,
            })?;
            all.sources.insert(name.clone(), built.built.source);
            all.upkeep.extend(built.built.upkeep);
            if let Some(mock) = built.mock {
                all.mocks.insert(name.clone(), mock);
            }
        }
        Ok(all)
    }

    fn get(&self, listener: usize, name: &str) -> Result<&Source, StartError> {
        self.sources
            .get(name)
            .ok_or_else(|| StartError::NoSuchSource {
                listener,
                source_name: name.to_owned(),
            })
    }
}

/// One shard for each CPU that this process may use, or fewer by the settings.
fn shard_count(threads: usize) -> usize {
    let cpus = allowed_cpus().len().max(1);
    if threads == 0 {
        cpus
    } else {
        threads.min(cpus)
    }
}

/// A source that may block must not stop the other listeners of a shard, so its
/// responders have threads even if the settings give them none.
fn responders(listener: &ListenerSettings, source: &Source) -> Responders {
    if source.test_time && !source.may_block {
        Responders::OnShard(1)
    } else if listener.responder_threads > 0 || source.may_block {
        Responders::OnThreads(listener.responder_threads.max(1))
    } else {
        Responders::OnShard(listener.responders)
    }
}

fn bind_listener(
    number: usize,
    listener: &ListenerSettings,
    sockets: usize,
) -> Result<Bound, StartError> {
    let protocol = listener.protocol.name();
    let options = BindOptions {
        address: listener.address,
        sockets,
        receive_buffer: listener.receive_buffer,
        freebind: listener.freebind,
        interface: listener.interface.clone(),
    };
    let bound = bind(&options).map_err(|error| StartError::Bind {
        listener: number,
        protocol,
        address: listener.address,
        error,
    })?;
    if bound.receive_buffer < listener.receive_buffer {
        warn!(
            %protocol,
            address = %bound.address,
            asked = listener.receive_buffer,
            granted = bound.receive_buffer,
            "the kernel granted a smaller receive buffer, so a burst may lose requests; \
             raise it with `sysctl -w net.core.rmem_max={}`",
            listener.receive_buffer,
        );
    }
    Ok(bound)
}

fn open(number: usize, socket: socket2::Socket, wrap: Option<WrapTransport>) -> OpenTransport {
    Box::new(move || {
        let transport: Box<dyn Transport> = Box::new(UdpTransport::open(socket)?);
        Ok(match wrap {
            Some(wrap) => wrap(number, transport),
            None => transport,
        })
    })
}

/// The longest reply of the protocols that write a line.
const LINE: usize = 514;

/// The protocol of a listener, and the octets that its requests and replies
/// may have.
fn protocol(
    listener: usize,
    settings: &ProtocolSettings,
) -> Result<(Arc<dyn Protocol>, Room), StartError> {
    let format = |error| StartError::Format { listener, error };
    Ok(match settings {
        ProtocolSettings::Text {
            format: pattern,
            timezone,
        } => {
            let pattern = CalendarFormat::new(pattern, *timezone).map_err(format)?;
            (
                Arc::new(Text::new(pattern)),
                Room {
                    request: 256,
                    reply: LINE,
                },
            )
        }
        ProtocolSettings::Daytime {
            format: pattern,
            timezone,
        } => {
            let daytime = Daytime::new(pattern.clone(), *timezone).map_err(format)?;
            (
                Arc::new(daytime),
                Room {
                    request: 64,
                    reply: LINE,
                },
            )
        }
        ProtocolSettings::Time => (
            Arc::new(Time),
            Room {
                request: 64,
                reply: 8,
            },
        ),
        ProtocolSettings::Ntp(ntp) => (
            Arc::new(*ntp),
            Room {
                request: 1280,
                reply: 64,
            },
        ),
    })
}

/// What may be known of a running server, from any thread.
#[derive(Clone)]
struct Handle {
    listeners: Arc<[BoundListener]>,
    /// Of each listener.
    counters: Arc<[Vec<Arc<Counters>>]>,
    mocks: Arc<BTreeMap<String, MockClock>>,
}

impl Handle {
    fn totals_of(&self, listener: usize) -> Totals {
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
    handle: Handle,
    supervisor: Addr<Supervisor>,
}

impl Launched {
    /// The listeners, in the order of the settings.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.handle.listeners
    }

    /// Answers what has been received, ends every thread, and says what was
    /// counted.
    pub async fn stop(self) -> Totals {
        // An error means that the supervisor has ended already.
        let _ = self.supervisor.send(Stop).await;
        self.handle.totals()
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// A server that runs on threads of its own. Dropping it stops it.
pub struct RunningServer {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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

    /// The handle of the mock source of this name in the settings.
    #[must_use]
    pub fn mock(&self, source: &str) -> Option<MockClock> {
        self.handle.mocks.get(source).cloned()
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

//! A server from its settings: what `timeball serve` runs, and what a test in
//! Rust starts in its own process.

mod available;
mod controlled;
mod error;
mod gates;
mod running;

pub use error::StartError;
pub(crate) use error::remedy_anywhere;
pub use running::{BoundListener, Launched, RunningServer};

use crate::actors::supervisor::{
    ListenerPlan, OpenTransport, Responders, Supervisor, allowed_cpus,
};
use crate::admission::Admission;
use crate::api::{Host, Source};
use crate::control::BoundControl;
use crate::host::this_host;
use crate::metrics::ShardCounters;
use crate::protocol::calendar::FormatError;
use crate::service::Service;
use crate::settings::{ControlSettings, ListenerSettings, ProtocolSettings, Settings};
use crate::transport::udp::{BindOptions, Bound, DropMeter, UdpTransport, bind};
use crate::transport::{Room, Transport};
use available::Available;
use gates::Gates;
use running::Handle;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use tokio::sync::oneshot;
use tracing::warn;

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
        let control = self.settings.control.as_ref().map(bind_control);
        let control = control.transpose()?;
        let available = Available::build(&self.settings, self.given, &host)?;
        let shards = shard_count(self.settings.threads);
        let mut prepared = Vec::new();
        for (number, settings) in self.settings.listeners.iter().enumerate() {
            let source = available.get(number, &settings.source)?;
            prepared.push(Prepared::bind(number, settings, source, shards)?);
        }
        // Known only now, as the settings may leave ports to the kernel.
        let ports: Vec<u16> = prepared
            .iter()
            .map(|listener| listener.bound.address.port())
            .collect();
        let gates = self.settings.admission.as_ref().map(Gates::new);
        let mut plans = Vec::new();
        let mut handle = Handle::default();
        for listener in prepared {
            handle.listeners.push(listener.told());
            let service = listener
                .service(&ports, gates.as_ref())?
                .with_max_queue_delay(self.settings.max_queue_delay);
            let planned = listener.plan(&service, self.settings.batch, shards, self.wrap.as_ref());
            let counters = planned.iter().map(|plan| plan.counters.clone());
            handle.counters.push(counters.collect());
            plans.extend(planned);
        }
        handle.mocks = Arc::new(available.mocks);
        let supervisor = Supervisor::launch(shards, plans, available.upkeep, host.clock).await?;
        handle.listeners.iter().for_each(BoundListener::announce);
        let launched = Launched {
            handle,
            supervisor,
            control: None,
        };
        Ok(launched.controlled_by(control).await?)
    }
}

/// A listener whose sockets are bound.
struct Prepared<'a> {
    number: usize,
    settings: &'a ListenerSettings,
    source: &'a Source,
    responders: Responders,
    bound: Bound,
}

impl<'a> Prepared<'a> {
    fn bind(
        number: usize,
        settings: &'a ListenerSettings,
        source: &'a Source,
        shards: usize,
    ) -> Result<Self, StartError> {
        let responders = responders(settings, source);
        let sockets = match responders {
            // One order of requests, and one count of them.
            _ if source.test_time => 1,
            Responders::OnThreads(_) => 1,
            Responders::OnShard(_) => shards,
        };
        let bound = bind_listener(number, settings, sockets)?;
        Ok(Self {
            number,
            settings,
            source,
            responders,
            bound,
        })
    }

    /// What people and programs are told of it.
    fn told(&self) -> BoundListener {
        BoundListener {
            protocol: self.settings.protocol.name(),
            address: self.bound.address,
            source: self.settings.source.clone(),
            test_time: self.source.test_time,
        }
    }

    /// What its responders do, where this server listens on `ports`.
    fn service(&self, ports: &[u16], gates: Option<&Gates>) -> Result<Service, StartError> {
        // A thread of its own is for a source that may block: how long a request
        // has waited is then asked for each, not once for its batch.
        let may_block = matches!(self.responders, Responders::OnThreads(_));
        let source = Source {
            may_block,
            ..self.source.clone()
        };
        let mut admission = admission(&self.settings.protocol, ports);
        if let Some(gates) = gates {
            let has_limits = self.settings.admission.rate_limit && !source.test_time;
            admission = admission.with_gate(gates.gate(&self.settings.admission, has_limits));
        }
        let protocol = self
            .settings
            .protocol
            .build()
            .map_err(|error| StartError::Format {
                listener: self.number,
                error,
            })?;
        Ok(Service::new(protocol, source, admission))
    }

    /// One plan for each of its sockets, each on another shard.
    fn plan(
        self,
        service: &Service,
        batch: usize,
        shards: usize,
        wrap: Option<&WrapTransport>,
    ) -> Vec<ListenerPlan> {
        let Self {
            number,
            settings,
            source,
            responders,
            bound,
        } = self;
        let protocol = settings.protocol.name();
        // Requests to one test clock are served in one order: on one shard.
        let first_shard = if source.test_time { 0 } else { number };
        let plan = |(index, socket)| {
            let socket = Arc::new(socket);
            ListenerPlan {
                name: format!("{protocol} {}", bound.address),
                protocol,
                shard: (first_shard + index) % shards,
                counters: ShardCounters::new(responders.count(), DropMeter::of(&socket)),
                open: open(number, socket, wrap.cloned()),
                service: service.another(),
                batch,
                room: room(&settings.protocol),
                responders,
            }
        };
        bound.sockets.into_iter().enumerate().map(plan).collect()
    }
}

/// Whom `protocol` answers anywhere, where this server listens on `ports`.
fn admission(protocol: &ProtocolSettings, ports: &[u16]) -> Admission {
    match protocol {
        ProtocolSettings::Ntp(_) => Admission::for_checked_requests(),
        _ => Admission::for_any_datagram(ports),
    }
}

/// What answers everybody in `protocol` with the time of `source`, where this
/// server listens on `ports`.
///
/// # Errors
/// [`FormatError`] for a format that cannot be used.
pub(crate) fn service(
    protocol: &ProtocolSettings,
    source: Source,
    ports: &[u16],
) -> Result<Service, FormatError> {
    let admission = admission(protocol, ports);
    Ok(Service::new(protocol.build()?, source, admission))
}

/// # Errors
/// The token or the socket cannot be had.
fn bind_control(settings: &ControlSettings) -> Result<BoundControl, StartError> {
    let token = settings.token().map_err(|error| StartError::Token {
        file: settings.token_file.clone().unwrap_or_default(),
        error,
    })?;
    Ok(BoundControl::bind(settings.address, token)?)
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
    let (asked, granted) = (listener.receive_buffer, bound.receive_buffer);
    if granted < asked {
        warn!(
            %protocol,
            address = %bound.address,
            "listeners[{number}].receive_buffer = {asked}: the kernel granted {granted} octets, \
             so a burst may lose requests; raise its limit with \
             `sysctl -w net.core.rmem_max={asked}`, or give this program CAP_NET_ADMIN",
        );
    }
    Ok(bound)
}

fn open(number: usize, socket: Arc<socket2::Socket>, wrap: Option<WrapTransport>) -> OpenTransport {
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

/// The octets that requests and replies of a protocol may have.
pub(crate) fn room(settings: &ProtocolSettings) -> Room {
    match settings {
        ProtocolSettings::Text { .. } => Room {
            request: 256,
            reply: LINE,
        },
        ProtocolSettings::Daytime { .. } => Room {
            request: 64,
            reply: LINE,
        },
        ProtocolSettings::Time => Room {
            request: 64,
            reply: 8,
        },
        ProtocolSettings::Ntp(_) => Room {
            request: 1280,
            reply: 64,
        },
    }
}

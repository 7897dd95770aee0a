//! A server from its settings: what `timeball serve` runs, and what a test in
//! Rust starts in its own process.

mod accelerated;
mod available;
mod controlled;
mod error;
mod exchange;
mod gates;
mod listening;
mod live;
mod observed;
mod orders;
mod pulse;
mod reloaded;
mod running;

pub use error::StartError;
pub(crate) use error::remedy_anywhere;
pub(crate) use listening::room;
use orders::Reloads;
pub use orders::{Reread, WatchReloads};
pub use reloaded::{ReloadError, Reloaded, Renamed};
pub use running::{BoundAddresses, BoundListener, Launched, RunningServer};

use crate::actors::supervisor::allowed_cpus;
use crate::admission::Admission;
use crate::admission::ports::PortSet;
use crate::api::{Host, Source};
use crate::control::BoundControl;
use crate::host::this_host;
use crate::http::BoundHttp;
use crate::protocol::ProtocolName;
use crate::protocol::calendar::FormatError;
use crate::service::Service;
use crate::settings::{ProtocolSettings, Settings, WebSettings};
use crate::transport::Transport;
use crate::transport::inherited::{BoundSocket, Inherited};
use crate::web::Token;
use live::{Around, Live};
use running::Handle;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Puts something between the network and a listener: called with the number
/// of the listener and its transport, on the thread that will watch it.
pub type WrapTransport = Arc<dyn Fn(usize, Box<dyn Transport>) -> Box<dyn Transport> + Send + Sync>;

/// What came of what was done before anything is served.
type Prelude = Result<(), Box<dyn std::error::Error + Send + Sync>>;
pub(crate) type BeforeServing = Box<dyn FnOnce(&BoundAddresses) -> Prelude + Send>;

/// A server that has not been started.
pub struct Server {
    settings: Settings,
    host: Option<Host>,
    given: BTreeMap<String, Source>,
    wrap: Option<WrapTransport>,
    reloads: Reloads,
    inherited: Vec<BoundSocket>,
    before_serving: Option<BeforeServing>,
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
            reloads: Reloads::default(),
            inherited: Vec::new(),
            before_serving: None,
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

    /// Has the settings read like this when they are to be read anew.
    #[must_use]
    pub fn with_reread(mut self, reread: Reread) -> Self {
        self.reloads.reread = Some(reread);
        self
    }

    /// Tells `watch` whenever the settings are read anew.
    #[must_use]
    pub fn with_watch(mut self, watch: impl WatchReloads + 'static) -> Self {
        self.reloads.watch = Some(Box::new(watch));
        self
    }

    /// Gives it sockets that are bound already: a listener whose address is that of
    /// some takes them, and binds none.
    #[must_use]
    pub fn with_sockets(mut self, sockets: Vec<BoundSocket>) -> Self {
        self.inherited.extend(sockets);
        self
    }

    /// Calls `before` once everything is bound, with where that is, on the thread
    /// that then starts those that serve: the place to give up rights for good ([`Sandbox::apply`](crate::sandbox::Sandbox::apply)).
    /// An error of it is [`StartError::BeforeServing`].
    #[must_use]
    pub fn before_serving(
        self,
        before: impl FnOnce(&BoundAddresses) -> Prelude + Send + 'static,
    ) -> Self {
        Self {
            before_serving: Some(Box::new(before)),
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
        let mut inherited = Inherited::new(self.inherited);
        let control = self.settings.control.as_ref();
        let control = control.map(|control| bind_control(control, &mut inherited));
        let control = control.transpose()?;
        let http = self.settings.http.as_ref();
        let http = http
            .map(|http| bind_http(http, &mut inherited))
            .transpose()?;
        let (handle, orders) = Handle::new();
        let shards = shard_count(self.settings.threads);
        let mut live = Live::new(Around {
            host: self.host.unwrap_or_else(this_host),
            given: self.given,
            wrap: self.wrap,
            shards,
            inherited,
            handle: handle.clone(),
            control: control.as_ref().map(BoundControl::address),
            http: http.as_ref().map(BoundHttp::address),
            before_serving: self.before_serving,
        });
        live.change_to(self.settings).await?;
        actix_rt::spawn(orders.carry_out(live, self.reloads));
        let launched = Launched {
            handle,
            control: None,
            http: None,
        };
        let launched = launched.controlled_by(control).await?;
        Ok(launched.observed_at(http).await?)
    }
}

/// Whom `protocol` answers anywhere, where this server listens on `own_ports`.
pub(crate) fn admission(protocol: ProtocolName, own_ports: &Arc<PortSet>) -> Admission {
    match protocol {
        ProtocolName::Ntp => Admission::for_checked_requests(),
        _ => Admission::for_any_datagram(Arc::clone(own_ports)),
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
    own_ports: &Arc<PortSet>,
) -> Result<Service, FormatError> {
    let admission = admission(protocol.protocol(), own_ports);
    Ok(Service::new(protocol.build()?, source, admission))
}

/// # Errors
/// The token or the socket cannot be had.
fn bind_control(
    settings: &WebSettings,
    inherited: &mut Inherited,
) -> Result<BoundControl, StartError> {
    let token = token("control", settings)?;
    let inherited = inherited.take_tcp(settings.address);
    Ok(BoundControl::bind(settings.address, token, inherited)?)
}

/// # Errors
/// The token or the socket cannot be had.
fn bind_http(settings: &WebSettings, inherited: &mut Inherited) -> Result<BoundHttp, StartError> {
    let token = token("http", settings)?;
    let inherited = inherited.take_tcp(settings.address);
    Ok(BoundHttp::bind(settings.address, token, inherited)?)
}

fn token(table: &'static str, settings: &WebSettings) -> Result<Option<Token>, StartError> {
    settings.token().map_err(|error| StartError::Token {
        table,
        file: settings.token_file.clone().unwrap_or_default(),
        error,
    })
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

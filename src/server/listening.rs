//! One listener: what its settings ask for, its sockets, and what is started on
//! them.

use super::accelerated::Counted;
use super::gates::Gates;
use super::running::BoundListener;
use super::{StartError, WrapTransport, admission};
use crate::actors::supervisor::{
    ListenerPlan, OpenListener, OpenTransport, Planned, Responders, StartedListener,
};
use crate::admission::Admission;
use crate::admission::ports::PortSet;
use crate::api::{Delta, Source};
use crate::metrics::{ShardCounters, Totals};
use crate::service::Service;
use crate::settings::{ListenerSettings, ProtocolSettings};
use crate::transport::inherited::Inherited;
use crate::transport::udp::{
    BindOptions, Bound, DropMeter, UdpTransport, bind, granted_receive_buffer, join,
    set_receive_buffer,
};
use crate::transport::{Room, Transport};
use socket2::Socket;
use std::io;
use std::sync::Arc;
use tracing::{info, warn};

/// A listener that serves.
pub(super) struct Serving {
    /// What it was made from.
    pub settings: ListenerSettings,
    /// What people and programs are told of it.
    pub told: BoundListener,
    /// Its sockets and what runs on them.
    pub channels: Vec<Channel>,
    /// What was counted on sockets that it has no more.
    pub past: Totals,
    /// What the program in the network driver counts for it.
    pub in_driver: Option<Counted>,
}

/// A socket of a listener, and what runs on it.
pub(super) struct Channel {
    pub socket: Arc<Socket>,
    pub counters: ShardCounters,
    pub started: StartedListener,
}

/// A listener as it is to be: its sockets are bound, and nothing of the one that
/// serves in its place, if one does, is touched.
pub(super) struct Wanted<'a> {
    /// Its number in the settings.
    number: usize,
    pub settings: &'a ListenerSettings,
    source: &'a Source,
    responders: Responders,
    pub told: BoundListener,
    /// With what was counted on those that served before.
    sockets: Vec<(Arc<Socket>, ShardCounters)>,
}

/// What a listener has in common with the others of its server.
pub(super) struct Common<'a> {
    pub own_ports: &'a Arc<PortSet>,
    pub gates: Option<&'a Gates>,
    pub max_queue_delay: Option<Delta>,
    pub batch: usize,
    pub shards: usize,
    pub wrap: Option<&'a WrapTransport>,
}

/// A socket whose transport is open, and that nothing is received from yet.
pub(super) struct Opened {
    pub socket: Arc<Socket>,
    pub counters: ShardCounters,
    pub listener: OpenListener,
}

impl<'a> Wanted<'a> {
    /// Takes the sockets of a new listener that were inherited, or binds those it
    /// needs; `beside` those of one that is about to be closed.
    ///
    /// # Errors
    /// [`StartError::Bind`].
    pub fn bind(
        number: usize,
        settings: &'a ListenerSettings,
        source: &'a Source,
        shards: usize,
        beside: bool,
        inherited: &mut Inherited,
    ) -> Result<Self, StartError> {
        let failed = |error| cannot_bind(number, settings, error);
        let responders = responders(settings, source);
        let options = BindOptions {
            beside,
            ..bind_options(settings, socket_count(responders, source, shards))
        };
        let Bound {
            address,
            sockets,
            receive_buffer,
        } = match inherited.take_udp(&options).map_err(failed)? {
            none if none.is_empty() => bind(&options),
            mut there => {
                if source.test_time {
                    there.truncate(1);
                }
                join_if_permitted(&mut there, &options);
                Bound::of(there)
            }
        }
        .map_err(failed)?;
        let told = told(settings, source, address);
        note_receive_buffer(number, settings, &told, receive_buffer);
        let sockets = sockets
            .into_iter()
            .map(|socket| counted(socket, responders));
        Ok(Self {
            number,
            settings,
            source,
            responders,
            told,
            sockets: sockets.collect(),
        })
    }

    /// Takes the sockets of the listener that serves in its place, and binds what
    /// it needs beside them.
    pub fn in_place_of(
        serving: &Serving,
        number: usize,
        settings: &'a ListenerSettings,
        source: &'a Source,
        shards: usize,
    ) -> Self {
        let responders = responders(settings, source);
        let count = socket_count(responders, source, shards);
        let kept = match count {
            1 => 1,
            // More than it needs, if it was given more.
            _ => serving.channels.len(),
        };
        let kept = serving.channels.iter().take(kept);
        let mut sockets: Vec<_> = kept
            .map(|channel| {
                let counters = channel.counters.clone();
                let counters = counters.with_responders(responders.count());
                (Arc::clone(&channel.socket), counters)
            })
            .collect();
        let told = told(settings, source, serving.told.address);
        if let Some((first, _)) = sockets.first() {
            let options = bind_options(settings, count);
            let missing = count.saturating_sub(sockets.len());
            let more = joined_if_permitted(first, &options, missing);
            sockets.extend(more.into_iter().map(|socket| counted(socket, responders)));
        }
        Self {
            number,
            settings,
            source,
            responders,
            told,
            sockets,
        }
    }

    /// What is to be opened on each of its sockets, each on another shard.
    ///
    /// # Errors
    /// [`StartError::Format`].
    pub fn plans(
        self,
        common: &Common<'_>,
    ) -> Result<Vec<(Arc<Socket>, ShardCounters, ListenerPlan)>, StartError> {
        let service = self.service(common)?;
        let Self {
            number,
            settings,
            source,
            responders,
            told,
            sockets,
        } = self;
        // Requests to one test clock are served in one order: on one shard.
        let first_shard = if source.test_time { 0 } else { number };
        let plan = |(index, (socket, counters)): (usize, (Arc<Socket>, ShardCounters))| {
            let parts = Planned {
                name: format!("{} {}", told.protocol, told.address),
                protocol: told.protocol,
                counters: counters.clone(),
                service: service.another(),
                batch: common.batch,
                room: room(&settings.protocol),
                responders,
            };
            let plan = ListenerPlan {
                shard: (first_shard + index) % common.shards,
                open: open(number, Arc::clone(&socket), common.wrap.cloned()),
                parts,
            };
            (socket, counters, plan)
        };
        Ok(sockets.into_iter().enumerate().map(plan).collect())
    }

    /// What its responders do.
    fn service(&self, common: &Common<'_>) -> Result<Service, StartError> {
        // A thread of its own is for a source that may block: how long a request
        // has waited is then asked for each, not once for its batch.
        let may_block = matches!(self.responders, Responders::OnThreads(_));
        let source = Source {
            may_block,
            ..self.source.clone()
        };
        let protocol = &self.settings.protocol;
        let admission = admission_of(self.settings, &source, common.own_ports, common.gates);
        let protocol = protocol.build().map_err(|error| StartError::Format {
            listener: self.number,
            error,
        })?;
        Ok(Service::new(protocol, source, admission).with_max_queue_delay(common.max_queue_delay))
    }
}

/// Who is served at a listener, and how often.
pub(super) fn admission_of(
    settings: &ListenerSettings,
    source: &Source,
    own_ports: &Arc<PortSet>,
    gates: Option<&Gates>,
) -> Admission {
    let admission = admission(settings.protocol.protocol(), own_ports);
    let Some(gates) = gates else {
        return admission;
    };
    admission.with_gate(gates.gate(&settings.admission, source.test_time))
}

/// Binds beside sockets that were given, where there are fewer than shards.
fn join_if_permitted(sockets: &mut Vec<Socket>, options: &BindOptions) {
    if let Some(first) = sockets.first() {
        let missing = options.sockets.saturating_sub(sockets.len());
        let more = joined_if_permitted(first, options, missing);
        sockets.extend(more);
    }
}

/// Binds `count` more sockets where `first` is; none where this process may not,
/// since another user made that one or the port is not for everybody: then there
/// are fewer shards that serve it.
fn joined_if_permitted(first: &Socket, options: &BindOptions, count: usize) -> Vec<Socket> {
    join(first, options, count).unwrap_or_else(|error| {
        let address = options.address;
        info!(%address, %error, "fewer sockets than threads, since no more can be bound");
        Vec::new()
    })
}

fn told(
    settings: &ListenerSettings,
    source: &Source,
    address: std::net::SocketAddr,
) -> BoundListener {
    BoundListener {
        protocol: settings.protocol.name(),
        address,
        source: settings.source.clone(),
        test_time: source.test_time,
    }
}

/// A socket that was just bound, on which nothing is counted yet.
fn counted(socket: Socket, responders: Responders) -> (Arc<Socket>, ShardCounters) {
    let socket = Arc::new(socket);
    let counters = ShardCounters::new(responders.count(), DropMeter::of(&socket));
    (socket, counters)
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

fn socket_count(responders: Responders, source: &Source, shards: usize) -> usize {
    match responders {
        // One order of requests, and one count of them.
        _ if source.test_time => 1,
        Responders::OnThreads(_) => 1,
        Responders::OnShard(_) => shards,
    }
}

fn bind_options(listener: &ListenerSettings, sockets: usize) -> BindOptions {
    BindOptions {
        address: listener.address,
        sockets,
        receive_buffer: listener.receive_buffer,
        freebind: listener.freebind,
        interface: listener.interface.clone(),
        beside: false,
    }
}

fn cannot_bind(listener: usize, settings: &ListenerSettings, error: io::Error) -> StartError {
    StartError::Bind {
        listener,
        protocol: settings.protocol.name(),
        address: settings.address,
        error,
    }
}

/// Gives sockets that are in use the receive buffer that `settings` ask for.
pub(super) fn change_receive_buffer<'a>(
    number: usize,
    settings: &ListenerSettings,
    told: &BoundListener,
    sockets: impl Iterator<Item = &'a Socket>,
) {
    for socket in sockets {
        let set = set_receive_buffer(socket, settings.receive_buffer);
        match set.and_then(|()| granted_receive_buffer(socket)) {
            Ok(granted) => note_receive_buffer(number, settings, told, granted),
            Err(error) => warn!(
                protocol = %told.protocol,
                address = %told.address,
                %error,
                "listeners[{number}].receive_buffer: it stays as it was"
            ),
        }
    }
}

/// Says so where the kernel granted less than was asked for.
fn note_receive_buffer(
    number: usize,
    settings: &ListenerSettings,
    told: &BoundListener,
    granted: usize,
) {
    let asked = settings.receive_buffer;
    if granted < asked {
        warn!(
            protocol = %told.protocol,
            address = %told.address,
            "listeners[{number}].receive_buffer = {asked}: the kernel granted {granted} octets, \
             so a burst may lose requests; raise its limit with \
             `sysctl -w net.core.rmem_max={asked}`, or give this program CAP_NET_ADMIN",
        );
    }
}

fn open(number: usize, socket: Arc<Socket>, wrap: Option<WrapTransport>) -> OpenTransport {
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
        // So long that what another server may send can be told.
        ProtocolSettings::Daytime { .. } => Room {
            request: LINE,
            reply: LINE,
        },
        ProtocolSettings::Time => Room {
            request: LINE,
            reply: 8,
        },
        ProtocolSettings::Ntp(_) => Room {
            request: 1280,
            reply: 64,
        },
    }
}

//! The server that runs: what it is made of now, and how it becomes what other
//! settings say.
//!
//! A start is a change from nothing, so there is one way to come to settings and
//! not two. Everything that can fail comes first and touches nothing that
//! serves; what comes then cannot fail.
//!
//! A listener whose settings, source and admission are as they were is left
//! alone. One that is to be another at the same address keeps its sockets: its
//! actors stop receiving, answer what they have, and others go on where they
//! stopped. What comes in between waits in the socket.

use super::accelerated::{Accelerable, Accelerated, Settled};
use super::available::{Available, NextSources};
use super::gates::Gates;
use super::listening::{
    Channel, Common, Opened, Serving, Wanted, admission_of, change_receive_buffer,
};
use super::pulse::Pulse;
use super::reloaded::{Reloaded, Renamed};
use super::running::{BoundAddresses, Handle, Shown, State};
use super::{BeforeServing, StartError, WrapTransport};
use crate::actors::supervisor::{End, Supervisor};
use crate::admission::ports::PortSet;
use crate::api::{Host, Source};
use crate::http::ObservedSource;
use crate::metrics::{ShardCounters, Totals};
use crate::sandbox::may_bind;
use crate::settings::{ListenerSettings, Place, ProtocolSettings, Settings, conflict};
use crate::transport::inherited::{BoundSocket, Inherited, Role};
use crate::transport::udp::{share, turn_away};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tracing::warn;

/// What a server has whatever its settings are.
pub(super) struct Around {
    pub host: Host,
    /// Sources that were given to it, in the place of those in the settings.
    pub given: BTreeMap<String, Source>,
    pub wrap: Option<WrapTransport>,
    /// How many threads serve.
    pub shards: usize,
    /// Sockets that it was given.
    pub inherited: Inherited,
    /// What others know of it.
    pub handle: Handle,
    /// Where control is asked.
    pub control: Option<SocketAddr>,
    /// Where metrics and status are asked.
    pub http: Option<SocketAddr>,
    /// What is done once all is bound, at the start.
    pub before_serving: Option<BeforeServing>,
}

/// A server that runs.
pub(super) struct Live {
    around: Around,
    /// `None` until it has been started.
    settings: Option<Settings>,
    available: Available,
    own_ports: Arc<PortSet>,
    gates: Option<Gates>,
    /// In the order of the settings.
    listeners: Vec<Serving>,
    supervisor: Option<Supervisor>,
    /// What was counted by listeners that are gone.
    past: Totals,
    /// What answers from the network driver.
    accelerated: Option<Accelerated>,
}

/// What the network driver is called among the sources that are tended: like none of
/// those.
const DRIVER: &str = "[xdp]";

/// A listener as it will be.
struct Next {
    /// Which of those that serve is in its place, if one is.
    was: Option<usize>,
    settings: ListenerSettings,
    /// What is to be started; `None` leaves alone the one that serves.
    opened: Option<(super::BoundListener, Vec<Opened>)>,
}

impl Live {
    /// Nothing runs yet.
    pub fn new(around: Around) -> Self {
        Self {
            around,
            settings: None,
            available: Available::default(),
            own_ports: Arc::default(),
            gates: None,
            listeners: Vec::new(),
            supervisor: None,
            past: Totals::default(),
            accelerated: None,
        }
    }

    /// Becomes what `settings` say. What of them is the same for as long as the
    /// server runs stays as it is, and is told.
    ///
    /// # Errors
    /// [`StartError`]; everything is as it was then.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub async fn change_to(&mut self, mut settings: Settings) -> Result<Reloaded, StartError> {
        let needs_restart = self.keep_what_is_fixed(&mut settings);
        let Around { host, given, .. } = &self.around;
        let NextSources {
            available,
            fresh,
            mut upkeep,
        } = self.available.next(&settings, given, host)?;
        let is_same =
            |of: fn(&Settings) -> _| self.settings.as_ref().map(of) == Some(of(&settings));
        let is_same_admission = is_same(|it| it.admission.clone());
        let is_start = self.settings.is_none();
        // Before the table of clients is made, which lies in memory that the program
        // in the driver has too.
        let mut loaded = None;
        if is_start && let Some(xdp) = &settings.xdp {
            let clients = settings.admission.as_ref().map_or(0, |it| it.clients);
            loaded = Accelerated::load(xdp, clients, &host.clock);
        }
        let shared = loaded.as_ref().or(self.accelerated.as_ref());
        let shared = shared.map(Accelerated::clients);
        let gates = match &self.gates {
            gates if is_same_admission => gates.clone(),
            gates => settings
                .admission
                .as_ref()
                .map(|admission| Gates::new(admission, gates.as_ref(), shared)),
        };
        let is_same_in_common = is_same_admission
            && self.settings.as_ref().is_some_and(|old| {
                (old.batch, old.max_queue_delay) == (settings.batch, settings.max_queue_delay)
            });

        // What is bound and opened, and nothing of what serves is touched.
        let matched = matched(&self.listeners, &settings.listeners);
        let mut wanted: Vec<_> = settings.listeners.iter().map(|_| None).collect();
        // New ones first, which may fail: a socket beside those of a listener that
        // serves gets datagrams at once, and takes them with it when it is closed.
        let mut all: Vec<_> = settings
            .listeners
            .iter()
            .zip(&matched)
            .enumerate()
            .collect();
        all.sort_by_key(|(_, (_, was))| was.is_some());
        for (number, (listener, &was)) in all {
            let source = available.get(number, &listener.source)?;
            let is_untouched = |serving: &Serving| {
                is_same_in_common
                    && serving.settings == *listener
                    && !fresh.contains(&listener.source)
            };
            let serving = was.map(|index| &self.listeners[index]);
            wanted[number] = match serving {
                Some(serving) if is_untouched(serving) => None,
                Some(serving) => Some(Wanted::in_place_of(
                    serving,
                    number,
                    listener,
                    source,
                    self.around.shards,
                )),
                None => {
                    if self.settings.is_some() {
                        let address = listener.address;
                        may_bind(address).map_err(|error| StartError::LowPort {
                            listener: number,
                            address,
                            error,
                        })?;
                    }
                    let beside = self.make_room(number, listener, &matched)?;
                    Some(Wanted::bind(
                        number,
                        listener,
                        source,
                        self.around.shards,
                        beside,
                        &mut self.around.inherited,
                    )?)
                }
            };
        }
        std::mem::take(&mut self.around.inherited).close_the_rest();
        if is_start {
            self.accelerated = loaded.and_then(Accelerated::attach);
        }
        if let Some(before) = self.around.before_serving.take() {
            let bound = BoundAddresses {
                listeners: wanted.iter().flatten().map(|it| it.told.clone()).collect(),
                control: self.around.control,
                http: self.around.http,
            };
            before(&bound).map_err(StartError::BeforeServing)?;
        }
        let clock = Arc::clone(&self.around.host.clock);
        let supervisor = match self.supervisor.take() {
            Some(supervisor) => supervisor,
            None => Supervisor::start(self.around.shards, clock)?,
        };
        let common = Common {
            own_ports: &self.own_ports,
            gates: gates.as_ref(),
            max_queue_delay: settings.max_queue_delay,
            batch: settings.batch,
            shards: self.around.shards,
            wrap: self.around.wrap.as_ref(),
        };
        let opened = open_all(&supervisor, wanted, &common).await;
        let supervisor = self.supervisor.insert(supervisor);
        let opened = opened?;
        // Beside the first source that is tended, and as long as the server runs.
        let pulse = match self.around.handle.pulse.get() {
            None => Pulse::beside(&mut upkeep.added),
            Some(_) => None,
        };
        if let Some(accelerated) = &self.accelerated {
            // Behind all sources, also those that are new.
            upkeep.removed.push(DRIVER.to_owned());
            upkeep.added.push((DRIVER.to_owned(), accelerated.upkeep()));
        }
        supervisor.tend(upkeep)?;
        if let Some(pulse) = pulse {
            // It was not set, and nobody else sets it.
            let _ = self.around.handle.pulse.set(pulse);
        }

        // Nothing fails from here on.
        let next = matched.into_iter().zip(&settings.listeners).zip(opened);
        let next = next.map(|((was, listener), opened)| Next {
            was,
            settings: listener.clone(),
            opened,
        });
        let mut reloaded = Reloaded {
            needs_restart,
            sources: Renamed::between(&self.available.sources, &available.sources, &fresh),
            ..Reloaded::default()
        };
        self.available = available;
        self.gates = gates;
        self.settings = Some(settings.clone());
        self.exchange(next.collect(), &mut reloaded).await;
        Ok(reloaded)
    }

    /// Puts back what cannot change while the server runs, and gives the names of
    /// what was to be other.
    fn keep_what_is_fixed(&self, settings: &mut Settings) -> Vec<&'static str> {
        let Some(now) = &self.settings else {
            return Vec::new();
        };
        let changed = [
            keep("threads", &now.threads, &mut settings.threads),
            keep("log", &now.log, &mut settings.log),
            keep("sandbox", &now.sandbox, &mut settings.sandbox),
            keep("control", &now.control, &mut settings.control),
            keep("http", &now.http, &mut settings.http),
            keep("xdp", &now.xdp, &mut settings.xdp),
        ];
        changed.into_iter().flatten().collect()
    }

    /// Lets a new listener bind beside those that are about to be closed and have
    /// its port; says whether there are any.
    fn make_room(
        &self,
        number: usize,
        listener: &ListenerSettings,
        matched: &[Option<usize>],
    ) -> Result<bool, StartError> {
        let is_going = |&(index, _): &(usize, &Serving)| !matched.contains(&Some(index));
        let mut beside = false;
        for (_, serving) in self.listeners.iter().enumerate().filter(is_going) {
            let taken = Place {
                address: serving.told.address,
                interface: serving.settings.interface.as_deref(),
            };
            if conflict(place(listener), taken) {
                for channel in &serving.channels {
                    share(&channel.socket).map_err(|error| StartError::Bind {
                        listener: number,
                        protocol: listener.protocol.name(),
                        address: listener.address,
                        error,
                    })?;
                }
                beside = true;
            }
        }
        Ok(beside)
    }

    /// Puts these in the place of those that serve.
    async fn exchange(&mut self, next: Vec<Next>, reloaded: &mut Reloaded) {
        let mut old: Vec<Option<Serving>> = self.listeners.drain(..).map(Some).collect();
        let ports = next.iter().map(|next| match (&next.opened, next.was) {
            (Some((told, _)), _) => told.address.port(),
            (None, was) => was
                .and_then(|index| old[index].as_ref())
                .map_or(0, |serving| serving.told.address.port()),
        });
        self.own_ports.set(ports.collect::<Vec<_>>());
        let opened = next.iter().filter_map(|next| next.opened.as_ref());
        let told: Vec<_> = opened.map(|(told, _)| told.clone()).collect();
        let mut exchanges = Vec::new();
        for (number, next) in next.into_iter().enumerate() {
            let Next {
                was,
                settings,
                opened,
            } = next;
            let serving = was.and_then(|index| old[index].take());
            match (&serving, &opened) {
                (None, Some((told, _))) => reloaded.added.push(told.clone()),
                (Some(_), Some((told, _))) => reloaded.changed.push(told.clone()),
                _ => reloaded.untouched += 1,
            }
            exchanges.push(exchange(number, serving, settings, opened));
        }
        self.listeners = join_all(exchanges).await.into_iter().flatten().collect();
        self.accelerate();
        told.iter().for_each(super::BoundListener::announce);
        let gone = old.into_iter().flatten().map(|serving| Serving {
            // In `past` already.
            in_driver: None,
            ..serving
        });
        let gone: Vec<Serving> = gone.collect();
        reloaded.removed = gone.iter().map(|serving| serving.told.clone()).collect();
        let channels = gone.iter().flat_map(|serving| &serving.channels);
        channels.for_each(turn_away_from);
        self.past += end_all(gone, End::Drain).await.0;
        // Not before: what is gone is counted either there or here, and no counter
        // ever falls.
        self.show();
    }

    /// Has the program in the network driver answer for the listeners that there are
    /// now.
    fn accelerate(&mut self) {
        let Some(accelerated) = &mut self.accelerated else {
            return;
        };
        let each = self.listeners.iter().filter_map(|serving| {
            let settings = &serving.settings;
            let source = self.available.sources.get(&settings.source)?;
            Some(Accelerable {
                address: serving.told.address,
                interface: settings.interface.clone(),
                ntp: match settings.protocol {
                    ProtocolSettings::Ntp(ntp) => Some(ntp),
                    _ => None,
                },
                source: source.clone(),
                admission: admission_of(settings, source, &self.own_ports, self.gates.as_ref()),
            })
        });
        match accelerated.serve(each.collect()) {
            Ok(Settled { counted, gone }) => {
                for (serving, counted) in self.listeners.iter_mut().zip(counted) {
                    serving.in_driver = Some(counted);
                }
                self.past.add_of_driver(gone);
            }
            Err(error) => warn!(%error, "the network driver cannot be told the time"),
        }
    }

    /// The sources that listeners name. One that is given threads by a listener is
    /// read on a thread by others, too.
    fn observed(&self) -> Vec<ObservedSource> {
        let mut all: BTreeMap<&str, ObservedSource> = BTreeMap::new();
        for serving in &self.listeners {
            let (settings, name) = (&serving.settings, &*serving.settings.source);
            let Some(source) = self.available.sources.get(name) else {
                continue;
            };
            let observed = all.entry(name).or_insert_with(|| ObservedSource {
                name: name.to_owned(),
                kind: self.available.kind(name).unwrap_or("given"),
                source: source.clone(),
            });
            observed.source.may_block |= settings.responder_threads > 0;
        }
        all.into_values().collect()
    }

    /// Tells others what there is now.
    fn show(&self) {
        let shown = |serving: &Serving| Shown {
            told: serving.told.clone(),
            counters: serving
                .channels
                .iter()
                .map(|it| it.counters.clone())
                .collect(),
            past: serving.past,
            in_driver: serving.in_driver.clone(),
        };
        self.around.handle.show(State {
            listeners: self.listeners.iter().map(shown).collect(),
            mocks: self.available.mocks.clone(),
            sources: self.observed(),
            limits: self.gates.as_ref().map(Gates::limits),
            past: self.past,
        });
    }

    /// The sockets of its listeners, for a server in its place.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub fn sockets(&self) -> io::Result<Vec<BoundSocket>> {
        let all = self.listeners.iter().flat_map(|serving| {
            let settings = &serving.settings;
            serving.channels.iter().map(|channel| {
                Ok(BoundSocket {
                    role: Role::Listener,
                    address: settings.address,
                    interface: settings.interface.clone(),
                    socket: channel.socket.try_clone()?.into(),
                })
            })
        });
        all.collect()
    }

    /// Resolves once every thread that serves has had a turn.
    pub async fn pulse(&self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.pulse().await;
        }
    }

    /// Ends every listener and thread.
    pub async fn stop(mut self, how: End) {
        if let Some(accelerated) = self.accelerated.take() {
            accelerated.end();
        }
        let (counted, is_done) = end_all(std::mem::take(&mut self.listeners), how).await;
        self.past += counted;
        self.show();
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.stop(is_done);
        }
    }
}

/// Puts back what is fixed; gives its name if it was to be other.
fn keep<T: PartialEq + Clone>(name: &'static str, now: &T, next: &mut T) -> Option<&'static str> {
    if next == now {
        return None;
    }
    next.clone_from(now);
    Some(name)
}

fn place(listener: &ListenerSettings) -> Place<'_> {
    Place {
        address: listener.address,
        interface: listener.interface.as_deref(),
    }
}

/// For each of the listeners that are wanted, which of those that serve stands at
/// the same address. Where several ask for any port, they are taken in turn.
fn matched(serving: &[Serving], wanted: &[ListenerSettings]) -> Vec<Option<usize>> {
    let mut is_taken = vec![false; serving.len()];
    let at = |listener: &ListenerSettings| (listener.address, listener.interface.clone());
    let find = |wanted: &ListenerSettings| {
        let free = |&index: &usize| !is_taken[index] && at(&serving[index].settings) == at(wanted);
        let found = (0..serving.len()).find(free)?;
        is_taken[found] = true;
        Some(found)
    };
    wanted.iter().map(find).collect()
}

/// Opens what is wanted, each transport on its shard.
async fn open_all(
    supervisor: &Supervisor,
    wanted: Vec<Option<Wanted<'_>>>,
    common: &Common<'_>,
) -> Result<Vec<Option<(super::BoundListener, Vec<Opened>)>>, StartError> {
    let mut all = Vec::new();
    for wanted in wanted {
        let Some(wanted) = wanted else {
            all.push(None);
            continue;
        };
        let told = wanted.told.clone();
        let mut opened = Vec::new();
        for (socket, counters, plan) in wanted.plans(common)? {
            let listener = supervisor.open(plan).await?;
            opened.push(Opened {
                socket,
                counters,
                listener,
            });
        }
        all.push(Some((told, opened)));
    }
    Ok(all)
}

/// Ends the listener that serves, if one does, and starts what was opened in its
/// place; leaves it alone where nothing was.
async fn exchange(
    number: usize,
    serving: Option<Serving>,
    settings: ListenerSettings,
    opened: Option<(super::BoundListener, Vec<Opened>)>,
) -> Option<Serving> {
    let Some((told, opened)) = opened else {
        return serving.map(|serving| Serving {
            settings,
            ..serving
        });
    };
    let mut past = Totals::default();
    if let Some(serving) = serving {
        if settings.receive_buffer != serving.settings.receive_buffer {
            let sockets = opened.iter().map(|it| &*it.socket);
            change_receive_buffer(number, &settings, &told, sockets);
        }
        past += serving.past;
        let kept = opened.len();
        let ends = serving.channels.into_iter().enumerate();
        let ends = ends.map(|(index, channel)| async move {
            // Of a socket that is not kept, what it holds is answered.
            if index < kept {
                channel.started.end(End::HandOver).await;
                return None;
            }
            turn_away_from(&channel);
            channel.started.end(End::Drain).await;
            Some(channel.counters)
        });
        for counters in join_all(ends).await.into_iter().flatten() {
            counters.add_to(&mut past);
        }
    }
    let mut channels = Vec::new();
    for Opened {
        socket,
        counters,
        listener,
    } in opened
    {
        channels.push(Channel {
            socket,
            counters,
            started: listener.start().await,
        });
    }
    Some(Serving {
        settings,
        told,
        channels,
        past,
        // Told by `accelerate`.
        in_driver: None,
    })
}

/// What comes to this socket from now on goes to another at its port, if there is
/// one; so nothing comes behind what is answered last.
fn turn_away_from(channel: &Channel) {
    if let Err(error) = turn_away(&channel.socket) {
        warn!(%error, "a socket that is given up still takes datagrams, which are lost");
    }
}

/// Ends these and gives what they counted; and whether all were done in time.
async fn end_all(listeners: Vec<Serving>, how: End) -> (Totals, bool) {
    let ends = listeners.into_iter().map(|serving| async move {
        let channels = serving.channels.into_iter().map(|channel| async move {
            let is_done = channel.started.end(how).await;
            (channel.counters, is_done)
        });
        let mut past = serving.past;
        if let Some(counted) = &serving.in_driver {
            counted.add_to(&mut past);
        }
        (past, join_all(channels).await)
    });
    let mut totals = Totals::default();
    let mut is_done = true;
    for (past, channels) in join_all(ends).await {
        totals += past;
        for (counters, was_in_time) in channels {
            ShardCounters::add_to(&counters, &mut totals);
            is_done &= was_in_time;
        }
    }
    (totals, is_done)
}

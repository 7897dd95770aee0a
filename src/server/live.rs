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
use super::exchange::{Next, end_all, exchange, make_room, matched, open_all, turn_away_from};
use super::gates::Gates;
use super::listening::{Common, Serving, Wanted, admission_of};
use super::pulse::Pulse;
use super::reloaded::{Reloaded, Renamed};
use super::running::{BoundAddresses, Handle, Shown, State};
use super::{BeforeServing, StartError, WrapTransport};
use crate::actors::supervisor::{End, Supervisor};
use crate::admission::ports::PortSet;
use crate::api::{Host, Source};
use crate::http::ObservedSource;
use crate::metrics::Totals;
use crate::sandbox::may_bind;
use crate::settings::{ProtocolSettings, Settings};
use crate::transport::inherited::{BoundSocket, Inherited, Role};
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
                    let beside = make_room(&self.listeners, number, listener, &matched)?;
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
        let mut inherited = std::mem::take(&mut self.around.inherited);
        if is_start {
            self.accelerated = loaded.and_then(|loaded| loaded.attach(&mut inherited));
        }
        inherited.close_the_rest();
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

    /// The sockets of its listeners, and what holds its program in the network driver, for
    /// a server in its place.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub fn sockets(&self) -> io::Result<Vec<BoundSocket>> {
        let of_listeners = self.listeners.iter().flat_map(|serving| {
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
        let link = self.accelerated.as_ref().map(Accelerated::link);
        let link = link.transpose()?.flatten();
        of_listeners.chain(link.map(Ok)).collect()
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

//! What answers from the network driver beside the listeners, where the settings
//! have `[xdp]`.
//!
//! Loaded and attached while the process still has the rights for that; whoever
//! serves then, at which addresses and with which time is written to memory, so a
//! sandbox may forbid the rest. Where it cannot be had the log says why, and the
//! server goes on with sockets.

mod feeder;

use crate::admission::Admission;
use crate::admission::limiter::SharedWords;
use crate::api::source::Notice;
use crate::api::{HostClock, HostInstant, Source, Upkeep};
use crate::metrics::Totals;
use crate::protocol::ntp::Ntp;
use crate::settings::{XdpMode, XdpSettings};
use crate::transport::bpf::AttachMode;
use crate::transport::inherited::{BoundSocket, Inherited, Role};
use crate::xdp::{Accelerator, Clients, Counts, Interface, Listener, Mode, NotAccelerated};
use feeder::Feeder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::{info, warn};

/// The program in the driver, from its start to its end.
pub(super) struct Accelerated {
    mode: XdpMode,
    shared: Shared,
    clients: Clients,
    clock: Arc<dyn HostClock>,
    feeder: Option<Feeder>,
}

/// A listener as it serves now.
pub(super) struct Accelerable {
    /// Where it is bound.
    pub address: SocketAddr,
    /// The only interface that it is on.
    pub interface: Option<String>,
    /// What it answers; `None` is another protocol.
    pub ntp: Option<Ntp>,
    /// With which time.
    pub source: Source,
    /// Whom.
    pub admission: Admission,
}

/// What a listener's share of the answers is counted by.
#[derive(Clone)]
pub(super) struct Counted {
    shared: Shared,
    place: usize,
    /// What was counted there for others before.
    before: Counts,
}

/// What came of a change of listeners.
pub(super) struct Settled {
    /// By what each of them is counted, in their order.
    pub counted: Vec<Counted>,
    /// What was counted for those that are gone.
    pub gone: Counts,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    accelerator: Accelerator,
    /// All addresses that the interface had at start.
    addresses: Vec<IpAddr>,
    /// Who has which place in the program's memory.
    places: Vec<Option<Place>>,
    /// Those of them that are on this host now.
    present: Vec<IpAddr>,
}

/// A listener, and the counts that its place had before.
struct Place {
    listener: Accelerable,
    before: Counts,
    /// Why it is not answered for, as the log has it.
    told: Option<Result<(), NotAccelerated>>,
}

impl Accelerated {
    /// Loads the program with a table of so many clients; attaches it to nothing
    /// yet. `None` where it cannot be had, which the log tells.
    pub fn load(
        settings: &XdpSettings,
        clients: usize,
        clock: &Arc<dyn HostClock>,
    ) -> Option<Self> {
        let load = || -> Result<_, Box<dyn std::error::Error>> {
            let interface = Interface::look(&settings.interface)?;
            let clients = Clients::new(clients)?;
            let accelerator = Accelerator::load(interface, &clients)?;
            Ok((accelerator, clients))
        };
        let (accelerator, clients) = match load() {
            Ok(loaded) => loaded,
            Err(error) => {
                cannot(&settings.interface, &*error);
                return None;
            }
        };
        let addresses = accelerator.interface().addresses.clone();
        Some(Self {
            mode: settings.mode,
            shared: Shared(Arc::new(Mutex::new(State {
                accelerator,
                present: addresses.clone(),
                addresses,
                places: Vec::new(),
            }))),
            clients,
            clock: Arc::clone(clock),
            feeder: None,
        })
    }

    /// The memory of a table of clients that the program uses too.
    pub fn clients(&self) -> Arc<dyn SharedWords> {
        self.clients.memory()
    }

    /// What holds the program, for a server that follows this one.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub fn link(&self) -> io::Result<Option<BoundSocket>> {
        let state = self.shared.lock();
        let link = state.accelerator.link()?;
        Ok(link.map(|(socket, mode)| BoundSocket {
            role: Role::Driver(mode),
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
            interface: Some(state.accelerator.interface().name.clone()),
            socket,
        }))
    }

    /// Attaches the program: the last that takes rights. It passes on everything
    /// until [`serve`](Self::serve). Where a server before this one has given it what
    /// holds its program, that is among the `inherited`, and the new one takes its place.
    /// `None` where it cannot be attached.
    pub fn attach(self, inherited: &mut Inherited) -> Option<Self> {
        let mut state = self.shared.lock();
        let Interface {
            name, is_device, ..
        } = state.accelerator.interface().clone();
        let attached = match self.take_over(&mut state.accelerator, inherited) {
            Some(mode) => Ok(mode),
            None => state.accelerator.attach(match self.mode {
                XdpMode::Auto => Mode::Auto,
                XdpMode::Native => Mode::Native,
                XdpMode::Generic => Mode::Generic,
            }),
        };
        drop(state);
        match attached {
            Ok(mode) => {
                info!(interface = %name, %mode, "answers from the network driver");
                if mode == AttachMode::Native && !is_device {
                    warn!(
                        interface = %name,
                        "a veth without a program at its other end loses every reply of this one"
                    );
                }
                Some(self)
            }
            Err(error) => {
                cannot(&name, &error);
                None
            }
        }
    }

    /// Takes the place of the program of a server before this one, if there is one at this
    /// interface; gives its mode.
    fn take_over(
        &self,
        accelerator: &mut Accelerator,
        inherited: &mut Inherited,
    ) -> Option<AttachMode> {
        let interface = accelerator.interface().name.clone();
        let (link, mode) = inherited.take_driver(&interface)?;
        // Its interface may have gone, and another have come by that name.
        if let Err(error) = accelerator.replace(link, mode) {
            warn!(%interface, %error, "the program of the server before is not replaced");
            return None;
        }
        let is_wanted = match self.mode {
            XdpMode::Auto => true,
            XdpMode::Native => mode == AttachMode::Native,
            XdpMode::Generic => mode == AttachMode::Generic,
        };
        if !is_wanted {
            warn!(
                %interface, %mode,
                "the mode is that of the server before: another one takes a start without \
                 --hand-over"
            );
        }
        Some(mode)
    }

    /// Answers for these listeners from now on. The first time, this starts the
    /// thread that tells the program the time.
    ///
    /// # Errors
    /// The operating system's, where that thread cannot be had.
    pub fn serve(&mut self, listeners: Vec<Accelerable>) -> io::Result<Settled> {
        if self.feeder.is_none() {
            let shared = self.shared.clone();
            let ended = self.shared.clone();
            let tick = move |clock: &dyn HostClock, is_second| {
                let mut state = shared.lock();
                if is_second && state.look_at_addresses() {
                    state.write(clock);
                }
                state.accelerator.feed(clock.now());
            };
            let end = move || ended.lock().accelerator.detach();
            self.feeder = Some(Feeder::start(Arc::clone(&self.clock), tick, end)?);
        }
        Ok(self.shared.settle(listeners, &*self.clock))
    }

    /// What tells the program what a look at the sources has changed: to be done right
    /// behind those looks.
    pub fn upkeep(&self) -> Box<dyn Upkeep> {
        Box::new(FeedsBehindSources {
            shared: self.shared.clone(),
            clock: Arc::clone(&self.clock),
        })
    }

    /// Detaches the program, unless a server that follows has its place: from now on its
    /// own sockets get all. What it counted can still be read.
    pub fn end(self) {
        self.shared.lock().accelerator.detach();
    }
}

struct FeedsBehindSources {
    shared: Shared,
    clock: Arc<dyn HostClock>,
}

impl Upkeep for FeedsBehindSources {
    fn tend(&mut self, _: HostInstant) -> Option<Notice> {
        let state = self.shared.lock();
        // Now, and not before the lock: the clock may have been stepped since, and
        // the program been told.
        state.accelerator.feed(self.clock.now());
        None
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each listener a place, the one it has if it has one, and writes all.
    fn settle(&self, listeners: Vec<Accelerable>, clock: &dyn HostClock) -> Settled {
        let mut state = self.lock();
        // What is counted up to here is counted for those of up to now.
        state.accelerator.pause();
        let mut old = std::mem::take(&mut state.places);
        let mut new: Vec<Option<Place>> = old.iter().map(|_| None).collect();
        let mut places = vec![None; listeners.len()];
        for (listener, place) in listeners.iter().zip(&mut places) {
            let is_it = |held: &Option<Place>| {
                held.as_ref().is_some_and(|it| {
                    (it.listener.address, &it.listener.interface)
                        == (listener.address, &listener.interface)
                })
            };
            *place = old.iter().position(is_it);
            if let Some(found) = *place {
                new[found] = old[found].take();
            }
        }
        let mut counted = Vec::new();
        for (listener, known) in listeners.into_iter().zip(places) {
            let free = || new.iter().position(Option::is_none).unwrap_or(new.len());
            let number = known.unwrap_or_else(free);
            if number == new.len() {
                new.push(None);
            }
            let place = match new[number].take() {
                Some(place) => Place { listener, ..place },
                None => Place {
                    listener,
                    before: state.accelerator.counts(number),
                    told: None,
                },
            };
            counted.push(Counted {
                shared: self.clone(),
                place: number,
                before: place.before,
            });
            new[number] = Some(place);
        }
        let mut gone = Counts::default();
        for (number, place) in old.iter().enumerate() {
            if let Some(place) = place {
                gone += state.accelerator.counts(number) - place.before;
            }
        }
        state.places = new;
        state.look_at_addresses();
        state.write(clock);
        Settled { counted, gone }
    }
}

impl State {
    /// Sees which of the addresses are on this host now; whether that has changed.
    /// Others that come to the interface are served by sockets until the next start:
    /// to look for them takes a call that a sandbox forbids.
    fn look_at_addresses(&mut self) -> bool {
        let index = self.accelerator.interface().index;
        let bound = self.places.iter().flatten();
        let bound = bound.map(|place| place.listener.address.ip());
        let mut asked = self.addresses.clone();
        asked.extend(bound.filter(|address| !address.is_unspecified()));
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|address| is_present(*address, index));
        let has_changed = asked != self.present;
        self.present = asked;
        has_changed
    }

    /// Writes who is answered for, and tells the log of what has changed there.
    fn write(&mut self, clock: &dyn HostClock) {
        let mut interface = self.accelerator.interface().clone();
        let own = self.addresses.iter().filter(|it| self.present.contains(it));
        interface.addresses = own.copied().collect();
        let name = interface.name.clone();
        self.accelerator.set_addresses(interface);
        let is_loopback = self.accelerator.interface().is_loopback;
        let offered = |it: &Accelerable| {
            let ip = it.address.ip();
            let is_here = match ip.is_unspecified() {
                // It stands for those of the interface.
                true => self.addresses.iter().any(|own| self.present.contains(own)),
                false => self.present.contains(&ip),
            };
            if !is_here {
                return Err(NotAccelerated::NotHere);
            }
            // One of another interface, or of a VLAN on this one, is asked for there.
            let is_own = ip.is_unspecified() || is_loopback || self.addresses.contains(&ip);
            if !is_own || it.interface.as_ref().is_some_and(|it| *it != name) {
                return Err(NotAccelerated::OtherInterface);
            }
            it.ntp.ok_or(NotAccelerated::OtherProtocol)
        };
        let offered: Vec<_> = self
            .places
            .iter()
            .map(|place| place.as_ref().map(|place| offered(&place.listener)))
            .collect();
        let listeners = self.places.iter().zip(&offered).map(|(place, offered)| {
            let it = &place.as_ref()?.listener;
            Some(Listener {
                address: it.address,
                ntp: *offered.as_ref()?.as_ref().ok()?,
                source: &it.source,
                admission: &it.admission,
            })
        });
        let listeners: Vec<_> = listeners.collect();
        let outcomes = self
            .accelerator
            .serve(&listeners, clock.now(), rand::random::<u64>);
        self.accelerator.feed(clock.now());
        let outcomes = outcomes.into_iter().zip(offered);
        for (place, (outcome, offered)) in self.places.iter_mut().zip(outcomes) {
            let (Some(place), Some(offered)) = (place, offered) else {
                continue;
            };
            let outcome = offered.and_then(|_| outcome.unwrap_or(Ok(())));
            let address = place.listener.address;
            if place.listener.ntp.is_none() || place.told.as_ref() == Some(&outcome) {
                continue;
            }
            match &outcome {
                Ok(()) => info!(%address, interface = %name, "answered from the network driver"),
                Err(why) => info!(%address, %why, "answered by sockets alone"),
            }
            place.told = Some(outcome);
        }
    }
}

impl Counted {
    fn counts(&self) -> Counts {
        self.shared.lock().accelerator.counts(self.place) - self.before
    }

    /// Adds it to what the sockets have counted.
    pub fn add_to(&self, totals: &mut Totals) {
        totals.add_of_driver(self.counts());
    }
}

/// Whether this host has the address now.
fn is_present(address: IpAddr, interface: u32) -> bool {
    let socket = match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(it) if it.is_unicast_link_local() => {
            SocketAddrV6::new(it, 0, 0, interface).into()
        }
        IpAddr::V6(_) => SocketAddr::new(address, 0),
    };
    UdpSocket::bind(socket).is_ok()
}

fn cannot(interface: &str, error: &dyn std::error::Error) {
    warn!(%interface, %error, "no answers from the network driver; sockets answer all");
}

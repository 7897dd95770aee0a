//! Who listens where, who is let in, and what is too much: in the words that the
//! program reads.

use super::interface::Interface;
use super::layout::{LISTENERS, networks, setup, setup::listener as words};
use super::{Maps, memory};
use crate::admission::limiter::LimiterNumbers;
use crate::admission::networks::Networks;
use crate::admission::{Admission, Gate, OnDeny};
use crate::api::{HostInstant, Source};
use crate::protocol::ntp::Ntp;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use thiserror::Error;

/// How many destinations there is room for.
pub const DESTINATIONS: usize = 48;
/// How often places for them are looked for that are all different.
const TRIES: usize = 1_000;

/// Somebody who listens, as the server has it.
#[derive(Clone, Copy)]
pub struct Listener<'a> {
    /// Where its socket is bound.
    pub address: SocketAddr,
    /// What it answers.
    pub ntp: Ntp,
    /// With which time.
    pub source: &'a Source,
    /// Whom.
    pub admission: &'a Admission,
}

/// Why a listener stays on sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAccelerated {
    /// Its place in the list is too high.
    #[error("there is room for {LISTENERS} listeners")]
    TooManyListeners,
    /// There are more addresses and ports than places.
    #[error("there is room for {DESTINATIONS} addresses and ports")]
    TooManyDestinations,
    /// Its address does not belong here.
    #[error("its address is not reached by this interface")]
    OtherInterface,
    /// This host does not have its address now.
    #[error("this host does not have its address, or the interface is gone")]
    NotHere,
    /// Its time is made up, or may block.
    #[error("its source is for tests, or may block")]
    TestTime,
    /// Its source does not say how it goes on.
    #[error("its source cannot be expressed as a clock that runs straight")]
    NoForecast,
    /// It answers nearly anything.
    #[error("its protocol is not NTP")]
    OtherProtocol,
    /// Its lists are too long, or there are too many different ones.
    #[error(
        "there is room for {} different lists, of {} changes between IPv4 addresses that are \
         served and that are not, and {} of IPv6",
        networks::LISTS, 1 << networks::IPV4_BITS, 1 << networks::IPV6_BITS
    )]
    TooManyNetworks,
    /// Its limits are others than those of the listeners before it, or its table
    /// of clients is not the one that the program uses.
    #[error("its table of clients is not the one that was there at start")]
    OtherLimits,
}

/// Writes the setup for these listeners and shows it; says which are in it.
pub(super) fn write(
    maps: &Maps,
    interface: &Interface,
    listeners: &[Option<Listener<'_>>],
    now: HostInstant,
    random: impl FnMut() -> u64,
) -> Vec<Option<Result<(), NotAccelerated>>> {
    let mut plan = Plan::default();
    let outcomes: Vec<_> = listeners
        .iter()
        .enumerate()
        .map(|(place, listener)| {
            let listener = listener.as_ref()?;
            Some(plan.add(maps, interface, place, listener, now))
        })
        .collect();
    let outcomes = plan.add_destinations(interface, listeners, outcomes);
    let table = place_destinations(&plan.destinations, random);
    let all = maps.setup.words();
    let (writes, copies) = (&all[0], &all[setup::COPIES..]);
    memory::show(writes, copies, setup::WORDS, |copy, words| {
        let lists = networks::LISTS * networks::WORDS;
        let lists = &maps.networks.words()[copy * lists..][..lists];
        for (list, words) in plan.lists.iter().zip(lists.chunks_exact(networks::WORDS)) {
            write_list(list, words);
        }
        plan.write(interface, &table, words);
    });
    outcomes
}

/// What is going to be written.
#[derive(Default)]
struct Plan {
    lists: Vec<Networks>,
    numbers: Option<LimiterNumbers>,
    listeners: BTreeMap<usize, [u64; setup::LISTENER_WORDS]>,
    /// By address and port, and whether somebody listens right there.
    destinations: BTreeMap<(IpAddr, u16), (usize, bool)>,
}

impl Plan {
    fn add(
        &mut self,
        maps: &Maps,
        interface: &Interface,
        place: usize,
        listener: &Listener<'_>,
        now: HostInstant,
    ) -> Result<(), NotAccelerated> {
        if place >= LISTENERS {
            return Err(NotAccelerated::TooManyListeners);
        }
        if !is_reached(interface, listener.address) {
            return Err(NotAccelerated::OtherInterface);
        }
        let source = listener.source;
        if source.test_time || source.may_block || source.clock.is_virtual() {
            return Err(NotAccelerated::TestTime);
        }
        let forecast = source.time.forecast(now);
        forecast.ok_or(NotAccelerated::NoForecast)?;
        let gate = listener.admission.gate_of_checked_requests();
        let gate = gate.ok_or(NotAccelerated::OtherProtocol)?;
        let mut words = [0; setup::LISTENER_WORDS];
        if let Some(gate) = gate {
            self.add_gate(maps, gate, &mut words)?;
        }
        self.listeners.insert(place, words);
        Ok(())
    }

    fn add_gate(
        &mut self,
        maps: &Maps,
        gate: &Gate,
        words: &mut [u64; setup::LISTENER_WORDS],
    ) -> Result<(), NotAccelerated> {
        let mut flags = words::HAS_NETWORKS;
        if gate.on_deny == OnDeny::Kiss {
            flags |= words::HAS_DENY_KISS;
        }
        if let Some(limits) = gate.limits.as_ref().filter(|_| gate.limits_clients) {
            let numbers = limits.limiter.numbers();
            let is_ours = limits.limiter.is_on(maps.clients.0.words());
            if !is_ours || self.numbers.is_some_and(|others| others != numbers) {
                return Err(NotAccelerated::OtherLimits);
            }
            self.numbers = Some(numbers);
            flags |= words::HAS_LIMITS;
            let on_rate = limits.on_rate;
            if on_rate.spares_loopback {
                flags |= words::SPARES_LOOPBACK;
            }
            let leak = on_rate.leak.threshold();
            words[words::LEAK] = leak;
            words[words::KISS] = leak + on_rate.kiss.threshold();
            words[words::POLL] = i64::from(on_rate.poll).cast_unsigned();
        }
        words[words::FLAGS] = u64::from(flags.cast_unsigned());
        let known = self.lists.iter().position(|list| *list == *gate.networks);
        let list = known.unwrap_or(self.lists.len());
        if known.is_none() {
            let fits = gate.networks.ipv4_changes().1.len() <= 1 << networks::IPV4_BITS
                && gate.networks.ipv6_changes().1.len() <= 1 << networks::IPV6_BITS;
            if !fits || list == networks::LISTS {
                return Err(NotAccelerated::TooManyNetworks);
            }
            self.lists.push((*gate.networks).clone());
        }
        words[words::NETWORKS] = list as u64;
        Ok(())
    }

    /// Adds where those listen that are in so far. Whoever is bound to an address
    /// itself comes before the one that is bound to all.
    fn add_destinations(
        &mut self,
        interface: &Interface,
        listeners: &[Option<Listener<'_>>],
        mut outcomes: Vec<Option<Result<(), NotAccelerated>>>,
    ) -> Vec<Option<Result<(), NotAccelerated>>> {
        for (place, each) in listeners.iter().zip(&mut outcomes).enumerate() {
            let (Some(listener), Some(outcome)) = each else {
                continue;
            };
            let bound = listener.address;
            // One that stays on sockets keeps its address from the one bound to all.
            let is_in = outcome.is_ok();
            let addresses = addresses_of(interface, bound);
            let is_exact = !bound.ip().is_unspecified();
            let is_new =
                |address: &&IpAddr| !self.destinations.contains_key(&(**address, bound.port()));
            let more = addresses.iter().filter(is_new).count();
            if self.destinations.len() + more > DESTINATIONS {
                if is_in {
                    *outcome = Err(NotAccelerated::TooManyDestinations);
                    self.listeners.remove(&place);
                }
                continue;
            }
            for address in addresses {
                let destination = (address, bound.port());
                let known = self.destinations.get(&destination);
                if is_exact || known.is_none_or(|(_, is_exact)| !is_exact) {
                    self.destinations.insert(destination, (place, is_exact));
                }
            }
        }
        let listeners = &self.listeners;
        self.destinations
            .retain(|_, (place, _)| listeners.contains_key(place));
        outcomes
    }

    fn write(&self, interface: &Interface, table: &Table, words: &[AtomicU64]) {
        let set = |place, value| memory::set(words, place, value);
        let [a, b, c, d, e, f] = interface.hardware_address;
        let address = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        set(setup::HARDWARE_ADDRESS, address);
        for (index, multiplier) in table.multipliers.into_iter().enumerate() {
            set(setup::MULTIPLIERS + index, multiplier);
        }
        if let Some(numbers) = &self.numbers {
            set(setup::KEY, numbers.key.0);
            set(setup::KEY + 1, numbers.key.1);
            set(setup::COST, numbers.cost);
            set(setup::DEPTH, numbers.depth);
            set(setup::IPV4_MASK, numbers.ipv4_mask.into());
            set(setup::IPV6_MASK, numbers.ipv6_mask as u64);
            set(setup::IPV6_MASK + 1, (numbers.ipv6_mask >> 64) as u64);
        }
        for (place, listener) in &self.listeners {
            let from = setup::LISTENER + place * setup::LISTENER_WORDS;
            for (place, word) in (from..).zip(listener) {
                set(place, *word);
            }
        }
        for place in setup::DESTINATIONS..setup::WORDS {
            set(place, 0);
        }
        for (slot, parts) in &table.places {
            let from = setup::DESTINATIONS + slot * setup::DESTINATION_WORDS;
            for (place, part) in (from..).zip(parts) {
                set(place, *part);
            }
        }
    }
}

/// Whether frames to this address come in here as others do.
fn is_reached(interface: &Interface, bound: SocketAddr) -> bool {
    let is_loopback = bound.ip().to_canonical().is_loopback();
    let is_of_another = |scope: u32| scope != 0 && scope != interface.index;
    match bound {
        SocketAddr::V6(bound) if is_of_another(bound.scope_id()) => false,
        _ => !is_loopback || interface.is_loopback,
    }
}

/// The addresses that a socket bound there has on this interface.
fn addresses_of(interface: &Interface, bound: SocketAddr) -> Vec<IpAddr> {
    let address = bound.ip().to_canonical();
    if !address.is_unspecified() {
        return vec![address];
    }
    // That of IPv6 stands for IPv4 too.
    let own = interface.addresses.iter().copied();
    own.filter(|own| address.is_ipv6() || own.is_ipv4())
        .collect()
}

/// Destinations, each at a place of its own.
struct Table {
    multipliers: [u64; 3],
    places: BTreeMap<usize, [u64; setup::DESTINATION_WORDS]>,
}

/// Draws multipliers until no two destinations share a place. With the most that
/// there are, more than every second try does.
fn place_destinations(
    destinations: &BTreeMap<(IpAddr, u16), (usize, bool)>,
    mut random: impl FnMut() -> u64,
) -> Table {
    let mut table = Table {
        multipliers: [1; 3],
        places: BTreeMap::new(),
    };
    for _ in 0..TRIES {
        table.multipliers = [random() | 1, random() | 1, random() | 1];
        table.places.clear();
        for ((address, port), (listener, _)) in destinations {
            let parts = parts_of(*address, *port);
            let slot = slot_of(parts, table.multipliers);
            let [low, high, port] = parts;
            let entry = [low, high, port, *listener as u64];
            table.places.entry(slot).or_insert(entry);
        }
        if table.places.len() == destinations.len() {
            break;
        }
    }
    // What has no place of its own is not answered here.
    table
}

/// The address and the port as the program reads them from a frame.
fn parts_of(address: IpAddr, port: u16) -> [u64; 3] {
    let port = u64::from(u16::from_le_bytes(port.to_be_bytes())) | setup::PRESENT;
    match address {
        IpAddr::V4(address) => [u32::from_le_bytes(address.octets()).into(), 0, port],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let [high, low] = [(bits >> 64) as u64, bits as u64].map(u64::swap_bytes);
            [high, low, port | setup::IPV6]
        }
    }
}

fn slot_of(parts: [u64; 3], multipliers: [u64; 3]) -> usize {
    let products = parts.iter().zip(multipliers);
    let sum = products.fold(0_u64, |sum, (part, multiplier)| {
        sum.wrapping_add(part.wrapping_mul(multiplier))
    });
    (sum >> (64 - setup::DESTINATION_BITS)) as usize
}

fn write_list(list: &Networks, words: &[AtomicU64]) {
    let set = |place, value| memory::set(words, place, value);
    let few = |len: usize| u64::from(len <= 1 << networks::FEW_BITS);
    let (first, changes) = list.ipv4_changes();
    set(networks::IPV4_FIRST, first.into());
    set(networks::IPV4_FEW, few(changes.len()));
    for index in 0..1 << networks::IPV4_BITS {
        let change = changes
            .get(index)
            .map_or(networks::IPV4_END, |&it| it.into());
        set(networks::IPV4 + index, change);
    }
    let (first, changes) = list.ipv6_changes();
    set(networks::IPV6_FIRST, first.into());
    set(networks::IPV6_FEW, few(changes.len()));
    for index in 0..1 << networks::IPV6_BITS {
        // Behind the last: a multicast address, from which nothing comes here.
        let change = changes.get(index).copied().unwrap_or(u128::MAX);
        set(networks::IPV6 + 2 * index, (change >> 64) as u64);
        set(networks::IPV6 + 2 * index + 1, change as u64);
    }
}

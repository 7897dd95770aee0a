//! Who asks most: by sampling, in memory that is fixed at start.

use super::add;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Clients that one table has room for.
const PLACES: usize = 64;
/// Of requests that come in batches, one in so many is looked at, on average, and
/// counts for all of them.
const EVERY: u64 = 16;
/// How often a place is read that is being given to another client meanwhile.
const TRIES: usize = 8;

/// The clients that ask one responder most, and about how often.
///
/// One actor writes to it; anybody may read. It holds so many clients and no more:
/// a new one takes the place of the one that has asked least, and takes over its
/// count, which is remembered as what was not its own (the Space-Saving algorithm
/// of Metwally, Agrawal and El Abbadi). So whoever sends more than a sixty-fourth
/// of all requests is in the table, whatever is sent in made-up names, and what is
/// told of a client is never more than was seen of it.
///
/// # Without a lock
/// A count is one word. When a place is given to another client its version is odd
/// while the words change, so that a reader that met the change reads again.
#[derive(Debug)]
pub struct TopClients {
    versions: [AtomicU64; PLACES],
    high: [AtomicU64; PLACES],
    low: [AtomicU64; PLACES],
    counts: [AtomicU64; PLACES],
    /// How much of each count is not its client's.
    inherited: [AtomicU64; PLACES],
}

impl Default for TopClients {
    fn default() -> Self {
        let zeros = || [const { AtomicU64::new(0) }; PLACES];
        Self {
            versions: zeros(),
            high: zeros(),
            low: zeros(),
            counts: zeros(),
            inherited: zeros(),
        }
    }
}

impl TopClients {
    /// Counts `weight` requests of `client`. Only one thread may call this.
    pub fn saw(&self, client: IpAddr, weight: u64) {
        let (high, low) = halves(client);
        let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
        for (place, its_low) in self.low.iter().enumerate() {
            if read(its_low) == low && read(&self.high[place]) == high {
                add(&self.counts[place], weight);
                return;
            }
        }
        let (mut place, mut least) = (0, u64::MAX);
        for (index, count) in self.counts.iter().enumerate() {
            let count = read(count);
            if count < least {
                (place, least) = (index, count);
            }
        }
        let version = read(&self.versions[place]);
        self.versions[place].store(version.wrapping_add(1), Ordering::Relaxed);
        // The odd version is seen before anything that follows is.
        fence(Ordering::Release);
        self.high[place].store(high, Ordering::Relaxed);
        self.low[place].store(low, Ordering::Relaxed);
        self.inherited[place].store(least, Ordering::Relaxed);
        self.counts[place].store(least.wrapping_add(weight), Ordering::Relaxed);
        self.versions[place].store(version.wrapping_add(2), Ordering::Release);
    }

    /// Adds what was seen of each client to `clients`.
    pub fn add_to(&self, clients: &mut BTreeMap<IpAddr, u64>) {
        for place in 0..PLACES {
            if let Some((client, count)) = self.place(place) {
                *clients.entry(client).or_default() += count;
            }
        }
    }

    /// Who has a place and what was seen of it; `None` where it is free, or passes
    /// from one to the next whenever it is looked at.
    fn place(&self, place: usize) -> Option<(IpAddr, u64)> {
        let read = |words: &[AtomicU64; PLACES]| words[place].load(Ordering::Relaxed);
        for _ in 0..TRIES {
            let version = self.versions[place].load(Ordering::Acquire);
            let (high, low) = (read(&self.high), read(&self.low));
            let (count, inherited) = (read(&self.counts), read(&self.inherited));
            // What was read is no newer than the version that follows.
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && read(&self.versions) == version {
                let own = count.wrapping_sub(inherited);
                return (count > 0).then(|| (client(high, low), own));
            }
        }
        None
    }
}

fn halves(client: IpAddr) -> (u64, u64) {
    let bits = match client {
        IpAddr::V4(client) => client.to_ipv6_mapped(),
        IpAddr::V6(client) => client,
    }
    .to_bits();
    ((bits >> 64) as u64, bits as u64)
}

fn client(high: u64, low: u64) -> IpAddr {
    let bits = u128::from(high) << 64 | u128::from(low);
    IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical()
}

/// Decides which requests are looked at.
///
/// One that comes alone is: then there is time. Of those that come in batches one
/// in 16 is, by chance, so that nobody can keep out of step with it.
#[derive(Debug)]
pub struct Sampler {
    /// How many are left before the next is looked at.
    left: u64,
    bits: u64,
}

impl Sampler {
    /// One whose chances come from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            left: 1,
            bits: seed | 1,
        }
    }

    /// How many requests the present one stands for; 0 where it is passed over.
    pub fn weight(&mut self, is_alone: bool) -> u64 {
        if is_alone {
            return 1;
        }
        self.left -= 1;
        if self.left > 0 {
            return 0;
        }
        // Marsaglia's xorshift; it never gives 0.
        self.bits ^= self.bits << 13;
        self.bits ^= self.bits >> 7;
        self.bits ^= self.bits << 17;
        // 1 to 31, 16 on average.
        let below = 2 * EVERY - 1;
        self.left = 1 + (((self.bits >> 32) * below) >> 32);
        EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::AtomicBool;

    fn seen(table: &TopClients) -> BTreeMap<IpAddr, u64> {
        let mut clients = BTreeMap::new();
        table.add_to(&mut clients);
        clients
    }

    #[test]
    fn a_few_clients_are_counted_exactly_in_both_families() {
        let table = TopClients::default();
        let clients = ["192.0.2.1", "2001:db8::1", "::1", "0.0.0.0"].map(|it| it.parse().unwrap());
        for (round, client) in (1..).zip(clients) {
            (0..round).for_each(|_| table.saw(client, 1));
        }
        assert_eq!(seen(&table), clients.into_iter().zip(1..).collect());
        table.saw("::ffff:192.0.2.1".parse().unwrap(), 16);
        assert_eq!(seen(&table)[&clients[0]], 17, "IPv4 all the same");
    }

    #[test]
    fn whoever_asks_most_is_found_in_a_flood_of_made_up_addresses() {
        let table = TopClients::default();
        let (heavy, light) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for n in 0..100_000_u32 {
            table.saw(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)).into(), 1);
            if n % 10 == 0 {
                table.saw(heavy, 1);
            }
            if n % 20 == 0 {
                table.saw(light, 1);
            }
        }
        let seen = seen(&table);
        assert_eq!(seen.len(), PLACES);
        let mut most: Vec<_> = seen
            .into_iter()
            .map(|(client, count)| (count, client))
            .collect();
        most.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!([most[0].1, most[1].1], [heavy, light]);
        // What others asked before them is not theirs.
        assert!((9_900..=10_000).contains(&most[0].0), "{most:?}");
        assert!((4_900..=5_000).contains(&most[1].0), "{most:?}");
        assert!(most[2].0 < 100, "{most:?}");
    }

    #[test]
    fn nobody_reads_half_of_a_client() {
        let table = TopClients::default();
        let has_ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Each takes a place from another; both halves are the same.
                for half in 1..=300_000_u64 {
                    table.saw(client(half, half), 1);
                }
                has_ended.store(true, Ordering::Relaxed);
            });
            while !has_ended.load(Ordering::Relaxed) {
                for (client, count) in seen(&table) {
                    let (high, low) = halves(client);
                    assert_eq!((high, count), (low, 1), "{client}");
                }
            }
        });
    }

    #[test]
    fn a_request_in_a_batch_counts_as_one_on_average_whoever_it_is_from() {
        let mut sampler = Sampler::new(7);
        let mut of = [0_u64; 16];
        for n in 0..1_600_000 {
            of[n % 16] += sampler.weight(false);
        }
        for seen in of {
            assert!((95_000..105_000).contains(&seen), "{of:?}");
        }
        assert_eq!(sampler.weight(true), 1);
    }
}

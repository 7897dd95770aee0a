//! How often a client is answered: one table of token buckets, for all threads,
//! whose size never changes.

use crate::api::Monotonic;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets that share a cache line, among which a client's is looked for.
pub(crate) const WAYS: usize = 8;
/// Bits of a bucket that say when; those above say whose.
pub(crate) const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// A tick is 2^8 ns: 40 bits of them are more than three days.
pub(crate) const TICK_SHIFT: u32 = 8;
const TICKS_PER_SECOND: f64 = 1e9 / 256.0;
/// How far a bucket may be ahead of the present, in ticks: 19 hours.
const FURTHEST: u64 = 1 << (TIME_BITS - 2);
/// How often a bucket is tried that other threads change meanwhile. A client
/// that keeps so many threads busy at once is answered once more.
pub(crate) const TRIES: usize = 16;

/// How often a client may ask, and who one client is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second in the long run: 0.001 to 100,000.
    pub per_second: f64,
    /// Requests at once: 1 to 100,000, and no more than come in 65,536 s.
    pub burst: u32,
    /// Bits of an IPv4 address that make a client: 1 to 32.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that make a client: 1 to 128.
    pub ipv6_prefix: u8,
}

impl Rate {
    /// The poll at which a client stays within the rate, log2 s: 4 to 17, as
    /// RFC 5905 section 7.2 has no shorter one for a client that was asked to
    /// slow down.
    #[must_use]
    pub fn poll_log2_s(&self) -> i8 {
        (4..17)
            .find(|poll| self.per_second * f64::from(1_u32 << poll) >= 1.0)
            .unwrap_or(17)
    }
}

impl Default for Rate {
    /// Enough for `iburst` of chronyd, ntpd and ntpd-rs from several hosts
    /// behind one address; a network of IPv6 hosts is one client.
    fn default() -> Self {
        Self {
            per_second: 2.0,
            burst: 32,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
        }
    }
}

/// A token bucket for each client of late.
///
/// # A bucket
/// One word: a part of the hash of the client, and the moment at which its
/// bucket will be full again (the generic cell rate algorithm: a request moves
/// that moment on by what a token costs, and is refused where it would lie
/// further ahead than a full bucket). So a request is one cache line and one
/// atomic exchange, without a lock, and a client whose requests come to several
/// threads has one bucket.
///
/// # When there are more clients than buckets
/// A new one takes the bucket, of eight, that will be full soonest: most often
/// it is full already and says nothing. Whoever floods from made-up addresses
/// can make buckets forgotten, which lets their clients ask sooner again; never
/// can he have somebody refused, but by sending in that one's name. The hash has
/// a key of its own in each process, so that nobody can aim.
pub struct Limiter {
    rate: Rate,
    table: Table,
    key: (u64, u64),
    /// What a request costs, in ticks.
    cost: u64,
    /// How many ticks a bucket holds.
    depth: u64,
    ipv4_mask: u32,
    ipv6_mask: u128,
}

/// Memory that a table may lie in which somebody else reads and writes too: the
/// network driver, by the same rules.
pub trait SharedWords: Send + Sync {
    /// The words, the same ones each time; eight of them share a cache line, from
    /// the first on.
    fn words(&self) -> &[AtomicU64];
}

/// Where the buckets are.
enum Table {
    Own(Box<[Set]>),
    Shared(Arc<dyn SharedWords>),
}

impl Table {
    /// How many sets there are.
    fn len(&self) -> usize {
        match self {
            Self::Own(sets) => sets.len(),
            Self::Shared(memory) => memory.words().len() / WAYS,
        }
    }

    fn set(&self, index: usize) -> &[AtomicU64; WAYS] {
        match self {
            Self::Own(sets) => &sets[index].0,
            Self::Shared(memory) => &memory.words().as_chunks().0[index],
        }
    }
}

/// What somebody needs to know who decides as a [`Limiter`] does, on its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterNumbers {
    /// How many sets of eight buckets there are.
    pub sets: usize,
    /// The key of the hash, SipHash-1-3.
    pub key: (u64, u64),
    /// What a request costs, in ticks of 2^8 ns.
    pub cost: u64,
    /// How many ticks a bucket holds.
    pub depth: u64,
    /// Bits of an IPv4 address that make a client.
    pub ipv4_mask: u32,
    /// Bits of an IPv6 address that make a client.
    pub ipv6_mask: u128,
}

/// The buckets of one cache line.
#[repr(align(64))]
#[derive(Default)]
struct Set([AtomicU64; WAYS]);

impl Limiter {
    /// A table of so many buckets at least, all of it allocated and written to;
    /// `key` is of the hash.
    #[must_use]
    pub fn new(rate: Rate, entries: usize, key: (u64, u64)) -> Self {
        let sets = (0..entries.div_ceil(WAYS).max(1)).map(|_| Set::default());
        Self::with_table(rate, Table::Own(sets.collect()), key)
    }

    /// The same on memory that somebody else uses too: eight words at least, of
    /// which whole sets of eight are used. What is in there is not changed.
    #[must_use]
    pub fn on(rate: Rate, memory: Arc<dyn SharedWords>, key: (u64, u64)) -> Self {
        assert!(memory.words().len() >= WAYS, "a table has a set at least");
        Self::with_table(rate, Table::Shared(memory), key)
    }

    fn with_table(rate: Rate, table: Table, key: (u64, u64)) -> Self {
        let cost = (TICKS_PER_SECOND / rate.per_second).round() as u64;
        let cost = cost.clamp(1, FURTHEST);
        Self {
            rate,
            table,
            key,
            cost,
            depth: cost
                .saturating_mul(u64::from(rate.burst))
                .clamp(cost, FURTHEST),
            ipv4_mask: u32::MAX
                .checked_shl(32 - u32::from(rate.ipv4_prefix))
                .unwrap_or(0),
            ipv6_mask: u128::MAX
                .checked_shl(128 - u32::from(rate.ipv6_prefix))
                .unwrap_or(0),
        }
    }

    /// Octets that the table takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.table.len() * size_of::<Set>()
    }

    /// What it takes to decide as this does, on its table.
    #[must_use]
    pub fn numbers(&self) -> LimiterNumbers {
        LimiterNumbers {
            sets: self.table.len(),
            key: self.key,
            cost: self.cost,
            depth: self.depth,
            ipv4_mask: self.ipv4_mask,
            ipv6_mask: self.ipv6_mask,
        }
    }

    /// Whether its table lies in this memory.
    #[must_use]
    pub fn is_on(&self, memory: &[AtomicU64]) -> bool {
        match &self.table {
            Table::Own(_) => false,
            Table::Shared(own) => std::ptr::eq(own.words(), memory),
        }
    }

    /// What the table is like at the moment `now`. Looks at all of it.
    #[must_use]
    pub fn state(&self, now: Monotonic) -> LimiterState {
        let now = ticks(now);
        let buckets = (0..self.table.len()).flat_map(|index| self.table.set(index));
        let is_in_use = |bucket: &&AtomicU64| self.ahead(bucket.load(Ordering::Relaxed), now) > 0;
        LimiterState {
            clients: self.table.len() * WAYS,
            octets: self.octets(),
            in_use: buckets.filter(is_in_use).count(),
            rate: self.rate,
        }
    }

    /// Takes a token of the client's; says whether there was one.
    #[must_use]
    pub fn take(&self, client: IpAddr, now: Monotonic) -> bool {
        let hash = self.hash(client);
        let now = ticks(now);
        // The set by the upper half, whose it is by the lower: never zero, which
        // is nobody's.
        let index = ((hash >> 32) * self.table.len() as u64) >> 32;
        let buckets = self.table.set(index as usize);
        let tag = (hash | 1) << TIME_BITS;
        for _ in 0..TRIES {
            let (bucket, seen, ahead) = self.find(buckets, tag, now);
            let filled = ahead + self.cost;
            if filled > self.depth {
                return false;
            }
            let next = tag | ((now + filled) & TIME_MASK);
            let taken =
                bucket.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() {
                return true;
            }
        }
        true
    }

    fn hash(&self, client: IpAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        match client.to_canonical() {
            IpAddr::V4(client) => hasher.write_u32(Ipv4Addr::to_bits(client) & self.ipv4_mask),
            IpAddr::V6(client) => hasher.write_u128(Ipv6Addr::to_bits(client) & self.ipv6_mask),
        }
        hasher.finish()
    }

    /// The bucket of this tag, or the one that is best given up for it; what is
    /// in it; and how far ahead of `now` it is full again.
    fn find<'a>(
        &self,
        buckets: &'a [AtomicU64; WAYS],
        tag: u64,
        now: u64,
    ) -> (&'a AtomicU64, u64, u64) {
        let [first, ..] = buckets;
        let (mut soonest, mut least) = ((first, first.load(Ordering::Relaxed)), u64::MAX);
        for bucket in buckets {
            let seen = bucket.load(Ordering::Relaxed);
            let ahead = self.ahead(seen, now);
            if seen & !TIME_MASK == tag {
                return (bucket, seen, ahead);
            }
            if ahead < least {
                (soonest, least) = ((bucket, seen), ahead);
            }
        }
        (soonest.0, soonest.1, 0)
    }

    /// How far ahead of `now` a bucket is full again; 0 where it is. What claims
    /// to be further ahead than any bucket was left days ago. (One that was left
    /// 78 hours ago, to within its depth, cannot be told from one of today.)
    fn ahead(&self, bucket: u64, now: u64) -> u64 {
        let ahead = (bucket & TIME_MASK).wrapping_sub(now) & TIME_MASK;
        if ahead > self.depth { 0 } else { ahead }
    }
}

/// The moment in ticks, as far as a bucket can hold it.
fn ticks(now: Monotonic) -> u64 {
    (now.as_nanos() >> TICK_SHIFT).cast_unsigned() & TIME_MASK
}

/// What a [`Limiter`] is like at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimiterState {
    /// How many clients it can tell apart at a time.
    pub clients: usize,
    /// Octets that the table takes.
    pub octets: usize,
    /// How many clients have asked so lately that their bucket is not full again.
    pub in_use: usize,
    /// How often each may ask.
    pub rate: Rate,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Delta;

    const KEY: (u64, u64) = (1, 2);

    fn at(millis: i64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000_000) + Delta::from_millis(millis)
    }

    fn limiter(per_second: f64, burst: u32) -> Limiter {
        let rate = Rate {
            per_second,
            burst,
            ..Rate::default()
        };
        Limiter::new(rate, 1_024, KEY)
    }

    /// How many of `count` requests at one moment get a token.
    fn taken(limiter: &Limiter, client: &str, millis: i64, count: usize) -> usize {
        let client = client.parse().unwrap();
        (0..count)
            .filter(|_| limiter.take(client, at(millis)))
            .count()
    }

    #[test]
    fn a_burst_and_then_a_rate() {
        let limiter = limiter(4.0, 10);
        assert_eq!(taken(&limiter, "192.0.2.1", 0, 50), 10);
        assert_eq!(taken(&limiter, "192.0.2.1", 249, 50), 0);
        assert_eq!(taken(&limiter, "192.0.2.1", 251, 50), 1);
        assert_eq!(taken(&limiter, "192.0.2.1", 1_251, 50), 4);
        assert_eq!(taken(&limiter, "192.0.2.2", 1_251, 50), 10, "another");
        assert_eq!(taken(&limiter, "192.0.2.1", 60_000, 50), 10, "no more");
    }

    #[test]
    fn whoever_is_refused_loses_nothing_by_asking() {
        let limiter = limiter(1.0, 1);
        let taken = (0..10_000).map(|millis| taken(&limiter, "192.0.2.1", millis, 1));
        assert_eq!(taken.sum::<usize>(), 10);
    }

    #[test]
    fn a_network_is_one_client() {
        let rate = Rate {
            per_second: 1.0,
            burst: 2,
            ipv4_prefix: 24,
            ipv6_prefix: 64,
        };
        let limiter = Limiter::new(rate, 1_024, KEY);
        assert_eq!(taken(&limiter, "192.0.2.1", 0, 1), 1);
        assert_eq!(taken(&limiter, "192.0.2.255", 0, 2), 1);
        assert_eq!(
            taken(&limiter, "::ffff:192.0.2.7", 0, 1),
            0,
            "IPv4 all the same"
        );
        assert_eq!(taken(&limiter, "192.0.3.1", 0, 2), 2);
        assert_eq!(taken(&limiter, "2001:db8::1", 0, 1), 1);
        assert_eq!(taken(&limiter, "2001:db8::ffff:1", 0, 2), 1);
        assert_eq!(taken(&limiter, "2001:db8:0:1::1", 0, 2), 2);
    }

    #[test]
    fn the_least_and_the_most_are_kept_too() {
        let slow = limiter(0.001, 3);
        assert_eq!(taken(&slow, "192.0.2.1", 0, 9), 3);
        assert_eq!(taken(&slow, "192.0.2.1", 999_990, 9), 0);
        assert_eq!(taken(&slow, "192.0.2.1", 1_000_010, 9), 1);
        let fast = limiter(100_000.0, 1_000);
        assert_eq!(taken(&fast, "192.0.2.1", 0, 5_000), 1_000);
        // A tick is 2.56 % of such a token.
        let later = taken(&fast, "192.0.2.1", 10, 5_000);
        assert!((975..=1_000).contains(&later), "{later}");
    }

    #[test]
    fn a_client_is_in_use_until_its_bucket_is_full_again() {
        let limiter = limiter(1.0, 5);
        let in_use = |millis| limiter.state(at(millis)).in_use;
        assert_eq!(in_use(0), 0);
        assert_eq!(taken(&limiter, "192.0.2.1", 0, 3), 3);
        assert_eq!(taken(&limiter, "2001:db8::1", 0, 1), 1);
        assert_eq!((in_use(1), in_use(1_500), in_use(3_500)), (2, 1, 0));
        let state = limiter.state(at(0));
        assert_eq!((state.clients, state.octets), (1_024, 8_192));
    }

    #[test]
    fn a_bucket_that_is_days_old_is_full() {
        let limiter = limiter(1.0, 5);
        let mut millis = 0;
        // Across what 40 bits of ticks can tell, at moments of every age.
        for hours in 1..200 {
            assert_eq!(taken(&limiter, "192.0.2.1", millis, 9), 5, "{hours} h");
            millis += hours * 3_600_000 + 7;
        }
    }

    #[test]
    fn a_flood_of_made_up_addresses_changes_no_size_and_refuses_nobody() {
        let limiter = limiter(2.0, 8);
        let octets = limiter.octets();
        assert_eq!(octets, 8 * 1_024);
        let victim: IpAddr = "198.51.100.7".parse().unwrap();
        let mut refused = 0;
        for n in 0..100_000_u32 {
            let spoofed = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761));
            let now = at(i64::from(n));
            assert!(limiter.take(spoofed.into(), now), "each asks once");
            // Once a second: half of what it may.
            if n % 1_000 == 0 {
                refused += usize::from(!limiter.take(victim, now));
            }
        }
        assert_eq!((limiter.octets(), refused), (octets, 0));
    }

    #[test]
    fn threads_share_a_clients_bucket() {
        let limiter = limiter(0.1, 1_000);
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let took = || (0..2_000).filter(|_| limiter.take(client, at(0))).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(took)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        // One that meets sixteen changes of others in a row is let through.
        assert!((1_000..1_010).contains(&total), "{total}");
    }
}

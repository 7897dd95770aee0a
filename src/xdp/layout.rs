//! What the server and its program share, as places in memory: one list for both
//! sides. All of it are words of 64 bits, in the order of the machine.

use timeball_ebpf::Map;

/// What holds for all requests, twice, and which of the two holds.
pub(super) const SETUP: Map = Map(0);
/// The time of each listener.
pub(super) const CLOCKS: Map = Map(1);
/// Lists of networks, twice.
pub(super) const NETWORKS: Map = Map(2);
/// What came of requests, for each processor and listener.
pub(super) const COUNTERS: Map = Map(3);
/// The table of clients.
pub(super) const LIMITS: Map = Map(4);

/// Octets of a word.
pub(super) const WORD: usize = 8;
/// Listeners that there is room for; a power of two.
pub(super) const LISTENERS: usize = 16;

/// The setup: how often it was written, then two copies; the lowest bit of the
/// count says which one holds.
pub(super) mod setup {
    use super::LISTENERS;

    /// Where the copies begin.
    pub const COPIES: usize = 8;
    /// The address of the interface, its first octet lowest.
    pub const HARDWARE_ADDRESS: usize = 0;
    /// By what the parts of a destination are multiplied: low, high, port.
    pub const MULTIPLIERS: usize = 1;
    /// The key of the table of clients, two words.
    pub const KEY: usize = 4;
    /// What a request costs, in ticks.
    pub const COST: usize = 6;
    /// What a bucket holds, in ticks.
    pub const DEPTH: usize = 7;
    /// The bits of an IPv4 address that make a client.
    pub const IPV4_MASK: usize = 8;
    /// The bits of an IPv6 address that make a client: low, high.
    pub const IPV6_MASK: usize = 9;
    /// Where the listeners begin.
    pub const LISTENER: usize = 16;
    /// Words of a listener.
    pub const LISTENER_WORDS: usize = 8;
    /// Where the destinations begin.
    pub const DESTINATIONS: usize = LISTENER + LISTENERS * LISTENER_WORDS;
    /// The bits of a place among the destinations.
    pub const DESTINATION_BITS: usize = 11;
    /// Words of a destination: low and high part of the address as they are on
    /// the wire, port with family and presence, listener.
    pub const DESTINATION_WORDS: usize = 4;
    /// In the third word: this is a destination.
    pub const PRESENT: u64 = 1 << 32;
    /// In the third word: of IPv6.
    pub const IPV6: u64 = 1 << 16;
    /// Words of a copy.
    pub const WORDS: usize = DESTINATIONS + (DESTINATION_WORDS << DESTINATION_BITS);

    /// A listener's words.
    pub mod listener {
        /// See the constants `HAS_...`.
        pub const FLAGS: usize = 0;
        /// Below this of 2^32 what is too much is answered.
        pub const LEAK: usize = 1;
        /// And below this it gets a kiss.
        pub const KISS: usize = 2;
        /// The poll of the kiss, with its sign.
        pub const POLL: usize = 3;
        /// The number of the list of networks.
        pub const NETWORKS: usize = 4;

        /// Only listed networks are served.
        pub const HAS_NETWORKS: i32 = 1;
        /// Whoever is not served gets a kiss, from the socket.
        pub const HAS_DENY_KISS: i32 = 2;
        /// There is a limit to how often a client is answered.
        pub const HAS_LIMITS: i32 = 4;
        /// But none for those on loopback.
        pub const SPARES_LOOPBACK: i32 = 8;
    }
}

/// A clock: how often it was written, then two slots; the lowest bit of the count
/// says which one holds.
pub(super) mod clock {
    /// Words of a clock.
    pub const WORDS: usize = 64;
    /// Where the slots begin.
    pub const SLOTS: usize = 8;
    /// Words of a slot.
    pub const SLOT_WORDS: usize = 28;
    /// The last monotonic nanosecond at which a slot is good.
    pub const VALID_UNTIL: usize = 0;
    /// The first at which the second state holds.
    pub const SWITCH_AT: usize = 1;
    /// Where the two states begin.
    pub const STATES: usize = 2;
    /// Words of a state.
    pub const STATE_WORDS: usize = 12;

    /// A state's words.
    pub mod state {
        /// Whether there is an answer.
        pub const ANSWERS: usize = 0;
        /// The first four octets of the reply, first lowest, but for what is
        /// the request's: version and poll.
        pub const FIRST: usize = 1;
        /// Root delay and reference id, as on the wire.
        pub const DELAY_AND_ID: usize = 2;
        /// The reference timestamp, as a number; zero for none.
        pub const REFERENCE: usize = 3;
        /// The monotonic nanosecond of the time below.
        pub const FROM: usize = 4;
        /// Seconds of that time since 1900, and...
        pub const SECONDS: usize = 5;
        /// ...nanoseconds: one second to two, so that a drift cannot make it
        /// negative.
        pub const NANOS: usize = 6;
        /// Parts per million million faster than the monotonic clock.
        pub const DRIFT: usize = 7;
        /// The bits of a timestamp that are random.
        pub const RANDOM: usize = 8;
        /// The root dispersion: as on the wire if it stays, else in nanoseconds...
        pub const DISPERSION: usize = 9;
        /// ...at this monotonic nanosecond...
        pub const GROWS_FROM: usize = 10;
        /// ...and in how many of them it grows by one; zero if it stays.
        pub const GROWS_IN: usize = 11;
    }
}

/// Lists of networks, two sets of them; the setup that holds says which set.
pub(super) mod networks {
    /// Lists that there is room for in a set; a power of two.
    pub const LISTS: usize = 4;
    /// log2 of how many changes of IPv4 there is room for.
    pub const IPV4_BITS: usize = 12;
    /// log2 of how many changes of IPv6 there is room for.
    pub const IPV6_BITS: usize = 11;
    /// log2 of how many are found in fewer steps.
    pub const FEW_BITS: usize = 4;
    /// Whether the least IPv4 address is served.
    pub const IPV4_FIRST: usize = 0;
    /// Whether there are few changes of IPv4.
    pub const IPV4_FEW: usize = 1;
    /// Whether the least IPv6 address is served.
    pub const IPV6_FIRST: usize = 2;
    /// Whether there are few changes of IPv6.
    pub const IPV6_FEW: usize = 3;
    /// Where the changes of IPv4 begin, a word each.
    pub const IPV4: usize = 8;
    /// Where the changes of IPv6 begin, two words each, the high one first.
    pub const IPV6: usize = IPV4 + (1 << IPV4_BITS);
    /// Words of a list; behind its last change there is room for those that the
    /// verifier cannot rule out.
    pub const WORDS: usize = IPV6 + (2 << IPV6_BITS) + (2 << FEW_BITS);
    /// Higher than any IPv4 address, even by its sign: behind the last change.
    pub const IPV4_END: u64 = u64::MAX >> 1;
}

/// Counters: a cache line for each processor and listener.
pub(super) mod counters {
    /// Words of a line.
    pub const WORDS: usize = 8;
    /// Times that were told.
    pub const REPLIES: usize = 0;
    /// Kisses that went out.
    pub const KISSES: usize = 1;
    /// Requests dropped by the lists.
    pub const DENIED: usize = 2;
    /// Requests dropped by the limit.
    pub const RATE_LIMITED: usize = 3;
}

/// The offset of a word for an instruction, in octets.
pub(super) const fn at(word: usize) -> i16 {
    let octets = word * WORD;
    assert!(octets <= i16::MAX as usize, "an offset has 15 bits");
    octets as i16
}

//! Whether the programs do what the figures rest on: every request is right, and
//! of replies the sink takes the right one for valid and each wrong one for wrong,
//! by the rule that it breaks. Nothing is sent for it.

use crate::emit::verdict;
use crate::floor;
use crate::generator::{self, state};
use crate::hold::ahead_ns;
use crate::measure::{Failure, sensible_time};
use crate::sink::{self, Count, WORDS};
use crate::wire::{
    self, DESTINATION, DESTINATION_PORT, ETHERTYPE, IP, IP_CHECKSUM, LEN, Mac, NTP,
    ORIGIN_TIMESTAMP, Path, RECEIVE_TIMESTAMP, SOURCE, SOURCE_PORT, TRANSMIT_TIMESTAMP, UDP,
    UDP_CHECKSUM,
};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use timeball::api::{Delta, HostClock, Timestamp};
use timeball::host::OsClock;
use timeball::transport::bpf::{SharedMap, XdpProgram};

/// Requests that are looked at.
const REQUESTS: usize = 5_000;
const KEY: u64 = 0x0123_4567_89ab_cdef;
const PATH: Path = Path {
    server: SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 1), 123),
    server_mac: Mac([2, 0, 0, 0, 0, 1]),
    client: Ipv4Addr::new(10, 16, 0, 1),
    client_mac: Mac([2, 0, 0, 0, 0, 2]),
    addresses: 1 << 20,
};

/// Tries everything.
///
/// # Errors
/// [`Failure::SelfTest`] with what is wrong, or the operating system's.
pub fn run() -> Result<(), Failure> {
    let host = OsClock.now();
    let state = SharedMap::new("test_state", state::COUNT, 1)?;
    let program = generator::program(&PATH, KEY, 1, None)?;
    let generator = XdpProgram::load("test_generator", &program, &[&state], c"MIT")?;
    let floor = XdpProgram::load("test_floor", &floor::program(ahead_ns())?, &[], c"MIT")?;
    let sink = Sink::new(host.realtime)?;

    let mut seen = HashSet::new();
    for _ in 0..REQUESTS {
        // As the server has left the one before, or worse.
        let request = turned(&generator, &[0xa5; LEN], verdict::REDIRECT)?;
        check_request(&request)?;
        seen.insert((
            octets::<4>(&request, SOURCE),
            octets::<2>(&request, SOURCE_PORT),
        ));
        let reply = turned(&floor, &request, verdict::TRANSMIT)?;
        sink.expect("a right reply", &reply, Count::Valid)?;
    }
    if seen.len() < REQUESTS {
        return Err(wrong("the same client asks twice".to_owned()));
    }
    let request = turned(&generator, &[0; LEN], verdict::REDIRECT)?;
    let reply = turned(&floor, &request, verdict::TRANSMIT)?;
    check_rules(&sink, &reply)
}

fn check_request(request: &[u8; LEN]) -> Result<(), Failure> {
    let mut blank = *request;
    for (place, len) in [
        (SOURCE, 4),
        (SOURCE_PORT, 2),
        (TRANSMIT_TIMESTAMP, 8),
        (IP_CHECKSUM, 2),
        (UDP_CHECKSUM, 2),
    ] {
        blank[place as usize..][..len].fill(0);
    }
    let sums = [
        wire::sum(&request[IP as usize..UDP as usize]),
        wire::pseudo_header() + wire::sum(&request[SOURCE as usize..]),
    ];
    let address = Ipv4Addr::from(octets::<4>(request, SOURCE)).to_bits();
    let is_right = blank == PATH.request()
        && sums.map(wire::folded) == [0xffff; 2]
        && address.wrapping_sub(PATH.client.to_bits()) < PATH.addresses
        && octets::<8>(request, TRANSMIT_TIMESTAMP) != [0; 8];
    is_right
        .then_some(())
        .ok_or_else(|| wrong(format!("a request is not as it should be: {request:02x?}")))
}

/// Replies that are wrong in one thing, and what they must be counted as.
fn check_rules(sink: &Sink, reply: &[u8; LEN]) -> Result<(), Failure> {
    let later = |bits: u64, seconds: i64| bits.wrapping_add_signed(seconds << 32).to_be_bytes();
    let now = u64::from_be_bytes(octets(reply, TRANSMIT_TIMESTAMP));
    let received = u64::from_be_bytes(octets(reply, RECEIVE_TIMESTAMP));
    let version_3 = [reply[NTP as usize] & 0xc7 | 3 << 3];
    let wrongs: &[(&str, i16, &[u8], Count)] = &[
        ("IPv6", ETHERTYPE, &[0x86, 0xdd], Count::Other),
        ("another destination MAC", 5, &[9], Count::Addresses),
        ("another source MAC", 6, &[9], Count::Addresses),
        ("IP options", IP, &[0x46], Count::Header),
        ("another total length", IP + 3, &[77], Count::Length),
        ("a fragment", IP + 6, &[0x20], Count::Header),
        ("a later fragment", IP + 7, &[1], Count::Header),
        ("a time to live of zero", IP + 8, &[0], Count::Header),
        ("TCP", IP + 9, &[6], Count::Header),
        ("another server", SOURCE, &[193], Count::Addresses),
        ("no client", DESTINATION, &[11], Count::Addresses),
        ("another port", SOURCE_PORT + 1, &[124], Count::Ports),
        ("no client's port", DESTINATION_PORT, &[0x7f], Count::Ports),
        ("another UDP length", UDP + 5, &[57], Count::Length),
        ("mode 3", NTP, &[0x23], Count::Mode),
        ("version 3", NTP, &version_3, Count::Mode),
        ("the alarm", NTP, &[0xe4], Count::Stratum),
        ("a kiss-o'-death", NTP + 1, &[0], Count::Stratum),
        ("stratum 16", NTP + 1, &[16], Count::Stratum),
        (
            "another origin",
            ORIGIN_TIMESTAMP,
            &[!reply[ORIGIN_TIMESTAMP as usize]],
            Count::Origin,
        ),
        (
            "no receive timestamp",
            RECEIVE_TIMESTAMP,
            &[0; 8],
            Count::Time,
        ),
        (
            "no transmit timestamp",
            TRANSMIT_TIMESTAMP,
            &[0; 8],
            Count::Time,
        ),
        (
            "received long ago",
            RECEIVE_TIMESTAMP,
            &later(received, -100),
            Count::Time,
        ),
        (
            "sent before it came",
            TRANSMIT_TIMESTAMP,
            &later(now, -1),
            Count::Time,
        ),
        (
            "sent later",
            TRANSMIT_TIMESTAMP,
            &later(now, 100),
            Count::Time,
        ),
    ];
    for (what, place, octets, count) in wrongs {
        let mut bad = *reply;
        bad[*place as usize..][..octets.len()].copy_from_slice(octets);
        // Wrong in nothing else.
        whole(&mut bad);
        sink.expect(what, &bad, *count)?;
    }
    for (what, place, count) in [
        ("a wrong IP checksum", IP_CHECKSUM, Count::IpChecksum),
        ("a wrong UDP checksum", UDP_CHECKSUM, Count::UdpChecksum),
        ("another root delay", NTP + 7, Count::UdpChecksum),
    ] {
        let mut bad = *reply;
        bad[place as usize] ^= 1;
        sink.expect(what, &bad, count)?;
    }
    let pseudo = wire::pseudo_header() + wire::sum(&reply[SOURCE as usize..UDP as usize]);
    for (what, checksum, count) in [
        ("no UDP checksum", 0, Count::UdpChecksum),
        (
            "one that is left to the card",
            wire::folded(pseudo),
            Count::Partial,
        ),
    ] {
        let mut bad = *reply;
        bad[UDP_CHECKSUM as usize..][..2].copy_from_slice(&u16::to_le_bytes(checksum));
        sink.expect(what, &bad, count)?;
    }
    sink.expect("a longer one", &[&reply[..], &[0]].concat(), Count::Length)?;
    sink.expect("a shorter one", &reply[..LEN - 1], Count::Length)?;
    sink.expect("a right reply, again", reply, Count::Valid)
}

/// Gives both checksums of `frame` the values that belong to the rest.
fn whole(frame: &mut [u8; LEN]) {
    let mut put = |place: i16, more: u64, range: std::ops::Range<i16>| {
        frame[place as usize..][..2].fill(0);
        let sum = more + wire::sum(&frame[range.start as usize..range.end as usize]);
        frame[place as usize..][..2].copy_from_slice(&(!wire::folded(sum)).to_le_bytes());
    };
    put(IP_CHECKSUM, 0, IP..UDP);
    put(UDP_CHECKSUM, wire::pseudo_header(), SOURCE..LEN as i16);
}

/// A sink that is shown one frame at a time.
struct Sink {
    program: XdpProgram,
    counts: SharedMap,
}

impl Sink {
    fn new(now: Timestamp) -> Result<Self, Failure> {
        let processors = timeball::transport::bpf::possible_processors()?;
        let counts = SharedMap::new("test_counts", WORDS * processors, 1)?;
        let time = sensible_time(now, Delta::from_seconds(60));
        let program = sink::program(&PATH, KEY, &time, processors)?;
        let program = XdpProgram::load("test_sink", &program, &[&counts], c"MIT")?;
        Ok(Self { program, counts })
    }

    /// That `frame` is counted as `count`, and as nothing else.
    fn expect(&self, what: &str, frame: &[u8], count: Count) -> Result<(), Failure> {
        let total = || -> u64 {
            let words = self.counts.words().iter();
            words
                .map(|word| word.load(std::sync::atomic::Ordering::Relaxed))
                .sum()
        };
        let before = (sink::counted(&self.counts, count), total());
        self.program.test_run(frame, 1, &mut [0; 256])?;
        let after = (sink::counted(&self.counts, count), total());
        (after == (before.0 + 1, before.1 + 1))
            .then_some(())
            .ok_or_else(|| wrong(format!("{what} does not count as {count:?}")))
    }
}

/// What `program` makes of `frame`.
fn turned(program: &XdpProgram, frame: &[u8], verdict: i32) -> Result<[u8; LEN], Failure> {
    let mut room = [0; LEN];
    let run = program.test_run(frame, 1, &mut room)?;
    if (run.returned, run.len) != (verdict.cast_unsigned(), LEN) {
        return Err(wrong(format!("{run:?} instead of {verdict}")));
    }
    Ok(room)
}

fn octets<const N: usize>(frame: &[u8], place: i16) -> [u8; N] {
    frame[place as usize..][..N]
        .try_into()
        .expect("as many as were taken")
}

fn wrong(what: String) -> Failure {
    Failure::SelfTest(what)
}

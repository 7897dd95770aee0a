//! Where replies end: a program that looks at every one of them, counts it as
//! valid or by the first rule that it breaks, and drops it.

use crate::emit::{self, DATA, DATA_END, helper, verdict};
use crate::wire::{
    self, DESTINATION, DESTINATION_PORT, ETHERNET_LEN, ETHERTYPE, IP, IP_TOTAL_LEN, NTP,
    ORIGIN_TIMESTAMP, PORT_BIT, PROTOCOL_UDP, Path, RECEIVE_TIMESTAMP, SOURCE, SOURCE_PORT,
    TRANSMIT_TIMESTAMP, UDP, UDP_CHECKSUM, UDP_LEN,
};
use std::ops::Range;
use std::sync::atomic::Ordering;
use timeball::transport::bpf::SharedMap;
use timeball_ebpf::register::*;
use timeball_ebpf::{Assembler, Condition, Error, Label, Map, Program, Size, SwapBits, Width};

/// What a frame is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// A reply that is right in everything.
    Valid,
    /// The same, but for a UDP checksum that is left to the network card: it is
    /// exactly the sum of the pseudo-header.
    Partial,
    /// No IPv4: passed on.
    Other,
    /// Not as long as a request, or it says so.
    Length,
    /// An IPv4 header with options, of a fragment, of no UDP.
    Header,
    /// Not from the server to a client, of both kinds of addresses.
    Addresses,
    /// Not from the server's port to a client's.
    Ports,
    /// Not version 4 or not mode 4.
    Mode,
    /// A stratum of no server, or the alarm.
    Stratum,
    /// Not the transmit timestamp that a request from there had.
    Origin,
    /// Received before this run, sent before it was received, or sent later than
    /// this run can last.
    Time,
    /// A wrong checksum of the IPv4 header.
    IpChecksum,
    /// A wrong UDP checksum, or none.
    UdpChecksum,
}

impl Count {
    /// All that make a reply invalid, with their names.
    pub const INVALID: [(Self, &'static str); 10] = [
        (Self::Length, "length"),
        (Self::Header, "header"),
        (Self::Addresses, "addresses"),
        (Self::Ports, "ports"),
        (Self::Mode, "mode"),
        (Self::Stratum, "stratum"),
        (Self::Origin, "origin"),
        (Self::Time, "time"),
        (Self::IpChecksum, "ip_checksum"),
        (Self::UdpChecksum, "udp_checksum"),
    ];
    const COUNT: usize = Self::UdpChecksum as usize + 1;
}

/// Words that a processor counts in: whole cache lines.
pub const WORDS: usize = 16;
const _: () = assert!(Count::COUNT <= WORDS);

/// How many frames were counted as `count`, on all processors.
pub fn counted(map: &SharedMap, count: Count) -> u64 {
    let of_each = map.words().chunks(WORDS);
    of_each
        .map(|words| words[count as usize].load(Ordering::Relaxed))
        .sum()
}

/// The program, for so many processors. A reply is received and sent within
/// `time`, both in NTP's 64 bits.
///
/// # Errors
/// None, but for a mistake in here.
pub fn program(
    path: &Path,
    key: u64,
    time: &Range<u64>,
    processors: usize,
) -> Result<Program, Error> {
    let mut sink = Sink {
        program: Assembler::new(),
        rules: Vec::new(),
    };
    sink.begin(processors);
    sink.check_headers(path);
    sink.check_reply(key, time);
    sink.check_udp_checksum();
    sink.end();
    sink.program.assemble()
}

/// R6 is where the frame begins, R8 where it ends, R7 where this processor counts.
struct Sink {
    program: Assembler,
    rules: Vec<(Label, Count)>,
}

impl Sink {
    /// Where to go to count.
    fn count(&mut self, count: Count) -> Label {
        let known = self.rules.iter().find(|(_, other)| *other == count);
        known.map(|(label, _)| *label).unwrap_or_else(|| {
            let label = self.program.label();
            self.rules.push((label, count));
            label
        })
    }

    fn begin(&mut self, processors: usize) {
        let drop = self.program.label();
        let (other, length) = (self.count(Count::Other), self.count(Count::Length));
        let p = &mut self.program;
        p.load(Size::Word, R6, R1, DATA);
        p.load(Size::Word, R8, R1, DATA_END);
        p.call(helper::GET_SMP_PROCESSOR_ID);
        p.load_map_value(R7, Map(0), 0);
        let processors = i32::try_from(processors).unwrap_or(i32::MAX);
        let is_known = p.label();
        p.jump_if(Condition::Below, R0, processors, is_known);
        p.bind(drop);
        emit::give(p, verdict::DROP);
        p.bind(is_known);
        p.multiply(R0, 8 * WORDS as i32);
        p.add(R7, R0);
        p.set(R1, R6);
        p.add(R1, ETHERNET_LEN as i32);
        p.jump_if(Condition::Above, R1, R8, other);
        p.load(Size::Half, R1, R6, ETHERTYPE);
        p.jump_if(Condition::NotEqual, R1, wire::half(0x0800), other);
        emit::require_len(p, R6, R8, length);
    }

    /// Counts as `count` unless so much of the frame is this constant.
    fn require(&mut self, size: Size, place: i16, constant: i32, count: Count) {
        let wrong = self.count(count);
        self.program.load(size, R1, R6, place);
        self.program
            .branch(Width::Bits32, Condition::NotEqual, R1, constant, wrong);
    }

    fn require_mac(&mut self, place: i16, octets: [u8; 6]) {
        let first = wire::word(&octets).cast_signed();
        let last = i32::from(u16::from_le_bytes([octets[4], octets[5]]));
        self.require(Size::Word, place, first, Count::Addresses);
        self.require(Size::Half, place + 4, last, Count::Addresses);
    }

    fn check_headers(&mut self, path: &Path) {
        self.require_mac(0, path.client_mac.0);
        self.require_mac(6, path.server_mac.0);
        self.require(Size::Byte, IP, 0x45, Count::Header);
        let total = wire::half(IP_TOTAL_LEN);
        self.require(Size::Half, IP + 2, total, Count::Length);
        self.require(Size::Byte, IP + 9, PROTOCOL_UDP.into(), Count::Header);
        let (header, addresses) = (self.count(Count::Header), self.count(Count::Addresses));
        let ports = self.count(Count::Ports);
        let p = &mut self.program;
        // More fragments, or not the first.
        p.load(Size::Half, R1, R6, IP + 6);
        p.jump_if(Condition::AnyBit, R1, wire::half(0x3fff), header);
        // A time to live of zero.
        p.load(Size::Byte, R1, R6, IP + 8);
        p.jump_if(Condition::Equal, R1, 0, header);
        p.load(Size::Word, R1, R6, DESTINATION);
        p.to_big_endian(SwapBits::Bits32, R1);
        p.subtract(R1, path.client.to_bits().cast_signed());
        let count = path.addresses.cast_signed();
        p.branch(Width::Bits32, Condition::AtLeast, R1, count, addresses);
        p.load(Size::Half, R1, R6, DESTINATION_PORT);
        p.to_big_endian(SwapBits::Bits16, R1);
        p.jump_if(Condition::Below, R1, i32::from(PORT_BIT), ports);
        let server = wire::word(&path.server.ip().octets()).cast_signed();
        self.require(Size::Word, SOURCE, server, Count::Addresses);
        let port = wire::half(path.server.port());
        self.require(Size::Half, SOURCE_PORT, port, Count::Ports);
        let len = wire::half(UDP_LEN);
        self.require(Size::Half, UDP + 4, len, Count::Length);
        let wrong = self.count(Count::IpChecksum);
        let p = &mut self.program;
        p.set(R2, 0);
        emit::add_words(p, R2, R1, (R6, IP), 5);
        emit::fold(p, R2, R1);
        p.jump_if(Condition::NotEqual, R2, 0xffff, wrong);
    }

    fn check_reply(&mut self, key: u64, time: &Range<u64>) {
        let (mode, stratum) = (self.count(Count::Mode), self.count(Count::Stratum));
        let (origin, wrong_time) = (self.count(Count::Origin), self.count(Count::Time));
        let p = &mut self.program;
        p.load(Size::Byte, R1, R6, NTP);
        p.set(R2, R1);
        p.and(R2, 0x3f);
        p.jump_if(Condition::NotEqual, R2, 0x24, mode);
        // The alarm is the greatest of the leap indicators.
        p.jump_if(Condition::AtLeast, R1, 0xc0, stratum);
        p.load(Size::Byte, R1, R6, NTP + 1);
        p.jump_if(Condition::Equal, R1, 0, stratum);
        p.jump_if(Condition::Above, R1, 15, stratum);

        p.load(Size::Word, R2, R6, DESTINATION);
        p.load(Size::Half, R3, R6, DESTINATION_PORT);
        emit::cookie(p, R2, R3, R4, key);
        p.load(Size::Double, R1, R6, ORIGIN_TIMESTAMP);
        p.jump_if(Condition::NotEqual, R1, R2, origin);

        p.load(Size::Double, R2, R6, RECEIVE_TIMESTAMP);
        p.to_big_endian(SwapBits::Bits64, R2);
        p.load(Size::Double, R3, R6, TRANSMIT_TIMESTAMP);
        p.to_big_endian(SwapBits::Bits64, R3);
        p.load_constant(R1, time.start);
        p.jump_if(Condition::Below, R2, R1, wrong_time);
        p.jump_if(Condition::Below, R3, R2, wrong_time);
        p.load_constant(R1, time.end);
        p.jump_if(Condition::AtLeast, R3, R1, wrong_time);
    }

    fn check_udp_checksum(&mut self) {
        let (valid, partial) = (self.count(Count::Valid), self.count(Count::Partial));
        let wrong = self.count(Count::UdpChecksum);
        let p = &mut self.program;
        p.load(Size::Half, R4, R6, UDP_CHECKSUM);
        p.jump_if(Condition::Equal, R4, 0, wrong);
        p.set(R2, i32::from(wire::folded(wire::pseudo_header())));
        emit::add_words(p, R2, R1, (R6, SOURCE), 2);
        p.set(R3, R2);
        emit::add_words(p, R2, R1, (R6, UDP), UDP_LEN.cast_signed() / 4);
        emit::fold(p, R2, R1);
        p.jump_if(Condition::Equal, R2, 0xffff, valid);
        emit::fold(p, R3, R1);
        p.jump_if(Condition::Equal, R3, R4, partial);
        p.jump(wrong);
    }

    fn end(&mut self) {
        let p = &mut self.program;
        for (label, count) in &self.rules {
            p.bind(*label);
            let place = 8 * *count as i16;
            p.load(Size::Double, R1, R7, place);
            p.add(R1, 1);
            p.store(Size::Double, R7, place, R1);
            let is_other = *count == Count::Other;
            emit::give(
                p,
                if is_other {
                    verdict::PASS
                } else {
                    verdict::DROP
                },
            );
        }
    }
}

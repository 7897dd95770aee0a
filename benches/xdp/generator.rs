//! The load: a program that makes a request of every frame it is given.
//!
//! Each has a source port of its own among 32,768, a source address of its own
//! among those of the [`Path`], a transmit timestamp that follows from both and
//! a key, and whole checksums. A frame may come again as the server has left it,
//! so every octet is written.

use crate::emit::{self, DATA, DATA_END, helper, verdict};
use crate::wire::{
    self, DESTINATION, DESTINATION_PORT, IP_CHECKSUM, LEN, NTP, PORT_BIT, Path, SOURCE,
    SOURCE_PORT, TRANSMIT_TIMESTAMP, UDP_CHECKSUM,
};
use timeball_ebpf::register::*;
use timeball_ebpf::{Assembler, Condition, Error, Map, Program, Size, SwapBits};

/// The words of the map that the program counts in.
pub mod state {
    /// Requests sent.
    pub const SENT: usize = 0;
    /// Requests that came to nothing because the program was not run in time.
    pub const LATE: usize = 1;
    /// When the pace began, in monotonic nanoseconds; zero before.
    pub const BEGAN: usize = 2;
    /// How many words there are.
    pub const COUNT: usize = 3;
}

/// Requests that may be caught up with.
const BEHIND_AT_MOST: i32 = 256;
/// A pace is a fraction with so many bits: requests for each nanosecond.
const PACE_BITS: i32 = 27;

/// The program. It sends out of `interface`: all frames it is given or, with a
/// `rate`, so many a second at most, the others being dropped.
///
/// # Errors
/// None, but for a mistake in here.
pub fn program(path: &Path, key: u64, interface: i32, rate: Option<u32>) -> Result<Program, Error> {
    let mut program = Assembler::new();
    let p = &mut program;
    let drop = p.label();
    p.load(Size::Word, R6, R1, DATA);
    p.load(Size::Word, R2, R1, DATA_END);
    emit::require_len(p, R6, R2, drop);
    p.load_map_value(R7, Map(0), 0);
    if let Some(rate) = rate {
        keep_pace(p, rate, drop);
    }
    p.load(Size::Double, R8, R7, word(state::SENT));
    p.set(R1, R8);
    p.add(R1, 1);
    p.store(Size::Double, R7, word(state::SENT), R1);

    let request = path.request();
    for (place, octets) in (0..).step_by(4).zip(request.chunks(4)) {
        match octets.len() {
            4 => p.store(Size::Word, R6, place, wire::word(octets).cast_signed()),
            _ => p.store(
                Size::Half,
                R6,
                place,
                i32::from(u16::from_le_bytes([octets[0], octets[1]])),
            ),
        }
    }
    // R9: the source address. An odd factor keeps all of them in turn, apart.
    p.set(R9, R8);
    p.multiply(R9, 0x2545_f491);
    p.and(R9, path.addresses.cast_signed() - 1);
    p.add(R9, path.client.to_bits().cast_signed());
    p.to_big_endian(SwapBits::Bits32, R9);
    p.store(Size::Word, R6, SOURCE, R9);
    // R8: the source port.
    p.and(R8, i32::from(PORT_BIT) - 1);
    p.or(R8, i32::from(PORT_BIT));
    p.to_big_endian(SwapBits::Bits16, R8);
    p.store(Size::Half, R6, SOURCE_PORT, R8);
    // R2: the transmit timestamp.
    p.set(R2, R9);
    emit::cookie(p, R2, R8, R3, key);
    p.store(Size::Double, R6, TRANSMIT_TIMESTAMP, R2);

    let octets = |from: i16, to: i16| &request[from as usize..to as usize];
    // R1: the checksum of the IPv4 header.
    constant(p, wire::sum(octets(wire::IP, wire::UDP)));
    p.add(R1, R9);
    complement(p);
    p.store(Size::Half, R6, IP_CHECKSUM, R1);
    // R1: that of the datagram.
    let datagram = octets(DESTINATION, DESTINATION + 4);
    constant(
        p,
        wire::sum(datagram) + wire::pseudo_header() + wire::sum(octets(wire::UDP, LEN as i16)),
    );
    p.add(R1, R9);
    p.add(R1, R8);
    p.set_32(R3, R2);
    p.add(R1, R3);
    p.shift_right(R2, 32);
    p.add(R1, R2);
    complement(p);
    let is_some = p.label();
    p.jump_if(Condition::NotEqual, R1, 0, is_some);
    p.set(R1, 0xffff);
    p.bind(is_some);
    p.store(Size::Half, R6, UDP_CHECKSUM, R1);

    p.set(R1, interface);
    p.set(R2, 0);
    p.call(helper::REDIRECT);
    p.exit();
    p.bind(drop);
    emit::give(p, verdict::DROP);
    program.assemble()
}

const _: () = assert!(NTP as usize + 48 == LEN && DESTINATION_PORT == SOURCE_PORT + 2);

/// Goes to `drop` while no request is due.
fn keep_pace(p: &mut Assembler, rate: u32, drop: timeball_ebpf::Label) {
    let (has_begun, in_time) = (p.label(), p.label());
    p.call(helper::KTIME_GET_NS);
    p.load(Size::Double, R1, R7, word(state::BEGAN));
    p.jump_if(Condition::NotEqual, R1, 0, has_begun);
    p.store(Size::Double, R7, word(state::BEGAN), R0);
    p.set(R1, R0);
    p.bind(has_begun);
    // R0: how many are due.
    p.subtract(R0, R1);
    let pace = (u64::from(rate) << PACE_BITS) / 1_000_000_000;
    p.load_constant(R1, pace.max(1));
    p.multiply(R0, R1);
    p.shift_right(R0, PACE_BITS);
    // R3: how many of them are gone.
    p.load(Size::Double, R2, R7, word(state::LATE));
    p.load(Size::Double, R3, R7, word(state::SENT));
    p.add(R3, R2);
    p.jump_if(Condition::AtMost, R0, R3, drop);
    p.subtract(R0, R3);
    p.jump_if(Condition::AtMost, R0, BEHIND_AT_MOST, in_time);
    p.subtract(R0, BEHIND_AT_MOST);
    p.add(R2, R0);
    p.store(Size::Double, R7, word(state::LATE), R2);
    p.bind(in_time);
}

/// R1 = a sum that is known beforehand.
fn constant(p: &mut Assembler, sum: u64) {
    p.set(R1, i32::from(wire::folded(sum)));
}

/// R1 = its complement in 16 bits. Overwrites R3.
fn complement(p: &mut Assembler) {
    emit::fold(p, R1, R3);
    p.exclusive_or(R1, 0xffff);
}

/// Where a word of the map is.
const fn word(index: usize) -> i16 {
    8 * index as i16
}

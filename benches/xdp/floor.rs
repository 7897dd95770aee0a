//! The bare responder: what it costs to turn a request round in the driver.
//!
//! No server, but the floor that one stands on, as `benches/floor.rs` is for
//! sockets: whatever looks like a request to port 123 is answered with the time
//! of the monotonic clock and a constant, under whole checksums. There are no
//! lists, no limits, no destinations, and a request's checksums are not looked at.

use crate::emit::{self, DATA, DATA_END, helper, verdict};
use crate::wire::{
    self, DESTINATION, DESTINATION_PORT, ETHERTYPE, IP, IP_CHECKSUM, NTP, ORIGIN_TIMESTAMP,
    RECEIVE_TIMESTAMP, SOURCE, SOURCE_PORT, TRANSMIT_TIMESTAMP, UDP, UDP_CHECKSUM, UDP_LEN,
};
use timeball_ebpf::register::*;
use timeball_ebpf::{Assembler, Condition, Error, Program, Size, SwapBits};

/// The program. `ahead_ns` is how far NTP's time is ahead of the monotonic clock.
///
/// # Errors
/// None, but for a mistake in here.
pub fn program(ahead_ns: u64) -> Result<Program, Error> {
    let mut program = Assembler::new();
    let p = &mut program;
    let pass = p.label();
    p.load(Size::Word, R6, R1, DATA);
    p.load(Size::Word, R2, R1, DATA_END);
    emit::require_len(p, R6, R2, pass);
    for (size, place, constant) in [
        (Size::Half, ETHERTYPE, wire::half(0x0800)),
        (Size::Byte, IP, 0x45),
        (Size::Byte, IP + 9, wire::PROTOCOL_UDP.into()),
        (Size::Half, DESTINATION_PORT, wire::half(123)),
        (Size::Byte, NTP, 0x23),
    ] {
        p.load(size, R1, R6, place);
        p.jump_if(Condition::NotEqual, R1, constant, pass);
    }
    p.call(helper::KTIME_GET_NS);
    p.load_constant(R1, ahead_ns);
    p.add(R0, R1);
    to_ntp(p);

    for (size, one, other) in [
        (Size::Word, 0, 6),
        (Size::Half, 4, 10),
        (Size::Word, SOURCE, DESTINATION),
        (Size::Half, SOURCE_PORT, DESTINATION_PORT),
    ] {
        p.load(size, R1, R6, one);
        p.load(size, R2, R6, other);
        p.store(size, R6, one, R2);
        p.store(size, R6, other, R1);
    }
    p.load(Size::Double, R1, R6, TRANSMIT_TIMESTAMP);
    p.store(Size::Double, R6, ORIGIN_TIMESTAMP, R1);
    p.store(Size::Double, R6, RECEIVE_TIMESTAMP, R0);
    p.store(Size::Double, R6, TRANSMIT_TIMESTAMP, R0);
    // Version 4, mode 4; stratum 1; precision 2^-20 s.
    p.store(Size::Word, R6, NTP, 0xec00_0124_u32.cast_signed());
    p.store(Size::Word, R6, IP_CHECKSUM - 2, 0x1140);
    checksum(p, IP, 5, 0);
    p.store(Size::Half, R6, IP_CHECKSUM, R2);
    p.store(Size::Half, R6, UDP_CHECKSUM, 0);
    checksum(
        p,
        SOURCE,
        2 + UDP_LEN.cast_signed() / 4,
        wire::pseudo_header(),
    );
    let is_some = p.label();
    p.jump_if(Condition::NotEqual, R2, 0, is_some);
    p.set(R2, 0xffff);
    p.bind(is_some);
    p.store(Size::Half, R6, UDP_CHECKSUM, R2);
    emit::give(p, verdict::TRANSMIT);
    p.bind(pass);
    emit::give(p, verdict::PASS);
    program.assemble()
}

const _: () = assert!(UDP == SOURCE + 8);

/// R0 = nanoseconds as NTP's 64 bits, as they are stored.
fn to_ntp(p: &mut Assembler) {
    p.load_constant(R1, 1_000_000_000);
    p.set(R2, R0);
    p.divide(R0, R1);
    p.remainder(R2, R1);
    // 2^64 / 10^9.
    p.load_constant(R1, 18_446_744_073);
    p.multiply(R2, R1);
    p.shift_right(R2, 32);
    p.shift_left(R0, 32);
    p.or(R0, R2);
    p.to_big_endian(SwapBits::Bits64, R0);
}

/// R2 = the checksum of so many words of four octets and `more`.
fn checksum(p: &mut Assembler, place: i16, count: i16, more: u64) {
    p.set(R2, i32::from(wire::folded(more)));
    emit::add_words(p, R2, R1, (R6, place), count);
    emit::fold(p, R2, R1);
    p.exclusive_or(R2, 0xffff);
}

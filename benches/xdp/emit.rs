//! What more than one of the programs does.

use crate::wire::LEN;
use timeball_ebpf::register::*;
use timeball_ebpf::{Assembler, Condition, Label, Register, Size};

/// What a program says becomes of a frame.
pub mod verdict {
    pub const DROP: i32 = 1;
    pub const PASS: i32 = 2;
    pub const TRANSMIT: i32 = 3;
    pub const REDIRECT: i32 = 4;
}

/// The kernel's helpers, by number.
pub mod helper {
    pub const KTIME_GET_NS: i32 = 5;
    pub const GET_SMP_PROCESSOR_ID: i32 = 8;
    pub const REDIRECT: i32 = 23;
}

/// Where in the context the frame begins and ends.
pub const DATA: i16 = 0;
pub const DATA_END: i16 = 4;

/// Returns `verdict`.
pub fn give(program: &mut Assembler, verdict: i32) {
    program.set(R0, verdict);
    program.exit();
}

/// Goes to `other` unless the frame from `data` to `end` has as many octets as a
/// request. Overwrites R1.
pub fn require_len(program: &mut Assembler, data: Register, end: Register, other: Label) {
    program.set(R1, data);
    program.add(R1, LEN as i32);
    program.jump_if(Condition::Above, R1, end, other);
    program.set(R1, data);
    program.add(R1, LEN as i32 + 1);
    program.jump_if(Condition::AtMost, R1, end, other);
}

/// Adds the words of four octets from `place` on to `total`. Overwrites `with`.
pub fn add_words(
    program: &mut Assembler,
    total: Register,
    with: Register,
    (data, place): (Register, i16),
    count: i16,
) {
    for index in 0..count {
        program.load(Size::Word, with, data, place + 4 * index);
        program.add(total, with);
    }
}

/// Folds a sum of less than 2^37 into 16 bits. Overwrites `with`.
pub fn fold(program: &mut Assembler, total: Register, with: Register) {
    for _ in 0..3 {
        program.set(with, total);
        program.shift_right(with, 16);
        program.and(total, 0xffff);
        program.add(total, with);
    }
}

/// `cookie` = what a request from the address `cookie`, as loaded, and `port`, as
/// loaded, has as its transmit timestamp. Overwrites `with`.
pub fn cookie(program: &mut Assembler, cookie: Register, port: Register, with: Register, key: u64) {
    program.shift_left(cookie, 16);
    program.or(cookie, port);
    program.load_constant(with, key);
    program.exclusive_or(cookie, with);
    program.load_constant(with, MULTIPLIER);
    program.multiply(cookie, with);
    program.set(with, cookie);
    program.shift_right(with, 32);
    program.exclusive_or(cookie, with);
    // A transmit timestamp of zero would be none.
    program.or(cookie, 1);
}

/// Odd, with bits all over.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

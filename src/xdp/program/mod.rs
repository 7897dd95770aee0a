//! The program: what it does with a frame, in order.
//!
//! | module | what it emits |
//! |---|---|
//! | this one | the order, and what all steps share |
//! | `frame` | is this a plain request to an address of ours? |
//! | `lists` | is its sender served? |
//! | `clock` | what time is it, and is that known? |
//! | `limits` | does its sender ask too often? |
//! | `reply` | the reply, in the place of the request |
//!
//! Nothing that changes anything (a token taken, a frame written, a count) comes
//! before everything has been checked that would pass the frame on.
//!
//! # Registers
//! R6 is the frame, R7 the listener's words, R8 the setup that holds, R9 the
//! present moment (and free behind the clock).

mod clock;
mod frame;
mod limits;
mod lists;
mod reply;

use super::layout::{COUNTERS, LISTENERS, SETUP, WORD, counters};
use timeball_ebpf::register::*;
use timeball_ebpf::{Assembler, Atomic, Condition, Label, Program, Size};

/// What the program is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether it is for the loopback interface, where addresses are seen that
    /// are Martians elsewhere.
    pub is_loopback: bool,
    /// How many processors there may be.
    pub processors: usize,
    /// How many sets the table of clients has.
    pub sets: usize,
}

const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;

/// The kernel's functions, by number.
mod helper {
    pub const MAP_LOOKUP: i32 = 1;
    pub const MONOTONIC: i32 = 5;
    pub const RANDOM: i32 = 7;
    pub const PROCESSOR: i32 = 8;
}

/// Places on the stack, below R10.
mod stack {
    pub const GENERATION: i16 = -8;
    pub const CLOCK_WRITES: i16 = -16;
    pub const CLOCK: i16 = -24;
    pub const LISTENER: i16 = -32;
    pub const LISTENER_WORDS: i16 = -40;
    pub const TIME: i16 = -48;
    pub const RANDOM: i16 = -56;
    pub const FIRST: i16 = -64;
    pub const DELAY_AND_ID: i16 = -72;
    pub const DISPERSION: i16 = -80;
    pub const REFERENCE: i16 = -88;
    pub const SET_NUMBER: i16 = -96;
    pub const SET: i16 = -104;
    pub const TRIES: i16 = -120;
    pub const IS_KISS: i16 = -128;
    pub const FENCE: i16 = -136;
    pub const TICKS: i16 = -144;
    pub const MOMENT: i16 = -152;
}

/// Where the parts of a frame are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// The whole frame: Ethernet, IP, UDP, NTP.
    const fn frame_len(self) -> i16 {
        self.payload() + 48
    }

    const fn source(self) -> i16 {
        match self {
            Self::Ipv4 => 26,
            Self::Ipv6 => 22,
        }
    }

    const fn destination(self) -> i16 {
        match self {
            Self::Ipv4 => 30,
            Self::Ipv6 => 38,
        }
    }

    const fn udp(self) -> i16 {
        match self {
            Self::Ipv4 => 34,
            Self::Ipv6 => 54,
        }
    }

    const fn payload(self) -> i16 {
        self.udp() + 8
    }

    /// The words of 32 bits of both addresses.
    fn addresses(self) -> impl Iterator<Item = i16> {
        (self.source()..self.udp()).step_by(4)
    }
}

/// Appends to the program; knows where frames are passed on.
struct Writer {
    shape: Shape,
    it: Assembler,
    pass: Label,
}

/// The program for an interface of this shape.
pub(super) fn program(shape: Shape) -> Program {
    let mut it = Assembler::new();
    let pass = it.label();
    let mut writer = Writer { shape, it, pass };
    let ipv6 = writer.it.label();
    writer.begin(ipv6);
    writer.answer(Family::Ipv4);
    writer.it.bind(ipv6);
    writer.answer(Family::Ipv6);
    writer.it.bind(pass);
    writer.end(XDP_PASS);
    writer
        .it
        .assemble()
        .expect("the tests have assembled it for every shape")
}

impl Writer {
    fn answer(&mut self, family: Family) {
        self.check_frame(family);
        self.find_listener(family);
        // First: who has not been fed, or is to be silent, drops nothing either.
        self.read_clock();
        self.it.store(Size::Double, R10, stack::MOMENT, R9);
        self.check_lists(family);
        self.it.load(Size::Double, R9, R10, stack::MOMENT);
        self.check_nothing_was_written();
        self.check_limits(family);
        self.write_reply(family);
    }

    /// Passes the frame on if the setup or the clock were written to since they
    /// were read: what was read may be half of this and half of that.
    fn check_nothing_was_written(&mut self) {
        self.fence();
        self.it.load(Size::Double, R1, R10, stack::CLOCK);
        self.it.load(Size::Double, R1, R1, 0);
        self.it.load(Size::Double, R2, R10, stack::CLOCK_WRITES);
        self.pass_if(Condition::NotEqual, R1, R2);
        self.check_setup_was_not_written();
    }

    fn check_setup_was_not_written(&mut self) {
        self.it.load_map_value(R1, SETUP, 0);
        self.it.load(Size::Double, R1, R1, 0);
        self.it.load(Size::Double, R2, R10, stack::GENERATION);
        self.pass_if(Condition::NotEqual, R1, R2);
    }

    /// Keeps reads before it before those behind it. An x86 does that by itself.
    fn fence(&mut self) {
        if cfg!(not(target_arch = "x86_64")) {
            self.it.store(Size::Double, R10, stack::FENCE, 0);
            self.it.set(R1, 0);
            self.it.atomic(Atomic::FetchAdd, R10, stack::FENCE, R1);
        }
    }

    fn pass_if(
        &mut self,
        condition: Condition,
        left: timeball_ebpf::Register,
        right: impl Into<timeball_ebpf::Operand>,
    ) {
        self.it.jump_if(condition, left, right, self.pass);
    }

    fn end(&mut self, verdict: i32) {
        self.it.set(R0, verdict);
        self.it.exit();
    }

    /// Counts the request of the listener on the stack. Only this processor
    /// writes to its line, and nothing of the kind comes in between.
    fn count(&mut self, outcome: usize) {
        let line = (counters::WORDS * WORD) as i32;
        let behind = self.it.label();
        self.it.call(helper::PROCESSOR);
        let processors = self.shape.processors as i32;
        self.it.jump_if(Condition::AtLeast, R0, processors, behind);
        self.it.multiply(R0, LISTENERS as i32 * line);
        self.it.load(Size::Double, R1, R10, stack::LISTENER);
        self.it.and(R1, LISTENERS as i32 - 1);
        self.it.multiply(R1, line);
        self.it.add(R0, R1);
        self.it.load_map_value(R1, COUNTERS, 0);
        self.it.add(R1, R0);
        let place = super::layout::at(outcome);
        self.it.load(Size::Double, R2, R1, place);
        self.it.add(R2, 1);
        self.it.store(Size::Double, R1, place, R2);
        self.it.bind(behind);
    }

    /// Folds the sum of words in `sum`, less than 2^37, to the 16 bits of an internet
    /// checksum, not inverted. RFC 1071.
    fn fold(&mut self, sum: timeball_ebpf::Register, spare: timeball_ebpf::Register) {
        // To 22 bits at most, to 0x1_0020 at most, and to 16 bits.
        for _ in 0..3 {
            self.it.set(spare, sum);
            self.it.shift_right(spare, 16);
            self.it.and(sum, 0xffff);
            self.it.add(sum, spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_assembles_for_every_shape() {
        for is_loopback in [false, true] {
            for (processors, sets) in [(1, 1), (2, 16_384), (8_192, 1 << 24)] {
                let shape = Shape {
                    is_loopback,
                    processors,
                    sets,
                };
                let slots = program(shape).slots();
                assert!((1_000..4_000).contains(&slots), "{slots}");
            }
        }
    }
}

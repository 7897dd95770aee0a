//! What time is it, and what stands beside it?

use super::super::layout::{CLOCKS, LISTENERS, WORD, at, clock, clock::state};
use super::{Writer, helper, stack};
use timeball_ebpf::register::*;
use timeball_ebpf::{Condition, Size, SwapBits};

const NANOS_PER_SECOND: i32 = 1_000_000_000;
/// More seconds than there are in what is carried and what has passed.
const SECONDS_AT_MOST: usize = 3;
/// 2^62 / 10^9, rounded up: less than one too many where nanoseconds of a second are
/// multiplied by it.
const INVERSE_OF_NANOS: u64 = (1_u64 << INVERSE_LOG2).div_ceil(NANOS_PER_SECOND as u64);
const INVERSE_LOG2: i32 = 62;
/// What the short format holds, in nanoseconds: a step less than 65,536 s.
const MOST_DISPERSION: u64 = (u32::MAX as u64 * NANOS_PER_SECOND as u64) >> 16;
/// Parts per million million in one.
const WHOLE: u64 = 1_000_000_000_000;
/// More nanoseconds than any drift comes to between two feeds, log2: added so
/// that the division rounds towards the past.
const AHEAD_LOG2: i32 = 20;

/// The place of a word of the state that holds, from the slot on.
const fn of_state(word: usize) -> i16 {
    at(clock::SLOTS + clock::STATES + word)
}

impl Writer {
    /// Leaves the present moment in R9 and the parts of the reply on the stack.
    pub(super) fn read_clock(&mut self) {
        self.it.call(helper::MONOTONIC);
        self.it.set(R9, R0);
        self.it.load(Size::Double, R2, R10, stack::LISTENER);
        self.it.and(R2, LISTENERS as i32 - 1);
        self.it.multiply(R2, (clock::WORDS * WORD) as i32);
        self.it.load_map_value(R1, CLOCKS, 0);
        self.it.add(R1, R2);
        self.it.store(Size::Double, R10, stack::CLOCK, R1);
        self.it.load(Size::Double, R3, R1, 0);
        self.it.store(Size::Double, R10, stack::CLOCK_WRITES, R3);
        self.it.and(R3, 1);
        self.it.multiply(R3, (clock::SLOT_WORDS * WORD) as i32);
        self.it.add(R1, R3);
        let of_slot = |word| at(clock::SLOTS + word);
        self.it
            .load(Size::Double, R3, R1, of_slot(clock::VALID_UNTIL));
        self.pass_if(Condition::Above, R9, R3);
        // The second state, if its moment has come.
        self.it
            .load(Size::Double, R3, R1, of_slot(clock::SWITCH_AT));
        self.it.subtract(R3, R9);
        self.it.subtract(R3, 1);
        self.it.shift_right(R3, 63);
        self.it.multiply(R3, (clock::STATE_WORDS * WORD) as i32);
        self.it.add(R1, R3);
        self.it.load(Size::Double, R3, R1, of_state(state::ANSWERS));
        self.pass_if(Condition::Equal, R3, 0);
        self.tell_time();
        self.tell_dispersion();
        for (word, place) in [
            (state::RANDOM, stack::RANDOM),
            (state::FIRST, stack::FIRST),
            (state::DELAY_AND_ID, stack::DELAY_AND_ID),
            (state::REFERENCE, stack::REFERENCE),
        ] {
            self.it.load(Size::Double, R3, R1, of_state(word));
            self.it.store(Size::Double, R10, place, R3);
        }
    }

    /// The state is R1, the moment R9.
    fn tell_time(&mut self) {
        let straight = self.it.label();
        self.it.set(R2, R9);
        self.it.load(Size::Double, R3, R1, of_state(state::FROM));
        self.it.subtract(R2, R3);
        self.pass_if(Condition::BelowSigned, R2, 0);
        self.it.load(Size::Double, R4, R1, of_state(state::DRIFT));
        self.it.jump_if(Condition::Equal, R4, 0, straight);
        self.it.multiply(R4, R2);
        self.it.load_constant(R5, WHOLE << AHEAD_LOG2);
        self.it.add(R4, R5);
        self.it.load_constant(R5, WHOLE);
        self.it.divide(R4, R5);
        self.it.subtract(R4, 1 << AHEAD_LOG2);
        self.it.add(R2, R4);
        self.it.bind(straight);
        self.it.load(Size::Double, R3, R1, of_state(state::NANOS));
        self.it.add(R2, R3);
        // One second to two, and what is less than `VALID`: so few that they are
        // counted, where a division takes as long as ten other instructions.
        let counted = self.it.label();
        self.it.set(R3, 0);
        for _ in 0..SECONDS_AT_MOST {
            self.it
                .jump_if(Condition::Below, R2, NANOS_PER_SECOND, counted);
            self.it.subtract(R2, NANOS_PER_SECOND);
            self.it.add(R3, 1);
        }
        self.pass_if(Condition::AtLeast, R2, NANOS_PER_SECOND);
        self.it.bind(counted);
        self.it.load(Size::Double, R4, R1, of_state(state::SECONDS));
        self.it.add(R3, R4);
        self.it.shift_left(R3, 32);
        self.tell_fraction();
        self.it.or(R3, R2);
        self.it.store(Size::Double, R10, stack::TIME, R3);
    }

    /// R2, nanoseconds of a second, becomes that fraction of it in units of 2^-32,
    /// rounded down: by the inverse of 10^9, which may be one too many; R4 and R5
    /// are lost.
    fn tell_fraction(&mut self) {
        self.it.set(R4, R2);
        self.it.load_constant(R5, INVERSE_OF_NANOS);
        self.it.multiply(R4, R5);
        self.it.shift_right(R4, INVERSE_LOG2 - 32);
        self.it.set(R5, R4);
        self.it.multiply(R5, NANOS_PER_SECOND);
        self.it.shift_left(R2, 32);
        self.it.subtract(R2, R5);
        self.it.shift_right_signed(R2, 63);
        self.it.add(R2, R4);
    }

    /// The root dispersion in the short format, rounded up, as on the wire.
    fn tell_dispersion(&mut self) {
        let (told, grew, fits) = (self.it.label(), self.it.label(), self.it.label());
        self.it
            .load(Size::Double, R2, R1, of_state(state::DISPERSION));
        self.it
            .load(Size::Double, R4, R1, of_state(state::GROWS_IN));
        self.it.jump_if(Condition::Equal, R4, 0, told);
        self.it.set(R3, R9);
        self.it
            .load(Size::Double, R5, R1, of_state(state::GROWS_FROM));
        self.it.subtract(R3, R5);
        self.it.jump_if(Condition::AtLeastSigned, R3, 0, grew);
        self.it.set(R3, 0);
        self.it.bind(grew);
        self.it.add(R3, R4);
        self.it.subtract(R3, 1);
        self.it.divide(R3, R4);
        self.it.add(R2, R3);
        self.it.load_constant(R3, MOST_DISPERSION);
        self.it.jump_if(Condition::AtMost, R2, R3, fits);
        self.it.set(R2, R3);
        self.it.bind(fits);
        self.it.shift_left(R2, 16);
        self.it.add(R2, NANOS_PER_SECOND - 1);
        self.it.divide(R2, NANOS_PER_SECOND);
        self.it.to_big_endian(SwapBits::Bits32, R2);
        self.it.bind(told);
        self.it.store(Size::Double, R10, stack::DISPERSION, R2);
    }
}

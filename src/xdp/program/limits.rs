//! Does the sender ask too often? As [`Limiter`](crate::admission::limiter::Limiter)
//! decides it, on the very same table.

use super::super::layout::{LIMITS, at, counters, setup, setup::listener};
use super::{Family, Writer, XDP_DROP, helper, stack};
use crate::admission::limiter::{TICK_SHIFT, TIME_BITS, TRIES, WAYS};
use timeball_ebpf::register::*;
use timeball_ebpf::{Atomic, Condition, Label, Register, Size, SwapBits};

/// What SipHash begins with: "somepseudorandomlygeneratedbytes".
const BEGINNINGS: [u64; 4] = [
    0x736f_6d65_7073_6575,
    0x646f_7261_6e64_6f6d,
    0x6c79_6765_6e65_7261,
    0x7465_6462_7974_6573,
];
/// Bits of a word above those that say when.
const TAG_BITS: i32 = (u64::BITS - TIME_BITS) as i32;

impl Writer {
    pub(super) fn check_limits(&mut self, family: Family) {
        let (admitted, over, kiss) = (self.it.label(), self.it.label(), self.it.label());
        self.it.store(Size::Double, R10, stack::IS_KISS, 0);
        self.it.load(Size::Double, R1, R7, at(listener::FLAGS));
        self.it.set(R2, R1);
        self.it.and(R2, listener::HAS_LIMITS);
        self.it.jump_if(Condition::Equal, R2, 0, admitted);
        if self.shape.is_loopback {
            let limited = self.it.label();
            self.it.and(R1, listener::SPARES_LOOPBACK);
            self.it.jump_if(Condition::Equal, R1, 0, limited);
            match family {
                Family::Ipv4 => {
                    self.it.load(Size::Byte, R1, R6, family.source());
                    self.it.jump_if(Condition::Equal, R1, 127, admitted);
                }
                Family::Ipv6 => {
                    // Of ::/64 nothing but ::1 came this far.
                    self.it.load(Size::Double, R1, R6, family.source());
                    self.it.jump_if(Condition::Equal, R1, 0, admitted);
                }
            }
            self.it.bind(limited);
        }
        self.hash_client(family);
        // The set by the upper half of the hash, whose a bucket is by the lower.
        self.it.set(R9, R0);
        self.it.or(R9, 1);
        self.it.shift_left(R9, TIME_BITS as i32);
        self.it.shift_right(R9, TIME_BITS as i32);
        self.it.shift_right(R0, 32);
        self.it.multiply(R0, self.shape.sets as i32);
        self.it.shift_right(R0, 32);
        self.it.store(Size::Word, R10, stack::SET_NUMBER, R0);
        self.it.load_map(R1, LIMITS);
        self.it.set(R2, R10);
        self.it.add(R2, i32::from(stack::SET_NUMBER));
        // The last use of the moment: from here on R9 is whose a bucket is.
        self.it.call(helper::MAP_LOOKUP);
        self.it.jump_if(Condition::Equal, R0, 0, admitted);
        self.it.store(Size::Double, R10, stack::SET, R0);
        self.it.store(Size::Double, R10, stack::LISTENER_WORDS, R7);
        self.take(admitted, over);
        self.it.bind(over);
        self.it.load(Size::Double, R7, R10, stack::LISTENER_WORDS);
        self.it.call(helper::RANDOM);
        self.it.set_32(R0, R0);
        self.it.load(Size::Double, R1, R7, at(listener::LEAK));
        self.it.jump_if(Condition::Below, R0, R1, admitted);
        self.it.load(Size::Double, R1, R7, at(listener::KISS));
        self.it.jump_if(Condition::Below, R0, R1, kiss);
        self.count(counters::RATE_LIMITED);
        self.end(XDP_DROP);
        self.it.bind(kiss);
        self.it.store(Size::Double, R10, stack::IS_KISS, 1);
        self.it.bind(admitted);
    }

    /// Takes a token: goes to `admitted` or `over`. R7 is then the depth of a
    /// bucket, or still the listener.
    ///
    /// # Why without branches
    /// As for the lists: three in each of eight buckets, and that sixteen times,
    /// are more ways than a verifier follows.
    fn take(&mut self, admitted: Label, over: Label) {
        let taken = self.it.label();
        self.it.load(Size::Double, R7, R8, at(setup::DEPTH));
        self.it.store(Size::Double, R10, stack::TRIES, TRIES as i32);
        let again = self.it.here();
        self.it.load(Size::Double, R0, R10, stack::SET);
        self.it.load(Size::Double, R1, R10, stack::TICKS);
        // R2: the least rank and its bucket: 0 is the client's own, any other is
        // by one more than it is ahead of the present.
        self.it.load_constant(R2, 1 << 62);
        for way in 0..WAYS {
            self.it.load(Size::Double, R4, R0, at(way));
            self.is_client(R3, R4);
            self.it.subtract(R3, 1); // nothing if it is, all bits if not
            self.how_far_ahead(R4, R5);
            self.it.add(R4, 1);
            self.it.shift_left(R4, 3);
            self.it.and(R4, R3);
            self.it.or(R4, way as i32);
            // The lesser of R2 and R4.
            self.it.set(R5, R4);
            self.it.subtract(R5, R2);
            self.it.set(R4, R5);
            self.it.shift_right_signed(R4, 63);
            self.it.and(R4, R5);
            self.it.add(R2, R4);
        }
        self.it.and(R2, WAYS as i32 - 1);
        self.it.shift_left(R2, 3);
        self.it.set(R3, R0);
        self.it.add(R3, R2);
        // What is there now counts; of another's bucket nothing does.
        self.it.load(Size::Double, R4, R3, 0);
        self.is_client(R5, R4);
        self.it.negate(R5);
        self.it.set(R0, R4);
        self.how_far_ahead(R0, R2);
        self.it.and(R0, R5);
        self.it.load(Size::Double, R2, R8, at(setup::COST));
        self.it.add(R0, R2);
        self.it.jump_if(Condition::Above, R0, R7, over);
        self.it.add(R0, R1);
        self.cut_to_ticks(R0);
        self.it.set(R5, R9);
        self.it.shift_left(R5, TIME_BITS as i32);
        self.it.or(R5, R0);
        self.it.set(R0, R4);
        self.it.atomic(Atomic::CompareExchange, R3, 0, R5);
        self.it.jump_if(Condition::Equal, R0, R4, taken);
        // Another processor was faster. Whoever keeps so many busy is let through.
        self.it.load(Size::Double, R4, R10, stack::TRIES);
        self.it.subtract(R4, 1);
        self.it.store(Size::Double, R10, stack::TRIES, R4);
        self.it.jump_if(Condition::NotEqual, R4, 0, again);
        self.it.bind(taken);
        self.it.load(Size::Double, R7, R10, stack::LISTENER_WORDS);
        self.it.jump(admitted);
    }

    /// `to`: 1 if the bucket is of the client R9, else 0.
    fn is_client(&mut self, to: Register, bucket: Register) {
        self.it.set(to, bucket);
        self.it.shift_right(to, TIME_BITS as i32);
        self.it.exclusive_or(to, R9);
        self.it.subtract(to, 1);
        self.it.shift_right(to, 63);
    }

    /// A bucket becomes how far ahead of R1 it is full again: zero where that is
    /// further than R7.
    fn how_far_ahead(&mut self, bucket: Register, spare: Register) {
        self.it.subtract(bucket, R1);
        self.cut_to_ticks(bucket);
        self.it.set(spare, R7);
        self.it.subtract(spare, bucket);
        self.it.shift_right(spare, 63);
        self.it.subtract(spare, 1);
        self.it.and(bucket, spare);
    }

    /// Takes away the bits above those that say when.
    fn cut_to_ticks(&mut self, register: Register) {
        self.it.shift_left(register, TAG_BITS);
        self.it.shift_right(register, TAG_BITS);
    }

    /// R0: SipHash-1-3 of the bits of the source that make a client. The moment
    /// goes from R9 to the stack, in ticks.
    fn hash_client(&mut self, family: Family) {
        self.it.shift_right(R9, TICK_SHIFT as i32);
        self.cut_to_ticks(R9);
        self.it.store(Size::Double, R10, stack::TICKS, R9);
        for (index, (to, beginning)) in [R0, R1, R2, R3].into_iter().zip(BEGINNINGS).enumerate() {
            self.it
                .load(Size::Double, to, R8, at(setup::KEY + index % 2));
            self.it.load_constant(R4, beginning);
            self.it.exclusive_or(to, R4);
        }
        let source = family.source();
        match family {
            Family::Ipv4 => {
                self.it.load(Size::Word, R5, R6, source);
                self.it.to_big_endian(SwapBits::Bits32, R5);
                self.it.load(Size::Double, R4, R8, at(setup::IPV4_MASK));
                self.it.and(R5, R4);
                self.it.load_constant(R4, 4 << 56);
                self.it.or(R5, R4);
                self.compress();
            }
            Family::Ipv6 => {
                for (place, mask) in [(source + 8, 0), (source, 1)] {
                    self.it.load(Size::Double, R5, R6, place);
                    self.it.to_big_endian(SwapBits::Bits64, R5);
                    self.it
                        .load(Size::Double, R4, R8, at(setup::IPV6_MASK + mask));
                    self.it.and(R5, R4);
                    self.compress();
                }
                self.it.load_constant(R5, 16 << 56);
                self.compress();
            }
        }
        self.it.exclusive_or(R2, 0xff);
        for _ in 0..3 {
            self.sip_round();
        }
        for part in [R1, R2, R3] {
            self.it.exclusive_or(R0, part);
        }
    }

    /// Takes in the word R5.
    fn compress(&mut self) {
        self.it.exclusive_or(R3, R5);
        self.sip_round();
        self.it.exclusive_or(R0, R5);
    }

    /// On R0 to R3; R4 is lost.
    fn sip_round(&mut self) {
        for (left, right, turn, other_turn) in [
            (R0, R1, 13, Some(32)),
            (R2, R3, 16, None),
            (R0, R3, 21, None),
            (R2, R1, 17, Some(32)),
        ] {
            self.it.add(left, right);
            self.rotate(right, turn);
            self.it.exclusive_or(right, left);
            if let Some(turn) = other_turn {
                self.rotate(left, turn);
            }
        }
    }

    fn rotate(&mut self, register: Register, left: i32) {
        self.it.set(R4, register);
        self.it.shift_right(R4, 64 - left);
        self.it.shift_left(register, left);
        self.it.or(register, R4);
    }
}

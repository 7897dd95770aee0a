//! Is the sender served? A binary search for the last change that is not behind
//! its address.
//!
//! # Why without branches
//! The verifier follows each way through the program: a search of twelve steps
//! with a branch in each has four thousand.

use super::super::layout::{self, NETWORKS, WORD, at, counters, networks, setup::listener};
use super::{Family, Writer, XDP_DROP, stack};
use timeball_ebpf::register::*;
use timeball_ebpf::{Condition, Size, SwapBits};

impl Writer {
    pub(super) fn check_lists(&mut self, family: Family) {
        let served = self.it.label();
        self.it.load(Size::Double, R1, R7, at(listener::FLAGS));
        self.it.and(R1, listener::HAS_NETWORKS);
        self.it.jump_if(Condition::Equal, R1, 0, served);
        // The set of lists that belongs to the setup, and the list in it.
        self.it.load(Size::Double, R1, R10, stack::GENERATION);
        self.it.and(R1, 1);
        self.it.multiply(R1, networks::LISTS as i32);
        self.it.load(Size::Double, R2, R7, at(listener::NETWORKS));
        self.it.and(R2, networks::LISTS as i32 - 1);
        self.it.add(R1, R2);
        self.it.multiply(R1, (networks::WORDS * WORD) as i32);
        self.it.load_map_value(R3, NETWORKS, 0);
        self.it.add(R3, R1);
        match family {
            Family::Ipv4 => self.search_ipv4(),
            Family::Ipv6 => self.search_ipv6(),
        }
        // R1 is 1 where the address is served.
        self.it.jump_if(Condition::NotEqual, R1, 0, served);
        self.it.load(Size::Double, R1, R7, at(listener::FLAGS));
        self.it.and(R1, listener::HAS_DENY_KISS);
        self.pass_if(Condition::NotEqual, R1, 0);
        self.fence();
        self.check_setup_was_not_written();
        self.count(counters::DENIED);
        self.end(XDP_DROP);
        self.it.bind(served);
    }

    /// The list is R3.
    fn search_ipv4(&mut self) {
        let few = self.it.label();
        self.it.load(Size::Word, R4, R6, Family::Ipv4.source());
        self.it.to_big_endian(SwapBits::Bits32, R4);
        self.it.add(R4, 1);
        self.it.load(Size::Double, R5, R3, at(networks::IPV4_FEW));
        self.it.set(R1, 0);
        self.it.jump_if(Condition::NotEqual, R5, 0, few);
        for step in (0..networks::IPV4_BITS).rev() {
            if step + 1 == networks::FEW_BITS {
                self.it.bind(few);
                self.forget_the_way(((1 << networks::IPV4_BITS) - 1) << 3);
            }
            // 1 where the change is not behind the address.
            self.it.set(R5, R3);
            self.it.add(R5, R1);
            self.it
                .load(Size::Double, R5, R5, at(networks::IPV4 + (1 << step)));
            self.it.subtract(R5, R4);
            self.it.shift_right(R5, 63);
            self.it.shift_left(R5, (step + 3) as i32);
            self.it.add(R1, R5);
        }
        self.it.shift_right(R1, 3);
        self.answer_of_change(networks::IPV4_FIRST);
    }

    /// The list is R3; R9 is free here.
    fn search_ipv6(&mut self) {
        let few = self.it.label();
        let source = Family::Ipv6.source();
        self.it.load(Size::Double, R4, R6, source);
        self.it.to_big_endian(SwapBits::Bits64, R4);
        self.it.load(Size::Double, R0, R6, source + 8);
        self.it.to_big_endian(SwapBits::Bits64, R0);
        self.it.load(Size::Double, R5, R3, at(networks::IPV6_FEW));
        self.it.set(R1, 0);
        self.it.add(R3, (networks::IPV6 * WORD) as i32);
        self.it.jump_if(Condition::NotEqual, R5, 0, few);
        for step in (0..networks::IPV6_BITS).rev() {
            if step + 1 == networks::FEW_BITS {
                self.it.bind(few);
                self.forget_the_way(((1 << networks::IPV6_BITS) - 1) << 4);
            }
            let place = at(2 << step);
            self.it.set(R5, R3);
            self.it.add(R5, R1);
            self.it.load(Size::Double, R2, R5, place);
            self.it.load(Size::Double, R5, R5, place + WORD as i16);
            // R9: what is borrowed by the difference of the lower halves.
            self.it.set(R9, R0);
            self.it.subtract(R9, R5);
            self.it.exclusive_or(R9, R5);
            self.it.exclusive_or(R5, R0);
            self.it.or(R9, R5);
            self.it.exclusive_or(R9, R0);
            self.it.shift_right(R9, 63);
            // R5: what is borrowed by that of the upper ones with it.
            self.it.set(R5, R4);
            self.it.subtract(R5, R2);
            self.it.subtract(R5, R9);
            self.it.exclusive_or(R5, R2);
            self.it.exclusive_or(R2, R4);
            self.it.or(R5, R2);
            self.it.exclusive_or(R5, R4);
            self.it.shift_right(R5, 63);
            self.it.exclusive_or(R5, 1);
            self.it.shift_left(R5, (step + 4) as i32);
            self.it.add(R1, R5);
        }
        self.it.subtract(R3, (networks::IPV6 * WORD) as i32);
        self.it.shift_right(R1, 4);
        self.answer_of_change(networks::IPV6_FIRST);
    }

    /// R1 stays what it is, and the verifier knows no more of it than that it lies
    /// within `mask`, on whichever way it came. Without CAP_PERFMON it wants the
    /// same of each way to an address. R4 is any number that it does not know.
    fn forget_the_way(&mut self, mask: usize) {
        self.it.exclusive_or(R1, R4);
        self.it.exclusive_or(R1, R4);
        self.it.and(R1, mask as i32);
    }

    /// R1, the number of a change, becomes what is the case from there on: each
    /// is the contrary of the one before.
    fn answer_of_change(&mut self, first: usize) {
        self.it.and(R1, 1);
        self.it.load(Size::Double, R2, R3, layout::at(first));
        self.it.exclusive_or(R1, R2);
    }
}

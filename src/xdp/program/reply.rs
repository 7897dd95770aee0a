//! The reply, in the place of the request. RFC 5905 section 7.3.
//!
//! What [`Ntp`](crate::protocol::ntp::Ntp) writes, with one reading of the clock
//! for both timestamps: they differ by their random bits, in the order of time.

use super::super::layout::{at, counters, setup::listener};
use super::frame::PSEUDO_PROTOCOL_AND_LEN;
use super::{Family, Writer, XDP_TX, helper, stack};
use timeball_ebpf::register::*;
use timeball_ebpf::{Condition, Operation, Size, SwapBits, Width};

/// The length of a UDP datagram of 48 octets, as a little-endian machine reads it from
/// the wire.
const LEN: i32 = 0x3800;

impl Writer {
    pub(super) fn write_reply(&mut self, family: Family) {
        self.write_timestamps(family);
        self.write_header(family);
        self.make_it_a_kiss(family);
        self.turn_around(family);
        self.write_checksum(family);
        let (kiss, end) = (self.it.label(), self.it.label());
        self.it.load(Size::Double, R1, R10, stack::IS_KISS);
        self.it.jump_if(Condition::NotEqual, R1, 0, kiss);
        self.count(counters::REPLIES);
        self.it.jump(end);
        self.it.bind(kiss);
        self.count(counters::KISSES);
        self.it.bind(end);
        self.end(XDP_TX);
    }

    fn write_timestamps(&mut self, family: Family) {
        let payload = family.payload();
        // 32 bits; half of them are enough for each if the clock is precise to 2^-16.
        let (enough, drawn) = (self.it.label(), self.it.label());
        self.it.call(helper::RANDOM);
        self.it.set(R9, R0);
        self.it.load(Size::Double, R2, R10, stack::RANDOM);
        self.it.jump_if(Condition::AtMost, R2, 0xffff, enough);
        self.it.call(helper::RANDOM);
        self.it.jump(drawn);
        self.it.bind(enough);
        self.it.shift_right(R0, 16);
        self.it.bind(drawn);
        self.it.load(Size::Double, R1, R10, stack::TIME);
        self.it.load(Size::Double, R2, R10, stack::RANDOM);
        self.it.and(R9, R2);
        self.it.and(R0, R2);
        self.it.exclusive_or(R2, -1);
        self.it.and(R1, R2);
        // R9 receive, R0 transmit.
        for timestamp in [R9, R0] {
            let known = self.it.label();
            self.it.or(timestamp, R1);
            self.it.jump_if(Condition::NotEqual, timestamp, 0, known);
            self.it.set(timestamp, 1); // zero would read as "unknown"
            self.it.bind(known);
        }
        let (in_order, settled) = (self.it.label(), self.it.label());
        self.it.set(R1, R0);
        self.it.subtract(R1, R9);
        self.it.jump_if(Condition::AtLeastSigned, R1, 0, in_order);
        self.it.set(R1, R0);
        self.it.set(R0, R9);
        self.it.set(R9, R1);
        self.it.bind(in_order);
        self.it.load(Size::Double, R1, R10, stack::REFERENCE);
        self.it.jump_if(Condition::Equal, R1, 0, settled);
        self.it.set(R2, R9);
        self.it.subtract(R2, R1);
        self.it.jump_if(Condition::AtLeastSigned, R2, 0, settled);
        self.it.set(R1, R9);
        self.it.bind(settled);
        self.it.load(Size::Double, R2, R6, payload + 40);
        self.it.store(Size::Double, R6, payload + 24, R2);
        for (timestamp, place) in [(R1, 16), (R9, 32), (R0, 40)] {
            self.it.to_big_endian(SwapBits::Bits64, timestamp);
            self.it.store(Size::Double, R6, payload + place, timestamp);
        }
    }

    fn write_header(&mut self, family: Family) {
        let payload = family.payload();
        // The version and the poll are the request's.
        self.it.load(Size::Byte, R1, R6, payload);
        self.it.and(R1, 0x38);
        self.it.load(Size::Byte, R2, R6, payload + 2);
        self.it.shift_left(R2, 16);
        self.it.or(R1, R2);
        self.it.load(Size::Double, R2, R10, stack::FIRST);
        self.it.or(R1, R2);
        self.it.store(Size::Word, R6, payload, R1);
        self.it.load(Size::Double, R1, R10, stack::DELAY_AND_ID);
        self.it.store(Size::Word, R6, payload + 4, R1);
        self.it.shift_right(R1, 32);
        self.it.store(Size::Word, R6, payload + 12, R1);
        self.it.load(Size::Double, R1, R10, stack::DISPERSION);
        self.it.store(Size::Word, R6, payload + 8, R1);
    }

    /// RATE, where it is to be one. RFC 5905 section 7.4.
    fn make_it_a_kiss(&mut self, family: Family) {
        let payload = family.payload();
        let none = self.it.label();
        self.it.load(Size::Double, R1, R10, stack::IS_KISS);
        self.it.jump_if(Condition::Equal, R1, 0, none);
        self.it.load(Size::Byte, R1, R6, payload);
        self.it.or(R1, 0xc0);
        self.it.store(Size::Byte, R6, payload, R1);
        self.it.store(Size::Byte, R6, payload + 1, 0);
        self.it
            .store(Size::Word, R6, payload + 12, i32::from_le_bytes(*b"RATE"));
        self.it.load(Size::Byte, R1, R6, payload + 2);
        self.it.shift_left(R1, 56);
        self.it.shift_right_signed(R1, 56);
        self.it.load(Size::Double, R2, R7, at(listener::POLL));
        self.it.jump_if(Condition::AtLeastSigned, R1, R2, none);
        self.it.store(Size::Byte, R6, payload + 2, R2);
        self.it.bind(none);
    }

    /// Back to where it came from, as a packet of ours.
    fn turn_around(&mut self, family: Family) {
        for (size, destination, source) in [(Size::Word, 0, 6), (Size::Half, 4, 10)] {
            self.exchange(size, destination, source);
        }
        match family {
            Family::Ipv4 => {
                self.exchange(Size::Word, 26, 30);
                // Five words, 76 octets; no number, not to be fragmented; 64
                // hops, UDP: what the kernel writes.
                let words = [0x4c00_0045, 0x0040_0000, 0x1140];
                self.it.store(Size::Word, R6, 14, words[0]);
                self.it.store(Size::Word, R6, 18, words[1]);
                self.it.store(Size::Half, R6, 22, words[2]);
                self.it.set(R1, words.iter().sum::<i32>());
                for place in [26, 30] {
                    self.it.load(Size::Word, R2, R6, place);
                    self.it.add(R1, R2);
                }
                self.fold(R1, R2);
                self.it.exclusive_or(R1, 0xffff);
                self.it.store(Size::Half, R6, 24, R1);
            }
            Family::Ipv6 => {
                self.exchange(Size::Double, 22, 38);
                self.exchange(Size::Double, 30, 46);
                // No traffic class, no flow label; UDP, 64 hops.
                self.it.store(Size::Word, R6, 14, 0x60);
                self.it.store(Size::Half, R6, 20, 0x4011);
            }
        }
        // Both ports at once, to be read at once for the checksum: a processor that has
        // just stored the halves of a word waits before it can load it.
        self.it.load(Size::Word, R1, R6, family.udp());
        self.it.set(R2, R1);
        self.it.shift_right(R2, 16);
        self.it.shift_left(R1, 16);
        self.it.or(R1, R2);
        self.it.store(Size::Word, R6, family.udp(), R1);
    }

    fn exchange(&mut self, size: Size, one: i16, other: i16) {
        self.it.load(size, R1, R6, one);
        self.it.load(size, R2, R6, other);
        self.it.store(size, R6, one, R2);
        self.it.store(size, R6, other, R1);
    }

    /// The checksum of UDP, whole. RFC 768, RFC 8200 section 8.1.
    fn write_checksum(&mut self, family: Family) {
        let udp = family.udp();
        let present = self.it.label();
        // Of the pseudo-header, and the word of length and checksum, not yet there.
        self.it.set(R1, PSEUDO_PROTOCOL_AND_LEN + LEN);
        let ports = std::iter::once(udp);
        let payload = (family.payload()..family.frame_len()).step_by(4);
        for place in family.addresses().chain(ports).chain(payload) {
            self.it.load(Size::Word, R2, R6, place);
            self.it.add(R1, R2);
        }
        self.fold(R1, R2);
        self.it
            .compute(Width::Bits64, Operation::ExclusiveOr, R1, 0xffff);
        self.it.jump_if(Condition::NotEqual, R1, 0, present);
        self.it.set(R1, 0xffff); // zero would read as "absent"
        self.it.bind(present);
        self.it.store(Size::Half, R6, udp + 6, R1);
    }
}

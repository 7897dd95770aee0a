//! Is this frame a plain request, to an address and port of ours, and whole?

use super::super::layout::{LISTENERS, SETUP, WORD, at, setup};
use super::{Family, Writer, stack};
use crate::admission::REFLECTORS;
use timeball_ebpf::register::*;
use timeball_ebpf::{Condition, Label, Size, SwapBits};

/// As a little-endian machine reads them from the wire.
const ETHERTYPE_IPV4: i32 = 0x0008;
const ETHERTYPE_IPV6: i32 = 0xdd86;
/// UDP and its length, 56, as words of the pseudo-header.
pub(super) const PSEUDO_PROTOCOL_AND_LEN: i32 = 0x1100 + 0x3800;

impl Writer {
    /// The frame, the setup, the Ethernet header; goes to `ipv6` for that.
    pub(super) fn begin(&mut self, ipv6: Label) {
        self.it.load(Size::Word, R6, R1, 0);
        self.it.load(Size::Word, R2, R1, 4);
        self.it.set(R3, R6);
        self.it.add(R3, i32::from(Family::Ipv4.frame_len()));
        self.pass_if(Condition::Above, R3, R2);
        self.it.load_map_value(R8, SETUP, 0);
        self.it.load(Size::Double, R1, R8, 0);
        self.it.store(Size::Double, R10, stack::GENERATION, R1);
        self.it.and(R1, 1);
        self.it.multiply(R1, (setup::WORDS * WORD) as i32);
        self.it.add(R8, (setup::COPIES * WORD) as i32);
        self.it.add(R8, R1);
        // To this interface alone: neither to a group nor to another host.
        self.it.load(Size::Word, R1, R6, 0);
        self.it.load(Size::Half, R3, R6, 4);
        self.it.shift_left(R3, 32);
        self.it.or(R1, R3);
        self.it
            .load(Size::Double, R3, R8, at(setup::HARDWARE_ADDRESS));
        self.pass_if(Condition::NotEqual, R1, R3);
        self.it.load(Size::Byte, R1, R6, 6);
        self.it.and(R1, 1);
        self.pass_if(Condition::NotEqual, R1, 0);
        self.it.load(Size::Half, R1, R6, 12);
        self.it.jump_if(Condition::Equal, R1, ETHERTYPE_IPV6, ipv6);
        self.pass_if(Condition::NotEqual, R1, ETHERTYPE_IPV4);
    }

    /// Length, headers, addresses, ports, version and mode, checksums. R2 is
    /// where the frame ends.
    pub(super) fn check_frame(&mut self, family: Family) {
        let len = i32::from(family.frame_len());
        self.it.set(R3, R6);
        self.it.add(R3, len);
        self.pass_if(Condition::Above, R3, R2);
        self.it.set(R3, R6);
        self.it.add(R3, len + 1);
        self.pass_if(Condition::AtMost, R3, R2);
        match family {
            Family::Ipv4 => self.check_ipv4(),
            Family::Ipv6 => self.check_ipv6(),
        }
        self.check_ports_and_mode(family);
        self.check_checksum(family);
    }

    fn check_ipv4(&mut self) {
        // Version 4, five words of header; 76 octets in all; UDP.
        self.pass_unless(Size::Byte, 14, 0x45);
        self.pass_unless(Size::Half, 16, 0x4c00);
        self.pass_unless(Size::Byte, 23, 17);
        // No fragment: nothing but "don't fragment" may be set.
        self.it.load(Size::Half, R1, R6, 20);
        self.it.and(R1, 0xffbf);
        self.pass_if(Condition::NotEqual, R1, 0);
        self.it.set(R1, 0);
        for place in (14..34).step_by(4) {
            self.it.load(Size::Word, R3, R6, place);
            self.it.add(R1, R3);
        }
        self.fold(R1, R3);
        self.pass_if(Condition::NotEqual, R1, 0xffff);
        // Sources that the kernel takes for Martians, or sends nothing to.
        self.it.load(Size::Byte, R1, R6, 26);
        self.pass_if(Condition::Equal, R1, 0);
        self.pass_if(Condition::AtLeast, R1, 224);
        if !self.shape.is_loopback {
            self.pass_if(Condition::Equal, R1, 127);
            self.it.load(Size::Word, R1, R6, 26);
            self.it.load(Size::Word, R3, R6, 30);
            self.pass_if(Condition::Equal, R1, R3);
        }
    }

    fn check_ipv6(&mut self) {
        self.it.load(Size::Byte, R1, R6, 14);
        self.it.shift_right(R1, 4);
        self.pass_if(Condition::NotEqual, R1, 6);
        self.pass_unless(Size::Half, 18, 0x3800);
        self.pass_unless(Size::Byte, 20, 17);
        self.pass_if_multicast();
        // Both halves as numbers, to tell the special addresses.
        let (special, ordinary) = (self.it.label(), self.it.label());
        self.it.load(Size::Double, R1, R6, 22);
        self.it.load(Size::Double, R3, R6, 30);
        self.it.jump_if(Condition::Equal, R1, 0, special);
        if !self.shape.is_loopback {
            // From the very address that it goes to.
            self.it.load(Size::Double, R4, R6, 38);
            self.it.jump_if(Condition::NotEqual, R1, R4, ordinary);
            self.it.load(Size::Double, R4, R6, 46);
            self.pass_if(Condition::Equal, R3, R4);
        }
        self.it.jump(ordinary);
        self.it.bind(special);
        // The unspecified address, loopback, IPv4 in IPv6 clothes: all in ::/64.
        if self.shape.is_loopback {
            self.it.to_big_endian(SwapBits::Bits64, R3);
            self.pass_if(Condition::NotEqual, R3, 1);
        } else {
            self.it.jump(self.pass);
        }
        self.it.bind(ordinary);
    }

    fn pass_if_multicast(&mut self) {
        self.it.load(Size::Byte, R1, R6, 22);
        self.pass_if(Condition::Equal, R1, 0xff);
    }

    fn check_ports_and_mode(&mut self, family: Family) {
        let (udp, payload) = (family.udp(), family.payload());
        let fine = self.it.label();
        self.pass_unless(Size::Half, udp + 4, 0x3800);
        // Those of services that answer to anything; all below 64.
        self.it.load(Size::Half, R1, R6, udp);
        self.it.to_big_endian(SwapBits::Bits16, R1);
        self.it.jump_if(Condition::Above, R1, 63, fine);
        let reflectors = REFLECTORS.iter().fold(0_u64, |all, port| {
            assert!(*port < 64, "a port of a word's bits");
            all | (1 << port)
        });
        self.it.load_constant(R3, reflectors);
        self.it.shift_right(R3, R1);
        self.it.and(R3, 1);
        self.pass_if(Condition::NotEqual, R3, 0);
        self.it.bind(fine);
        // Mode 3, version 1 to 4.
        self.it.load(Size::Byte, R1, R6, payload);
        self.it.and(R1, 0x3f);
        self.it.set(R3, R1);
        self.it.and(R3, 0b111);
        self.pass_if(Condition::NotEqual, R3, 3);
        self.it.shift_right(R1, 3);
        self.pass_if(Condition::Equal, R1, 0);
        self.pass_if(Condition::Above, R1, 4);
    }

    /// The checksum is whole, or absent (IPv4 only), or that of the pseudo-header
    /// alone, as a local sender leaves it to its driver.
    fn check_checksum(&mut self, family: Family) {
        let udp = family.udp();
        let fine = self.it.label();
        self.it.load(Size::Half, R0, R6, udp + 6);
        match family {
            Family::Ipv4 => self.it.jump_if(Condition::Equal, R0, 0, fine),
            Family::Ipv6 => self.pass_if(Condition::Equal, R0, 0),
        }
        self.it.set(R1, PSEUDO_PROTOCOL_AND_LEN);
        for place in family.addresses() {
            self.it.load(Size::Word, R3, R6, place);
            self.it.add(R1, R3);
        }
        self.it.set(R3, R1);
        self.fold(R3, R4);
        self.it.jump_if(Condition::Equal, R3, R0, fine);
        for place in (udp..family.frame_len()).step_by(4) {
            self.it.load(Size::Word, R3, R6, place);
            self.it.add(R1, R3);
        }
        self.fold(R1, R3);
        self.pass_if(Condition::NotEqual, R1, 0xffff);
        self.it.bind(fine);
    }

    /// Who listens at the destination: R7.
    pub(super) fn find_listener(&mut self, family: Family) {
        let destination = family.destination();
        // R1 and R3 the address, R4 the port with its marks.
        match family {
            Family::Ipv4 => {
                self.it.load(Size::Word, R1, R6, destination);
                self.it.set(R3, 0);
            }
            Family::Ipv6 => {
                self.it.load(Size::Double, R1, R6, destination);
                self.it.load(Size::Double, R3, R6, destination + 8);
            }
        }
        self.it.load(Size::Half, R4, R6, family.udp() + 2);
        let marks = match family {
            Family::Ipv4 => setup::PRESENT,
            Family::Ipv6 => setup::PRESENT | setup::IPV6,
        };
        self.it.load_constant(R5, marks);
        self.it.or(R4, R5);
        self.it.set(R0, 0);
        for (index, part) in [R1, R3, R4].into_iter().enumerate() {
            self.it
                .load(Size::Double, R5, R8, at(setup::MULTIPLIERS + index));
            self.it.multiply(R5, part);
            self.it.add(R0, R5);
        }
        self.it.shift_right(R0, 64 - setup::DESTINATION_BITS as i32);
        self.it
            .multiply(R0, (setup::DESTINATION_WORDS * WORD) as i32);
        self.it.set(R5, R8);
        self.it.add(R5, R0);
        for (index, part) in [R1, R3, R4].into_iter().enumerate() {
            self.it
                .load(Size::Double, R0, R5, at(setup::DESTINATIONS + index));
            self.pass_if(Condition::NotEqual, R0, part);
        }
        self.it
            .load(Size::Double, R0, R5, at(setup::DESTINATIONS + 3));
        self.it.and(R0, LISTENERS as i32 - 1);
        self.it.store(Size::Double, R10, stack::LISTENER, R0);
        self.it.multiply(R0, (setup::LISTENER_WORDS * WORD) as i32);
        self.it.set(R7, R8);
        self.it.add(R7, (setup::LISTENER * WORD) as i32);
        self.it.add(R7, R0);
    }

    fn pass_unless(&mut self, size: Size, place: i16, value: i32) {
        self.it.load(size, R1, R6, place);
        self.pass_if(Condition::NotEqual, R1, value);
    }
}

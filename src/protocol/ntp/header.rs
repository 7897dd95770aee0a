//! The 48 octets that every NTP packet begins with. RFC 5905 section 7.3.

use timeball_api::{LeapIndicator, NtpShort, NtpTimestamp, ReferenceId};

/// Octets of the header.
pub const LEN: usize = 48;

/// The mode of a packet: what it is for. RFC 5905 figure 10.
pub mod mode {
    /// Reserved; version 1, which had no mode, has zero here.
    pub const RESERVED: u8 = 0;
    /// A peer that may be set by the one it asks.
    pub const SYMMETRIC_ACTIVE: u8 = 1;
    /// The answer to a symmetric active packet.
    pub const SYMMETRIC_PASSIVE: u8 = 2;
    /// A client's request.
    pub const CLIENT: u8 = 3;
    /// A server's reply.
    pub const SERVER: u8 = 4;
    /// Time that nobody asked for.
    pub const BROADCAST: u8 = 5;
    /// Monitoring and control; never answered here.
    pub const CONTROL: u8 = 6;
    /// Private to one implementation; never answered here.
    pub const PRIVATE: u8 = 7;
}

/// The header of an NTP packet, every bit of it: decoding and encoding again
/// gives the same 48 octets, whatever they are.
///
/// Nothing is checked here: a header with a stratum of 200 or a version of 7
/// is a header. Who may be answered is decided by [`Ntp`](super::Ntp), who may
/// be believed by the client. RFC 5905 section 7.3, figure 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The warning of a leap second, or the alarm.
    pub leap_indicator: LeapIndicator,
    /// The version of the protocol, 0 to 7; only the lower three bits are
    /// sent.
    pub version: u8,
    /// What the packet is for, 0 to 7 (see [`mode`](mod@mode)); only the lower three bits
    /// are sent.
    pub mode: u8,
    /// 1 to 15: hops from a reference clock; 0: unspecified, or a
    /// kiss-o'-death.
    pub stratum: u8,
    /// The longest time between two requests, in seconds as a power of two.
    pub poll_log2_s: i8,
    /// How finely the sender's clock can be read, in seconds as a power of two.
    pub precision_log2_s: i8,
    /// Round trip to the reference clock.
    pub root_delay: NtpShort,
    /// Bound on the error against the reference clock.
    pub root_dispersion: NtpShort,
    /// Where the time comes from; the kiss code in a kiss-o'-death.
    pub reference_id: ReferenceId,
    /// When the sender's clock was last set.
    pub reference_timestamp: NtpTimestamp,
    /// In a reply, the request's transmit timestamp.
    pub origin_timestamp: NtpTimestamp,
    /// When the request arrived.
    pub receive_timestamp: NtpTimestamp,
    /// When this packet left.
    pub transmit_timestamp: NtpTimestamp,
}

impl Header {
    /// The header in these octets. Every combination of bits is one.
    #[must_use]
    pub fn decode(octets: &[u8; LEN]) -> Self {
        Self {
            leap_indicator: LeapIndicator::from_bits(octets[0] >> 6),
            version: (octets[0] >> 3) & 0b111,
            mode: octets[0] & 0b111,
            stratum: octets[1],
            poll_log2_s: octets[2] as i8,
            precision_log2_s: octets[3] as i8,
            root_delay: NtpShort::from_bits(u32::from_be_bytes(field::<4, 4>(octets))),
            root_dispersion: NtpShort::from_bits(u32::from_be_bytes(field::<8, 4>(octets))),
            reference_id: ReferenceId(field::<12, 4>(octets)),
            reference_timestamp: NtpTimestamp::from_be_bytes(field::<16, 8>(octets)),
            origin_timestamp: NtpTimestamp::from_be_bytes(field::<24, 8>(octets)),
            receive_timestamp: NtpTimestamp::from_be_bytes(field::<32, 8>(octets)),
            transmit_timestamp: NtpTimestamp::from_be_bytes(field::<40, 8>(octets)),
        }
    }

    /// The octets of this header.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut octets = [0; LEN];
        octets[0] = (self.leap_indicator.to_bits() << 6)
            | ((self.version & 0b111) << 3)
            | (self.mode & 0b111);
        octets[1] = self.stratum;
        octets[2] = self.poll_log2_s as u8;
        octets[3] = self.precision_log2_s as u8;
        octets[4..8].copy_from_slice(&self.root_delay.to_bits().to_be_bytes());
        octets[8..12].copy_from_slice(&self.root_dispersion.to_bits().to_be_bytes());
        octets[12..16].copy_from_slice(&self.reference_id.0);
        octets[16..24].copy_from_slice(&self.reference_timestamp.to_be_bytes());
        octets[24..32].copy_from_slice(&self.origin_timestamp.to_be_bytes());
        octets[32..40].copy_from_slice(&self.receive_timestamp.to_be_bytes());
        octets[40..48].copy_from_slice(&self.transmit_timestamp.to_be_bytes());
        octets
    }
}

/// The `N` octets from `AT` on; that they are there is proved when compiling.
fn field<const AT: usize, const N: usize>(octets: &[u8; LEN]) -> [u8; N] {
    const { assert!(AT + N <= LEN, "a field ends inside the header") };
    std::array::from_fn(|index| octets[AT + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_the_header_has_its_own_place() {
        for bit in 0..LEN * 8 {
            let mut octets = [0; LEN];
            octets[bit / 8] = 0x80 >> (bit % 8);
            let header = Header::decode(&octets);
            assert_ne!(header, Header::default(), "bit {bit} is lost");
            assert_eq!(header.encode(), octets, "bit {bit} moves");
        }
    }

    #[test]
    fn all_first_octets_survive_a_round_trip() {
        for first in 0..=u8::MAX {
            let mut octets = [0; LEN];
            octets[0] = first;
            assert_eq!(Header::decode(&octets).encode(), octets);
        }
    }

    #[test]
    fn a_version_of_more_than_three_bits_does_not_spill_into_the_leap_indicator() {
        let header = Header {
            version: 0xff,
            mode: 0xff,
            ..Header::default()
        };
        assert_eq!(header.encode()[0], 0b0011_1111);
    }
}

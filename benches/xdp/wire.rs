//! Where requests go from and to, and the octets of one: Ethernet, IPv4, UDP, NTP.

use clap::Args;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Octets of a request, and of its reply.
pub const LEN: usize = 90;
pub const ETHERNET_LEN: usize = 14;
/// Where the IPv4 header begins, the UDP header, and the NTP header.
pub const IP: i16 = ETHERNET_LEN as i16;
pub const UDP: i16 = IP + 20;
pub const NTP: i16 = UDP + 8;
pub const ETHERTYPE: i16 = 12;
pub const IP_CHECKSUM: i16 = IP + 10;
pub const SOURCE: i16 = IP + 12;
pub const DESTINATION: i16 = IP + 16;
pub const SOURCE_PORT: i16 = UDP;
pub const DESTINATION_PORT: i16 = UDP + 2;
pub const UDP_CHECKSUM: i16 = UDP + 6;
pub const ORIGIN_TIMESTAMP: i16 = NTP + 24;
pub const RECEIVE_TIMESTAMP: i16 = NTP + 32;
pub const TRANSMIT_TIMESTAMP: i16 = NTP + 40;
/// Octets that the IPv4 header and the UDP header state.
pub const IP_TOTAL_LEN: u16 = 76;
pub const UDP_LEN: u16 = 56;
pub const PROTOCOL_UDP: u8 = 17;
/// All source ports have this bit; the lower ones count.
pub const PORT_BIT: u16 = 0x8000;

/// A hardware address, as `ip link` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl std::str::FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octets: Option<Vec<u8>> = text
            .split(':')
            .map(|part| u8::from_str_radix(part, 16).ok())
            .collect();
        octets
            .and_then(|octets| octets.try_into().ok())
            .map(Self)
            .ok_or_else(|| format!("{text}: not like 02:00:00:00:00:01"))
    }
}

/// Where requests go from and to.
#[derive(Debug, Clone, Copy, Args)]
pub struct Path {
    /// The server's address and port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "192.168.0.1:123")]
    pub server: SocketAddrV4,

    /// The hardware address of the server's end
    #[arg(long, value_name = "MAC")]
    pub server_mac: Mac,

    /// The first of the clients' addresses
    #[arg(long, value_name = "ADDRESS", default_value = "10.16.0.1")]
    pub client: Ipv4Addr,

    /// The hardware address of the clients' end
    #[arg(long, value_name = "MAC")]
    pub client_mac: Mac,

    /// How many addresses clients have, one after the other: a power of two
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = power_of_two)]
    pub addresses: u32,
}

fn power_of_two(text: &str) -> Result<u32, String> {
    text.parse::<u32>()
        .ok()
        .filter(|count| count.is_power_of_two() && *count <= 1 << 22)
        .ok_or_else(|| format!("{text}: not a power of two of at most {}", 1 << 22))
}

impl Path {
    /// A request; zero in it are what differs from one to the next (source
    /// address, source port, transmit timestamp) and both checksums.
    pub fn request(&self) -> [u8; LEN] {
        let mut frame = [0; LEN];
        let mut put = |place: i16, octets: &[u8]| {
            let place = usize::try_from(place).expect("places are not negative");
            frame[place..][..octets.len()].copy_from_slice(octets);
        };
        put(0, &self.server_mac.0);
        put(6, &self.client_mac.0);
        put(ETHERTYPE, &[0x08, 0x00]);
        put(IP, &[0x45, 0]);
        put(IP + 2, &IP_TOTAL_LEN.to_be_bytes());
        put(IP + 8, &[64, PROTOCOL_UDP]);
        put(DESTINATION, &self.server.ip().octets());
        put(DESTINATION_PORT, &self.server.port().to_be_bytes());
        put(UDP + 4, &UDP_LEN.to_be_bytes());
        // No leap indicator, version 4, mode 3.
        put(NTP, &[0x23]);
        frame
    }
}

/// Four octets as a program loads them.
pub fn word(octets: &[u8]) -> u32 {
    u32::from_le_bytes(octets[..4].try_into().expect("four octets"))
}

/// Two octets as a program loads them.
pub const fn half(number: u16) -> i32 {
    number.to_be() as i32
}

/// The sum of `octets`, as what they are part of adds them: by words of four.
pub fn sum(octets: &[u8]) -> u64 {
    octets
        .chunks(4)
        .map(|chunk| {
            let mut padded = [0; 4];
            padded[..chunk.len()].copy_from_slice(chunk);
            u64::from(word(&padded))
        })
        .sum()
}

/// A sum in ones' complement: 16 bits. RFC 1071.
pub fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What the UDP checksum covers beyond the datagram, but for the addresses.
pub fn pseudo_header() -> u64 {
    sum(&[0, PROTOCOL_UDP]) + sum(&UDP_LEN.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_rfc_1071() {
        // RFC 1071 section 3: 00 01 f2 03 f4 f5 f6 f7 gives dd f2.
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(folded(sum(&octets)).to_le_bytes(), [0xdd, 0xf2]);
    }

    #[test]
    fn a_hardware_address_is_read_as_it_is_written() {
        assert_eq!(
            "02:00:00:00:0a:ff".parse(),
            Ok(Mac([2, 0, 0, 0, 0x0a, 0xff]))
        );
        assert!("02:00:00:00:0a".parse::<Mac>().is_err());
    }
}

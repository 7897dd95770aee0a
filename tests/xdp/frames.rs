//! Frames, made from their parts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The hardware address of the server's interface in the tests.
pub const SERVER_HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const CLIENT_HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// A frame that carries a datagram, before it is spoiled.
#[derive(Debug, Clone)]
pub struct Frame {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
    pub checksum: Checksum,
    /// Type of service, or traffic class.
    pub class: u8,
    pub hops: u8,
    /// The 16 bits of IPv4 with the fragment offset.
    pub fragment: u16,
    /// Octets between the IP header and UDP: options of IPv4.
    pub options: Vec<u8>,
}

/// What stands in the checksum of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Whole,
    Absent,
    PseudoHeader,
    Wrong,
}

impl Frame {
    pub fn new(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Self {
        Self {
            from,
            to,
            payload: payload.to_vec(),
            checksum: Checksum::Whole,
            class: 0,
            hops: 64,
            fragment: 0x4000,
            options: Vec::new(),
        }
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut frame = [SERVER_HARDWARE, CLIENT_HARDWARE].concat();
        let udp = self.udp();
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([0x08, 0x00]);
                frame.extend(self.ipv4(from, to, udp.len()));
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend(self.ipv6(from, to, udp.len()));
            }
            _ => panic!("one family"),
        }
        frame.extend(udp);
        frame
    }

    fn ipv4(&self, from: Ipv4Addr, to: Ipv4Addr, len: usize) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut header = vec![0x40 | (header_len / 4) as u8, self.class];
        header.extend(((header_len + len) as u16).to_be_bytes());
        header.extend([0x12, 0x34]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.hops, 17, 0, 0]);
        header.extend(from.octets());
        header.extend(to.octets());
        header.extend(&self.options);
        let sum = !folded(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn ipv6(&self, from: Ipv6Addr, to: Ipv6Addr, len: usize) -> Vec<u8> {
        let mut header = vec![0x60 | (self.class >> 4), self.class << 4, 0xab, 0xcd];
        header.extend((len as u16).to_be_bytes());
        header.extend([17, self.hops]);
        header.extend(from.octets());
        header.extend(to.octets());
        header
    }

    fn udp(&self) -> Vec<u8> {
        let len = (8 + self.payload.len()) as u16;
        let mut udp = Vec::new();
        for number in [self.from.port(), self.to.port(), len, 0] {
            udp.extend(number.to_be_bytes());
        }
        udp.extend(&self.payload);
        let mut pseudo = Vec::new();
        for address in [self.from.ip(), self.to.ip()] {
            match address {
                IpAddr::V4(address) => pseudo.extend(address.octets()),
                IpAddr::V6(address) => pseudo.extend(address.octets()),
            }
        }
        pseudo.extend([0, 17]);
        pseudo.extend(len.to_be_bytes());
        let whole = match !folded(&[&pseudo[..], &udp].concat()) {
            0 => 0xffff,
            sum => sum,
        };
        let checksum = match self.checksum {
            Checksum::Whole => whole,
            Checksum::Absent => 0,
            Checksum::PseudoHeader => folded(&pseudo),
            Checksum::Wrong => whole ^ 0x0100,
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        udp
    }
}

/// The sum of RFC 1071, not inverted.
pub fn folded(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in octets.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

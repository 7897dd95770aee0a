//! Records as a capture that Wireshark opens: pcapng, as in
//! draft-ietf-opsawg-pcapng.
//!
//! Each datagram stands in a packet as the network would have carried it, with
//! no layer below IP. Time to live, identification and the like are made up; the
//! addresses, ports, lengths, checksums and the payload are not.

use super::change::{Change, Control};
use super::record::{Direction, Record, Witness};
use super::sink::Sink;
use crate::api::Timestamp;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The types of blocks.
mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// The codes of options.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    /// Of an interface.
    pub(super) const NAME: u16 = 2;
    /// Of an enhanced packet.
    pub(super) const FLAGS: u16 = 2;
    /// Of a section: the program that wrote it.
    pub(super) const APPLICATION: u16 = 4;
    /// Of an interface: in what its timestamps count.
    pub(super) const TIME_RESOLUTION: u16 = 9;
}

/// By which a reader tells the order of octets.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// LINKTYPE_RAW: a packet begins with its IPv4 or IPv6 header.
const LINK_TYPE_RAW: u16 = 101;
/// Timestamps count 10^-9 s.
const NANOSECONDS: u8 = 9;
/// The most octets of a comment.
const MAX_COMMENT: usize = 1024;

const UDP: u8 = 17;
const UDP_HEADER_LEN: u16 = 8;
const IPV4_HEADER_LEN: u16 = 20;
/// Don't fragment: then the identification may be zero. RFC 6864.
const IPV4_DONT_FRAGMENT: u16 = 0x4000;
const HOPS: u8 = 64;

/// Writes a capture, packet by packet as things happen.
///
/// Timestamps are the host's: of the moment at which a datagram came or left,
/// not mock time. A packet that rules touched has their names as its comment.
///
/// Wireshark knows NTP by port 123; for another: `-d udp.port==8123,ntp`.
///
/// Each packet is one call of `write_all`.
#[derive(Debug)]
pub struct Pcapng<W> {
    sink: Sink<W>,
    began: Timestamp,
    block: Vec<u8>,
}

impl<W: Write> Pcapng<W> {
    /// Begins a capture of a run that began at `began` by the host's clock.
    ///
    /// # Errors
    /// That of the writer.
    pub fn new(mut out: W, began: Timestamp) -> io::Result<Self> {
        let mut block = Vec::new();
        write_block(&mut block, block::SECTION_HEADER, |body| {
            body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
            // Version 1.0, and a section of unknown length.
            body.extend([1, 0, 0, 0]);
            body.extend(u64::MAX.to_le_bytes());
            let version = concat!("timeball ", env!("CARGO_PKG_VERSION"));
            write_option(body, option::APPLICATION, version.as_bytes());
            write_option(body, option::END, &[]);
        });
        write_block(&mut block, block::INTERFACE_DESCRIPTION, |body| {
            body.extend(LINK_TYPE_RAW.to_le_bytes());
            // Reserved, and no limit to the length of packets.
            body.extend([0; 2 + 4]);
            write_option(body, option::NAME, b"timeball");
            write_option(body, option::TIME_RESOLUTION, &[NANOSECONDS]);
            write_option(body, option::END, &[]);
        });
        out.write_all(&block)?;
        Ok(Self {
            sink: Sink::new(out),
            began,
            block,
        })
    }

    /// What has gone wrong: nothing was written since.
    #[must_use]
    pub const fn error(&self) -> Option<&io::Error> {
        self.sink.error()
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// The first that the writer had.
    pub fn finish(self) -> io::Result<W> {
        self.sink.finish()
    }
}

impl<W: Write + Send> Witness for Pcapng<W> {
    fn saw(&mut self, record: &Record) {
        let (from, to, flags) = match record.direction {
            Direction::In | Direction::Upstream => (record.peer, record.local, 1_u32),
            Direction::Out => (record.local, record.peer, 2),
            // It never was on the wire.
            Direction::Unsent => return,
        };
        // The format has no time before 1970.
        let nanos = u64::try_from((self.began + record.at).as_nanos()).unwrap_or(0);
        let packet = packet(from, to, &record.octets);
        let comment = record.rules.join(", ");
        self.block.clear();
        write_block(&mut self.block, block::ENHANCED_PACKET, |body| {
            body.extend(0_u32.to_le_bytes()); // the only interface
            body.extend(((nanos >> 32) as u32).to_le_bytes());
            body.extend((nanos as u32).to_le_bytes());
            let len = (packet.len() as u32).to_le_bytes();
            body.extend(len);
            body.extend(len);
            body.extend(&packet);
            pad(body);
            if !comment.is_empty() {
                let len = comment.floor_char_boundary(MAX_COMMENT);
                write_option(body, option::COMMENT, &comment.as_bytes()[..len]);
            }
            write_option(body, option::FLAGS, &flags.to_le_bytes());
            write_option(body, option::END, &[]);
        });
        self.sink.put(&self.block);
    }

    fn changed(&mut self, change: &Change) {
        if matches!(change.what, Control::Load(_)) {
            // Another run has begun, whose moments count from now.
            self.began += change.at;
        }
    }
}

/// Writes a block: its type, its length before and behind its body.
fn write_block(out: &mut Vec<u8>, kind: u32, write_body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    write_body(out);
    let len = ((out.len() - start + 4) as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&len);
    out.extend(len);
}

fn write_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Fills up to whole words of 32 bits; every part begins at one.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The IP packet that carries this payload, which is cut where no packet could
/// carry it.
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let ports = (from.port(), to.port());
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, ports, payload),
        // The address of a wildcard socket may be of the other family.
        (from, to) => ipv6(to_ipv6(from), to_ipv6(to), ports, payload),
    }
}

fn to_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// RFC 791.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut pseudo_header = Checksum::default();
    pseudo_header.add(&from.octets());
    pseudo_header.add(&to.octets());
    let udp = udp(pseudo_header, ports, payload, u16::MAX - IPV4_HEADER_LEN);
    let mut header = Vec::with_capacity(usize::from(IPV4_HEADER_LEN) + udp.len());
    header.extend([0x45, 0]);
    header.extend((IPV4_HEADER_LEN + udp.len() as u16).to_be_bytes());
    header.extend([0, 0]);
    header.extend(IPV4_DONT_FRAGMENT.to_be_bytes());
    header.extend([HOPS, UDP, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let mut checksum = Checksum::default();
    checksum.add(&header);
    header[10..12].copy_from_slice(&checksum.finish().to_be_bytes());
    header.extend(udp);
    header
}

/// RFC 8200.
fn ipv6(from: Ipv6Addr, to: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut pseudo_header = Checksum::default();
    pseudo_header.add(&from.octets());
    pseudo_header.add(&to.octets());
    let udp = udp(pseudo_header, ports, payload, u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((udp.len() as u16).to_be_bytes());
    packet.extend([UDP, HOPS]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(udp);
    packet
}

/// The datagram, `most` octets long at most. RFC 768.
fn udp(mut checksum: Checksum, ports: (u16, u16), payload: &[u8], most: u16) -> Vec<u8> {
    let payload = &payload[..payload.len().min(usize::from(most - UDP_HEADER_LEN))];
    let len = UDP_HEADER_LEN + payload.len() as u16;
    let mut datagram = Vec::with_capacity(usize::from(len));
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend(len.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    checksum.add(&u16::from(UDP).to_be_bytes());
    checksum.add(&len.to_be_bytes());
    checksum.add(&datagram);
    // Zero would mean that there is none.
    let checksum = match checksum.finish() {
        0 => u16::MAX,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    datagram
}

/// The checksum of the Internet. RFC 1071.
#[derive(Debug, Clone, Copy, Default)]
struct Checksum(u32);

impl Checksum {
    /// Adds words of 16 bits; a last octet stands alone in the upper half.
    fn add(&mut self, octets: &[u8]) {
        for pair in octets.chunks(2) {
            let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
            let sum = self.0 + u32::from(word);
            self.0 = (sum & 0xffff) + (sum >> 16);
        }
    }

    const fn finish(self) -> u16 {
        !(self.0 as u16)
    }
}

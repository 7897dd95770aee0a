//! Control messages: what the kernel says beside a datagram, and what it is told
//! beside a reply. `cmsg(3)`, `ip(7)`, `ipv6(7)`, `socket(7)`.
//!
//! They are read and written as octets, so there is nothing unsafe here, and
//! what is malformed or unknown is skipped.

use crate::api::{Datagram, Timestamp};
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Room for the control messages that come with a datagram: a timestamp (32
/// octets), the address it was sent to (32, 40, or both of IPv4 on a dual-stack
/// socket) and the count of drops (24).
pub(super) type ControlIn = [u64; 16];

/// Room for the control message that sets a reply's source address (32 or 40).
pub(super) type ControlOut = [u64; 5];

/// What the kernel says beside a datagram.
pub(super) enum Control {
    Arrived(Timestamp),
    /// The address it was sent to, and the interface if that is needed to
    /// reach the sender (IPv6 link-local).
    SentTo(IpAddr, u32),
    Dropped(u32),
}

/// Walks control messages as octets; what is malformed or unknown is skipped.
pub(super) struct ControlMessages<'a> {
    pub(super) octets: &'a [u8],
}

const CONTROL_HEADER_LEN: usize = size_of::<libc::cmsghdr>();

const fn control_align(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

impl Iterator for ControlMessages<'_> {
    type Item = Control;

    fn next(&mut self) -> Option<Control> {
        loop {
            let (header, _) = self.octets.split_first_chunk::<CONTROL_HEADER_LEN>()?;
            let len = usize::from_ne_bytes(*header.first_chunk()?);
            let level = i32::from_ne_bytes(header[8..12].try_into().ok()?);
            let kind = i32::from_ne_bytes(header[12..16].try_into().ok()?);
            let data = self.octets.get(CONTROL_HEADER_LEN..len)?;
            self.octets = self.octets.get(control_align(len)..).unwrap_or_default();
            if let Some(message) = decode_control(level, kind, data) {
                return Some(message);
            }
        }
    }
}

fn decode_control(level: i32, kind: i32, data: &[u8]) -> Option<Control> {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
            let seconds = i64::from_ne_bytes(*data.first_chunk()?);
            let nanos = i64::from_ne_bytes(*data.get(8..)?.first_chunk()?);
            let stamp = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
            Some(Control::Arrived(Timestamp::from_nanos(stamp)))
        }
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
            Some(Control::Dropped(u32::from_ne_bytes(*data.first_chunk()?)))
        }
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // in_pktinfo: interface, then the local address to answer from
            // (the interface's own where the datagram was broadcast).
            let address: [u8; 4] = *data.get(4..)?.first_chunk()?;
            Some(Control::SentTo(Ipv4Addr::from(address).into(), 0))
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let address = Ipv6Addr::from(*data.first_chunk::<16>()?);
            let interface = u32::from_ne_bytes(*data.get(16..)?.first_chunk()?);
            let needed = if address.is_unicast_link_local() {
                interface
            } else {
                0
            };
            // A multicast address cannot be answered from. Of an IPv4 datagram
            // (mapped) this is the bare destination, broadcast or not, and
            // `IP_PKTINFO` beside it says the address to answer from.
            let is_source = !address.is_multicast() && address.to_ipv4_mapped().is_none();
            is_source.then_some(Control::SentTo(address.into(), needed))
        }
        _ => None,
    }
}

/// Writes one control message to the front of `words`; returns its length in
/// octets with padding, 0 if there is no room.
fn encode_control_message(words: &mut [u64], level: i32, kind: i32, data: &[u8]) -> usize {
    let len = CONTROL_HEADER_LEN + data.len();
    let Some(words) = words.get_mut(..control_align(len) / 8) else {
        return 0;
    };
    words.fill(0);
    words[0] = len as u64;
    let [a, b, c, d] = level.to_ne_bytes();
    let [e, f, g, h] = kind.to_ne_bytes();
    words[1] = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    for (word, octets) in words[2..].iter_mut().zip(data.chunks(8)) {
        let mut padded = [0; 8];
        padded[..octets.len()].copy_from_slice(octets);
        *word = u64::from_ne_bytes(padded);
    }
    control_align(len)
}

pub(super) fn encode_control(words: &mut ControlIn, datagram: &Datagram<'_>) -> usize {
    let mut len = 0;
    if let Some(arrived) = datagram.arrived {
        let (seconds, nanos) = arrived.to_unix_parts();
        let mut data = [0; 16];
        data[..8].copy_from_slice(&seconds.to_ne_bytes());
        data[8..].copy_from_slice(&i64::from(nanos).to_ne_bytes());
        let (level, kind) = (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS);
        len += encode_control_message(&mut words[..], level, kind, &data);
    }
    match datagram.local {
        Some(IpAddr::V4(address)) => {
            let mut data = [0; 12];
            data[4..8].copy_from_slice(&address.octets());
            let (level, kind) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
            len += encode_control_message(&mut words[len / 8..], level, kind, &data);
        }
        Some(IpAddr::V6(address)) => {
            let mut data = [0; 20];
            data[..16].copy_from_slice(&address.octets());
            let (level, kind) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
            len += encode_control_message(&mut words[len / 8..], level, kind, &data);
        }
        None => {}
    }
    len
}

/// Writes the control message that makes a datagram leave from `address`.
pub(super) fn encode_source(words: &mut ControlOut, address: IpAddr, interface: u32) -> usize {
    match address {
        IpAddr::V4(address) => {
            // in_pktinfo: any interface, this source address, nothing.
            let mut data = [0; 12];
            data[4..8].copy_from_slice(&address.octets());
            encode_control_message(words, libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
        }
        IpAddr::V6(address) => {
            let mut data = [0; 20];
            data[..16].copy_from_slice(&address.octets());
            data[16..].copy_from_slice(&interface.to_ne_bytes());
            encode_control_message(words, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
        }
    }
}

//! Socket addresses as the kernel writes them.

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// An address as the kernel writes it. IPv6 is the longest that a UDP socket
/// has; an IPv4 address uses the first 16 octets.
pub(super) type Name = libc::sockaddr_in6;

/// The address in `name`; an IPv4 client of a dual-stack socket shows as IPv4.
pub(super) fn decode_name(name: &Name) -> SocketAddr {
    if i32::from(name.sin6_family) == libc::AF_INET {
        // SAFETY: both are C structures of integers, and the IPv4 one (16
        // octets, alignment 4) fits into the front of the IPv6 one.
        let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
        let address = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
        return SocketAddr::from((address, u16::from_be(name.sin_port)));
    }
    let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
    let port = u16::from_be(name.sin6_port);
    match address.to_ipv4_mapped() {
        Some(address) => SocketAddr::from((address, port)),
        None => SocketAddrV6::new(address, port, name.sin6_flowinfo, name.sin6_scope_id).into(),
    }
}

pub(super) fn encode_name(address: SocketAddr) -> (Name, libc::socklen_t) {
    // SAFETY: a C structure of integers: all zero bits are a value.
    let mut name: Name = unsafe { zeroed() };
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: as in `decode_name`.
            let v4 = unsafe { &mut *ptr::from_mut(&mut name).cast::<libc::sockaddr_in>() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            (name, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(address) => {
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_flowinfo = address.flowinfo();
            name.sin6_scope_id = address.scope_id();
            (name, size_of::<Name>() as libc::socklen_t)
        }
    }
}

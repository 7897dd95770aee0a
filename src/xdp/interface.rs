//! The interface that the program is for.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::io;
use std::net::IpAddr;

/// A network interface as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Its hardware address; zeros for loopback.
    pub hardware_address: [u8; 6],
    /// Whether it is loopback.
    pub is_loopback: bool,
    /// Whether there is a device behind it, or a hypervisor's: on others, native mode
    /// may depend on what is at their other end.
    pub is_device: bool,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
}

impl Interface {
    /// Looks at the interface of this name, in the network namespace of the
    /// calling thread. Takes sockets (`AF_NETLINK`), which a sandbox may forbid.
    ///
    /// # Errors
    /// `NotFound` where there is none of this name, `Unsupported` for one that
    /// carries no Ethernet frames, or the operating system's.
    pub fn look(name: &str) -> io::Result<Self> {
        let mut found = None;
        let mut addresses = Vec::new();
        for part in getifaddrs()?.filter(|part| part.interface_name == name) {
            let Some(address) = part.address else {
                continue;
            };
            if let Some(link) = address.as_link_addr() {
                found = Some((
                    link.ifindex(),
                    link.hatype(),
                    link.addr(),
                    part.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                ));
            } else if let Some(address) = address.as_sockaddr_in() {
                addresses.push(address.ip().into());
            } else if let Some(address) = address.as_sockaddr_in6() {
                addresses.push(address.ip().into());
            }
        }
        let (index, kind, hardware_address, is_loopback) = found.ok_or_else(|| {
            let text = format!("there is no network interface {name:?}");
            io::Error::new(io::ErrorKind::NotFound, text)
        })?;
        let index = u32::try_from(index).map_err(io::Error::other)?;
        if ![libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&kind) {
            let text = format!("the network interface {name:?} carries no Ethernet frames");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(Self {
            name: name.to_owned(),
            index,
            hardware_address: hardware_address.unwrap_or_default(),
            is_loopback,
            is_device: is_device(name),
            addresses,
        })
    }
}

/// Whether the kernel has a device for the interface, and not only a name: one of
/// veth, bridge, bond, VLAN and tunnel has none. False where `/sys` is not there, or
/// of another network namespace.
fn is_device(name: &str) -> bool {
    std::fs::exists(format!("/sys/class/net/{name}/device")).unwrap_or(false)
}

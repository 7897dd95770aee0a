//! Sockets that a server does not bind itself: it has them from the process
//! before it, or from whoever started it.

use super::bpf::AttachMode;
use super::udp::{BindOptions, adopt};
use serde::{Deserialize, Serialize};
use socket2::Socket;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use tracing::warn;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The datagrams of a listener.
    Listener,
    /// HTTP: control, and whatever else is asked over it.
    Http,
    /// No socket: what holds the program in the network driver of the interface, where it
    /// meets frames in this mode.
    Driver(AttachMode),
}

/// A socket that is bound, and what it is for.
#[derive(Debug)]
pub struct BoundSocket {
    /// What it is for.
    pub role: Role,
    /// The address that the settings say, which may leave the port open.
    pub address: SocketAddr,
    /// The network interface that it is bound to.
    pub interface: Option<String>,
    /// The socket.
    pub socket: OwnedFd,
}

impl BoundSocket {
    /// A socket of somebody who knows nothing of the settings: what it is for is
    /// told by what it is.
    ///
    /// # Errors
    /// The operating system's; `Unsupported` for what is neither UDP nor a TCP
    /// socket that listens.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(socket);
        let role = match socket.r#type()? {
            socket2::Type::DGRAM => Role::Listener,
            socket2::Type::STREAM if socket.is_listener()? => Role::Http,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let device = socket.device()?;
        Ok(Self {
            role,
            address: address(&socket)?,
            interface: device.map(|name| String::from_utf8_lossy(&name).into_owned()),
            socket: socket.into(),
        })
    }
}

/// The sockets that a server was given, until its listeners have taken them.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(BoundSocket, SocketAddr)>,
    of_drivers: Vec<BoundSocket>,
}

impl Inherited {
    /// These sockets.
    #[must_use]
    pub fn new(sockets: Vec<BoundSocket>) -> Self {
        let (of_drivers, sockets) = sockets
            .into_iter()
            .partition(|it: &BoundSocket| matches!(it.role, Role::Driver(_)));
        let with_address = |it: BoundSocket| {
            let socket = Socket::from(it.socket);
            let bound = address(&socket).ok()?;
            let socket = socket.into();
            Some((BoundSocket { socket, ..it }, bound))
        };
        let sockets: Vec<BoundSocket> = sockets;
        Self {
            sockets: sockets.into_iter().filter_map(with_address).collect(),
            of_drivers,
        }
    }

    /// Those of a listener with these settings, all at one address, made ready to
    /// receive.
    ///
    /// # Errors
    /// The operating system's, when it refuses an option.
    pub fn take_udp(&mut self, options: &BindOptions) -> io::Result<Vec<Socket>> {
        let is_wanted = |it: &BoundSocket, bound: SocketAddr| {
            let is_there = it.address == options.address || bound == options.address;
            it.role == Role::Listener && is_there && it.interface == options.interface
        };
        let mut found = self
            .sockets
            .iter()
            .filter(|(it, bound)| is_wanted(it, *bound));
        let Some(&(_, place)) = found.next() else {
            return Ok(Vec::new());
        };
        let taken = self
            .sockets
            .extract_if(.., |(it, bound)| *bound == place && is_wanted(it, place));
        let adopted = taken.map(|(it, _)| {
            let socket = Socket::from(it.socket);
            adopt(&socket, options)?;
            Ok(socket)
        });
        adopted.collect()
    }

    /// The one that listens at `address` over TCP.
    pub fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_wanted = |(it, bound): &(BoundSocket, SocketAddr)| {
            it.role == Role::Http && (it.address == address || *bound == address)
        };
        let index = self.sockets.iter().position(is_wanted)?;
        Some(TcpListener::from(self.sockets.remove(index).0.socket))
    }

    /// What holds the program in the driver of this interface, and in which mode.
    pub fn take_driver(&mut self, interface: &str) -> Option<(OwnedFd, AttachMode)> {
        let is_wanted = |it: &BoundSocket| it.interface.as_deref() == Some(interface);
        let index = self.of_drivers.iter().position(is_wanted)?;
        let taken = self.of_drivers.remove(index);
        match taken.role {
            Role::Driver(mode) => Some((taken.socket, mode)),
            Role::Listener | Role::Http => None,
        }
    }

    /// Closes what nobody took, and says so.
    pub fn close_the_rest(self) {
        for (_, address) in self.sockets {
            warn!(%address, "a socket that this server was given is in no settings, and is closed");
        }
    }
}

fn address(socket: &Socket) -> io::Result<SocketAddr> {
    let not_ip = || io::Error::from(io::ErrorKind::Unsupported);
    socket.local_addr()?.as_socket().ok_or_else(not_ip)
}

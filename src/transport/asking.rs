//! A client's socket.

use super::kernel::{self, Batch, Room, SocketOption};
use crate::api::{Datagram, HostClock, HostInstant};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Octets of a datagram that are kept: more than any reply should have.
const ROOM: usize = 2048;

/// A UDP socket at a port of the kernel's choice, for one question to one
/// address, so that no late reply to another question can reach it.
///
/// The kernel says when each datagram arrived, and when it is told that nobody
/// is at the port that was asked.
///
/// # Why it is not connected
/// The kernel would hide the datagrams that come from another address or port,
/// and a client that reports them has to see them.
pub struct AskingSocket {
    socket: UdpSocket,
    batch: Batch,
    to: SocketAddr,
}

impl AskingSocket {
    /// A socket to ask `to` from.
    ///
    /// # Errors
    /// The operating system's: no such family here, no descriptor left.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its I/O driver.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        kernel::set_option(&socket, SocketOption::Timestamps, 1)?;
        let (any, errors) = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), SocketOption::ErrorsV4),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), SocketOption::ErrorsV6),
        };
        kernel::set_option(&socket, errors, 1)?;
        socket.bind(&SocketAddr::new(any, 0).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            batch: Batch::new(
                1,
                Room {
                    request: ROOM,
                    reply: 0,
                },
            ),
            to,
        })
    }

    /// Sends `request` and says when it left.
    ///
    /// The clock is read right before the call that sends, and not before the
    /// wait for the reactor to take note of the new socket.
    ///
    /// # Errors
    /// The operating system's: no route, not permitted.
    pub async fn send(&mut self, request: &[u8], clock: &dyn HostClock) -> io::Result<HostInstant> {
        loop {
            self.socket.ready(Interest::WRITABLE).await?;
            let left = clock.now();
            match self.socket.try_send_to(request, self.to) {
                Ok(_len) => return Ok(left),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a datagram. One longer than 2048 octets is cut off and marked.
    ///
    /// # Errors
    /// The operating system's: nobody is at the port that was asked, or there
    /// is no way to it.
    pub async fn recv(&mut self) -> io::Result<Datagram<'_>> {
        loop {
            // An error makes a socket neither readable nor writable.
            let ready = self
                .socket
                .ready(Interest::READABLE | Interest::ERROR)
                .await?;
            // `try_io` knows what to clear for one interest only.
            let interest = match ready.is_error() {
                true => Interest::ERROR,
                false => Interest::READABLE,
            };
            let Self { socket, batch, .. } = self;
            match socket.try_io(interest, || batch.receive(socket.as_fd())) {
                Ok(()) if self.batch.is_empty() => {}
                Ok(()) => return Ok(self.batch.exchange(0).0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

//! A socket for one question.

use crate::api::{HostClock, HostInstant};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A datagram that came in.
pub(super) struct Arrival {
    /// Its octets.
    pub(super) len: usize,
    /// Who sent it.
    pub(super) from: SocketAddr,
    /// When it arrived.
    pub(super) at: HostInstant,
}

/// A UDP socket at a port of the kernel's choice, used for one question and
/// one address, so that no late reply to another one can reach it.
///
/// # Why it is not connected
/// The kernel would hide the replies that come from another address or port,
/// and they are to be reported as what they are.
pub(super) struct Socket {
    socket: UdpSocket,
}

impl Socket {
    /// A socket to ask `address` from.
    ///
    /// # Errors
    /// The operating system's: no such family here, no descriptor left.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        Ok(Self {
            socket: UdpSocket::bind(any).await?,
        })
    }

    /// Sends `request` and says when it left.
    ///
    /// # Errors
    /// The operating system's: no route, not permitted.
    pub(super) async fn send(
        &self,
        request: &[u8],
        to: SocketAddr,
        clock: &dyn HostClock,
    ) -> io::Result<HostInstant> {
        // The clock is read right before the call that sends, not before a
        // wait for the reactor to take note of the new socket.
        let send = || {
            let left = clock.now();
            self.socket.try_send_to(request, to).map(|_len| left)
        };
        loop {
            self.socket.ready(Interest::WRITABLE).await?;
            match send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Waits for a datagram, of which as much as there is room for goes to the
    /// front of `room`.
    ///
    /// # Errors
    /// The operating system's: nobody is at the port that was asked.
    pub(super) async fn recv(&self, room: &mut [u8], clock: &dyn HostClock) -> io::Result<Arrival> {
        loop {
            self.socket.ready(Interest::READABLE).await?;
            match self.socket.try_recv_from(room) {
                Ok((len, from)) => {
                    return Ok(Arrival {
                        len,
                        from,
                        at: clock.now(),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

//! A load generator's sockets.

use super::kernel::{Batch, SocketOption, Volley, dropped_by_kernel, set_option};
use super::udp::set_receive_buffer;
use crate::api::Delta;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

/// Octets of receive buffer asked for: some thousands of replies, so that a
/// generator that is held up for a moment does not lose what was answered.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A UDP socket at a port of the kernel's choice that asks one address, many
/// requests at a time. The kernel says when each reply arrived.
#[derive(Debug)]
pub struct LoadSocket {
    socket: Socket,
}

impl LoadSocket {
    /// A socket to ask `to` from.
    ///
    /// It is connected, which is the cheapest way to send and hears what ICMP
    /// says, unless its requests are to leave `from_many` addresses: then the
    /// volley has to name `to`, and whoever receives has to look at who sent.
    ///
    /// # Errors
    /// The operating system's: no such family here, no descriptor left, no
    /// route.
    pub fn open(to: SocketAddr, from_many: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        set_option(&socket, SocketOption::Timestamps, 1)?;
        set_receive_buffer(&socket, RECEIVE_BUFFER)?;
        let any = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        socket.bind(&SocketAddr::new(any, 0).into())?;
        if !from_many {
            socket.connect(&to.into())?;
        }
        Ok(Self { socket })
    }

    /// Sends what it can of `volley`, which is empty afterwards, and returns
    /// how many requests the kernel took: the first ones.
    ///
    /// # Errors
    /// The kernel's, when it took none; also what ICMP said of an earlier
    /// request.
    pub fn send(&self, volley: &mut Volley) -> io::Result<usize> {
        volley.send(self.socket.as_fd())
    }

    /// Fills `batch` with the replies that wait.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, or the kernel's; also what ICMP said of an
    /// earlier request.
    pub fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        batch.receive(self.socket.as_fd())
    }

    /// How many replies the kernel dropped here since there was no room for
    /// them; 0 where it does not tell.
    #[must_use]
    pub fn drops(&self) -> u32 {
        dropped_by_kernel(&self.socket).unwrap_or(0)
    }
}

/// Waits for any of several sockets.
#[derive(Debug)]
pub struct Waiter<'a> {
    sockets: Vec<PollFd<'a>>,
}

impl<'a> Waiter<'a> {
    /// Waits for replies at `sockets`.
    #[must_use]
    pub fn new(sockets: &'a [LoadSocket]) -> Self {
        let watched = |socket: &'a LoadSocket| PollFd::new(&socket.socket, PollFlags::IN);
        Self {
            sockets: sockets.iter().map(watched).collect(),
        }
    }

    /// Waits until a reply or an error waits at one of them, a signal comes, or
    /// `timeout` is over.
    pub fn wait(&mut self, timeout: Delta) {
        let nanos = timeout.as_nanos().max(0);
        let timeout = Timespec {
            tv_sec: nanos / 1_000_000_000,
            tv_nsec: nanos % 1_000_000_000,
        };
        // An error is a signal, or no memory for a moment: look and come again.
        let _ = poll(&mut self.sockets, Some(&timeout));
    }
}

//! Kernel sockets.

use super::kernel::{self, Batch, SendReport, SocketOption};
use super::{Outbox, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;

/// How a listener's sockets are to be bound.
#[derive(Debug, Clone)]
pub struct BindOptions {
    /// The address; port 0 lets the kernel choose one.
    pub address: SocketAddr,
    /// How many sockets share the address, one a shard.
    pub sockets: usize,
    /// Octets of receive buffer for each. The kernel's default holds about 190
    /// requests, and a burst loses the rest.
    pub receive_buffer: usize,
    /// Bind an address that is not up yet.
    pub freebind: bool,
    /// Bind to this network device.
    pub interface: Option<String>,
}

/// The sockets of a listener, bound and not yet watched.
#[derive(Debug)]
pub struct Bound {
    /// The address, with the port that the kernel chose.
    pub address: SocketAddr,
    /// The sockets, all at that address.
    pub sockets: Vec<Socket>,
    /// Octets of receive buffer that the kernel granted each.
    pub receive_buffer: usize,
}

/// Binds the sockets of a listener.
///
/// # Errors
/// The operating system's; `AddrInUse` when anybody else has the address.
///
/// # Why the first socket is different
/// `SO_REUSEPORT` lets several sockets share an address, and would let a second
/// server share it too, unseen. So the first socket is bound without it, which
/// fails if the address is taken, and only then opens the address to the other
/// shards.
pub fn bind(options: &BindOptions) -> io::Result<Bound> {
    let first = new_socket(options)?;
    first.bind(&options.address.into())?;
    let address = first
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the kernel gave a socket that is not IP"))?;
    let receive_buffer = granted_receive_buffer(&first)?;
    let mut sockets = vec![first];
    if options.sockets > 1 {
        sockets[0].set_reuse_port(true)?;
    }
    while sockets.len() < options.sockets {
        let socket = new_socket(options)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(socket);
    }
    Ok(Bound {
        address,
        sockets,
        receive_buffer,
    })
}

/// A socket with everything set that must be set before it is bound: a
/// datagram that arrives before timestamps are on is stamped when it is read.
fn new_socket(options: &BindOptions) -> io::Result<Socket> {
    let is_v6 = options.address.is_ipv6();
    let socket = Socket::new(
        Domain::for_address(options.address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    kernel::set_option(&socket, SocketOption::Timestamps, 1)?;
    kernel::set_option(&socket, SocketOption::Drops, 1)?;
    if is_v6 {
        // `[::]` takes IPv4 too, whatever the host's default is.
        socket.set_only_v6(!options.address.ip().is_unspecified())?;
    }
    // Only a wildcard address leaves open which address to answer from; asking
    // for it costs about 0.3 µs a datagram.
    if options.address.ip().is_unspecified() {
        if is_v6 {
            kernel::set_option(&socket, SocketOption::DestinationV6, 1)?;
        }
        // `[::]` needs this too: of an IPv4 broadcast, IPv6's own says only
        // where it went, which is no address to answer from.
        kernel::set_option(&socket, SocketOption::DestinationV4, 1)?;
    }
    set_receive_buffer(&socket, options.receive_buffer)?;
    if options.freebind {
        if is_v6 {
            socket.set_freebind_v6(true)?
        } else {
            socket.set_freebind_v4(true)?
        }
    }
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    Ok(socket)
}

/// Asks for a receive buffer of `octets`, beyond the host's limit if this
/// process may.
pub(super) fn set_receive_buffer(socket: &Socket, octets: usize) -> io::Result<()> {
    let value = i32::try_from(octets).unwrap_or(i32::MAX);
    kernel::set_option(socket, SocketOption::ReceiveBufferForced, value)
        .or_else(|_not_permitted| socket.set_recv_buffer_size(octets))
}

/// The kernel doubles what it is asked for, for its own overhead, and says the
/// double.
fn granted_receive_buffer(socket: &Socket) -> io::Result<usize> {
    Ok(socket.recv_buffer_size()? / 2)
}

/// A kernel socket, watched by the reactor of the thread it was opened on.
pub struct UdpTransport {
    socket: AsyncFd<Arc<Socket>>,
}

impl UdpTransport {
    /// Watches `socket`, which is bound and does not block.
    ///
    /// # Errors
    /// The operating system's, when the reactor cannot take it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(socket: Socket) -> io::Result<Self> {
        Ok(Self {
            socket: kernel::watch_readable(Arc::new(socket))?,
        })
    }
}

impl Transport for UdpTransport {
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            let mut readiness = ready!(self.socket.poll_read_ready(context))?;
            match batch.receive(self.socket.get_ref().as_fd()) {
                Ok(()) => {
                    // A batch that is not full has emptied the socket (it could
                    // also have met an error, but none is reported here without
                    // `IP_RECVERR`, which is not set). What
                    // comes now is a new event, so the next call need not find
                    // out by a vain receive.
                    if batch.len() < batch.capacity() {
                        readiness.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    readiness.clear_ready();
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        batch.receive(self.socket.get_ref().as_fd())
    }

    fn kernel_drops(&self) -> Option<u32> {
        kernel::dropped_by_kernel(self.socket.get_ref()).ok()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(UdpOutbox {
            socket: Arc::clone(self.socket.get_ref()),
        })
    }
}

/// Sends on the socket that the requests came from.
struct UdpOutbox {
    socket: Arc<Socket>,
}

impl Outbox for UdpOutbox {
    fn send(&self, batch: &mut Batch) -> SendReport {
        batch.send(self.socket.as_fd())
    }
}

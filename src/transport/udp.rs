//! Kernel sockets.

use super::kernel::{self, Batch, SendReport, SocketOption, Watch};
use super::{Outbox, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use tokio::task::coop;

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
    /// Bind beside a socket of this process that is about to be closed, and that
    /// was [opened](share) for that.
    pub beside: bool,
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

impl Bound {
    /// Sockets that are bound already, one at least.
    ///
    /// # Errors
    /// The operating system's.
    pub fn of(sockets: Vec<Socket>) -> io::Result<Self> {
        let first = sockets.first().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            address: address_of(first)?,
            receive_buffer: granted_receive_buffer(first)?,
            sockets,
        })
    }
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
    if options.beside {
        share(&first)?;
    }
    first.bind(&options.address.into())?;
    let more = join(&first, options, options.sockets.saturating_sub(1))?;
    Bound::of(std::iter::once(first).chain(more).collect())
}

/// Binds `count` more sockets at the address of `first`, which is one of this
/// process's.
///
/// # Errors
/// The operating system's.
pub fn join(first: &Socket, options: &BindOptions, count: usize) -> io::Result<Vec<Socket>> {
    if count > 0 {
        share(first)?;
    }
    let address = first.local_addr()?;
    let joined = |_| {
        let socket = new_socket(options)?;
        share(&socket)?;
        socket.bind(&address)?;
        Ok(socket)
    };
    (0..count).map(joined).collect()
}

/// Lets sockets of the same user be bound beside this one.
///
/// # Errors
/// The operating system's.
pub fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Has the kernel bring what comes now to another socket at this port, or refuse
/// it; what waits in this one can still be received. There is no way back.
///
/// Without effect on a wildcard address: whoever is bound to one address comes
/// first there.
///
/// # Errors
/// The operating system's.
pub fn turn_away(socket: &Socket) -> io::Result<()> {
    let own = address_of(socket)?;
    if own.ip().is_unspecified() {
        return Ok(());
    }
    // To a socket with a peer nobody else's datagrams come.
    socket.connect(&own.into())
}

fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    let not_ip = || io::Error::other("the kernel gave a socket that is not IP");
    socket.local_addr()?.as_socket().ok_or_else(not_ip)
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
    if is_v6 {
        // `[::]` takes IPv4 too, whatever the host's default is.
        socket.set_only_v6(!options.address.ip().is_unspecified())?;
    }
    adopt(&socket, options)?;
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

/// Sets of a socket, which may be bound already, what it needs to be a listener's.
///
/// # Errors
/// The operating system's.
pub fn adopt(socket: &Socket, options: &BindOptions) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    kernel::set_option(socket, SocketOption::Timestamps, 1)?;
    kernel::set_option(socket, SocketOption::Drops, 1)?;
    // Only a wildcard address leaves open which address to answer from; asking
    // for it costs about 0.3 µs a datagram.
    if options.address.ip().is_unspecified() {
        if options.address.is_ipv6() {
            kernel::set_option(socket, SocketOption::DestinationV6, 1)?;
        }
        // `[::]` needs this too: of an IPv4 broadcast, IPv6's own says only
        // where it went, which is no address to answer from.
        kernel::set_option(socket, SocketOption::DestinationV4, 1)?;
    }
    set_receive_buffer(socket, options.receive_buffer)
}

/// Asks for a receive buffer of `octets`, beyond the host's limit if this
/// process may.
pub(crate) fn set_receive_buffer(socket: &Socket, octets: usize) -> io::Result<()> {
    let value = i32::try_from(octets).unwrap_or(i32::MAX);
    kernel::set_option(socket, SocketOption::ReceiveBufferForced, value)
        .or_else(|_not_permitted| socket.set_recv_buffer_size(octets))
}

/// The kernel doubles what it is asked for, for its own overhead, and says the
/// double.
pub(crate) fn granted_receive_buffer(socket: &Socket) -> io::Result<usize> {
    Ok(socket.recv_buffer_size()? / 2)
}

/// A kernel socket, watched by the reactor of the thread it was opened on while
/// there is anything to wait for.
pub struct UdpTransport {
    socket: Arc<Socket>,
    watch: Watch,
    /// Large batches in a row.
    large_batches: u32,
}

impl UdpTransport {
    /// Datagrams that make a batch large.
    const LARGE: usize = 16;
    /// Large batches in a row that make a socket busy: enough to pay for giving
    /// the watch up and taking it again, about 2 µs.
    const BUSY: u32 = 4;

    /// Watches `socket`, which is bound and does not block.
    ///
    /// # Errors
    /// The operating system's, when the reactor cannot take it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(socket: Arc<Socket>) -> io::Result<Self> {
        let mut watch = Watch::new()?;
        watch.take(&socket)?;
        Ok(Self {
            socket,
            watch,
            large_batches: 0,
        })
    }

    /// Gives the watch up once the socket is busy.
    fn note_batch(&mut self, len: usize) {
        self.large_batches = if len < Self::LARGE {
            0
        } else {
            self.large_batches.saturating_add(1)
        };
        if self.large_batches >= Self::BUSY {
            self.watch.give_up(&self.socket);
        }
    }
}

impl Transport for UdpTransport {
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            if !self.watch.is_taken() {
                // Other tasks of the thread get their turn, as with a watch.
                let turn = ready!(coop::poll_proceed(context));
                match batch.receive(self.socket.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.large_batches = 0;
                        self.watch.take(&self.socket)?;
                    }
                    result => {
                        turn.made_progress();
                        return Poll::Ready(result);
                    }
                }
            }
            let mut readiness = ready!(self.watch.poll_readable(context))?;
            match batch.receive(self.socket.as_fd()) {
                Ok(()) => {
                    // A batch that is not full has emptied the socket (it could
                    // also have met an error, but none is reported here without
                    // `IP_RECVERR`, which is not set). What
                    // comes now is a new event, so the next call need not find
                    // out by a vain receive.
                    if batch.len() < batch.capacity() {
                        readiness.clear_ready();
                    }
                    self.note_batch(batch.len());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    readiness.clear_ready();
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// A UDP socket that is connected takes nothing from anybody but its peer:
    /// for the others the kernel finds no socket at the port, and says so.
    ///
    /// # Why it is its own peer
    /// To itself there is always a way, on whatever network it is; and it never
    /// sends anything. A wildcard address becomes that of the loopback, and the
    /// others have no socket then either.
    fn refuse(&self) -> io::Result<()> {
        let own = address_of(&self.socket)?;
        let peer = match own.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        self.socket
            .connect(&SocketAddr::new(peer, own.port()).into())
    }

    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        batch.receive(self.socket.as_fd())
    }

    fn kernel_drops(&self) -> Option<u32> {
        kernel::dropped_by_kernel(&self.socket).ok()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(UdpOutbox {
            socket: Arc::clone(&self.socket),
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

/// Reads how many datagrams the kernel has dropped at a socket, from any thread
/// and whether or not another datagram comes. It does not keep the socket open.
#[derive(Debug, Clone)]
pub struct DropMeter(Weak<Socket>);

impl DropMeter {
    /// The meter of `socket`.
    #[must_use]
    pub fn of(socket: &Arc<Socket>) -> Self {
        Self(Arc::downgrade(socket))
    }

    /// Whether the socket is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// How many since the socket was made, modulo 2^32; `None` once it is
    /// closed.
    #[must_use]
    pub fn total(&self) -> Option<u32> {
        let socket = self.0.upgrade()?;
        kernel::dropped_by_kernel(&socket).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Room;
    use std::future::poll_fn;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::task::Waker;

    fn on_a_runtime(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime")
            .block_on(test);
    }

    #[test]
    fn a_busy_socket_is_not_watched_until_it_runs_dry() {
        on_a_runtime(async {
            let mut bound = bind(&BindOptions {
                address: (Ipv4Addr::LOCALHOST, 0).into(),
                sockets: 1,
                receive_buffer: 1 << 17,
                freebind: false,
                interface: None,
                beside: false,
            })
            .expect("an address");
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a client");
            client.connect(bound.address).expect("the server's address");
            let send = |count: usize| {
                for _ in 0..count {
                    client.send(b"Send time").expect("a send");
                }
            };
            let socket = bound.sockets.pop().expect("a socket");
            let mut transport = UdpTransport::open(Arc::new(socket)).expect("a reactor");
            let room = Room {
                request: 64,
                reply: 64,
            };
            let mut batch = Batch::new(UdpTransport::LARGE, room);

            send(5 * UdpTransport::LARGE);
            for large in 1..=5 {
                poll_fn(|context| transport.poll_recv(context, &mut batch))
                    .await
                    .expect("a batch");
                assert_eq!(batch.len(), UdpTransport::LARGE);
                assert_eq!(!transport.watch.is_taken(), large >= UdpTransport::BUSY);
            }
            let mut nobody = Context::from_waker(Waker::noop());
            assert!(transport.poll_recv(&mut nobody, &mut batch).is_pending());
            assert!(transport.watch.is_taken(), "dry, so it waits");

            for _ in 0..2 {
                send(1);
                poll_fn(|context| transport.poll_recv(context, &mut batch))
                    .await
                    .expect("a datagram after the rush");
                assert_eq!(batch.len(), 1);
                assert!(transport.watch.is_taken());
            }
        });
    }
}

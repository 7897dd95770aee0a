//! How datagrams come in and replies go out, a batch at a time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`udp`] | kernel sockets: binding, `recvmmsg`, `sendmmsg`, timestamps, the address to answer from |
//! | [`inherited`] | sockets that are bound already when the process starts |
//! | [`asking`] | the other end: a socket for one question |
//! | [`load`] | a load generator's sockets: many requests at a time |
//! | [`memory`] | no sockets: datagrams that a test or a simulation puts in and takes out |
//! | [`pool`] | batches that return to where they came from |
//! | `kernel` | the calls into the kernel, and all of the crate's `unsafe` |
//!
//! # Why batches
//! A batch is whatever waits in the socket, up to its capacity. At low load it
//! is one datagram and waits for nothing; at high load the costs of a wake-up,
//! of a message between actors and of the calls are shared by many.

pub mod asking;
pub mod inherited;
pub(crate) mod kernel;
pub mod load;
pub mod memory;
pub mod pool;
pub mod udp;

pub use kernel::bpf;
pub use kernel::{Batch, Room, SendReport, Volley, WaitingReply};
pub use pool::{BatchPool, PooledBatch};

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where a listener's datagrams come from.
pub trait Transport: Send {
    /// Fills `batch` with the datagrams that wait, or has `context` woken when
    /// one comes.
    ///
    /// # Errors
    /// The kernel's. The transport stays usable: the listener counts the error,
    /// waits a little and asks again.
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Fills `batch` with the datagrams that wait now, without being woken for
    /// more: what is left when the server stops.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, or the kernel's.
    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()>;

    /// How many datagrams the kernel has dropped here so far, modulo 2^32;
    /// `None` where nobody knows.
    fn kernel_drops(&self) -> Option<u32> {
        None
    }

    /// Has whoever sends something here told from now on that nobody is at the
    /// port (ICMP), which stays taken. There is no way back.
    ///
    /// # Errors
    /// `Unsupported` where there is no such thing, or the kernel's.
    fn refuse(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where the replies go.
    fn outbox(&self) -> Arc<dyn Outbox>;
}

/// Where a listener's replies go.
pub trait Outbox: Send + Sync {
    /// Sends every reply of `batch` without waiting, and says what became of
    /// them. Called once for each batch that was served, even one without a
    /// reply: by then it is decided which of its datagrams get none.
    fn send(&self, batch: &mut Batch) -> SendReport;
}

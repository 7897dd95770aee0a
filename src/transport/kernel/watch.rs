//! Waiting for a socket, and not waiting for it.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use socket2::Socket;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Has the reactor of a thread watch a socket for datagrams, or not.
///
/// # Why a busy socket is not watched
/// The kernel tells whoever watches a socket of each reply that has left it,
/// even one who asked for arrivals only: about 0.15 µs a reply, 4 % of its
/// cost. A socket that always has the next batch ready needs no watch.
///
/// # Why an epoll of its own
/// A registration with the reactor cannot pause, and a new one allocates. So
/// the reactor watches this epoll, and this epoll the socket or nothing.
pub(in crate::transport) struct Watch {
    epoll: AsyncFd<OwnedFd>,
    is_taken: bool,
}

impl Watch {
    /// Watches nothing yet, on the reactor of this thread.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(in crate::transport) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // SAFETY: an `OwnedFd` is the same descriptor until it is dropped, and
        // nobody else has this one.
        let epoll = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) };
        Ok(Self {
            epoll: epoll.map_err(io::Error::from)?,
            is_taken: false,
        })
    }

    /// Whether the socket is watched.
    pub(in crate::transport) fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// Watches `socket`, for reading only.
    ///
    /// # Errors
    /// The operating system's, when it has no memory for it.
    pub(in crate::transport) fn take(&mut self, socket: &Socket) -> io::Result<()> {
        let nobody_asks = EventData::new_u64(0);
        epoll::add(self.epoll.get_ref(), socket, nobody_asks, EventFlags::IN)?;
        self.is_taken = true;
        Ok(())
    }

    /// Watches `socket` no longer.
    pub(in crate::transport) fn give_up(&mut self, socket: &Socket) {
        if self.is_taken {
            // A watch that the kernel does not end is a watch as before.
            self.is_taken = epoll::delete(self.epoll.get_ref(), socket).is_err();
        }
    }

    /// Ready when the watched socket may have datagrams. Whoever finds that it
    /// has none, or takes the last, clears the readiness.
    ///
    /// # Errors
    /// When the reactor is gone.
    pub(in crate::transport) fn poll_readable<'a>(
        &'a self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, OwnedFd>>> {
        self.epoll.poll_read_ready(context)
    }
}

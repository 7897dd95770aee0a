//! What stands between the network and a listener: it has the rules decide what
//! comes in and what goes out.

use super::network::{Network, Turn};
use super::upstream::Questions;
use crate::api::{HostClock, HostInstant};
use crate::transport::{Batch, Outbox, Room, SendReport, Transport};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tracing::warn;

/// Datagrams that are taken from the kernel at a time.
const BATCH: usize = 16;
/// The longest payload that UDP's length field allows (RFC 768).
const MAX_REQUEST_LEN: usize = 65_527;

/// A transport that shows every datagram to the rules of a scenario before the
/// server sees it, and every reply before it leaves.
pub(super) struct FaultyTransport {
    inner: Box<dyn Transport>,
    network: Arc<Network>,
    clock: Arc<dyn HostClock>,
    endpoint: usize,
    /// What came from the network, whole: a witness sees what the server may
    /// have no room for.
    taken: Batch,
    /// The first datagram of it that has not been looked at.
    next: usize,
    /// When that one came, on the host's clocks.
    came: Option<HostInstant>,
    /// Whether nobody is to be at the port.
    is_closed: bool,
    /// What an upstream server has been asked.
    questions: Questions,
}

impl FaultyTransport {
    /// Puts the rules of `network` between the network of `inner` and the
    /// listener of this endpoint; has the kernel refuse what comes to one that
    /// is closed.
    pub(super) fn new(
        inner: Box<dyn Transport>,
        network: Arc<Network>,
        clock: Arc<dyn HostClock>,
        endpoint: usize,
        is_closed: bool,
    ) -> Self {
        if is_closed && let Err(error) = inner.refuse() {
            warn!(endpoint, %error, "the port is silent and not closed");
        }
        network.open_exit(endpoint, inner.outbox());
        let room = Room {
            request: MAX_REQUEST_LEN,
            reply: 1,
        };
        Self {
            inner,
            network,
            clock,
            endpoint,
            taken: Batch::new(BATCH, room),
            next: 0,
            came: None,
            is_closed,
            questions: Questions::default(),
        }
    }
}

impl FaultyTransport {
    /// When the next datagram came. Looked up once for each: a moment that the
    /// order depends on must not be another the next time.
    fn when_next_came(&mut self) -> Option<HostInstant> {
        if self.next >= self.taken.len() {
            return None;
        }
        let now = self.clock.now();
        let stamp = self.taken.exchange(self.next).0.arrived;
        Some(stamp.map_or(now, |stamp| self.clock.arrival(stamp, now)))
    }
}

impl Transport for FaultyTransport {
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Pending;
        }
        self.network.register(self.endpoint, context.waker());
        loop {
            while let Some(heard) = self.questions.poll_heard(context) {
                self.network.heard(heard);
            }
            match self.network.turn(self.endpoint, self.came, batch) {
                Turn::Delivered => return Poll::Ready(Ok(())),
                Turn::Ask(question) => {
                    self.questions.ask(question);
                    continue;
                }
                Turn::Wait => return Poll::Pending,
                Turn::TakeUp => {}
            }
            if let Some(came) = self.came {
                let (datagram, _) = self.taken.exchange(self.next);
                self.network.arrives(self.endpoint, &datagram, came);
                self.next += 1;
            } else {
                ready!(self.inner.poll_recv(context, &mut self.taken))?;
                self.next = 0;
            }
            self.came = self.when_next_came();
        }
    }

    /// A run ends at a moment: what has not been taken up by then is no part of
    /// it.
    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        batch.clear();
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn kernel_drops(&self) -> Option<u32> {
        self.inner.kernel_drops()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(FaultyOutbox {
            network: Arc::clone(&self.network),
        })
    }
}

impl Drop for FaultyTransport {
    fn drop(&mut self) {
        self.network.close_exit(self.endpoint);
    }
}

/// Takes the server's replies: what leaves in their place, and when, is for the
/// rules to say.
struct FaultyOutbox {
    network: Arc<Network>,
}

impl Outbox for FaultyOutbox {
    /// What the rules make of a reply is no matter of the server, which has
    /// sent it.
    fn send(&self, batch: &mut Batch) -> SendReport {
        let mut replies = batch.each_reply().peekable();
        for &mark in batch.marks() {
            let reply = replies.next_if(|reply| reply.mark == mark);
            self.network
                .answered(mark, reply.map(|reply| reply.payload));
        }
        SendReport {
            sent: batch.replies(),
            failed: 0,
        }
    }
}

//! No sockets: datagrams that a test or a simulation puts in and takes out.

use super::kernel::{Batch, SendReport};
use super::{Outbox, Transport};
use crate::api::{Datagram, Timestamp};
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// A network of one server, in memory. Clones share it: one goes to the server
/// as its [`Transport`], the other stays with whoever asks.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    has_request: AtomicWaker,
    has_reply: Condvar,
}

#[derive(Default)]
struct State {
    incoming: VecDeque<io::Result<Request>>,
    replies: VecDeque<Reply>,
}

struct Request {
    payload: Vec<u8>,
    peer: SocketAddr,
    local: Option<IpAddr>,
    arrived: Option<Timestamp>,
}

/// A reply, and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its octets.
    pub payload: Vec<u8>,
    /// Whom it is for.
    pub peer: SocketAddr,
}

impl MemoryNetwork {
    /// An empty network.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `peer` send `payload`, which arrives at `arrived` on the kernel's
    /// realtime clock (`None`: it has no timestamp).
    pub fn ask(&self, peer: SocketAddr, payload: &[u8], arrived: Option<Timestamp>) {
        let payload = payload.to_vec();
        self.put(Ok(Request {
            payload,
            peer,
            local: None,
            arrived,
        }));
    }

    /// Makes the server's next receive fail with `error`.
    pub fn fail(&self, error: io::Error) {
        self.put(Err(error));
    }

    fn put(&self, incoming: io::Result<Request>) {
        self.lock().incoming.push_back(incoming);
        self.shared.has_request.wake();
    }

    /// The next reply, waiting for it up to `patience`.
    #[must_use]
    pub fn reply(&self, patience: Duration) -> Option<Reply> {
        let state = self.lock();
        let (mut state, _) = self
            .shared
            .has_reply
            .wait_timeout_while(state, patience, |state| state.replies.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.replies.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for MemoryNetwork {
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.shared.has_request.register(context.waker());
        match self.recv_rest(batch) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        batch.clear();
        let mut state = self.lock();
        while batch.len() < batch.capacity() {
            match state.incoming.pop_front() {
                Some(Ok(request)) => {
                    batch.push(&Datagram {
                        payload: &request.payload,
                        is_truncated: false,
                        peer: request.peer,
                        local: request.local,
                        arrived: request.arrived,
                    });
                }
                Some(Err(error)) if batch.is_empty() => return Err(error),
                Some(Err(error)) => {
                    state.incoming.push_front(Err(error));
                    break;
                }
                None => break,
            }
        }
        if batch.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.clone())
    }
}

impl Outbox for MemoryNetwork {
    fn send(&self, batch: &mut Batch) -> SendReport {
        let mut state = self.lock();
        let waiting = state.replies.len();
        state.replies.extend(batch.each_reply().map(|reply| Reply {
            payload: reply.payload.to_vec(),
            peer: reply.request.peer,
        }));
        let sent = state.replies.len() - waiting;
        drop(state);
        self.shared.has_reply.notify_all();
        SendReport { sent, failed: 0 }
    }
}

//! The bounded mailbox between a listener and a responder.
//!
//! # Why not actix's own
//! actix's costs two heap allocations a message, which at low load is two a
//! datagram, and each clone of an address adds a slot to its bound. This one is
//! a queue of fixed size that is allocated once; the responder takes it in as
//! an actix stream.

use crate::transport::PooledBatch;
use crossbeam_queue::ArrayQueue;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

struct Shared {
    queue: ArrayQueue<PooledBatch>,
    receiver: AtomicWaker,
    is_closed: AtomicBool,
    /// Batches in the queue and in the responder's hands.
    load: AtomicUsize,
}

/// The listener's end. Dropping it ends the responder once its mailbox is empty.
pub struct MailboxSender(Arc<Shared>);

/// The responder's end: a stream of batches.
pub struct MailboxReceiver {
    shared: Arc<Shared>,
    /// Whether the batch that was last given out may still be in work.
    in_hand: bool,
}

/// A mailbox for `capacity` batches beside the one in work.
#[must_use]
pub fn mailbox(capacity: usize) -> (MailboxSender, MailboxReceiver) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity.max(1)),
        receiver: AtomicWaker::new(),
        is_closed: AtomicBool::new(false),
        load: AtomicUsize::new(0),
    });
    (
        MailboxSender(Arc::clone(&shared)),
        MailboxReceiver {
            shared,
            in_hand: false,
        },
    )
}

impl MailboxSender {
    /// Puts `batch` into the mailbox without waiting.
    ///
    /// # Errors
    /// Gives the batch back when the mailbox is full or its responder is gone.
    pub fn try_send(&self, batch: PooledBatch) -> Result<(), PooledBatch> {
        if self.0.is_closed.load(Ordering::Acquire) {
            return Err(batch);
        }
        self.0.load.fetch_add(1, Ordering::Relaxed);
        match self.0.queue.push(batch) {
            Ok(()) => {
                self.0.receiver.wake();
                Ok(())
            }
            Err(batch) => {
                self.0.load.fetch_sub(1, Ordering::Relaxed);
                Err(batch)
            }
        }
    }

    /// Whether the responder has nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.load.load(Ordering::Relaxed) == 0
    }
}

impl Drop for MailboxSender {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.receiver.wake();
    }
}

impl MailboxReceiver {
    fn next(&mut self) -> Option<PooledBatch> {
        let batch = self.shared.queue.pop()?;
        self.in_hand = true;
        Some(batch)
    }
}

impl Stream for MailboxReceiver {
    type Item = PooledBatch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PooledBatch>> {
        if std::mem::take(&mut self.in_hand) {
            self.shared.load.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(batch) = self.next() {
            return Poll::Ready(Some(batch));
        }
        self.shared.receiver.register(context.waker());
        // One may have come, or the end, before the waker was in place.
        let is_closed = self.shared.is_closed.load(Ordering::Acquire);
        match self.next() {
            Some(batch) => Poll::Ready(Some(batch)),
            None if is_closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for MailboxReceiver {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // What is left goes home to its pool.
        while self.shared.queue.pop().is_some() {}
    }
}

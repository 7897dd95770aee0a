//! Batches that come home by themselves.
//!
//! A batch leaves the pool as a [`PooledBatch`], travels by value, and returns
//! when that is dropped: after its replies are sent, on an early return, when a
//! handler panicked, when the mailbox it was offered to was full or gone. An
//! empty pool means that nothing is received, so the pool is the back-pressure
//! and the bound on memory; what does not fit waits in the socket, and is
//! dropped and counted there.

use super::kernel::{Batch, Room};
use crossbeam_queue::ArrayQueue;
use futures_util::task::AtomicWaker;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A fixed number of batches.
#[derive(Clone)]
pub struct BatchPool {
    shelf: Arc<Shelf>,
}

struct Shelf {
    batches: ArrayQueue<Box<Batch>>,
    /// Who waits for a batch to come home: the one listener of the pool.
    waiting: AtomicWaker,
}

impl BatchPool {
    /// A pool of `count` batches (at least one) of `capacity` datagrams each.
    #[must_use]
    pub fn new(count: usize, capacity: usize, room: Room) -> Self {
        let batches = ArrayQueue::new(count.max(1));
        while !batches.is_full() {
            // It was just seen not to be full, and nobody else knows it.
            let _ = batches.push(Box::new(Batch::new(capacity, room)));
        }
        Self {
            shelf: Arc::new(Shelf {
                batches,
                waiting: AtomicWaker::new(),
            }),
        }
    }

    /// Takes a batch, or has `context` woken when one comes home.
    pub fn poll_take(&self, context: &mut Context<'_>) -> Poll<PooledBatch> {
        if let Some(batch) = self.take() {
            return Poll::Ready(batch);
        }
        self.shelf.waiting.register(context.waker());
        // One may have come home before the waker was in place.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Ready once every batch is home: everything received has been dealt with.
    pub fn poll_all_home(&self, context: &mut Context<'_>) -> Poll<()> {
        self.shelf.waiting.register(context.waker());
        if self.shelf.batches.is_full() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn take(&self) -> Option<PooledBatch> {
        let batch = self.shelf.batches.pop()?;
        Some(PooledBatch {
            batch: Some(batch),
            shelf: Arc::clone(&self.shelf),
        })
    }
}

/// A batch away from its pool, to which it returns when dropped.
pub struct PooledBatch {
    /// Always there until the drop.
    batch: Option<Box<Batch>>,
    shelf: Arc<Shelf>,
}

impl Deref for PooledBatch {
    type Target = Batch;
    fn deref(&self) -> &Batch {
        self.batch
            .as_deref()
            .expect("a batch goes home only on drop")
    }
}

impl DerefMut for PooledBatch {
    fn deref_mut(&mut self) -> &mut Batch {
        self.batch
            .as_deref_mut()
            .expect("a batch goes home only on drop")
    }
}

impl Drop for PooledBatch {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            // The shelf has room for every batch there is.
            let _ = self.shelf.batches.push(batch);
            self.shelf.waiting.wake();
        }
    }
}

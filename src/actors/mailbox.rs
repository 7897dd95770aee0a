//! The bounded mailbox between a listener and its pool of responders.
//!
//! One queue serves the whole pool: whichever responder is free takes the next
//! batch, so that one which is held up by its source holds up nothing but the
//! batch in its hands.
//!
//! # Why not actix's own
//! actix's costs two heap allocations a message, which at low load is two a
//! datagram; each clone of an address adds a slot to its bound; and it belongs
//! to one actor, so batches would wait behind a blocked one while others are
//! free. This one is a queue of fixed size that is allocated once, and that
//! each responder takes in as an actix stream.

use crate::transport::PooledBatch;
use crossbeam_queue::ArrayQueue;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::task::{Context, Poll};

struct Shared {
    queue: ArrayQueue<PooledBatch>,
    is_closed: AtomicBool,
    seats: Box<[Seat]>,
    /// Responders that still take batches.
    alive: AtomicUsize,
}

/// Where one responder waits.
#[derive(Default)]
struct Seat {
    waker: AtomicWaker,
    /// Set while the responder has nothing to do. Whoever clears it has to wake
    /// the responder, or be it.
    is_waiting: AtomicBool,
}

impl Shared {
    /// Wakes one responder that has nothing to do, if there is one.
    fn wake_one(&self) {
        // With the fence in `poll_next`: either the batch that was just put in
        // is seen by a responder on its way to wait, or that one is seen here.
        fence(Ordering::SeqCst);
        let waiting = |seat: &&Seat| seat.is_waiting.swap(false, Ordering::AcqRel);
        if let Some(seat) = self.seats.iter().find(waiting) {
            seat.waker.wake();
        }
    }

    /// Lets the batches that nobody will take go home to their pool.
    fn send_home(&self) {
        while self.queue.pop().is_some() {}
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        for seat in &self.seats {
            seat.waker.wake();
        }
    }
}

/// The listener's end. Dropping it ends the responders once the mailbox is
/// empty.
pub struct MailboxSender(Arc<Shared>);

/// A responder's end: a stream of batches.
pub struct MailboxReceiver {
    shared: Arc<Shared>,
    seat: usize,
}

/// A mailbox for `capacity` batches beside those in work, and an end of it for
/// each of `responders`.
#[must_use]
pub fn mailbox(capacity: usize, responders: usize) -> (MailboxSender, Vec<MailboxReceiver>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity.max(1)),
        is_closed: AtomicBool::new(false),
        seats: (0..responders).map(|_| Seat::default()).collect(),
        alive: AtomicUsize::new(responders),
    });
    let receiver = |seat| MailboxReceiver {
        shared: Arc::clone(&shared),
        seat,
    };
    let receivers = (0..responders).map(receiver).collect();
    (MailboxSender(shared), receivers)
}

impl MailboxSender {
    /// Puts `batch` into the mailbox without waiting.
    ///
    /// # Errors
    /// Gives the batch back when the mailbox is full or every responder is gone.
    pub fn try_send(&self, batch: PooledBatch) -> Result<(), PooledBatch> {
        if self.0.is_closed.load(Ordering::Acquire) {
            return Err(batch);
        }
        self.0.queue.push(batch)?;
        self.0.wake_one();
        // The last responder may have gone in between, past the batch.
        if self.0.is_closed.load(Ordering::SeqCst) {
            self.0.send_home();
        }
        Ok(())
    }
}

impl Drop for MailboxSender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl MailboxReceiver {
    /// Takes the next batch; if another waits behind it, has it taken too.
    fn take(&self) -> Option<PooledBatch> {
        let seat = &self.shared.seats[self.seat];
        seat.is_waiting.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let batch = self.shared.queue.pop()?;
        // The wake for a batch behind may have been spent on this responder,
        // which is about to be busy.
        if !self.shared.queue.is_empty() {
            self.shared.wake_one();
        }
        Some(batch)
    }
}

impl Stream for MailboxReceiver {
    type Item = PooledBatch;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PooledBatch>> {
        if let Some(batch) = self.take() {
            return Poll::Ready(Some(batch));
        }
        let seat = &self.shared.seats[self.seat];
        seat.waker.register(context.waker());
        seat.is_waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Read before the queue: what was put in before the end is taken.
        let is_closed = self.shared.is_closed.load(Ordering::SeqCst);
        if self.shared.queue.is_empty() {
            return if is_closed {
                Poll::Ready(None)
            } else {
                Poll::Pending
            };
        }
        match self.take() {
            Some(batch) => Poll::Ready(Some(batch)),
            None => {
                // Another responder was faster: wait after all.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for MailboxReceiver {
    fn drop(&mut self) {
        let seat = &self.shared.seats[self.seat];
        seat.is_waiting.store(false, Ordering::Relaxed);
        if self.shared.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.close();
            fence(Ordering::SeqCst);
            self.shared.send_home();
            return;
        }
        fence(Ordering::SeqCst);
        // The wake for a batch may have been spent on this responder, which
        // will not take it.
        if !self.shared.queue.is_empty() {
            self.shared.wake_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{BatchPool, Room};
    use futures_util::StreamExt;
    use futures_util::task::noop_waker;
    use std::thread;

    fn pool(count: usize) -> BatchPool {
        BatchPool::new(
            count,
            1,
            Room {
                request: 1,
                reply: 1,
            },
        )
    }

    fn take(pool: &BatchPool) -> PooledBatch {
        let waker = noop_waker();
        match pool.poll_take(&mut Context::from_waker(&waker)) {
            Poll::Ready(batch) => batch,
            Poll::Pending => panic!("a batch is at home"),
        }
    }

    #[test]
    fn a_full_mailbox_gives_the_batch_back() {
        let pool = pool(3);
        let (sender, _receivers) = mailbox(2, 1);
        assert!(sender.try_send(take(&pool)).is_ok());
        assert!(sender.try_send(take(&pool)).is_ok());
        assert!(sender.try_send(take(&pool)).is_err());
    }

    #[test]
    fn without_responders_nothing_is_taken_and_nothing_is_lost() {
        let pool = pool(2);
        let (sender, receivers) = mailbox(2, 2);
        assert!(sender.try_send(take(&pool)).is_ok());
        drop(receivers);
        assert!(sender.try_send(take(&pool)).is_err());
        let waker = noop_waker();
        assert!(
            pool.poll_all_home(&mut Context::from_waker(&waker))
                .is_ready()
        );
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls `receiver`, which finds nothing, and counts when it is woken.
    fn waits(receiver: &mut MailboxReceiver) -> Arc<Wakes> {
        let wakes = Arc::<Wakes>::default();
        let waker = Arc::clone(&wakes).into();
        let polled = receiver.poll_next_unpin(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        wakes
    }

    #[test]
    fn a_responder_that_goes_while_it_waits_takes_no_wake_with_it() {
        let pool = pool(1);
        let (sender, mut receivers) = mailbox(1, 2);
        let mut stays = receivers.pop().expect("two receivers");
        let mut goes = receivers.pop().expect("two receivers");
        let (_, stayed) = (waits(&mut goes), waits(&mut stays));
        drop(goes);
        assert!(sender.try_send(take(&pool)).is_ok());
        assert_eq!(stayed.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_responder_that_goes_without_the_batch_it_was_woken_for_wakes_another() {
        let pool = pool(1);
        let (sender, mut receivers) = mailbox(1, 2);
        let mut stays = receivers.pop().expect("two receivers");
        let mut goes = receivers.pop().expect("two receivers");
        let (went, stayed) = (waits(&mut goes), waits(&mut stays));
        assert!(sender.try_send(take(&pool)).is_ok());
        assert_eq!(went.0.load(Ordering::SeqCst), 1);
        drop(goes);
        assert_eq!(stayed.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn every_batch_reaches_one_responder_whoever_sleeps_or_wakes() {
        const COUNT: usize = 100_000;
        let pool = pool(8);
        let (sender, receivers) = mailbox(4, 3);
        let taken: usize = thread::scope(|scope| {
            let responders: Vec<_> = receivers
                .into_iter()
                .map(|receiver| scope.spawn(|| block_on(receiver.count())))
                .collect();
            for _ in 0..COUNT {
                let mut batch = block_on(std::future::poll_fn(|context| pool.poll_take(context)));
                while let Err(refused) = sender.try_send(batch) {
                    batch = refused;
                    thread::yield_now();
                }
            }
            drop(sender);
            responders
                .into_iter()
                .map(|responder| responder.join().expect("no panic"))
                .sum()
        });
        assert_eq!(taken, COUNT);
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(future)
    }
}

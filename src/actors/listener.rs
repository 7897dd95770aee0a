//! The actor that receives: it takes batches from a transport and gives them to
//! its responders.

use super::mailbox::MailboxSender;
use crate::api::{DropReason, HostClock, Outcome, Timestamp};
use crate::metrics::Counters;
use crate::transport::{Batch, BatchPool, PooledBatch, Transport};
use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, StreamHandler};
use futures_util::Stream;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};
use tracing::warn;

/// Receives for one listener on one shard.
pub struct Listener {
    name: String,
    responders: MailboxSender,
    pool: BatchPool,
    counters: Arc<Counters>,
    kernel_drops: KernelDrops,
    errors: ErrorLog,
    clock: Arc<dyn HostClock>,
    /// Tells the stream how to end.
    end: Option<oneshot::Sender<Rest>>,
    /// Who waits for the end.
    ended: Vec<oneshot::Sender<()>>,
}

/// What a [`Listener`] is made of.
pub struct ListenerParts {
    /// What the log calls it: protocol and address.
    pub name: String,
    /// Where datagrams come from.
    pub transport: Box<dyn Transport>,
    /// What they come in.
    pub pool: BatchPool,
    /// Who answers them.
    pub responders: MailboxSender,
    /// What the listener counts.
    pub counters: Arc<Counters>,
    /// The host's clocks: what arrived after the server was told to stop is
    /// left alone.
    pub clock: Arc<dyn HostClock>,
}

impl Listener {
    /// Starts receiving, on the arbiter of this thread.
    pub fn start(parts: ListenerParts) -> actix::Addr<Self> {
        let (end, told_to_end) = oneshot::channel();
        let kernel_drops = KernelDrops {
            // The kernel counts modulo 2^32 for as long as there is the socket,
            // which may have had another listener.
            last: parts.counters.kernel_drops() as u32,
        };
        let arrivals = Arrivals {
            transport: parts.transport,
            pool: parts.pool.clone(),
            batch: None,
            backoff: Backoff::default(),
            told_to_end,
            ending: None,
        };
        Self::create(|context| {
            Self::add_stream(arrivals, context);
            Self {
                name: parts.name,
                responders: parts.responders,
                pool: parts.pool,
                counters: parts.counters,
                kernel_drops,
                errors: ErrorLog::default(),
                clock: parts.clock,
                end: Some(end),
                ended: Vec::new(),
            }
        })
    }

    /// Gives `batch` to the responders; what they have no room for is late.
    fn dispatch(&self, batch: PooledBatch) {
        if let Err(refused) = self.responders.try_send(batch) {
            for _ in 0..refused.len() {
                self.counters.record(Outcome::Drop(DropReason::Overload));
            }
        }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn stopped(&mut self, _context: &mut Self::Context) {
        for waiting in self.ended.drain(..) {
            // Nobody is left to be told: then nobody needs it.
            let _ = waiting.send(());
        }
    }
}

impl StreamHandler<Arrival> for Listener {
    fn handle(&mut self, arrival: Arrival, _context: &mut Self::Context) {
        match arrival {
            Arrival::Batch(batch) => {
                if let Some(total) = batch.kernel_drops() {
                    self.counters
                        .record_kernel_drops(self.kernel_drops.since_last(total));
                }
                self.dispatch(batch);
            }
            Arrival::Error(error) => {
                self.counters.record_receive_error();
                self.errors.log(&self.name, &error);
            }
            Arrival::KernelDrops(total) => {
                self.counters
                    .record_kernel_drops(self.kernel_drops.since_last(total));
            }
        }
    }

    /// The stream has ended: waits until every batch has been dealt with.
    fn finished(&mut self, context: &mut Self::Context) {
        let pool = self.pool.clone();
        let all_home = poll_fn(move |waker| pool.poll_all_home(waker));
        context.wait(all_home.into_actor(self).map(|(), _listener, context| {
            actix::ActorContext::stop(context);
        }));
    }
}

/// Receive no more, have answered what was received, then stop. Resolves when
/// that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum End {
    /// What arrived before now is received and answered.
    Drain,
    /// What waits in the socket stays there, for who has it next.
    HandOver,
}

impl Handler<End> for Listener {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, how: End, _context: &mut Self::Context) -> Self::Result {
        if let Some(end) = self.end.take() {
            // The stream is gone only when the listener is ending already.
            let _ = end.send(match how {
                End::Drain => Rest::Until(self.clock.now().realtime),
                End::HandOver => Rest::Left,
            });
        }
        let (ended, end) = oneshot::channel();
        self.ended.push(ended);
        Box::pin(async move {
            // An error means that the listener has ended, which is what is waited for.
            let _ = end.await;
        })
    }
}

/// What the stream of a listener brings.
pub enum Arrival {
    /// Datagrams.
    Batch(PooledBatch),
    /// A receive that failed.
    Error(io::Error),
    /// How many datagrams the kernel dropped in all, modulo 2^32: the last
    /// word, as those dropped behind the last datagram are not told by it.
    KernelDrops(u32),
}

/// The stream of a listener's datagrams.
struct Arrivals {
    transport: Box<dyn Transport>,
    pool: BatchPool,
    /// The batch to receive into, kept from one poll to the next.
    batch: Option<PooledBatch>,
    backoff: Backoff,
    told_to_end: oneshot::Receiver<Rest>,
    /// What is still to be received, once the stream is ending.
    ending: Option<Rest>,
}

/// What a stream that ends does with what waits in the socket.
#[derive(Clone, Copy)]
enum Rest {
    /// Receives what arrived before this moment.
    Until(Timestamp),
    /// Leaves it there, or has received it: the last item has been given.
    Left,
}

impl Arrivals {
    fn receive(&mut self, context: &mut task::Context<'_>) -> Poll<Arrival> {
        ready!(self.backoff.poll_over(context));
        let mut batch = match self.batch.take() {
            Some(batch) => batch,
            None => ready!(self.pool.poll_take(context)),
        };
        match self.transport.poll_recv(context, &mut batch) {
            Poll::Pending => {
                self.batch = Some(batch);
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                self.backoff.reset();
                Poll::Ready(Arrival::Batch(batch))
            }
            Poll::Ready(Err(error)) => {
                self.batch = Some(batch);
                self.backoff.start();
                Poll::Ready(Arrival::Error(error))
            }
        }
    }

    /// Receives what arrived before `stopped`; any error is the end of that.
    fn drain(
        &mut self,
        stopped: Timestamp,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Arrival>> {
        let mut batch = match self.batch.take() {
            Some(batch) => batch,
            None => ready!(self.pool.poll_take(context)),
        };
        let received = self.transport.recv_rest(&mut batch);
        if received.is_ok() && first_arrival(&mut batch).is_none_or(|arrived| arrived <= stopped) {
            return Poll::Ready(Some(Arrival::Batch(batch)));
        }
        self.ending = Some(Rest::Left);
        Poll::Ready(self.transport.kernel_drops().map(Arrival::KernelDrops))
    }
}

fn first_arrival(batch: &mut Batch) -> Option<Timestamp> {
    if batch.is_empty() {
        None
    } else {
        batch.exchange(0).0.arrived
    }
}

impl Stream for Arrivals {
    type Item = Arrival;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Arrival>> {
        let this = &mut *self;
        if this.ending.is_none()
            && let Poll::Ready(rest) = Pin::new(&mut this.told_to_end).poll(context)
        {
            // The sender is dropped without a word only when the listener is
            // gone, and then nothing is to be answered.
            this.ending = Some(rest.unwrap_or(Rest::Left));
        }
        match this.ending {
            None => this.receive(context).map(Some),
            Some(Rest::Until(stopped)) => this.drain(stopped, context),
            Some(Rest::Left) => Poll::Ready(None),
        }
    }
}

/// Waits after a receive that failed, longer each time it fails again.
#[derive(Default)]
struct Backoff {
    failures: u32,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_secs(1);

    fn start(&mut self) {
        let pause = Self::FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(Self::LONGEST);
        self.failures += 1;
        self.pause = Some(Box::pin(sleep(pause)));
    }

    fn reset(&mut self) {
        self.failures = 0;
    }

    fn poll_over(&mut self, context: &mut task::Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

/// Turns the kernel's running count, which wraps at 2^32, into increments.
#[derive(Debug)]
struct KernelDrops {
    last: u32,
}

impl KernelDrops {
    fn since_last(&mut self, total: u32) -> u64 {
        let new = total.wrapping_sub(self.last);
        self.last = total;
        new.into()
    }
}

/// Logs receive errors: the first, and then each time their number doubles.
#[derive(Debug, Default)]
struct ErrorLog {
    count: u64,
}

impl ErrorLog {
    fn log(&mut self, listener: &str, error: &io::Error) {
        self.count += 1;
        if self.count.is_power_of_two() {
            warn!(%listener, %error, count = self.count, "a receive failed; the listener goes on");
        }
    }
}

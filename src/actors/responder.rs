//! The actor that answers: it takes a batch, has each datagram served, and
//! sends the replies itself.

use super::mailbox::MailboxReceiver;
use super::pace::Pace;
use super::served_log::ServedLog;
use crate::api::{DropReason, HostInstant, Outcome};
use crate::metrics::{Counters, Sampler};
use crate::service::{Served, Service};
use crate::transport::{Outbox, PooledBatch};
use actix::{Actor, AsyncContext, Context, StreamHandler};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long after lines were left out of the log that is said.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Answers the batches of one listener, one after the other.
pub struct Responder {
    service: Service,
    outbox: Arc<dyn Outbox>,
    counters: Arc<Counters>,
    log: ServedLog,
    /// Whether the log is to be flushed in a while.
    will_flush: bool,
    pace: Pace,
    /// Which requests are looked at for who asks most.
    sampler: Sampler,
}

/// What a [`Responder`] is made of.
pub struct ResponderParts {
    /// Where its batches come from; it stops when that is closed and empty.
    pub mailbox: MailboxReceiver,
    /// What it does with each datagram.
    pub service: Service,
    /// Where its replies go.
    pub outbox: Arc<dyn Outbox>,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// What it logs.
    pub log: ServedLog,
}

impl Responder {
    /// Starts answering, on the arbiter of this thread.
    pub fn start(parts: ResponderParts) {
        let ResponderParts {
            mailbox,
            service,
            outbox,
            counters,
            log,
        } = parts;
        Self::create(|context| {
            Self::add_stream(mailbox, context);
            Self {
                service,
                outbox,
                counters,
                log,
                will_flush: false,
                pace: Pace::default(),
                sampler: Sampler::new(rand::random()),
            }
        });
    }

    /// Serves every datagram of `batch`, counting them in `served`, and sends
    /// the replies.
    fn answer(&mut self, batch: &mut PooledBatch, served: &mut usize) {
        let now = self.service.now();
        while *served < batch.len() {
            self.serve(batch, *served, now);
            *served += 1;
        }
        let replies = batch.replies();
        // In a batch of one nothing waits for anything but its own sending.
        let served_at = (batch.len() > 1).then(|| self.service.again(now));
        self.counters.record_sends(self.outbox.send(batch));
        if replies == 0 {
            return;
        }
        let sent_at = self.service.again(served_at.unwrap_or(now));
        if let Some(served_at) = served_at {
            self.pace
                .served(*served, served_at.monotonic - now.monotonic);
            self.pace
                .sent(replies, sent_at.monotonic - served_at.monotonic);
        } else {
            self.pace.answered_alone(sent_at.monotonic - now.monotonic);
        }
    }

    /// Serves one datagram of `batch`. A panic costs that datagram and nothing
    /// else: the service holds nothing that it could leave half changed.
    fn serve(&mut self, batch: &mut PooledBatch, index: usize, now: HostInstant) {
        let is_alone = batch.len() == 1;
        let head_start = if is_alone {
            self.pace.head_start_alone()
        } else {
            let behind = batch.len() - index - 1;
            self.pace.head_start(batch.replies(), behind)
        };
        let (datagram, reply) = batch.exchange(index);
        let service = &mut self.service;
        let served = catch_unwind(AssertUnwindSafe(|| {
            service.serve(&datagram, now, head_start, reply)
        }))
        .unwrap_or_else(|_panic| Served::from(DropReason::Panic));
        self.counters.record(served.outcome);
        let weight = self.sampler.weight(is_alone);
        if weight > 0 {
            self.counters.record_client(datagram.peer.ip(), weight);
        }
        if let Outcome::Reply { len } = served.outcome {
            if let Some(kiss) = served.kiss {
                self.counters.record_kiss(kiss);
            }
            if let Some(latency) = served.latency {
                self.counters.record_latency(latency);
            }
            self.log.served(datagram.peer, served.time, now.monotonic);
            batch.reply(index, len);
        }
    }

    /// Has the log say before long what it left out, though nobody asks again.
    fn flush_before_long(&mut self, context: &mut Context<Self>) {
        if self.log.has_left_out() && !self.will_flush {
            self.will_flush = true;
            context.run_later(FLUSH_AFTER, |responder, _context| {
                responder.will_flush = false;
                responder.log.flush();
            });
        }
    }
}

impl Actor for Responder {
    type Context = Context<Self>;

    fn stopped(&mut self, _context: &mut Self::Context) {
        self.log.flush();
    }
}

impl StreamHandler<PooledBatch> for Responder {
    fn handle(&mut self, mut batch: PooledBatch, context: &mut Self::Context) {
        let mut served = 0;
        // What panics here is a clock or an outbox of somebody else's: it must
        // not end the responder, or its listener would have none.
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(&mut batch, &mut served)));
        if answer.is_err() {
            for _ in served..batch.len() {
                self.counters.record(Outcome::Drop(DropReason::Panic));
            }
        }
        self.flush_before_long(context);
    } // the batch returns to its pool here, whatever happened above
}

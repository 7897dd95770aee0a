//! The actor that answers: it takes a batch, has each datagram served, and
//! sends the replies itself.

use super::mailbox::MailboxReceiver;
use super::served_log::ServedLog;
use crate::api::{Delta, DropReason, HostInstant, Outcome};
use crate::metrics::Counters;
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
        if replies == 0 {
            return;
        }
        // In a batch of one nothing waits for anything.
        let served_at = (batch.len() > 1).then(|| self.service.again(now));
        self.counters.record_sends(self.outbox.send(batch));
        if let Some(served_at) = served_at {
            let sent_at = self.service.again(served_at);
            self.pace
                .serve
                .learn(served_at.monotonic - now.monotonic, *served);
            self.pace
                .send
                .learn(sent_at.monotonic - served_at.monotonic, replies);
        }
    }

    /// Serves one datagram of `batch`. A panic costs that datagram and nothing
    /// else: the service holds nothing that it could leave half changed.
    fn serve(&mut self, batch: &mut PooledBatch, index: usize, now: HostInstant) {
        let behind = batch.len() - index - 1;
        let head_start = self.pace.head_start(batch.replies(), behind);
        let (datagram, reply) = batch.exchange(index);
        let service = &mut self.service;
        let served = catch_unwind(AssertUnwindSafe(|| {
            service.serve(&datagram, now, head_start, reply)
        }))
        .unwrap_or_else(|_panic| Served::from(DropReason::Panic));
        self.counters.record(served.outcome);
        if let Outcome::Reply { len } = served.outcome {
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

/// How long a reply still waits once its transmit timestamp is taken: for the
/// datagrams behind it in the batch to be served, and for the replies before it
/// to be sent. Its timestamp allows for both, so that a deep batch does not make
/// it early.
#[derive(Debug, Default)]
struct Pace {
    serve: Cost,
    send: Cost,
}

impl Pace {
    /// The wait of a reply that has `before` replies before it and `behind`
    /// datagrams behind it.
    fn head_start(&self, before: usize, behind: usize) -> Delta {
        self.send.of(before) + self.serve.of(behind)
    }
}

/// What one of something costs: a running mean over batches.
#[derive(Debug, Default)]
struct Cost {
    nanos: i64,
}

impl Cost {
    /// The weight of one batch in the mean, as a power of two.
    const WEIGHT_SHIFT: u32 = 3;
    /// Nothing here takes longer; what does was a preemption.
    const MOST_NANOS: i64 = 50_000;

    /// What `count` of them cost.
    fn of(&self, count: usize) -> Delta {
        Delta::from_nanos(self.nanos) * i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Learns that `count` of them took `taken`.
    fn learn(&mut self, taken: Delta, count: usize) {
        let each = taken.as_nanos() / i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let each = each.clamp(0, Self::MOST_NANOS);
        self.nanos += (each - self.nanos) >> Self::WEIGHT_SHIFT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_settles_near_what_is_measured() {
        let mut cost = Cost::default();
        for _ in 0..100 {
            cost.learn(Delta::from_micros(64 * 3), 64);
        }
        assert_eq!(cost.of(0), Delta::ZERO);
        let ten = cost.of(10).as_nanos();
        assert!(
            (29_900..=30_000).contains(&ten),
            "{ten} ns for ten sends of 3 µs"
        );
    }

    #[test]
    fn one_preemption_does_not_spoil_a_cost() {
        let mut cost = Cost::default();
        cost.learn(Delta::from_seconds(3), 2);
        assert!(cost.of(1) <= Delta::from_micros(7));
    }

    #[test]
    fn a_reply_waits_for_what_is_served_behind_it_and_sent_before_it() {
        let pace = Pace {
            serve: Cost { nanos: 100 },
            send: Cost { nanos: 3_000 },
        };
        assert_eq!(pace.head_start(0, 0), Delta::ZERO);
        assert_eq!(pace.head_start(0, 63), Delta::from_nanos(6_300));
        assert_eq!(pace.head_start(63, 0), Delta::from_nanos(189_000));
        assert_eq!(pace.head_start(1, 62), Delta::from_nanos(9_200));
    }
}

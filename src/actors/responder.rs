//! The actor that answers: it takes a batch, has each datagram served, and
//! sends the replies itself.

use super::mailbox::MailboxReceiver;
use super::served_log::ServedLog;
use crate::api::{Delta, DropReason, HostInstant, Outcome};
use crate::metrics::Counters;
use crate::service::{Served, Service};
use crate::transport::{Outbox, PooledBatch};
use actix::{Actor, Context, StreamHandler};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Answers the batches of one listener, one after the other.
pub struct Responder {
    service: Service,
    outbox: Arc<dyn Outbox>,
    counters: Arc<Counters>,
    log: ServedLog,
    send_cost: SendCost,
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
                send_cost: SendCost::default(),
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
        let sending = (replies > 1).then(|| self.service.again(now));
        self.counters.record_sends(self.outbox.send(batch));
        if let Some(before) = sending {
            let taken = self.service.again(before).monotonic - before.monotonic;
            self.send_cost.learn(taken, replies);
        }
    }

    /// Serves one datagram of `batch`. A panic costs that datagram and nothing
    /// else: the service holds nothing that it could leave half changed.
    fn serve(&mut self, batch: &mut PooledBatch, index: usize, now: HostInstant) {
        let head_start = self.send_cost.of(batch.replies());
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
}

impl Actor for Responder {
    type Context = Context<Self>;

    fn stopped(&mut self, _context: &mut Self::Context) {
        self.log.flush();
    }
}

impl StreamHandler<PooledBatch> for Responder {
    fn handle(&mut self, mut batch: PooledBatch, _context: &mut Self::Context) {
        let mut served = 0;
        // What panics here is a clock or an outbox of somebody else's: it must
        // not end the responder, or its listener would have none.
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(&mut batch, &mut served)));
        if answer.is_err() {
            for _ in served..batch.len() {
                self.counters.record(Outcome::Drop(DropReason::Panic));
            }
        }
    } // the batch returns to its pool here, whatever happened above
}

/// What sending one reply costs: by this the transmit timestamps in a batch
/// allow for the replies that leave before them.
#[derive(Debug, Default)]
struct SendCost {
    nanos: i64,
}

impl SendCost {
    /// The weight of one batch in the running mean, as a power of two.
    const WEIGHT_SHIFT: u32 = 3;
    /// No send takes longer; what does was a preemption.
    const MOST_NANOS: i64 = 50_000;

    /// How long `count` replies take to send.
    fn of(&self, count: usize) -> Delta {
        Delta::from_nanos(self.nanos) * i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Learns that `count` replies took `taken`.
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
    fn the_cost_of_a_send_settles_near_what_is_measured() {
        let mut cost = SendCost::default();
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
    fn one_preempted_send_does_not_spoil_the_cost() {
        let mut cost = SendCost::default();
        cost.learn(Delta::from_seconds(3), 2);
        assert!(cost.of(1) <= Delta::from_micros(7));
    }
}

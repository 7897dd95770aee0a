//! One datagram in, one outcome out: a source, a protocol and admission, and no
//! socket.
//!
//! The responder actor calls it; so do simulations, fuzzers and benchmarks, in
//! virtual time.

use crate::admission::{Admission, Verdict};
use crate::api::{
    Datagram, Delta, DropReason, Exchange, HostInstant, Kiss, Outcome, Protocol, Source, Timestamp,
    Unavailable,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// What came of one datagram, and the time that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The reply, or why there is none.
    pub outcome: Outcome,
    /// What the reply asks the client for, if it gives no time but a kiss.
    pub kiss: Option<Kiss>,
    /// The time that the reply tells; the epoch where there is none.
    pub time: Timestamp,
    /// From the arrival of the request to the moment at which the reply leaves;
    /// `None` where there is no reply, under test time, and where the kernel did
    /// not tell when the request came.
    pub latency: Option<Delta>,
}

impl From<DropReason> for Served {
    fn from(reason: DropReason) -> Self {
        Self {
            outcome: Outcome::Drop(reason),
            kiss: None,
            time: Timestamp::UNIX_EPOCH,
            latency: None,
        }
    }
}

/// Answers datagrams of one protocol with the time of one source.
#[derive(Clone)]
pub struct Service {
    protocol: Arc<dyn Protocol>,
    source: Source,
    admission: Admission,
    max_queue_delay: Option<Delta>,
    /// `None` under test time, where every bit is decided.
    entropy: Option<SmallRng>,
    /// What decides who is answered by chance.
    chance: SmallRng,
}

impl Service {
    /// A service without a limit to how long a datagram may have waited.
    #[must_use]
    pub fn new(protocol: Arc<dyn Protocol>, source: Source, admission: Admission) -> Self {
        let entropy = (!source.test_time).then(rand::make_rng);
        let chance = chance(&source);
        Self {
            protocol,
            source,
            admission,
            max_queue_delay: None,
            entropy,
            chance,
        }
    }

    /// The same service for another actor: nothing is shared that changes, and
    /// the random bits are others.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            entropy: self.entropy.as_ref().map(|_| rand::make_rng()),
            chance: chance(&self.source),
            ..self.clone()
        }
    }

    /// Drops a datagram that waited longer than `limit` by its kernel
    /// timestamp: a late answer is a wrong answer. Without effect under test
    /// time.
    #[must_use]
    pub fn with_max_queue_delay(self, limit: Option<Delta>) -> Self {
        Self {
            max_queue_delay: limit.filter(|_| !self.source.test_time),
            ..self
        }
    }

    /// The present moment on the clock of the source.
    #[must_use]
    pub fn now(&self) -> HostInstant {
        self.source.clock.now()
    }

    /// The present moment again, a little after `base`.
    #[must_use]
    pub fn again(&self, base: HostInstant) -> HostInstant {
        self.source.clock.again(base)
    }

    /// Serves one datagram, which was picked up at `now`, and writes its reply
    /// to the front of `reply`.
    ///
    /// `head_start` is how long the reply will still wait for others to leave
    /// before it; its transmit timestamp allows for that.
    #[must_use]
    pub fn serve(
        &mut self,
        datagram: &Datagram<'_>,
        now: HostInstant,
        head_start: Delta,
        reply: &mut [u8],
    ) -> Served {
        match self.try_serve(datagram, now, head_start, reply) {
            Ok(served) => served,
            Err(reason) => reason.into(),
        }
    }

    fn try_serve(
        &mut self,
        datagram: &Datagram<'_>,
        now: HostInstant,
        head_start: Delta,
        reply: &mut [u8],
    ) -> Result<Served, DropReason> {
        let bits = || self.chance.next_u32();
        let kiss = match self.admission.admit(datagram.peer, now.monotonic, bits) {
            Verdict::Answer => None,
            Verdict::Kiss(kiss, reason) => Some((kiss, reason)),
            Verdict::Drop(reason) => return Err(reason),
        };
        if datagram.is_truncated && !self.protocol.ignores_payload() {
            return Err(DropReason::Truncated);
        }
        let clock = &self.source.clock;
        let picked_up = if clock.is_virtual() || self.source.may_block {
            clock.again(now)
        } else {
            now
        };
        let arrived = datagram
            .arrived
            .map_or(picked_up, |stamp| clock.arrival(stamp, picked_up));
        if self
            .max_queue_delay
            .is_some_and(|limit| picked_up.monotonic - arrived.monotonic > limit)
        {
            return Err(DropReason::Late);
        }
        let unavailable = |_: Unavailable| DropReason::Unavailable;
        let receive = self.source.time.read(arrived).map_err(unavailable)?;
        // Test time is to be the same when it is played again, and knows nothing of
        // how long the kernel takes to send.
        let is_made_up = self.source.test_time || clock.is_virtual();
        let head_start = if is_made_up { Delta::ZERO } else { head_start };
        let leaving = clock.again(picked_up).later_by(head_start);
        let transmit = self.source.time.read(leaving).map_err(unavailable)?;
        let entropy = self.entropy.as_mut().map_or(0, SmallRng::next_u64);
        let exchange = Exchange {
            receive,
            transmit,
            entropy,
            peer: datagram.peer,
        };
        let room = reply.len();
        let protocol = &self.protocol;
        let outcome = match kiss {
            None => protocol.respond(datagram.payload, &exchange, reply),
            Some((kiss, reason)) => protocol
                .refuse(kiss, datagram.payload, &exchange, reply)
                .map_or(Outcome::Drop(reason), |len| Outcome::Reply { len }),
        };
        if let Outcome::Reply { len } = outcome {
            if len > room {
                return Err(DropReason::ReplyTooLong);
            }
            clock.replied();
        }
        let is_reply = matches!(outcome, Outcome::Reply { .. });
        let is_timed = is_reply && !is_made_up && datagram.arrived.is_some();
        Ok(Served {
            outcome,
            kiss: kiss.filter(|_| is_reply).map(|(kiss, _)| kiss),
            time: transmit.time,
            latency: is_timed.then(|| leaving.monotonic - arrived.monotonic),
        })
    }
}

/// Random bits by which chance decides; the same in each run under test time.
fn chance(source: &Source) -> SmallRng {
    if source.test_time {
        SmallRng::seed_from_u64(0)
    } else {
        rand::make_rng()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{HostClock, Quality, Reading, TimeSource};

    /// Claims a reply that is longer than the room for it.
    struct Boaster;

    impl Protocol for Boaster {
        fn respond(&self, _: &[u8], _: &Exchange, reply: &mut [u8]) -> Outcome {
            let len = reply.len() + 1;
            Outcome::Reply { len }
        }
    }

    struct Epoch;

    impl TimeSource for Epoch {
        fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
            let (time, quality) = (at.realtime, Quality::default());
            Ok(Reading { time, quality })
        }
    }

    #[test]
    fn a_reply_that_is_longer_than_its_room_is_none() {
        let source = Source::new(Epoch, Arc::new(crate::host::OsClock));
        let admission = Admission::for_checked_requests();
        let mut service = Service::new(Arc::new(Boaster), source, admission);
        let datagram = Datagram {
            payload: b"",
            is_truncated: false,
            peer: ([192, 0, 2, 7], 40_000).into(),
            local: None,
            arrived: None,
        };
        let now = service.now();
        let served = service.serve(&datagram, now, Delta::ZERO, &mut [0; 4]);
        assert_eq!(served.outcome, Outcome::Drop(DropReason::ReplyTooLong));
    }

    /// The host's clock, on which a second passes between any two looks.
    struct Slow;

    impl HostClock for Slow {
        fn now(&self) -> HostInstant {
            HostInstant::default()
        }

        fn again(&self, base: HostInstant) -> HostInstant {
            base.later_by(Delta::from_seconds(1))
        }
    }

    #[test]
    fn behind_a_reading_that_blocked_the_rest_of_a_batch_is_late() {
        for (may_block, late) in [(true, true), (false, false)] {
            let source = Source {
                may_block,
                ..Source::new(Epoch, Arc::new(Slow))
            };
            let protocol = Arc::new(crate::protocol::time::Time);
            let mut service = Service::new(protocol, source, Admission::for_checked_requests())
                .with_max_queue_delay(Some(Delta::from_millis(50)));
            let now = service.now();
            let datagram = Datagram {
                payload: b"",
                is_truncated: false,
                peer: ([192, 0, 2, 7], 40_000).into(),
                local: None,
                arrived: Some(now.realtime),
            };
            let served = service.serve(&datagram, now, Delta::ZERO, &mut [0; 4]);
            assert_eq!(served.outcome == Outcome::Drop(DropReason::Late), late);
        }
    }
}

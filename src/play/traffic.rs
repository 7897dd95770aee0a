//! Where a run on sockets stands: what is on its way, what the server works on,
//! and what leaves.

use super::agenda::Agenda;
use super::exits::{Exits, Outgoing};
use super::moments::Moments;
use super::run::{Answer, Asked, Ends, Given, Leaving, Run};
use super::upstream::{MOST_QUESTIONS, Question, Upstream};
use crate::api::{Datagram, Delta, HostInstant};
use crate::transport::Batch;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tracing::warn;

/// Where a run on sockets stands.
pub(super) struct Traffic {
    pub(super) run: Run,
    pub(super) moments: Arc<Moments>,
    /// Where the endpoints are bound; empty until they all are.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) exits: Exits,
    /// The servers to ask in the place of the endpoints' own.
    pub(super) upstreams: Vec<Option<Upstream>>,
    /// Copies of requests on their way to the server, and answers of upstream
    /// servers, by the moments at which they reach it.
    pub(super) coming: Agenda<Delta, Coming>,
    /// The moment of what came or reached the server last: what is taken up
    /// later has come later, so that moments alone decide the order.
    pub(super) latest: Delta,
    /// What the server works on.
    pub(super) serving: Option<Copy>,
    /// How many questions to upstream servers are not done with.
    pub(super) questions: usize,
    /// The moment of a change that waits: what reached the server by then comes
    /// before it, and nothing else does.
    pub(super) halt: Option<Delta>,
    /// How many replies are in the delay line.
    pub(super) delayed: usize,
    /// Counts the scenarios that were loaded: what was delayed under an earlier
    /// one is forgotten.
    pub(super) epoch: u64,
    /// After how many requests the run is over.
    pub(super) limit: Option<u64>,
    pub(super) is_over: bool,
    /// Datagrams that could not be sent, or for which there was no room.
    pub(super) not_sent: u64,
    /// Questions that an upstream server did not answer.
    pub(super) unanswered: u64,
}

/// What reaches the server.
pub(super) enum Coming {
    /// A copy of a request.
    Copy(Copy),
    /// What an upstream server answered to one.
    Answer(Copy, Answer),
}

impl Coming {
    /// The endpoint that it reaches.
    pub(super) fn endpoint(&self) -> usize {
        let (Self::Copy(copy) | Self::Answer(copy, _)) = self;
        copy.asked.ends.endpoint
    }
}

/// A copy of a request, on its way to the server.
pub(super) struct Copy {
    pub(super) asked: Arc<Asked>,
    pub(super) arrival: HostInstant,
    pub(super) given: Given,
}

impl Traffic {
    /// Nothing has come yet.
    pub(super) fn new(run: Run, moments: Arc<Moments>, limit: Option<u64>) -> Self {
        Self {
            exits: Exits::new(run.endpoints().len()),
            run,
            moments,
            addresses: Vec::new(),
            upstreams: Vec::new(),
            coming: Agenda::new(),
            latest: Delta::ZERO,
            serving: None,
            questions: 0,
            halt: None,
            delayed: 0,
            epoch: 0,
            limit,
            is_over: false,
            not_sent: 0,
            unanswered: 0,
        }
    }

    /// Begins another run in the place of this one, with the same witnesses, and
    /// without upstream servers.
    pub(super) fn begin(&mut self, run: Run, moments: Arc<Moments>) {
        self.epoch += 1;
        self.delayed = 0;
        self.questions = 0;
        self.upstreams.clear();
        self.serving = None;
        self.coming.clear();
        self.latest = Delta::ZERO;
        moments.begin();
        self.moments = moments;
        let witnesses = std::mem::replace(&mut self.run, run).into_witnesses();
        self.run.set_witnesses(witnesses);
    }

    /// Whether the run has had all of its requests.
    pub(super) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.run.requests() >= limit)
    }

    /// Whether everything that reached the server by this moment is done with.
    pub(super) fn is_quiet(&self, moment: Delta) -> bool {
        let is_due = |(due, _): (Delta, &Coming)| due <= moment;
        self.is_over || (self.serving.is_none() && !self.coming.peek().is_some_and(is_due))
    }

    /// Has something decided while the clocks of the scenario stand at this
    /// moment of the run.
    pub(super) fn standing_at<T>(
        &mut self,
        moment: Delta,
        decide: impl FnOnce(&mut Run) -> T,
    ) -> T {
        self.moments.stand(Some(moment));
        let decided = decide(&mut self.run);
        self.moments.stand(None);
        decided
    }

    /// Puts a copy of a request into `batch`, for the server to work on.
    pub(super) fn deliver(&mut self, mut copy: Copy, batch: &mut Batch) {
        copy.given.elapsed = self.run.elapsed(copy.asked.ends.endpoint);
        self.moments.serve(copy.arrival);
        let Ends {
            endpoint,
            peer,
            local,
        } = copy.asked.ends;
        let datagram = Datagram {
            payload: &copy.asked.octets,
            is_truncated: false,
            peer,
            local: self.told(endpoint, local.ip()),
            arrived: Some(copy.arrival.realtime),
        };
        batch.clear();
        batch.push_marked(&datagram, copy.asked.number());
        self.serving = Some(copy);
    }

    /// What an upstream server is to be asked because a copy of a request has
    /// reached its endpoint; gives the copy back where there is none. `Ok(None)`:
    /// the request goes no further.
    pub(super) fn question(&mut self, mut copy: Copy) -> Result<Option<Question>, Copy> {
        let Ends { endpoint, peer, .. } = copy.asked.ends;
        let Some(Some(upstream)) = self.upstreams.get(endpoint) else {
            return Err(copy);
        };
        if !upstream.may_be_asked(&copy.asked.octets, peer) {
            return Ok(None);
        }
        if self.questions == MOST_QUESTIONS {
            self.note_unanswered("too many requests wait for an answer");
            return Ok(None);
        }
        let address = upstream.address();
        copy.given.elapsed = self.run.elapsed(endpoint);
        self.questions += 1;
        Ok(Some(Question {
            epoch: self.epoch,
            copy,
            address,
        }))
    }

    /// Shows what has not reached the server, now that the run ends: nothing of it
    /// will.
    pub(super) fn abandon(&mut self) {
        while let Some((_, coming)) = self.coming.take() {
            match coming {
                Coming::Copy(copy) => self.run.never_served(&copy.asked, copy.given.copy),
                Coming::Answer(..) => self.questions -= 1,
            }
        }
        if let Some(copy) = self.serving.take() {
            self.moments.served();
            self.moments.stand(None);
            self.run.never_served(&copy.asked, copy.given.copy);
        }
    }

    /// The address of ours that a datagram came to, where the kernel has to be
    /// told to answer from it.
    fn told(&self, endpoint: usize, local: IpAddr) -> Option<IpAddr> {
        let is_wildcard = self
            .addresses
            .get(endpoint)
            .is_some_and(|bound| bound.ip().is_unspecified());
        is_wildcard.then_some(local)
    }

    /// Sends a datagram now.
    pub(super) fn send(&mut self, mut datagram: Leaving) {
        let record = &mut datagram.record;
        let told = self.told(record.endpoint, record.local.ip());
        let sent = self.exits.send(&Outgoing {
            endpoint: record.endpoint,
            via: datagram.via,
            local: record.local,
            told,
            peer: record.peer,
            octets: &record.octets,
        });
        match sent {
            Ok(local) => {
                record.local = local;
                self.run.show(record);
            }
            Err(error) => self.give_up(datagram, &error.to_string()),
        }
    }

    /// Whether what was answered to a copy of a request goes back to its client.
    pub(super) fn may_be_told(&self, asked: &Asked, answer: &Answer) -> bool {
        let Ends { endpoint, peer, .. } = asked.ends;
        let upstream = self.upstreams.get(endpoint).and_then(Option::as_ref);
        upstream.is_some_and(|it| it.may_be_told(&asked.octets, &answer.octets, peer))
    }

    /// Counts a question without an answer; says so the first time, and each time
    /// their number has doubled.
    pub(super) fn note_unanswered(&mut self, why: &str) {
        self.unanswered += 1;
        if self.unanswered.is_power_of_two() {
            warn!(why, count = self.unanswered, "no answer from upstream");
        }
    }

    /// A datagram that should have left is gone.
    pub(super) fn give_up(&mut self, datagram: Leaving, why: &str) {
        self.run.show_unsent(datagram);
        self.note_not_sent(why);
    }

    /// Counts a datagram that is gone; says so the first time, and each time
    /// their number has doubled.
    pub(super) fn note_not_sent(&mut self, why: &str) {
        self.not_sent += 1;
        if self.not_sent.is_power_of_two() {
            warn!(why, count = self.not_sent, "a datagram could not be sent");
        }
    }
}

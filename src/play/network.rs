//! A run on real sockets: what the transports of a server do with the datagrams
//! that come and the replies that leave.
//!
//! One request at a time is with the server, over all endpoints: the next is
//! taken up when it is decided what leaves for the one before. So the order in
//! which requests come decides every byte, whatever the threads do.
//!
//! What goes to an upstream server is not with the server, and many such
//! requests may be under way: one that is dead holds up nobody. Its answer takes
//! its turn at the moment at which it comes, like a request.

use super::delay_line::DelayLine;
use super::moments::{Moments, at};
use super::run::{Arrived, Ends, Given, Leaving, Run};
use super::traffic::{Coming, Copy, Traffic};
use super::upstream::{Heard, Question, Upstream};
use crate::admission::ports::PortSet;
use crate::api::{Datagram, Delta, HostInstant};
use crate::transport::{Batch, Outbox};
use futures_util::task::AtomicWaker;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long a change waits for what the server works on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a datagram is gone for which the delay line has no room.
const TOO_MUCH: &str = "too much is delayed already";

/// What the transports, the delay line and the handles of a stage share.
pub(super) struct Network {
    state: Mutex<Traffic>,
    /// Of the transports, by endpoint.
    wakers: Vec<AtomicWaker>,
    delay_line: OnceLock<DelayLine<Held>>,
    /// Told when the server has nothing to work on, and when a change is made.
    is_free: Condvar,
    /// Whether the run is over.
    over: watch::Sender<bool>,
}

/// What waits in the delay line.
struct Held {
    epoch: u64,
    what: What,
}

enum What {
    /// A copy of a request reaches this endpoint.
    Arrives(usize),
    Leaves(Box<Leaving>),
}

/// What there is for a transport to do.
pub(super) enum Turn {
    /// A request for the server has been put into the batch.
    Delivered,
    /// An upstream server is to be asked this.
    Ask(Question),
    /// The transport has to wait until it is woken.
    Wait,
    /// The transport may take up the next datagram.
    TakeUp,
}

impl Network {
    /// A network that lets nothing through until it is opened.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    pub fn new(run: Run, moments: Arc<Moments>, limit: Option<u64>) -> std::io::Result<Arc<Self>> {
        let count = run.endpoints().len();
        let clock = Arc::clone(moments.host());
        let network = Arc::new(Self {
            state: Mutex::new(Traffic::new(run, moments, limit)),
            wakers: (0..count).map(|_| AtomicWaker::new()).collect(),
            delay_line: OnceLock::new(),
            is_free: Condvar::new(),
            over: watch::Sender::new(false),
        });
        let weak: Weak<Self> = Arc::downgrade(&network);
        let line = DelayLine::start(clock, move |held| {
            if let Some(network) = weak.upgrade() {
                network.is_due(held);
            }
        })?;
        // It was just made, and nobody else knows it.
        let _ = network.delay_line.set(line);
        Ok(network)
    }

    pub fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoints are bound at these addresses, and those with an upstream
    /// server have it there: the run begins.
    pub fn open(&self, addresses: Vec<SocketAddr>, upstreams: &[Option<SocketAddr>]) {
        let mut state = self.lock();
        let ports: PortSet = addresses.iter().map(SocketAddr::port).collect();
        let ports = Arc::new(ports);
        let endpoints = state.run.endpoints().iter().zip(upstreams);
        let upstreams = endpoints.map(|(endpoint, address)| {
            address.map(|address| Upstream::new(endpoint.protocol, address, &ports))
        });
        state.upstreams = upstreams.collect();
        state.addresses = addresses;
        state.moments.begin();
        drop(state);
        self.wake_all();
    }

    /// From now on the replies of this endpoint go to `outbox`.
    pub fn open_exit(&self, endpoint: usize, outbox: Arc<dyn Outbox>) {
        self.lock().exits.open(endpoint, outbox);
    }

    /// The transport of this endpoint is gone: so are its sockets.
    pub fn close_exit(&self, endpoint: usize) {
        self.lock().exits.close(endpoint);
    }

    /// Makes a change between two datagrams, at the moment that `change` is
    /// told: after all that reached the server by then, and before everything
    /// else. So it has a place in the order that decides every byte.
    pub fn between<T>(&self, change: impl FnOnce(&mut Traffic, Delta) -> T) -> T {
        let mut state = self
            .is_free
            .wait_while(self.lock(), |state| state.halt.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        let moment = state.moments.at().max(state.latest);
        state.halt = Some(moment);
        drop(state);
        self.wake_all();
        let (mut state, _) = self
            .is_free
            .wait_timeout_while(self.lock(), PATIENCE, |state| !state.is_quiet(moment))
            .unwrap_or_else(PoisonError::into_inner);
        state.halt = None;
        state.latest = moment;
        let changed = change(&mut state, moment);
        drop(state);
        self.is_free.notify_all();
        self.wake_all();
        changed
    }

    /// Ends the run: nothing is taken up or sent any more.
    pub fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        self.abandon(&mut state);
        drop(state);
        self.over.send_replace(true);
    }

    /// Shows what is still on its way, now that the run ends, so that a
    /// transcript does not lack it.
    pub fn abandon(&self, state: &mut Traffic) {
        let held = self.delay_line.get().map(DelayLine::take_all);
        for Held { epoch, what } in held.into_iter().flatten() {
            if let What::Leaves(datagram) = what
                && epoch == state.epoch
            {
                state.delayed -= 1;
                state.run.show_unsent(*datagram);
            }
        }
        state.abandon();
    }

    pub fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Waits for the end of the run.
    pub async fn until_over(&self) {
        // The sender is this one.
        let _ = self.over.subscribe().wait_for(|&is_over| is_over).await;
    }

    /// Has the transport of this endpoint woken when it may have something to
    /// do.
    pub fn register(&self, endpoint: usize, waker: &std::task::Waker) {
        self.wakers[endpoint].register(waker);
    }

    fn wake_all(&self) {
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// Says what a transport is to do, whose next datagram came at the moment
    /// `next` of the host, if it has one; puts the request that the server is to
    /// work on into `batch`.
    pub fn turn(&self, endpoint: usize, next: Option<HostInstant>, batch: &mut Batch) -> Turn {
        let mut state = self.lock();
        if state.addresses.is_empty() || state.is_over || state.serving.is_some() {
            return Turn::Wait;
        }
        let is_full = state.is_full();
        let next = next.filter(|_| !is_full);
        loop {
            let until = match (state.halt, next) {
                (Some(halt), _) => halt,
                (None, Some(next)) => at(state.moments.of_run(next)).max(state.latest),
                (None, None) => state.moments.at(),
            };
            let whose = match state.coming.peek() {
                Some((due, coming)) if due <= until => coming.endpoint(),
                _ => break,
            };
            if whose != endpoint {
                self.wakers[whose].wake();
                return Turn::Wait;
            }
            let Some((due, coming)) = state.coming.take() else {
                break;
            };
            state.latest = state.latest.max(due);
            match coming {
                Coming::Copy(copy) => match state.question(copy) {
                    Err(copy) => {
                        state.deliver(copy, batch);
                        return Turn::Delivered;
                    }
                    Ok(Some(question)) => {
                        self.wake_all();
                        return Turn::Ask(question);
                    }
                    Ok(None) => {}
                },
                Coming::Answer(copy, answer) => {
                    state.questions -= 1;
                    let leaving = state.standing_at(due, |run| {
                        run.answered_upstream(&copy.asked, copy.given, answer, due)
                    });
                    self.leave(&mut state, leaving, due);
                }
            }
            // Whoever had to let it go first.
            self.wake_all();
        }
        if state.halt.is_some() {
            // What is done with now may have been all that the change waits for.
            self.is_free.notify_all();
            return Turn::Wait;
        }
        if is_full {
            self.end_if_done(state);
            return Turn::Wait;
        }
        Turn::TakeUp
    }

    /// Ends a run that has had all of its requests, once nothing of it is on
    /// its way any more.
    fn end_if_done(&self, state: MutexGuard<'_, Traffic>) {
        let is_done = state.is_full()
            && state.delayed == 0
            && state.serving.is_none()
            && state.questions == 0
            && state.coming.count() == 0;
        drop(state);
        if is_done {
            self.end();
        }
    }

    /// A datagram has come to this endpoint, at the moment `came` of the host.
    pub fn arrives(&self, endpoint: usize, datagram: &Datagram<'_>, came: HostInstant) {
        let mut state = self.lock();
        let Some(&bound) = state.addresses.get(endpoint) else {
            return;
        };
        let ends = Ends {
            endpoint,
            peer: datagram.peer,
            local: SocketAddr::new(datagram.local.unwrap_or(bound.ip()), bound.port()),
        };
        let arrival = state.moments.of_run(came);
        let arrival = arrival.later_by(state.latest - at(arrival));
        let moment = at(arrival);
        state.latest = moment;
        let Arrived {
            asked,
            copies,
            leaving,
        } = state.standing_at(moment, |run| {
            run.arrives(ends, datagram.payload.to_vec(), moment)
        });
        self.leave(&mut state, leaving, moment);
        let asked = Arc::new(asked);
        for (delay, number) in copies.into_iter().zip(0..) {
            let copy = Copy {
                asked: Arc::clone(&asked),
                arrival: arrival.later_by(delay),
                given: Given {
                    copy: number,
                    elapsed: Delta::ZERO,
                },
            };
            let (due, len) = (at(copy.arrival), asked.octets.len());
            let what = What::Arrives(endpoint);
            if delay == Delta::ZERO || self.delay(&state, due, len, what).is_ok() {
                state.coming.put(due, Coming::Copy(copy));
            } else {
                state.run.never_served(&copy.asked, number);
                state.note_not_sent(TOO_MUCH);
            }
        }
        self.end_if_done(state);
    }

    /// This came of a question to an upstream server. It is taken up like a
    /// request that has come now.
    pub fn heard(&self, Heard { question, outcome }: Heard) {
        let mut state = self.lock();
        if question.epoch != state.epoch || state.is_over {
            return;
        }
        let copy = question.copy;
        let outcome = outcome.and_then(|answer| match state.may_be_told(&copy.asked, &answer) {
            true => Ok(answer),
            false => Err("an answer too long for a client on a public network".to_owned()),
        });
        match outcome {
            Ok(answer) => {
                let now = state.moments.at().max(state.latest);
                state.coming.put(now, Coming::Answer(copy, answer));
            }
            Err(why) => {
                state.questions -= 1;
                state.note_unanswered(&why);
                self.end_if_done(state);
            }
        }
    }

    /// The server is done with what it was given last: with this reply, or
    /// without one.
    pub fn answered(&self, mark: u64, reply: Option<&[u8]>) {
        let mut state = self.lock();
        let is_it = |serving: &mut Copy| serving.asked.number() == mark;
        if let Some(served) = state.serving.take_if(is_it) {
            let moment = state.moments.leaving();
            state.moments.served();
            let leaving = state.standing_at(moment, |run| {
                run.answered(&served.asked, served.given, reply, moment)
            });
            self.leave(&mut state, leaving, moment);
        }
        self.end_if_done(state);
        self.is_free.notify_all();
        self.wake_all();
    }

    /// Sends what leaves at this moment, and delays the rest.
    fn leave(&self, state: &mut Traffic, leaving: Vec<Leaving>, moment: Delta) {
        for datagram in leaving {
            if datagram.record.at > moment {
                let (due, len) = (datagram.record.at, datagram.record.octets.len());
                match self.delay(state, due, len, What::Leaves(Box::new(datagram))) {
                    Err(What::Leaves(datagram)) => state.give_up(*datagram, TOO_MUCH),
                    _ => state.delayed += 1,
                }
            } else {
                state.send(datagram);
            }
        }
    }

    /// Has something happen at the moment `due`; gives it back where there is no
    /// room.
    fn delay(&self, state: &Traffic, due: Delta, len: usize, what: What) -> Result<(), What> {
        let due = state.moments.on_host(due);
        let held = Held {
            epoch: state.epoch,
            what,
        };
        match self.delay_line.get() {
            Some(line) => line.hold(due, len, held).map_err(|held| held.what),
            None => Err(held.what),
        }
    }

    /// What waited in the delay line is due.
    fn is_due(&self, held: Held) {
        let mut state = self.lock();
        if held.epoch != state.epoch {
            return;
        }
        match held.what {
            What::Arrives(endpoint) => self.wakers[endpoint].wake(),
            What::Leaves(datagram) if state.is_over => {
                state.delayed -= 1;
                state.run.show_unsent(*datagram);
            }
            What::Leaves(datagram) => {
                state.delayed -= 1;
                state.send(*datagram);
                self.end_if_done(state);
            }
        }
    }
}

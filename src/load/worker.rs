//! One thread that asks: when it sends, waits and ends.

use super::lanes::{BATCH, Lane, Lanes};
use super::plan::{Pace, Plan, part};
use super::schedule::Schedule;
use super::tally::Tally;
use super::watch::Watch;
use crate::api::{Delta, Monotonic};
use crate::host::monotonic;
use crate::transport::load::{LoadSocket, Waiter};
use std::hint::spin_loop;

/// How long to look for replies without a pause before sleeping until one
/// comes: a wake-up costs more than most servers need to answer.
const SPIN: Delta = Delta::from_micros(50);
/// How long before a request is due to be awake: a sleeper oversleeps.
const AWAKE_BEFORE: Delta = Delta::from_micros(150);
/// The longest sleep: how soon a stop is seen.
const NAP: Delta = Delta::from_millis(10);
/// How long after its end an open loop may send what was due before.
const GRACE: Delta = Delta::from_millis(10);
/// The most slots of requests that wait in an open loop, over all sockets of a
/// thread.
const MAX_OUTSTANDING: usize = 1 << 22;

/// What a thread is to do.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    /// The number of the thread, from 0.
    pub(super) index: usize,
    /// Its own.
    pub(super) sockets: &'a [LoadSocket],
    pub(super) watch: &'a Watch,
    /// Random.
    pub(super) key: u64,
    /// When all threads begin.
    pub(super) start: Monotonic,
}

/// Asks as the job says, waits for the last replies, and says what it counted.
pub(super) fn work(job: Job<'_>) -> Tally {
    Worker::new(job).run()
}

struct Worker<'a> {
    plan: &'a Plan,
    watch: &'a Watch,
    start: Monotonic,
    end: Monotonic,
    lanes: Lanes<'a>,
    next_lane: usize,
    waiter: Waiter<'a>,
    pacer: Pacer,
    /// How many requests to send in all.
    limit: u64,
    /// Whether that is fewer than there is time for.
    is_limited: bool,
    /// Since when nothing was sent or received.
    idle_since: Option<Monotonic>,
    tally: Tally,
    /// What the watch knows: sent and valid.
    told: (u64, u64),
}

/// Why nothing more is sent.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The time is up.
    Time,
    /// As many as were asked for are sent.
    Requests,
    /// It was stopped, or the kernel refuses to send.
    Stop,
}

enum Pacer {
    Closed,
    Open(Schedule),
}

impl<'a> Worker<'a> {
    fn new(job: Job<'a>) -> Self {
        let Job {
            plan,
            index,
            sockets,
            watch,
            key,
            start,
        } = job;
        let end = start + plan.duration;
        let threads = plan.threads;
        let requests = plan
            .requests
            .map_or(u64::MAX, |requests| part(requests, index, threads));
        let (pacer, limit, lanes) = match plan.pace {
            Pace::Window(window) => {
                let window = part(window as u64, index, threads) as usize;
                let count = sockets.len().min(window).max(1);
                let windows = (0..count).map(|lane| part(window as u64, lane, count) as usize);
                let lanes = windows.map(|window| Lane::new(window, window)).collect();
                (Pacer::Closed, requests, lanes)
            }
            Pace::Rate(rate) => {
                let schedule = Schedule::new(start, rate, index, threads);
                let lanes = sockets.len().max(1);
                let capacity = open_capacity(rate / threads as u64, plan.timeout, lanes);
                let lanes = (0..lanes).map(|_| Lane::new(0, capacity)).collect();
                let limit = requests.min(schedule.count_before(end));
                (Pacer::Open(schedule), limit, lanes)
            }
        };
        Self {
            plan,
            watch,
            start,
            end,
            lanes: Lanes::new(lanes, sockets, plan, key, start),
            next_lane: 0,
            waiter: Waiter::new(sockets),
            pacer,
            is_limited: plan.requests.is_some() && limit == requests,
            limit,
            idle_since: None,
            tally: Tally::default(),
            told: (0, 0),
        }
    }

    fn run(mut self) -> Tally {
        while monotonic() < self.start {
            spin_loop();
        }
        let end = self.ask();
        let in_time = self.tally.valid;
        self.finish();
        self.tally.per_second = match (end, &self.pacer) {
            (End::Time, Pacer::Closed) => per_second(in_time, self.tally.span),
            // Each reply belongs to a moment within the time, even if it came
            // after.
            (End::Time, Pacer::Open(_)) => per_second(self.tally.valid, self.tally.span),
            (End::Requests | End::Stop, _) => {
                per_second(self.tally.valid, self.lanes.last_reply() - self.start)
            }
        };
        self.tell();
        self.tally.dropped = self.lanes.dropped();
        self.tally
    }

    /// Sends and receives until the end, and says which end it was.
    fn ask(&mut self) -> End {
        let (end, ended) = loop {
            let now = monotonic();
            if let Some(end) = self.end_at(now) {
                break (end, now);
            }
            let sent = self.send(now);
            let received = self.lanes.receive(&mut self.tally);
            self.lanes.give_up(now, &mut self.tally);
            self.tell();
            self.pause(now, sent || received);
        };
        self.tally.span = match (end, &self.pacer) {
            (End::Time, _) => self.plan.duration,
            _ => ended.min(self.end) - self.start,
        };
        if let (End::Time, Pacer::Open(_)) = (end, &self.pacer) {
            self.tally.unsent = self.limit - self.tally.sent;
        }
        self.tally.is_interrupted = matches!(end, End::Stop);
        end
    }

    /// Waits for the last replies, unless it is stopped, and looks once at each
    /// socket for what nobody waits for.
    fn finish(&mut self) {
        while self.lanes.waiting() > 0 && !self.watch.is_stopped() {
            let now = monotonic();
            let received = self.lanes.receive(&mut self.tally);
            self.lanes.give_up(now, &mut self.tally);
            self.tell();
            self.pause(now, received);
        }
        self.lanes.sweep();
        self.lanes.receive(&mut self.tally);
        self.tally.unfinished = self.lanes.waiting() as u64;
        self.tally.is_interrupted |= self.tally.unfinished > 0;
    }

    /// Whether it ends here.
    fn end_at(&self, now: Monotonic) -> Option<End> {
        let all_sent = self.tally.sent >= self.limit;
        let late = match self.pacer {
            Pacer::Closed => now >= self.end,
            Pacer::Open(_) => now >= self.end + GRACE,
        };
        if self.watch.is_stopped() || self.lanes.is_hopeless() {
            Some(End::Stop)
        } else if all_sent && self.is_limited {
            Some(End::Requests)
        } else if late || all_sent {
            Some(End::Time)
        } else {
            None
        }
    }

    /// Sends what may be sent now, and says whether that was anything.
    fn send(&mut self, now: Monotonic) -> bool {
        let mut any = false;
        match self.pacer {
            Pacer::Closed => {
                for lane in 0..self.lanes.count() {
                    let left = usize::try_from(self.limit - self.tally.sent).unwrap_or(usize::MAX);
                    let free = self.lanes.free(lane).min(left);
                    any |= free > 0 && self.lanes.send(lane, free, None, &mut self.tally) > 0;
                }
            }
            Pacer::Open(schedule) => {
                // Not more than one volley a socket before replies are taken.
                for _ in 0..self.lanes.count() {
                    let due = self.due(&schedule, now);
                    if due == 0 {
                        break;
                    }
                    let lane = self.next_lane;
                    self.next_lane = (lane + 1) % self.lanes.count();
                    let sent = self.lanes.send(lane, due, Some(&schedule), &mut self.tally);
                    any |= sent > 0;
                }
            }
        }
        any
    }

    /// How many requests are due and not sent, up to one volley.
    fn due(&self, schedule: &Schedule, now: Monotonic) -> usize {
        let sent = self.tally.sent;
        let most = (self.limit - sent).min(BATCH as u64);
        // Mostly none or one is: looking at each is less than a division.
        (0..most)
            .take_while(|ahead| schedule.due(sent + ahead) <= now)
            .count()
    }

    /// Tells the watch how far it is.
    fn tell(&mut self) {
        let (sent, valid) = (self.tally.sent, self.tally.valid);
        if (sent, valid) != self.told {
            self.watch.add(sent - self.told.0, valid - self.told.1);
            self.told = (sent, valid);
        }
    }

    /// Sleeps until there is something to do, once there has been nothing for
    /// a while.
    fn pause(&mut self, now: Monotonic, was_busy: bool) {
        if was_busy {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now - since < SPIN {
            spin_loop();
            return;
        }
        let mut wake = now + NAP;
        if now < self.end {
            wake = wake.min(self.end);
            if let Pacer::Open(schedule) = self.pacer {
                wake = wake.min(schedule.due(self.tally.sent) - AWAKE_BEFORE);
            }
        }
        if let Some(sent) = self.lanes.oldest() {
            wake = wake.min(sent + self.plan.timeout);
        }
        if wake > now {
            self.waiter.wait(wake - now);
            self.lanes.sweep();
        }
    }
}

/// Slots of a lane in an open loop: what is sent within the time-out, and some
/// more, so that a server that answers nothing is asked all the same.
fn open_capacity(rate: u64, timeout: Delta, lanes: usize) -> usize {
    let in_flight = u128::from(rate) * u128::try_from(timeout.as_nanos()).unwrap_or(0)
        / 1_000_000_000
        / lanes as u128;
    let wanted = usize::try_from(in_flight * 5 / 4 + 1_024).unwrap_or(usize::MAX);
    wanted.min((MAX_OUTSTANDING / lanes).max(BATCH))
}

fn per_second(count: u64, span: Delta) -> f64 {
    count as f64 * 1e9 / (span.as_nanos() as f64).max(1.0)
}

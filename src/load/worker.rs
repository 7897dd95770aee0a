//! One thread that asks.

use super::check::{Answered, Invalid, Refused, Script};
use super::outstanding::{Outstanding, Ticket, Times};
use super::plan::{Pace, Plan, part};
use super::schedule::Schedule;
use super::tally::{ON_TIME, Tally};
use super::watch::Watch;
use crate::api::{Datagram, Delta, HostClock, HostInstant, Monotonic};
use crate::host::{OsClock, monotonic};
use crate::transport::load::{LoadSocket, Waiter};
use crate::transport::{Batch, Room, Volley};
use std::hint::spin_loop;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// Requests sent with one call, and replies taken with one.
const BATCH: usize = 64;
/// Octets of a reply that are kept: more than a right one has.
const ROOM: usize = 1_024;
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

/// What a thread asks from one of its sockets.
struct Lane {
    outstanding: Outstanding,
    /// The requests in flight of a closed loop.
    window: usize,
    /// Whether the last receive left replies in the socket.
    has_more: bool,
}

struct Worker<'a> {
    plan: &'a Plan,
    sockets: &'a [LoadSocket],
    watch: &'a Watch,
    start: Monotonic,
    end: Monotonic,
    script: Script,
    lanes: Vec<Lane>,
    sources: Vec<IpAddr>,
    next_source: usize,
    next_lane: usize,
    volley: Volley,
    tickets: Vec<Ticket>,
    incoming: Batch,
    waiter: Waiter<'a>,
    pacer: Pacer,
    /// How many requests to send in all.
    limit: u64,
    /// Whether that is fewer than there is time for.
    is_limited: bool,
    /// When the last right reply came.
    last_reply: Monotonic,
    /// Whether sockets may hold replies that nobody waits for.
    sweep: bool,
    /// Since when nothing was sent or received.
    idle_since: Option<Monotonic>,
    /// Whether the kernel refuses to send at all.
    is_hopeless: bool,
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
        let sources: Vec<IpAddr> = match plan.addresses {
            ..=1 => Vec::new(),
            count => (1..=count)
                .map(|number| Ipv4Addr::from(0x7f00_0000 | number as u32).into())
                .collect(),
        };
        // A volley to connected sockets needs no address.
        let to = (!sources.is_empty()).then_some(plan.target);
        Self {
            plan,
            sockets,
            watch,
            start,
            end,
            script: Script::new(plan.question, key),
            lanes,
            sources,
            next_source: 0,
            next_lane: 0,
            volley: Volley::new(BATCH, 64, to),
            tickets: Vec::with_capacity(BATCH),
            incoming: Batch::new(
                BATCH,
                Room {
                    request: ROOM,
                    reply: 0,
                },
            ),
            waiter: Waiter::new(sockets),
            pacer,
            is_limited: plan.requests.is_some() && limit == requests,
            limit,
            last_reply: start,
            sweep: false,
            idle_since: None,
            is_hopeless: false,
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
                per_second(self.tally.valid, self.last_reply - self.start)
            }
        };
        self.tell();
        self.tally.dropped = self
            .sockets
            .iter()
            .map(|socket| u64::from(socket.drops()))
            .sum();
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
            let received = self.receive();
            self.give_up(now);
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
        while self.waiting() > 0 && !self.watch.is_stopped() {
            let now = monotonic();
            let received = self.receive();
            self.give_up(now);
            self.tell();
            self.pause(now, received);
        }
        self.sweep = true;
        self.receive();
        self.tally.unfinished = self.waiting() as u64;
        self.tally.is_interrupted |= self.tally.unfinished > 0;
    }

    fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.outstanding.count()).sum()
    }

    /// Whether it ends here.
    fn end_at(&self, now: Monotonic) -> Option<End> {
        let all_sent = self.tally.sent >= self.limit;
        let late = match self.pacer {
            Pacer::Closed => now >= self.end,
            Pacer::Open(_) => now >= self.end + GRACE,
        };
        if self.watch.is_stopped() || self.is_hopeless {
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
                for lane in 0..self.lanes.len() {
                    let free = self.lanes[lane].window - self.lanes[lane].outstanding.count();
                    any |= free > 0 && self.fire(lane, free, None) > 0;
                }
            }
            Pacer::Open(schedule) => {
                // Not more than one volley a socket before replies are taken.
                for _ in 0..self.lanes.len() {
                    let due = self.due(&schedule, now);
                    if due == 0 {
                        break;
                    }
                    let lane = self.next_lane;
                    self.next_lane = (lane + 1) % self.lanes.len();
                    any |= self.fire(lane, due, Some(schedule)) > 0;
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

    /// Sends up to `count` requests from a lane, and says how many it sent.
    fn fire(&mut self, lane: usize, count: usize, schedule: Option<Schedule>) -> usize {
        let Lane { outstanding, .. } = &mut self.lanes[lane];
        let left = usize::try_from(self.limit - self.tally.sent).unwrap_or(usize::MAX);
        let count = count.min(BATCH).min(left);
        self.tickets.clear();
        let sent = monotonic();
        while self.tickets.len() < count {
            // In a closed loop a request is due when it can be sent.
            let number = self.tally.sent + self.tickets.len() as u64;
            let due = schedule.map_or(sent, |schedule| schedule.due(number));
            let Some(ticket) = outstanding.add(Times { due, sent }) else {
                break;
            };
            let from = self.sources.get(self.next_source).copied();
            self.next_source += 1;
            if self.next_source >= self.sources.len() {
                self.next_source = 0;
            }
            self.volley.push(self.script.request(ticket), from);
            self.tickets.push(ticket);
        }
        let taken = match self.sockets[lane].send(&mut self.volley) {
            Ok(taken) => taken,
            Err(error) => {
                // No room to send is not an error, and comes to an end.
                if !is_for_now(&error) {
                    self.is_hopeless |= is_for_good(&error);
                    self.tally.error(error);
                }
                0
            }
        };
        if let Some(schedule) = schedule {
            for place in 0..taken as u64 {
                let delay = sent - schedule.due(self.tally.sent + place);
                self.tally.delays.record(delay);
                self.tally.delayed += u64::from(delay > ON_TIME);
            }
        }
        for &ticket in &self.tickets[taken..] {
            outstanding.withdraw(ticket);
        }
        self.tally.sent += taken as u64;
        taken
    }

    /// Takes the replies that have come, and says whether there were any.
    fn receive(&mut self) -> bool {
        let mut any = false;
        for (socket, lane) in self.sockets.iter().zip(&mut self.lanes) {
            lane.has_more = false;
            // Most of what is not waited for is not there.
            if lane.outstanding.count() == 0 && !self.sweep {
                continue;
            }
            match socket.recv(&mut self.incoming) {
                Ok(()) => {
                    any = true;
                    lane.has_more = self.incoming.len() == self.incoming.capacity();
                    let now = OsClock.now();
                    for index in 0..self.incoming.len() {
                        let (datagram, _) = self.incoming.exchange(index);
                        let is_from_target =
                            self.sources.is_empty() || datagram.peer == self.plan.target;
                        let checked = match is_from_target {
                            true => check(&datagram, &self.script, &mut lane.outstanding),
                            false => Err(Refused::Invalid(Invalid::Source)),
                        };
                        let arrived = arrival(&datagram, now);
                        if checked.is_ok() {
                            self.last_reply = self.last_reply.max(arrived);
                        }
                        count(&mut self.tally, checked, arrived, self.plan.timeout);
                    }
                }
                Err(error) if is_for_now(&error) => {}
                Err(error) => self.tally.error(error),
            }
        }
        self.sweep = false;
        any
    }

    /// Gives up what has waited too long.
    fn give_up(&mut self, now: Monotonic) {
        let limit = now - self.plan.timeout;
        for lane in &mut self.lanes {
            // The reply may be among those that were not looked at yet.
            if !lane.has_more {
                self.tally.lost += lane.outstanding.give_up(limit);
            }
        }
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
        for lane in &self.lanes {
            if let Some(sent) = lane.outstanding.oldest() {
                wake = wake.min(sent + self.plan.timeout);
            }
        }
        if wake > now {
            self.waiter.wait(wake - now);
            self.sweep = true;
        }
    }
}

impl Lane {
    fn new(window: usize, capacity: usize) -> Self {
        Self {
            outstanding: Outstanding::new(capacity),
            window,
            has_more: false,
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

fn check(
    datagram: &Datagram<'_>,
    script: &Script,
    outstanding: &mut Outstanding,
) -> Result<Answered, Refused> {
    if datagram.is_truncated {
        return Err(Refused::Invalid(Invalid::Length));
    }
    script.check(datagram.payload, outstanding)
}

/// When a reply arrived: by the kernel, so that it does not matter when this
/// thread came to look.
fn arrival(datagram: &Datagram<'_>, now: HostInstant) -> Monotonic {
    let arrived = datagram.arrived;
    arrived.map_or(now.monotonic, |stamp| OsClock.arrival(stamp, now).monotonic)
}

/// Counts a reply that arrived at `arrived`.
fn count(
    tally: &mut Tally,
    checked: Result<Answered, Refused>,
    arrived: Monotonic,
    timeout: Delta,
) {
    match checked {
        Ok(answered) if arrived - answered.times.sent > timeout => {
            tally.lost += 1;
            tally.late += 1;
        }
        Ok(answered) => {
            tally.valid += 1;
            tally.unsynchronised += u64::from(answered.is_unsynchronised);
            tally.latencies.record(arrived - answered.times.due);
        }
        Err(Refused::Late) => tally.late += 1,
        Err(Refused::Invalid(invalid)) => tally.invalid.count(invalid),
    }
}

/// Whether an error is one of the moment.
fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether an error of sending would come each time.
fn is_for_good(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::AddrNotAvailable
    )
}

fn per_second(count: u64, span: Delta) -> f64 {
    count as f64 * 1e9 / (span.as_nanos() as f64).max(1.0)
}

//! The sockets of one thread: what is sent from them, and what comes back.

use super::check::{Answered, Invalid, Refused, Script};
use super::outstanding::{Outstanding, Ticket, Times};
use super::plan::Plan;
use super::schedule::Schedule;
use super::tally::{ON_TIME, Tally};
use crate::api::{Datagram, Delta, HostClock, HostInstant, Monotonic};
use crate::host::{OsClock, monotonic};
use crate::transport::load::LoadSocket;
use crate::transport::{Batch, Room, Volley};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Requests sent with one call, and replies taken with one.
pub(super) const BATCH: usize = 64;
/// Octets of a reply that are kept: more than a right one has.
const ROOM: usize = 1_024;

/// What a thread asks from one of its sockets.
pub(super) struct Lane {
    outstanding: Outstanding,
    /// The requests in flight of a closed loop; 0 in an open one.
    window: usize,
    /// Whether the last receive left replies in the socket.
    has_more: bool,
}

impl Lane {
    /// A lane with `window` requests in flight in a closed loop, and room for
    /// `capacity` that wait.
    pub(super) fn new(window: usize, capacity: usize) -> Self {
        Self {
            outstanding: Outstanding::new(capacity),
            window,
            has_more: false,
        }
    }
}

/// All lanes of a thread, with what they share.
pub(super) struct Lanes<'a> {
    lanes: Vec<Lane>,
    sockets: &'a [LoadSocket],
    target: SocketAddr,
    timeout: Delta,
    script: Script,
    /// From how many addresses to ask, in turn; none where the kernel chooses.
    sources: u32,
    next_source: u32,
    volley: Volley,
    tickets: Vec<Ticket>,
    incoming: Batch,
    /// When the last right reply came.
    last_reply: Monotonic,
    /// Whether sockets may hold replies that nobody waits for.
    sweep: bool,
    /// Whether the kernel refuses to send at all.
    is_hopeless: bool,
}

impl<'a> Lanes<'a> {
    /// One for each socket, or for the first of them; `key` is random.
    pub(super) fn new(
        lanes: Vec<Lane>,
        sockets: &'a [LoadSocket],
        plan: &Plan,
        key: u64,
        start: Monotonic,
    ) -> Self {
        let sources = match plan.addresses {
            ..=1 => 0,
            count => u32::try_from(count).expect("the plan was checked"),
        };
        // A volley to connected sockets needs no address.
        let to = (sources > 0).then_some(plan.target);
        Self {
            lanes,
            sockets,
            target: plan.target,
            timeout: plan.timeout,
            script: Script::new(plan.question, key),
            sources,
            next_source: 0,
            volley: Volley::new(BATCH, 64, to),
            tickets: Vec::with_capacity(BATCH),
            incoming: Batch::new(
                BATCH,
                Room {
                    request: ROOM,
                    reply: 0,
                },
            ),
            last_reply: start,
            sweep: false,
            is_hopeless: false,
        }
    }

    /// How many lanes there are.
    pub(super) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// How many more requests a lane of a closed loop may have in flight.
    pub(super) fn free(&self, lane: usize) -> usize {
        let Lane {
            window,
            outstanding,
            ..
        } = &self.lanes[lane];
        window - outstanding.count()
    }

    /// How many requests wait for their replies.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.outstanding.count()).sum()
    }

    /// When the request that has waited longest was sent.
    pub(super) fn oldest(&self) -> Option<Monotonic> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.outstanding.oldest())
            .min()
    }

    /// When the last right reply came; the start, before any did.
    pub(super) fn last_reply(&self) -> Monotonic {
        self.last_reply
    }

    /// Whether the kernel refuses to send at all.
    pub(super) fn is_hopeless(&self) -> bool {
        self.is_hopeless
    }

    /// How many replies the kernel dropped.
    pub(super) fn dropped(&self) -> u64 {
        let drops = |socket: &LoadSocket| u64::from(socket.drops());
        self.sockets.iter().map(drops).sum()
    }

    /// Has the next receive look at every socket, for what nobody waits for.
    pub(super) fn sweep(&mut self) {
        self.sweep = true;
    }

    /// Sends up to `count` requests from a lane, and says how many it sent.
    pub(super) fn send(
        &mut self,
        lane: usize,
        count: usize,
        schedule: Option<&Schedule>,
        tally: &mut Tally,
    ) -> usize {
        let Lane { outstanding, .. } = &mut self.lanes[lane];
        let count = count.min(BATCH);
        self.tickets.clear();
        let sent = monotonic();
        while self.tickets.len() < count {
            // In a closed loop a request is due when it can be sent.
            let number = tally.sent + self.tickets.len() as u64;
            let due = schedule.map_or(sent, |schedule| schedule.due(number));
            let Some(ticket) = outstanding.add(Times { due, sent }) else {
                break;
            };
            let from = (self.sources > 0).then(|| source(self.next_source));
            self.next_source += 1;
            if self.next_source >= self.sources {
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
                    tally.error(error);
                }
                0
            }
        };
        if let Some(schedule) = schedule {
            for place in 0..taken as u64 {
                let delay = sent - schedule.due(tally.sent + place);
                tally.delays.record(delay);
                tally.delayed += u64::from(delay > ON_TIME);
            }
        }
        for &ticket in &self.tickets[taken..] {
            outstanding.withdraw(ticket);
        }
        tally.sent += taken as u64;
        taken
    }

    /// Takes the replies that have come, and says whether there were any.
    pub(super) fn receive(&mut self, tally: &mut Tally) -> bool {
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
                        let is_from_target = self.sources == 0 || datagram.peer == self.target;
                        let checked = match is_from_target {
                            true => check(&datagram, &self.script, &mut lane.outstanding),
                            false => Err(Refused::Invalid(Invalid::Source)),
                        };
                        let arrived = arrival(&datagram, now);
                        if checked.is_ok() {
                            self.last_reply = self.last_reply.max(arrived);
                        }
                        count(tally, checked, arrived, self.timeout);
                    }
                }
                Err(error) if is_for_now(&error) => {}
                Err(error) => tally.error(error),
            }
        }
        self.sweep = false;
        any
    }

    /// Gives up what has waited too long.
    pub(super) fn give_up(&mut self, now: Monotonic, tally: &mut Tally) {
        let limit = now - self.timeout;
        for lane in &mut self.lanes {
            // The reply may be among those that were not looked at yet.
            if !lane.has_more {
                tally.lost += lane.outstanding.give_up(limit);
            }
        }
    }
}

/// The address with this number, from 127.0.0.1 on.
fn source(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x7f00_0001 + number).into()
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

//! What starts the actors, and ends them.

use super::listener::{Listener, ListenerParts};
use super::mailbox::mailbox;
use super::responder::{Responder, ResponderParts};
use super::served_log::ServedLog;
use super::upkeep::UpkeepThread;
use crate::api::HostClock;
use crate::metrics::ShardCounters;
use crate::service::Service;
use crate::transport::{BatchPool, Room, Transport};
use actix::Addr;
use actix_rt::Arbiter;
use futures_util::future::join_all;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_name};
use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

pub use super::listener::End;
pub use super::upkeep::{Tasks, UpkeepChange};

/// Opens a transport on the thread that will watch it.
pub type OpenTransport = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// How long an end waits for answers that are being worked on.
const PATIENCE: Duration = Duration::from_secs(5);
/// Batches in flight where responders share the listener's thread: while one is
/// answered nothing is received, so another would only push this one out of the
/// CPU's cache.
const BATCHES_ON_SHARD: usize = 1;
/// Batches that wait for responders with threads of their own. The listener
/// takes datagrams from the socket faster than a responder answers them, so in
/// a burst most of these hold one datagram; about 10 KiB each.
const MAILBOX_OF_THREADS: usize = 128;

/// One listener on one shard, ready to be started.
pub struct ListenerPlan {
    /// Which shard.
    pub shard: usize,
    /// Opens its transport there.
    pub open: OpenTransport,
    /// What is started there.
    pub parts: Planned,
}

/// What is started on a shard, of one listener.
pub struct Planned {
    /// What the log calls it.
    pub name: String,
    /// The protocol's name.
    pub protocol: &'static str,
    /// What its responders do.
    pub service: Service,
    /// Datagrams in a batch.
    pub batch: usize,
    /// Octets of a request and a reply.
    pub room: Room,
    /// Where the responders run.
    pub responders: Responders,
    /// What they count.
    pub counters: ShardCounters,
}

/// Where the responders of a listener run, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responders {
    /// On the shard's own thread.
    OnShard(usize),
    /// Each on a thread of its own.
    OnThreads(usize),
}

impl Responders {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::OnShard(count) | Self::OnThreads(count) => count.max(1),
        }
    }
}

/// Starts listeners and responders on the threads of the shards, has the sources
/// tended, and ends all of it.
///
/// # Why it is no actor
/// Nobody but the server's own task speaks to it, one wish after the other, and
/// waits for each: a mailbox between the two would hold one message at most.
pub struct Supervisor {
    shards: Vec<Arbiter>,
    upkeep: Option<UpkeepThread>,
    clock: Arc<dyn HostClock>,
}

impl Supervisor {
    /// Starts the threads of `shards` shards.
    ///
    /// # Errors
    /// The operating system's, when a thread or a reactor cannot be had.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub fn start(shards: usize, clock: Arc<dyn HostClock>) -> io::Result<Self> {
        let cpus = allowed_cpus();
        let mut started = Threads::default();
        for shard in 0..shards {
            let cpu = cpus.get(shard % cpus.len().max(1)).copied();
            let thread = start_thread(format!("shard-{shard}"), cpu)?;
            started.0.push(thread);
        }
        Ok(Self {
            shards: started.keep(),
            upkeep: None,
            clock,
        })
    }

    /// Opens a listener's transport on its shard, and starts the threads that its
    /// responders want: all of it that can fail.
    ///
    /// # Errors
    /// The operating system's, when a thread or a reactor cannot be had.
    pub async fn open(&self, plan: ListenerPlan) -> io::Result<OpenListener> {
        let mut threads = Threads::default();
        if let Responders::OnThreads(_) = plan.parts.responders {
            for number in 0..plan.parts.responders.count() {
                let name = format!("{}-{number}", plan.parts.protocol);
                threads.0.push(start_thread(name, None)?);
            }
        }
        let handles: Vec<_> = threads.0.iter().map(Arbiter::handle).collect();
        let (opened, is_open) = oneshot::channel();
        let (go, told_to_go) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let clock = Arc::clone(&self.clock);
        self.shards[plan.shard].spawn_fn(move || {
            let transport = match (plan.open)() {
                Ok(transport) => transport,
                // Nobody is left to be told only when the start was given up.
                Err(error) => return drop(opened.send(Err(error))),
            };
            let _ = opened.send(Ok(()));
            actix_rt::spawn(async move {
                // An error means that it is given up.
                if told_to_go.await.is_ok() {
                    let parts = plan.parts;
                    let _ = started.send(start_on_this_thread(parts, transport, &handles, clock));
                }
            });
        });
        let gone = |_| io::Error::other("the shard's thread has ended");
        is_open.await.map_err(gone)??;
        Ok(OpenListener { go, start, threads })
    }

    /// Changes which sources are tended; starts a thread for that when there is
    /// one the first time.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    pub fn tend(&mut self, change: UpkeepChange) -> io::Result<()> {
        match &self.upkeep {
            Some(upkeep) => upkeep.change(change),
            None if change.added.is_empty() => {}
            None => self.upkeep = Some(UpkeepThread::start(change.added, self.clock.clone())?),
        }
        Ok(())
    }

    /// Resolves once each shard's thread has had a turn: none of them hangs.
    pub async fn pulse(&self) {
        let pulse = |shard: &Arbiter| {
            let (beat, felt) = oneshot::channel::<()>();
            shard.spawn_fn(move || drop(beat));
            felt
        };
        join_all(self.shards.iter().map(pulse)).await;
    }

    /// Ends the threads of the shards. Their listeners are to be ended before;
    /// where one was not (`is_done` is false), its shard cannot be waited for.
    pub fn stop(self, is_done: bool) {
        drop(self.upkeep);
        Threads(self.shards).end(is_done);
    }
}

/// A listener whose transport is open. Dropped, it is closed again.
pub struct OpenListener {
    go: oneshot::Sender<()>,
    start: oneshot::Receiver<Addr<Listener>>,
    threads: Threads,
}

impl OpenListener {
    /// Has it receive from now on.
    ///
    /// # Panics
    /// When its shard's thread has ended.
    pub async fn start(self) -> StartedListener {
        // An error shows at the next step.
        let _ = self.go.send(());
        StartedListener {
            listener: self.start.await.expect("a shard outlives its listeners"),
            threads: self.threads,
        }
    }
}

/// A listener that receives on one shard.
pub struct StartedListener {
    listener: Addr<Listener>,
    /// Those of its responders, if they have any of their own.
    threads: Threads,
}

impl StartedListener {
    /// Has it receive no more and answer what it has received. Whether that was
    /// done in time: what still hangs is given up.
    pub async fn end(self, how: End) -> bool {
        // A closed mailbox means that the listener has ended already.
        let is_done = timeout(PATIENCE, self.listener.send(how)).await.is_ok();
        if !is_done {
            warn!("a source still blocks; what it had to answer is given up");
        }
        self.threads.end(is_done);
        is_done
    }
}

/// Threads with a reactor, which end when this is dropped.
#[derive(Default)]
struct Threads(Vec<Arbiter>);

impl Threads {
    fn keep(mut self) -> Vec<Arbiter> {
        std::mem::take(&mut self.0)
    }

    /// Ends them, and waits for that if it `can_wait`.
    fn end(mut self, can_wait: bool) {
        for thread in &self.0 {
            thread.stop();
        }
        for thread in self.0.drain(..) {
            if can_wait && thread.join().is_err() {
                warn!("a thread ended by a panic");
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in &self.0 {
            thread.stop();
        }
    }
}

/// Starts a listener and its responders on the shard's thread, or the
/// responders on `threads` if there are any.
fn start_on_this_thread(
    plan: Planned,
    transport: Box<dyn Transport>,
    threads: &[actix_rt::ArbiterHandle],
    clock: Arc<dyn HostClock>,
) -> Addr<Listener> {
    let outbox = transport.outbox();
    let log = ServedLog::new(plan.protocol);
    let mut counters = plan.counters.responders.into_iter();
    let count = plan.responders.count();
    let in_mailbox = if threads.is_empty() {
        BATCHES_ON_SHARD
    } else {
        MAILBOX_OF_THREADS
    };
    let (responders, receivers) = mailbox(in_mailbox, count);
    for (number, mailbox) in receivers.into_iter().enumerate() {
        let responder = ResponderParts {
            mailbox,
            service: plan.service.another(),
            outbox: Arc::clone(&outbox),
            counters: counters.next().unwrap_or_default(),
            log: log.clone(),
        };
        match threads.get(number) {
            None => Responder::start(responder),
            // A thread that is gone drops its end of the mailbox.
            Some(thread) => drop(thread.spawn_fn(|| Responder::start(responder))),
        }
    }
    // With threads, the mailbox is the bound: one batch more than it and the
    // responders hold, so that what does not fit is seen and counted.
    let batches = if threads.is_empty() {
        BATCHES_ON_SHARD
    } else {
        in_mailbox + count + 1
    };
    let pool = BatchPool::new(batches, plan.batch, plan.room);
    let parts = ListenerParts {
        name: plan.name,
        transport,
        pool,
        responders,
        counters: plan.counters.listener,
        clock,
    };
    Listener::start(parts)
}

/// Starts a thread with a reactor, under `name`, pinned to `cpu` if one is given.
fn start_thread(name: String, cpu: Option<usize>) -> io::Result<Arbiter> {
    Arbiter::try_with_tokio_rt(move || {
        if let Some(cpu) = cpu {
            let mut only = CpuSet::new();
            only.set(cpu);
            // A container may take CPUs away at any time; unpinned serves too.
            let _ = sched_setaffinity(None, &only);
        }
        if let Ok(name) = CString::new(name) {
            // A nameless thread serves as well.
            let _ = set_name(&name);
        }
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    })
}

/// The CPUs that this process may run on, in the order of their numbers.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return vec![0];
    };
    (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect()
}

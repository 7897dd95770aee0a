//! The actor that starts and stops the others.

use super::listener::{Drain, Listener, ListenerParts};
use super::mailbox::mailbox;
use super::responder::{Responder, ResponderParts};
use super::served_log::ServedLog;
use super::upkeep::UpkeepThread;
use crate::api::{HostClock, Upkeep};
use crate::metrics::ShardCounters;
use crate::service::Service;
use crate::transport::{BatchPool, Room, Transport};
use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
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

/// Opens a transport on the thread that will watch it.
pub type OpenTransport = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// How long a stop waits for answers that are being worked on.
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
    /// What the log calls it.
    pub name: String,
    /// The protocol's name.
    pub protocol: &'static str,
    /// Which shard.
    pub shard: usize,
    /// Opens its transport there.
    pub open: OpenTransport,
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

/// Starts listeners and responders, has the sources tended, and stops it all.
pub struct Supervisor {
    arbiters: Vec<Arbiter>,
    listeners: Vec<Addr<Listener>>,
    upkeep: Option<UpkeepThread>,
    clock: Arc<dyn HostClock>,
}

impl Supervisor {
    /// Starts every plan on `shards` threads, and the supervisor on this one.
    ///
    /// # Errors
    /// The operating system's, when a thread or a reactor cannot be had.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub async fn launch(
        shards: usize,
        plans: Vec<ListenerPlan>,
        upkeep: Vec<Box<dyn Upkeep>>,
        clock: Arc<dyn HostClock>,
    ) -> io::Result<Addr<Self>> {
        let mut supervisor = Self {
            arbiters: Vec::new(),
            listeners: Vec::new(),
            upkeep: None,
            clock,
        };
        match supervisor.start_all(shards, plans, upkeep).await {
            Ok(()) => Ok(supervisor.start()),
            Err(error) => {
                supervisor.end_threads();
                Err(error)
            }
        }
    }

    async fn start_all(
        &mut self,
        shards: usize,
        plans: Vec<ListenerPlan>,
        upkeep: Vec<Box<dyn Upkeep>>,
    ) -> io::Result<()> {
        let cpus = allowed_cpus();
        for shard in 0..shards {
            let cpu = cpus.get(shard % cpus.len().max(1)).copied();
            self.arbiters
                .push(start_thread(format!("shard-{shard}"), cpu)?);
        }
        for plan in plans {
            let listener = self.start_listener(plan).await?;
            self.listeners.push(listener);
        }
        if !upkeep.is_empty() {
            self.upkeep = Some(UpkeepThread::start(upkeep, Arc::clone(&self.clock))?);
        }
        Ok(())
    }

    async fn start_listener(&mut self, plan: ListenerPlan) -> io::Result<Addr<Listener>> {
        let started_before = self.arbiters.len();
        if let Responders::OnThreads(_) = plan.responders {
            for number in 0..plan.responders.count() {
                self.arbiters
                    .push(start_thread(format!("{}-{number}", plan.protocol), None)?);
            }
        }
        let threads = &self.arbiters[started_before..];
        let (started, start) = oneshot::channel();
        let clock = Arc::clone(&self.clock);
        let handles: Vec<_> = threads.iter().map(Arbiter::handle).collect();
        self.arbiters[plan.shard].spawn_fn(move || {
            let listener = start_on_this_thread(plan, &handles, clock);
            // Nobody is left to be told only when the launch was given up.
            let _ = started.send(listener);
        });
        start
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the shard's thread has ended")))
    }

    /// Has every thread end as soon as it can.
    fn stop_threads(&self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }

    /// Ends every thread and waits for that.
    fn end_threads(&mut self) {
        self.stop_threads();
        for arbiter in self.arbiters.drain(..) {
            if arbiter.join().is_err() {
                warn!("a thread ended by a panic");
            }
        }
    }
}

/// Starts a listener and its responders on the shard's thread, or the
/// responders on `threads` if there are any.
fn start_on_this_thread(
    plan: ListenerPlan,
    threads: &[actix_rt::ArbiterHandle],
    clock: Arc<dyn HostClock>,
) -> io::Result<Addr<Listener>> {
    let transport = (plan.open)()?;
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
    Ok(Listener::start(parts))
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

impl Actor for Supervisor {
    type Context = Context<Self>;
}

/// Answer what has been received, then end every listener, responder and
/// thread. Resolves to whether everything received was answered in time.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Stop;

impl Handler<Stop> for Supervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, _: Stop, _context: &mut Self::Context) -> Self::Result {
        let drains: Vec<_> = self
            .listeners
            .drain(..)
            .map(|listener| listener.send(Drain))
            .collect();
        let mut rest = Self {
            arbiters: std::mem::take(&mut self.arbiters),
            listeners: Vec::new(),
            upkeep: self.upkeep.take(),
            clock: Arc::clone(&self.clock),
        };
        Box::pin(async move {
            // A closed mailbox means that the listener has ended already.
            let is_done = timeout(PATIENCE, join_all(drains)).await.is_ok();
            if is_done {
                rest.end_threads();
            } else {
                warn!("a source still blocks; what it had to answer is given up");
                // A blocked one cannot be waited for; the others end now.
                rest.stop_threads();
            }
            is_done
        })
    }
}

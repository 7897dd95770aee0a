//! A load generator: asks a server as fast as it answers, or at a given rate,
//! checks every reply, and says how long they took.
//!
//! | module | what it holds |
//! |---|---|
//! | [`plan`] | what load to make, and whether it may be made |
//! | `worker` | one thread that asks: when it sends, waits and ends |
//! | `lanes` | its sockets: what is sent from them, and what comes back |
//! | `schedule` | when each request of an open loop is due |
//! | `outstanding` | the requests that wait for a reply |
//! | [`check`] | what is sent, and whether a reply is right |
//! | [`latencies`] | how long replies took |
//! | [`process`] | the CPU time and the memory of the server |
//! | [`report`] | what was found |
//! | [`ramp`](mod@ramp) | the search for the highest rate |
//! | [`plot`] | the latencies as a picture |
//! | [`watch`] | how far it is, and how to stop it |
//!
//! docs/bench.md says how the figures come about and what they leave out.
//!
//! ```no_run
//! use timeball::api::Delta;
//! use timeball::client::Question;
//! use timeball::load::{Plan, Watch, run};
//!
//! let mut plan = Plan::new("127.0.0.1:8123".parse()?, Question::NTP);
//! plan.duration = Delta::from_seconds(1);
//! let report = run(&plan, &Watch::new())?;
//! println!("{} replies/s", report.replies_per_second);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why no actors
//! A generator that shared the server's own machinery would measure that
//! machinery twice. Here a plain thread sends and receives, on a few sockets,
//! and allocates nothing on the way of a datagram.

pub mod check;
mod lanes;
pub mod latencies;
mod outstanding;
pub mod plan;
pub mod plot;
pub mod process;
pub mod ramp;
pub mod report;
mod schedule;
mod tally;
pub mod watch;
mod worker;

pub use latencies::{Latencies, Percentiles};
pub use plan::{Pace, Plan, PlanError, is_private};
pub use process::{ServerUsage, Usage};
pub use ramp::{Limit, Ramp, Step, ramp};
pub use report::{GeneratorReport, Report};
pub use watch::Watch;

use crate::api::Delta;
use crate::host::monotonic;
use crate::transport::load::LoadSocket;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;
use std::thread;
use tally::Tally;
use thiserror::Error;
use worker::{Job, work};

/// How long the threads have to be ready before the first request is due.
const LEAD: Delta = Delta::from_millis(2);

/// Why there is no measurement.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The plan cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A socket could not be opened.
    #[error("no socket to ask {target} from: {error}")]
    Socket {
        /// The server.
        target: std::net::SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
    /// A process of the server cannot be looked at.
    #[error("process {process}: {error}")]
    Process {
        /// Its number.
        process: u32,
        /// The operating system's error.
        error: io::Error,
    },
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
    /// A thread cannot run where it was to.
    #[error("CPU {cpu}: {error}")]
    Cpu {
        /// The number of the CPU.
        cpu: usize,
        /// The operating system's error.
        error: io::Error,
    },
}

impl LoadError {
    /// Whether what was asked for is at fault, rather than the state of this
    /// host.
    #[must_use]
    pub fn is_about_usage(&self) -> bool {
        matches!(
            self,
            Self::Plan(_) | Self::Process { .. } | Self::Cpu { .. }
        )
    }
}

/// Makes load as `plan` says and reports what came back.
///
/// Takes as long as the plan says, and up to its time-out longer for the last
/// replies. Uses one CPU a thread all the while, except where an open loop is
/// slow enough to sleep.
///
/// # Errors
/// [`LoadError`] when it cannot begin. Whatever happens afterwards is in the
/// report.
pub fn run(plan: &Plan, watch: &Watch) -> Result<Report, LoadError> {
    plan.check()?;
    let sockets = open(plan)?;
    let usage = || {
        Usage::of(&plan.server).map_err(|(process, error)| LoadError::Process { process, error })
    };
    let before = usage()?;
    let began = monotonic();
    let tally = ask(plan, watch, &sockets)?;
    // A server that has ended meanwhile has no figures, but what it answered
    // is known.
    let after = usage().ok().filter(|_| !plan.server.is_empty());
    let span = monotonic() - began;
    let server = after.map(|after| after.since(&before, tally.valid, span));
    Ok(Report::new(plan, tally, server))
}

/// The sockets of each thread.
fn open(plan: &Plan) -> Result<Vec<Vec<LoadSocket>>, LoadError> {
    let target = plan.target;
    let one = || {
        LoadSocket::open(target, plan.addresses > 1)
            .map_err(|error| LoadError::Socket { target, error })
    };
    (0..plan.threads)
        .map(|index| {
            let count = plan::part(plan.sockets as u64, index, plan.threads);
            (0..count).map(|_| one()).collect()
        })
        .collect()
}

fn ask(plan: &Plan, watch: &Watch, sockets: &[Vec<LoadSocket>]) -> Result<Tally, LoadError> {
    let start = monotonic() + LEAD;
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(sockets.len());
        for (index, sockets) in sockets.iter().enumerate() {
            let cpu = match plan.cpus.len() {
                0 => None,
                count => Some(plan.cpus[index % count]),
            };
            let job = Job {
                plan,
                index,
                sockets,
                watch,
                key: random(),
                start,
            };
            let builder = thread::Builder::new().name(format!("load {index}"));
            let thread = builder.spawn_scoped(scope, move || {
                // The others need not go on for an error.
                cpu.map_or(Ok(()), pin).inspect_err(|_| watch.stop())?;
                Ok(work(job))
            });
            threads.push(thread.map_err(LoadError::Thread)?);
        }
        let mut sum = Tally::default();
        for thread in threads {
            let tally: Result<Tally, LoadError> = match thread.join() {
                Ok(tally) => tally,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            sum.add(tally?);
        }
        Ok(sum)
    })
}

/// Pins this thread to a CPU.
fn pin(cpu: usize) -> Result<(), LoadError> {
    let refused = |error| LoadError::Cpu { cpu, error };
    if cpu >= CpuSet::MAX_CPU {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| refused(error.into()))
}

/// 64 random bits, from which a thread's transmit timestamps come.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator is a client, and draws its own"
)]
fn random() -> u64 {
    rand::Rng::next_u64(&mut rand::rng())
}

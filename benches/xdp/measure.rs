//! One measurement: load, replies and CPU time over the same span of time.

use crate::generate::Interruption;
use crate::generator::{self, state};
use crate::observe;
use crate::sink::{self, Count};
use crate::wire::Path;
use clap::Args;
use nix::net::if_::if_nametoindex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::Duration;
use timeball::api::{Delta, HostClock, Monotonic, NtpTimestamp, Timestamp};
use timeball::host::OsClock;
use timeball::transport::bpf::{AttachMode, BpfError, SharedMap, XdpProgram, possible_processors};

/// How long replies may be under way when the load ends.
const DRAIN: Duration = Duration::from_millis(200);
/// By how much a reply's time may lie outside of the run.
const TOLERANCE: Delta = Delta::from_seconds(1);

/// What to measure.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub path: Path,

    /// The clients' end of the wire, in this network namespace
    #[arg(long, value_name = "NAME", default_value = "cli0")]
    interface: String,

    /// The server's end of the wire, in the namespace of the first process
    #[arg(long, value_name = "NAME", default_value = "srv0")]
    server_interface: String,

    /// Requests a second; as many as possible, if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=16_000_000))]
    rate: Option<u32>,

    /// How long to measure
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,

    /// How long to send before that
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    warm_up: f64,

    /// Requests that are made and sent at a time
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    batch: u32,

    /// Processes whose CPU time counts, beside this one's; the first is in the
    /// server's network namespace
    #[arg(long, value_name = "PID,...", value_delimiter = ',', required = true)]
    pid: Vec<u32>,

    /// Processors to say of how busy they were
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    cpu: Vec<u32>,
}

/// What was seen at one moment.
struct Sample {
    at: Monotonic,
    sent: u64,
    late: u64,
    received: u64,
    valid: u64,
    partial: u64,
    cut: u64,
    cpu_ns: BTreeMap<String, u64>,
    busy_ticks: BTreeMap<u32, u64>,
}

/// How many there were of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests made.
    pub sent: u64,
    /// Requests that were due and not made.
    pub late: u64,
    /// Frames that the server's end has received.
    pub received: u64,
    /// Replies that are right in everything.
    pub valid: u64,
    /// The same, but for a UDP checksum that is left to a network card.
    pub partial: u64,
    /// Datagrams that the server's namespace had no room for.
    pub cut: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The span that `counts` and both CPU times are of.
    pub seconds: f64,
    pub counts: Counts,
    /// By process, with this one as `load`.
    pub cpu_ns: BTreeMap<String, u64>,
    /// By processor, all that ran there, by ticks of 10 ms.
    pub busy_ms: BTreeMap<u32, u64>,
    /// From the first request until long after the last one.
    pub total: Counts,
    /// Invalid replies of the whole run, by rule.
    pub invalid: BTreeMap<&'static str, u64>,
    /// Frames that are no IPv4.
    pub other: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Bpf(#[from] BpfError),
    #[error(transparent)]
    System(#[from] io::Error),
    #[error("{name}: {error}")]
    NoInterface { name: String, error: nix::Error },
    #[error("a program cannot be assembled: {0}")]
    Assembler(#[from] timeball_ebpf::Error),
    #[error("the checks do not find what they should: {0}")]
    SelfTest(String),
}

/// The number of an interface in this network namespace.
///
/// # Errors
/// [`Failure::NoInterface`].
pub fn interface_number(name: &str) -> Result<u32, Failure> {
    if_nametoindex(name).map_err(|error| Failure::NoInterface {
        name: name.to_owned(),
        error,
    })
}

/// From when on and until when replies may be dated, in NTP's 64 bits.
pub fn sensible_time(now: Timestamp, span: Delta) -> Range<u64> {
    let bits = |time: Timestamp| NtpTimestamp::from(time).to_bits();
    bits(now - TOLERANCE)..bits(now + span + TOLERANCE)
}

/// Loads, waits, looks twice, and ends.
///
/// # Errors
/// Whatever the operating system does not do.
pub fn run(plan: &Plan, key: u64) -> Result<Measured, Failure> {
    let interface = interface_number(&plan.interface)?;
    let processors = possible_processors()?;
    let longest = Delta::from_nanos(((plan.warm_up + plan.seconds + 10.0) * 1e9) as i64);
    let time = sensible_time(OsClock.now().realtime, longest);

    let counts = SharedMap::new("load_counts", sink::WORDS * processors, 1)?;
    let program = sink::program(&plan.path, key, &time, processors)?;
    let sink = XdpProgram::load("load_sink", &program, &[&counts], c"MIT")?;
    let _attached = sink.attach(interface, AttachMode::Native)?;

    let state = SharedMap::new("load_state", state::COUNT, 1)?;
    let number = i32::try_from(interface).map_err(io::Error::other)?;
    let program = generator::program(&plan.path, key, number, plan.rate)?;
    let generator = XdpProgram::load("load_generator", &program, &[&state], c"MIT")?;

    let interruption = Interruption::new()?;
    let look = || sample(plan, &state, &counts);
    let before = look()?;
    let (start, end) = scope(|scope| {
        let load = interruption.start(scope, &generator, plan.path, interface, plan.batch);
        sleep(Duration::from_secs_f64(plan.warm_up));
        let start = look();
        sleep(Duration::from_secs_f64(plan.seconds));
        let end = look();
        load.end()?;
        Ok::<_, Failure>((start?, end?))
    })?;
    sleep(DRAIN);
    let after = look()?;

    let invalid = Count::INVALID.iter();
    Ok(Measured {
        seconds: (end.at - start.at).as_seconds_f64(),
        counts: between(&start, &end),
        cpu_ns: each_between(&start.cpu_ns, &end.cpu_ns),
        busy_ms: each_between(&start.busy_ticks, &end.busy_ticks)
            .into_iter()
            .map(|(processor, ticks)| (processor, 10 * ticks))
            .collect(),
        total: between(&before, &after),
        invalid: invalid
            .map(|(count, name)| (*name, sink::counted(&counts, *count)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        other: sink::counted(&counts, Count::Other),
    })
}

fn sample(plan: &Plan, state: &SharedMap, counts: &SharedMap) -> io::Result<Sample> {
    let word = |index: usize| state.words()[index].load(Ordering::Relaxed);
    let server = plan.pid[0];
    let mut cpu_ns = BTreeMap::new();
    for process in &plan.pid {
        cpu_ns.insert(process.to_string(), observe::cpu_time_ns(*process)?);
    }
    let me = observe::cpu_time_ns(std::process::id())?;
    cpu_ns.insert("load".to_owned(), me);
    let busy = |cpu: &u32| Ok((*cpu, observe::busy_ticks(*cpu)?));
    Ok(Sample {
        at: OsClock.now().monotonic,
        sent: word(state::SENT),
        late: word(state::LATE),
        received: observe::received(server, &plan.server_interface)?,
        valid: sink::counted(counts, Count::Valid),
        partial: sink::counted(counts, Count::Partial),
        cut: observe::cut(server)?,
        cpu_ns,
        busy_ticks: plan.cpu.iter().map(busy).collect::<io::Result<_>>()?,
    })
}

fn between(start: &Sample, end: &Sample) -> Counts {
    Counts {
        sent: end.sent - start.sent,
        late: end.late - start.late,
        received: end.received - start.received,
        valid: end.valid - start.valid,
        partial: end.partial - start.partial,
        cut: end.cut - start.cut,
    }
}

fn each_between<K: Clone + Ord>(
    start: &BTreeMap<K, u64>,
    end: &BTreeMap<K, u64>,
) -> BTreeMap<K, u64> {
    end.iter()
        .map(|(key, value)| {
            let before = start.get(key).copied().unwrap_or(0);
            (key.clone(), value.saturating_sub(before))
        })
        .collect()
}

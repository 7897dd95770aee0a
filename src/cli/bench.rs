//! `timeball bench`: asks a server as fast as it answers, or at a given rate,
//! and says how it did.

mod human;
mod progress;

use super::asking::{Protocol, shipped_server, span};
use super::failed::Failed;
use super::output::print;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use timeball::api::Delta;
use timeball::client::{NtpVersion, Target};
use timeball::load::{
    LoadError, Pace, Plan, Ramp, Report, Step, Watch, plot, ramp, run as measure,
};
use timeball::protocol::line::printable;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long each rate of a ramp is held.
const RAMP_STEP: Delta = Delta::from_seconds(1);

/// Put load on a server of one's own, check every reply, and say how it did
///
/// Exit codes: 0 good; 1 nothing answered, or nothing could be sent; 2 bad
/// usage, such as an address that is neither loopback nor private.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT. Without a port the standard
    /// one (13, 37, 123; text 8089); without a host, 127.0.0.1 at the port of
    /// the shipped settings (text 8089, daytime 8013, time 8037, ntp 8123)
    #[arg(value_name = "HOST[:PORT]")]
    host: Option<String>,

    /// What to ask
    #[arg(short, long, value_enum, default_value_t = Protocol::Ntp)]
    protocol: Protocol,

    /// How long to send: seconds, or with a unit (500ms); with --ramp, at each
    /// rate [default: 5; with --ramp 1]
    #[arg(short, long, value_name = "S", value_parser = seconds)]
    seconds: Option<Delta>,

    /// Closed loop: requests in flight; each reply makes room for the next
    /// request [default: 256]
    #[arg(short, long, value_name = "N", conflicts_with = "rate")]
    window: Option<usize>,

    /// Open loop: requests a second, answered or not; a latency counts from
    /// the moment at which the request was due
    #[arg(short, long, value_name = "R")]
    rate: Option<u64>,

    /// Find the highest rate with less than 0.1 % loss; --rate is the first
    /// one tried [default: 10000]
    #[arg(long, conflicts_with_all = ["window", "requests"])]
    ramp: bool,

    /// Stop after so many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,

    /// When a request without a reply is lost
    #[arg(short, long, value_name = "S", default_value = "1s", value_parser = timeout)]
    timeout: Delta,

    /// From how many ports to ask
    #[arg(long, value_name = "N", default_value_t = Plan::SOCKETS)]
    sockets: usize,

    /// From how many addresses to ask, 127.0.0.1 and up: above 1 on IPv4
    /// loopback only
    #[arg(long, value_name = "N", default_value_t = 1)]
    addresses: usize,

    /// How many threads ask; sockets, window and rate are divided among them
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,

    /// Pin the threads to these CPUs, in turn
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    cpu: Vec<usize>,

    /// The server's process, or several: report its CPU time a reply and its
    /// memory
    #[arg(long, value_name = "PID,...", value_delimiter = ',')]
    pid: Vec<u32>,

    /// Write the latencies to FILE as a histogram in SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Write one JSON object to stdout (docs/bench.md has the schema)
    #[arg(long)]
    json: bool,

    /// Resolve to IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Resolve to IPv6 addresses only
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Ask an address that is neither loopback nor private, because the server
    /// is yours
    #[arg(long)]
    i_own_this_server: bool,
}

fn seconds(text: &str) -> Result<Delta, String> {
    let (min, max) = (Delta::from_millis(1), Delta::from_seconds(86_400));
    span(text, min, max, "1 ms to 86400 s")
}

fn timeout(text: &str) -> Result<Delta, String> {
    let (min, max) = (Delta::from_millis(1), Delta::from_seconds(60));
    span(text, min, max, "1 ms to 60 s")
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        match error.is_about_usage() {
            true => Self::usage(error),
            false => Self::other(error),
        }
    }
}

/// What was found: of one measurement, or of a ramp with the measurement at
/// its highest rate.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    ramp: Option<Ramp>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> ExitCode {
    match bench(args) {
        Ok((text, found)) => {
            let code = match found.report.valid {
                0 => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            };
            print(&text, code)
        }
        Err(failed) => {
            // Nothing is left to try if stderr is gone as well.
            failed.tell()
        }
    }
}

/// Measures, and returns what to print with what was found.
fn bench(args: &Args) -> Result<(String, Found), Failed> {
    let plan = plan(args)?;
    plan.check().map_err(Failed::usage)?;
    // A place that takes no file is better known now than in the end.
    let picture = match &args.plot {
        Some(file) => Some(File::create(file).map_err(|error| plot_failed(file, &error))?),
        None => None,
    };
    let found = measured(&plan, args.ramp)?;
    if let (Some(mut picture), Some(file)) = (picture, &args.plot) {
        let written = picture.write_all(plot::svg(&found.report).as_bytes());
        written.map_err(|error| plot_failed(file, &error))?;
    }
    let text = if args.json {
        let line = serde_json::to_string(&found).map_err(Failed::other)?;
        line + "\n"
    } else {
        human::Table(&found).to_string()
    };
    Ok((text, found))
}

fn plot_failed(file: &std::path::Path, error: &io::Error) -> Failed {
    let file = printable(&file.to_string_lossy());
    Failed::usage(format!("--plot {file}: {error}"))
}

/// The command line as a plan.
fn plan(args: &Args) -> Result<Plan, Failed> {
    let question = args.protocol.question(NtpVersion::V4);
    let target = match &args.host {
        Some(host) => Target::parse(host, question.standard_port()).map_err(Failed::usage)?,
        None => shipped_server(question, args.ipv6),
    };
    let seconds = args.seconds;
    let default = Plan::new(resolve(&target, args)?, question);
    Ok(Plan {
        pace: match (args.rate, args.window) {
            (Some(rate), _) => Pace::Rate(rate),
            (None, window) => Pace::Window(window.unwrap_or(Plan::WINDOW)),
        },
        duration: seconds.unwrap_or(if args.ramp {
            RAMP_STEP
        } else {
            default.duration
        }),
        requests: args.requests,
        timeout: args.timeout,
        sockets: args.sockets,
        addresses: args.addresses,
        threads: args.threads,
        cpus: args.cpu.clone(),
        server: args.pid.clone(),
        is_own_server: args.i_own_this_server,
        ..default
    })
}

/// The first address of the family that was asked for: one server is measured,
/// not several.
fn resolve(target: &Target, args: &Args) -> Result<SocketAddr, Failed> {
    let found = (target.host(), target.port())
        .to_socket_addrs()
        .map_err(|error| Failed::other(format!("{target}: {error}")))?;
    let is_wanted = |address: &SocketAddr| match address {
        SocketAddr::V4(_) => !args.ipv6,
        SocketAddr::V6(_) => !args.ipv4,
    };
    let mut wanted = found.filter(is_wanted);
    wanted
        .next()
        .ok_or_else(|| Failed::other(format!("{target} has no address of that family")))
}

/// Measures on a thread of its own, while this one shows how far it is and
/// listens for signals.
fn measured(plan: &Plan, with_ramp: bool) -> Result<Found, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failed::other)?;
    runtime.block_on(async {
        let watch = Arc::new(Watch::new());
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind).map_err(Failed::other)?;
            let watch = Arc::clone(&watch);
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    watch.stop();
                }
            });
        }
        let bar = progress::bar(plan, with_ramp);
        tokio::spawn(progress::show(bar.clone(), Arc::clone(&watch)));
        let (tell, told) = oneshot::channel();
        let load = {
            let (plan, bar) = (plan.clone(), bar.clone());
            move || {
                // Whoever listens is there as long as this runs.
                let _ = tell.send(load(&plan, with_ramp, &watch, |step| {
                    progress::say(&bar, &human::step(step))
                }));
            }
        };
        thread::Builder::new()
            .name("load".to_owned())
            .spawn(load)
            .map_err(Failed::other)?;
        let found = told.await;
        bar.finish_and_clear();
        Ok(found.map_err(|_panicked| Failed::other("the generator failed"))??)
    })
}

fn load(
    plan: &Plan,
    with_ramp: bool,
    watch: &Watch,
    each: impl FnMut(&Step),
) -> Result<Found, LoadError> {
    if with_ramp {
        let (found, report) = ramp(plan, watch, each)?;
        Ok(Found {
            report,
            ramp: Some(found),
        })
    } else {
        Ok(Found {
            report: measure(plan, watch)?,
            ramp: None,
        })
    }
}

//! How accurate an NTP server's transmit timestamps are: each against the moment
//! at which the kernel says that the reply left (`SO_TIMESTAMPING`).
//!
//!     accuracy 127.0.0.1:8123 --pid "$(pidof timeball)"
//!
//! The server runs already, is any that speaks NTP, and is asked by this program:
//! one request at a time, 10 ms apart (*idle*), and with many in flight in a
//! closed loop (*saturated*). docs/bench.md says what the figures mean and what
//! they leave out.

mod errors;
mod tap;

use clap::Parser;
use errors::Errors;
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;
use tap::Tap;
use timeball::api::{Delta, NtpTimestamp};
use timeball::client::Question;
use timeball::load::{LoadError, Pace, Plan, Watch, run};
use timeball::protocol::ntp::header::{Header, LEN, mode};

/// How far requests to an idle server are apart.
const IDLE_GAP: Duration = Duration::from_millis(10);
/// How long a reply of an idle server is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest that a server is saturated.
const SATURATED_AT_MOST: Delta = Delta::from_seconds(10);

/// Compare the transmit timestamps of an NTP server with the kernel's own
///
/// Needs root, or the right to look into the server's process and to give its
/// socket a larger buffer (CAP_SYS_PTRACE, CAP_NET_ADMIN). Exit codes: 0 good;
/// 1 nothing was stamped, or something was not permitted; 2 bad usage.
#[derive(Debug, Parser)]
struct Options {
    /// The server: ADDRESS:PORT
    server: SocketAddr,

    /// The server's process, or several
    #[arg(long, value_name = "PID,...", value_delimiter = ',', required = true)]
    pid: Vec<u32>,

    /// Requests to the idle server, 10 ms apart
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    idle: u32,

    /// Requests to the saturated server
    #[arg(long, value_name = "N", default_value_t = 50_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    saturated: u32,

    /// Requests in flight to the saturated server
    #[arg(short, long, value_name = "N", default_value_t = 128)]
    window: usize,

    /// Write one JSON object to stdout (docs/bench.md has the schema)
    #[arg(long)]
    json: bool,

    /// Ask an address that is neither loopback nor private, because the server is
    /// yours
    #[arg(long)]
    i_own_this_server: bool,
}

/// What was found under one load.
#[derive(Debug, Serialize)]
struct Found {
    /// Right replies in time.
    replies: u64,
    /// Replies that the kernel stamped, and that are in the figures.
    stamped: usize,
    /// Replies a second.
    replies_per_second: f64,
    /// Transmit timestamp less the kernel's, in nanoseconds.
    error_ns: Errors,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    idle: Found,
    saturated: Found,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match compare(&options) {
        Ok(report) => {
            print!(
                "{}",
                if options.json {
                    report.json()
                } else {
                    report.to_string()
                }
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("accuracy: {error}");
            ExitCode::from(if error.is_about_usage() { 2 } else { 1 })
        }
    }
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    System(#[from] io::Error),
    #[error("{0}: the kernel stamped no reply")]
    NothingStamped(&'static str),
}

impl Failure {
    /// Whether what was asked for is at fault, rather than the state of this host.
    fn is_about_usage(&self) -> bool {
        match self {
            Self::Load(error) => error.is_about_usage(),
            Self::System(error) => error.kind() == io::ErrorKind::NotFound,
            Self::NothingStamped(_) => false,
        }
    }
}

fn compare(options: &Options) -> Result<Report, Failure> {
    let plan = Plan {
        pace: Pace::Window(options.window),
        requests: Some(options.saturated.into()),
        duration: SATURATED_AT_MOST,
        is_own_server: options.i_own_this_server,
        ..Plan::new(options.server, Question::NTP)
    };
    plan.check().map_err(LoadError::from)?;
    // A Ctrl-C waits until the server's sockets are again what they were: full of
    // timestamps that nobody takes, they would take no requests.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().map_err(io::Error::from)?;
    let tap = Tap::on(&options.pid, options.server, options.saturated as usize)?;
    let compared = idle(options, &tap).and_then(|idle| {
        let saturated = saturated(&plan, &tap)?;
        Ok(Report { idle, saturated })
    });
    drop(tap);
    signals.thread_unblock().map_err(io::Error::from)?;
    compared
}

/// Asks one request after the other. What is stamped is taken at once: some
/// servers cannot rest while something waits for them.
fn idle(options: &Options, tap: &Tap) -> Result<Found, Failure> {
    let client = UdpSocket::bind((unspecified(options.server), 0))?;
    client.connect(options.server)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let (mut replies, mut errors) = (0, Vec::new());
    for number in 1..=u64::from(options.idle) {
        let request = Header {
            version: 4,
            mode: mode::CLIENT,
            transmit_timestamp: NtpTimestamp::from_bits(number),
            ..Header::default()
        };
        client.send(&request.encode())?;
        match client.recv(&mut [0; LEN]) {
            Ok(_) => replies += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        errors.extend(tap.take()?);
        sleep(IDLE_GAP);
    }
    let per_second = 1.0 / IDLE_GAP.as_secs_f64();
    found("idle", replies, per_second, &errors)
}

/// Asks as fast as the server answers. What is stamped is taken afterwards, so
/// that nothing competes with the server and the load generator meanwhile.
fn saturated(plan: &Plan, tap: &Tap) -> Result<Found, Failure> {
    let report = run(plan, &Watch::new())?;
    let (replies, per_second) = (report.valid, report.replies_per_second);
    found("saturated", replies, per_second, &tap.take()?)
}

fn found(
    load: &'static str,
    replies: u64,
    replies_per_second: f64,
    errors: &[Delta],
) -> Result<Found, Failure> {
    Ok(Found {
        replies,
        stamped: errors.len(),
        replies_per_second,
        error_ns: Errors::of(errors).ok_or(Failure::NothingStamped(load))?,
    })
}

/// The address of no host, of the same family.
fn unspecified(like: SocketAddr) -> std::net::IpAddr {
    match like {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl Report {
    /// One JSON object on one line.
    fn json(&self) -> String {
        let object = serde_json::to_string(self).expect("names and numbers are JSON");
        object + "\n"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "transmit timestamp less the kernel's, µs (negative: early)\n"
        )?;
        writeln!(
            f,
            "{:<10}{:>9}{:>9}{:>10}{:>10}{:>10}{:>10}{:>11}{:>11}",
            "", "replies", "stamped", "mean", "median", "min", "max", "mean abs.", "99 % abs."
        )?;
        for (load, found) in [("idle", &self.idle), ("saturated", &self.saturated)] {
            let errors = &found.error_ns;
            write!(f, "{load:<10}{:>9}{:>9}", found.replies, found.stamped)?;
            let micros = |nanos: f64| nanos / 1_000.0;
            for nanos in [
                errors.mean,
                errors.median as f64,
                errors.min as f64,
                errors.max as f64,
            ] {
                write!(f, "{:>+10.2}", micros(nanos))?;
            }
            let (mean, p99) = (errors.mean_absolute, errors.p99_absolute as f64);
            writeln!(f, "{:>11.2}{:>11.2}", micros(mean), micros(p99))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_people_are_told_the_same() {
        let found = |early: i64| Found {
            replies: 3,
            stamped: 2,
            replies_per_second: 100.0,
            error_ns: Errors::of(&[Delta::from_micros(-early), Delta::from_nanos(250)]).unwrap(),
        };
        let report = Report {
            idle: found(4),
            saturated: found(110),
        };
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["saturated"]["error_ns"]["mean"], -54_875.0);
        assert_eq!(json["idle"]["error_ns"]["p99_absolute"], 4_000);
        assert_eq!(json["idle"]["stamped"], 2);
        let table = report.to_string();
        let row = table.lines().last().unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            cells,
            [
                "saturated",
                "3",
                "2",
                "-54.88",
                "-110.00",
                "-110.00",
                "+0.25",
                "55.12",
                "110.00"
            ]
        );
    }
}

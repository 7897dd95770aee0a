//! `timeball query`: asks time servers and says what they answer.

mod human;
mod json;

use super::asking::{Protocol, shipped_server, span};
use actix::{Actor, System};
use clap::Args as ClapArgs;
use clap::error::ErrorKind;
use futures_util::future::join_all;
use human::Human;
use json::Json;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use timeball::actors::client::{Client, Watched};
use timeball::api::Delta;
use timeball::client::{
    Family, Local, NtpVersion, Outcome, Query, Question, Report, Target, compare,
};
use timeball::host::{OsClock, measure_precision_log2_s};
use tokio::sync::mpsc;

/// The longest wait for one address.
const MAX_TIMEOUT: Delta = Delta::from_seconds(3_600);
/// The longest wait between two samples.
const MAX_INTERVAL: Delta = Delta::from_seconds(86_400);

/// Ask time servers and say what they answer; the clock is never set
///
/// Exit codes: 0 good; 1 no answer; 2 bad usage; 3 an unsynchronised server, a
/// kiss-o'-death or an invalid reply; 4 an offset above --max-offset. Of several
/// that apply, the highest number.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Whom to ask: HOST, HOST:PORT or [IPV6]:PORT; several are asked at once
    /// and compared. Without a port the standard one (13, 37, 123; text 8089);
    /// without a host, 127.0.0.1 at the port of the shipped settings (text 8089,
    /// daytime 8013, time 8037, ntp 8123)
    #[arg(value_name = "HOST[:PORT]")]
    hosts: Vec<String>,

    /// What to speak
    #[arg(short, long, value_enum, default_value_t = Protocol::Text)]
    protocol: Protocol,

    /// How often to ask, 1 to 100000
    #[arg(short, long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,

    /// From one sample to the next: seconds, or with a unit (500ms)
    #[arg(short, long, value_name = "S", default_value = "2s", value_parser = interval)]
    interval: Delta,

    /// How long to wait for the reply of one address
    #[arg(short, long, value_name = "S", default_value = "1s", value_parser = timeout)]
    timeout: Delta,

    /// Ask IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Ask IPv6 addresses only
    #[arg(short = '6', long)]
    ipv6: bool,

    /// The version of NTP to speak, 1 to 4 (default 4)
    #[arg(long, value_name = "V", value_parser = ntp_version)]
    ntp_version: Option<NtpVersion>,

    /// Write one JSON object a line (docs/query.md has the schema)
    #[arg(long)]
    json: bool,

    /// Exit with 4 when the clocks are further apart than this (time, ntp)
    #[arg(long, value_name = "S", value_parser = max_offset)]
    max_offset: Option<Delta>,
}

fn interval(text: &str) -> Result<Delta, String> {
    span(text, Delta::ZERO, MAX_INTERVAL, "0 to 86400 s")
}

fn timeout(text: &str) -> Result<Delta, String> {
    span(text, Delta::from_millis(1), MAX_TIMEOUT, "1 ms to 3600 s")
}

fn max_offset(text: &str) -> Result<Delta, String> {
    span(text, Delta::ZERO, Delta::MAX, "0 s and above")
}

fn ntp_version(text: &str) -> Result<NtpVersion, String> {
    let version = text.parse().ok().and_then(NtpVersion::new);
    version.ok_or_else(|| "accepted are 1, 2, 3 and 4".to_owned())
}

/// What the program says by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Exit {
    Good = 0,
    NoAnswer = 1,
    BadUsage = 2,
    BadReply = 3,
    OffsetTooLarge = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Asks the servers that the command line names, writes what they answer to
/// stdout and what went wrong to stderr.
///
/// A reader that closes the pipe ends it early and quietly.
pub fn run(args: &Args) -> ExitCode {
    let plan = match Plan::of(args) {
        Ok(plan) => plan,
        Err(error) => {
            // There is nobody left to tell that stderr is closed.
            let _ = error.print();
            return Exit::BadUsage.into();
        }
    };
    let result = System::new().block_on(async {
        if args.json {
            plan.carry_out(Json::new(io::stdout())).await
        } else {
            plan.carry_out(Human::new(io::stdout(), io::stderr(), &plan))
                .await
        }
    });
    match result {
        Ok(exit) => exit.into(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: cannot write the answer: {error}");
            Exit::NoAnswer.into()
        }
    }
}

/// The command line, checked.
#[derive(Debug)]
struct Plan {
    queries: Vec<Query>,
    question: Question,
    max_offset: Option<Delta>,
}

impl Plan {
    fn of(args: &Args) -> Result<Self, clap::Error> {
        let refuse = |kind, text: String| clap::Error::raw(kind, text + "\n");
        let question = args.protocol.question(args.ntp_version.unwrap_or_default());
        if args.max_offset.is_some() && !question.tells_offset() {
            let text = format!(
                "--max-offset needs --protocol ntp or time: a reply of {} does not say its \
                 time zone, so it tells no offset",
                question.protocol()
            );
            return Err(refuse(ErrorKind::ArgumentConflict, text));
        }
        if args.ntp_version.is_some() && args.protocol != Protocol::Ntp {
            let text = "--ntp-version needs --protocol ntp".to_owned();
            return Err(refuse(ErrorKind::ArgumentConflict, text));
        }
        let targets = if args.hosts.is_empty() {
            vec![shipped_server(question, args.ipv6)]
        } else {
            let targets = args
                .hosts
                .iter()
                .map(|host| Target::parse(host, question.standard_port()));
            let targets: Result<_, _> = targets.collect();
            targets.map_err(|error| refuse(ErrorKind::ValueValidation, error.to_string()))?
        };
        let family = match (args.ipv4, args.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        let query = |target| Query {
            family,
            samples: args.samples,
            interval: args.interval,
            timeout: args.timeout,
            ..Query::new(question, target)
        };
        let queries = targets.into_iter().map(query).collect();
        Ok(Self {
            queries,
            question,
            max_offset: args.max_offset,
        })
    }

    /// Asks all servers at once and shows each sample as it comes in, then the
    /// summaries, then the comparison.
    async fn carry_out(&self, mut show: impl Show) -> io::Result<Exit> {
        let clock = Arc::new(OsClock);
        let client = Client::new(Local {
            clock,
            precision_log2_s: measure_precision_log2_s(),
        });
        let client = client.start();
        let (tell, mut told) = mpsc::unbounded_channel();
        let asking: Vec<_> = self
            .queries
            .iter()
            .enumerate()
            .map(|(index, query)| {
                let tell = tell.clone();
                let each = move |outcome: &Outcome| {
                    // Nobody listens any more when the output is closed.
                    let _ = tell.send((index, outcome.clone()));
                };
                client.send(Watched {
                    query: query.clone(),
                    each: Box::new(each),
                })
            })
            .collect();
        drop(tell);
        let asking = actix::spawn(join_all(asking));
        let mut count = vec![0; self.queries.len()];
        while let Some((index, outcome)) = told.recv().await {
            count[index] += 1;
            show.sample(&self.queries[index], count[index], &outcome)?;
        }
        let reports = asking.await.map_err(io::Error::other)?;
        let reports: Vec<Report> = reports.into_iter().map(Result::unwrap_or_default).collect();
        let mut exit = Exit::Good;
        for (query, report) in self.queries.iter().zip(&reports) {
            if query.samples > 1 {
                show.summary(query, report)?;
            }
            exit = exit.max(self.judge(report));
        }
        if self.queries.len() > 1 && self.question.tells_offset() {
            show.comparison(&self.queries, &reports)?;
        }
        if let Some(max_offset) = self.max_offset {
            for (query, report) in self.queries.iter().zip(&reports) {
                if is_above(report, max_offset) {
                    show.above(query, report, max_offset)?;
                }
            }
        }
        Ok(exit)
    }

    /// The worst that can be said of a server.
    fn judge(&self, report: &Report) -> Exit {
        let said = [
            (report.answered().next().is_none(), Exit::NoAnswer),
            (
                report.failures().any(|failure| failure.is_reply()),
                Exit::BadReply,
            ),
            (
                self.max_offset.is_some_and(|max| is_above(report, max)),
                Exit::OffsetTooLarge,
            ),
        ];
        let worst = said
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, exit)| exit)
            .max();
        worst.unwrap_or(Exit::Good)
    }
}

/// Whether the clocks are further apart than `max_offset`: by the best sample,
/// and where that tells whole seconds, by the least that it allows for.
fn is_above(report: &Report, max_offset: Delta) -> bool {
    if let Some(summary) = report.summary() {
        return summary.best.offset.abs() > max_offset;
    }
    let seconds = report
        .answered()
        .filter_map(|sample| sample.answer.second_measurement());
    seconds
        .map(|second| second.least_offset())
        .min()
        .is_some_and(|least| least > max_offset)
}

/// Where the results go.
trait Show {
    /// Shows what came of one question, the `number`th (from 1) to this server.
    fn sample(&mut self, query: &Query, number: u32, outcome: &Outcome) -> io::Result<()>;

    /// Shows what the samples of one server say together.
    fn summary(&mut self, query: &Query, report: &Report) -> io::Result<()>;

    /// Shows how several servers stand to one another.
    fn comparison(&mut self, queries: &[Query], reports: &[Report]) -> io::Result<()>;

    /// Says that a server's offset is above the limit.
    fn above(&mut self, query: &Query, report: &Report, limit: Delta) -> io::Result<()>;
}

/// The comparison of the servers of these reports.
fn comparison_of(reports: &[Report]) -> timeball::client::Comparison {
    let intervals: Vec<_> = reports.iter().map(Report::interval).collect();
    compare(&intervals)
}

/// What is to be said beside a sample that was answered.
fn notes(outcome: &Outcome) -> Vec<String> {
    let Ok(sample) = outcome else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if let Some(fault) = &sample.ignored.first {
        let count = sample.ignored.count;
        notes.push(format!(
            "{count} datagrams before it were not the reply; the first: {fault}"
        ));
    }
    if let timeball::client::Answer::Ntp(answer) = &sample.answer {
        notes.extend(answer.oddities.iter().map(ToString::to_string));
        let measurement = answer.measurement;
        if measurement.held_too_long > Delta::from_millis(1) {
            notes.push(format!(
                "the server says that it held the request {} s longer than the exchange took",
                human::seconds(measurement.held_too_long)
            ));
        }
        if measurement.stepped.abs() > Delta::from_millis(1) {
            notes.push(format!(
                "this host's clock was stepped by {} s meanwhile",
                human::signed_seconds(measurement.stepped)
            ));
        }
    }
    notes
}

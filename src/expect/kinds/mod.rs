//! One test a file, each for one key of an expectation.

mod back_off;
mod clients;
mod header;
mod kiss;
mod recovery;
mod rejection;
mod requests;
mod silence;
mod source_ports;
mod transmit_timestamps;
mod trouble;

pub(super) use back_off::{BackOffTest, MAX_POLL_LOG2_S};
pub use clients::MAX_CLIENTS;
pub(super) use header::HeaderTest;
pub(super) use recovery::{RecoveryTest, Trouble};
pub(super) use rejection::RejectionTest;
pub(super) use requests::{AtMost, RequestsTest};
pub(super) use silence::SilenceTest;
pub(super) use source_ports::SourcePortsTest;
pub(super) use transmit_timestamps::TransmitTimestampsTest;

use crate::api::Delta;
use crate::faults::Rule;
use crate::protocol::ProtocolName;
use crate::protocol::ntp;
use crate::transcript::{Change, Record};
use std::fmt;

/// What an expectation does with what it sees.
pub(super) trait Test: Send {
    /// What is expected, in a sentence without its end.
    fn what(&self) -> String;

    /// These are the fault rules at the start of the run, by their names.
    fn knows(&mut self, _: &[(String, Rule)]) {}

    /// Control changed something.
    fn changed(&mut self, _: &Change) {}

    /// A datagram of the endpoint and the client that the expectation is about;
    /// `chosen` if its time and rules fit too.
    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure>;

    /// A datagram of another endpoint or client.
    fn saw_elsewhere(&mut self, _: &Record) {}

    /// What to say if nothing has failed and the run ends like this.
    fn settle(&self, end: &End<'_>) -> Settled;

    /// Why it cannot speak for all clients, if it cannot.
    fn unwatched(&self) -> Option<String> {
        None
    }
}

/// The client did not do what was expected.
#[derive(Debug)]
pub(super) struct Failure {
    /// The number of the request that shows it.
    pub(super) record: Option<u64>,
    /// What was seen, in a sentence without its end.
    pub(super) why: String,
}

impl Failure {
    fn at(record: &Record, why: String) -> Self {
        Self {
            record: Some(record.number),
            why,
        }
    }
}

/// What is said at the end, each with what was seen.
#[derive(Debug)]
pub(super) enum Settled {
    Held(String),
    Failed(Failure),
    NotTested(String),
}

/// How a run ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    /// Host time since the run began.
    pub(super) at: Delta,
    /// What has elapsed of each endpoint's mock time.
    pub(super) elapsed: &'a [Delta],
    /// Whether any client asked anything of any endpoint.
    pub(super) asked: bool,
}

/// The NTP header of a datagram, if it has one.
fn ntp_header(record: &Record) -> Option<ntp::Header> {
    if record.protocol != ProtocolName::Ntp {
        return None;
    }
    record.octets.first_chunk().map(ntp::Header::decode)
}

/// The value that more than half of `values` have, if there is one.
fn majority<T: Copy + Eq>(values: &[T]) -> Option<T> {
    // Boyer and Moore: each value is struck out against a different one.
    let (mut candidate, mut lead) = (*values.first()?, 0_usize);
    for &value in values {
        match (value == candidate, lead) {
            (true, _) => lead += 1,
            (false, 0) => (candidate, lead) = (value, 1),
            (false, _) => lead -= 1,
        }
    }
    let count = values.iter().filter(|&&value| value == candidate).count();
    (2 * count > values.len()).then_some(candidate)
}

/// A span for people: whole microseconds, rounded towards zero so that what is
/// short of a bound never looks as if it reached it.
struct Seconds(Delta);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_nanos() / 1_000;
        let sign = if micros < 0 { "-" } else { "" };
        let (seconds, micros) = (
            micros.unsigned_abs() / 1_000_000,
            micros.unsigned_abs() % 1_000_000,
        );
        let fraction = format!(".{micros:06}");
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{sign}{seconds}{fraction} s")
    }
}

/// `count` of something: `1 request`, `2 requests`.
struct Count<'a>(u64, &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

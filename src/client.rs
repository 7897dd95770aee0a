//! The client: asks a server what time it is and says how good the answer is.
//!
//! | module | what it holds |
//! |---|---|
//! | [`target`] | [`Target`]: a host and a port, as a person writes them |
//! | [`question`] | [`Question`]: what to ask, in which protocol; what a reply to it means |
//! | [`measurement`] | [`Measurement`]: offset, delay and dispersion of one exchange; pure |
//! | [`statistics`] | [`Summary`] of several samples; pure |
//! | [`comparison`] | [`Comparison`] of several servers, naming the outlier; pure |
//! | [`failure`] | [`Failure`]: why there is no answer, naming the rule that was broken |
//!
//! One server is asked by [`query`]; the actor
//! [`actors::client::Client`](crate::actors::client::Client) does the same for
//! those who live among actors. The host's clock is read and never set.
//!
//! # What it guards against
//! Every sample has a socket of its own on a port that the kernel chooses, and
//! an NTP request carries 64 random bits where the time would stand: who does
//! not see the request cannot forge the reply. A datagram that is not the reply
//! does not end the wait for it; it is counted and, if nothing better comes,
//! reported with the rule it broke. Only word that nobody is at the port (ICMP)
//! ends the wait for an address early: who forges it has to know the port, and
//! gains silence, not false time.

pub mod comparison;
mod exchange;
pub mod failure;
pub mod measurement;
pub mod question;
pub(crate) mod resolve;
pub mod statistics;
pub mod target;

pub use comparison::{Comparison, Standing, compare};
pub use failure::{Failure, Fault, Silence};
pub use measurement::{Measurement, SecondMeasurement};
pub use question::{Answer, NtpAnswer, NtpVersion, Question};
pub use statistics::Summary;
pub use target::Target;

use crate::api::{Delta, HostClock};
use crate::protocol::ntp::reply;
use comparison::Interval;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::MissedTickBehavior;

/// Which of a host's addresses to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Any, in the order in which the resolver gives them.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// A question to one server, once or several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What to ask.
    pub question: Question,
    /// Whom to ask.
    pub target: Target,
    /// Which of its addresses.
    pub family: Family,
    /// How often to ask; none at all counts as once.
    pub samples: u32,
    /// From one sample to the next; at least as long as the sample takes.
    pub interval: Delta,
    /// How long to wait for the reply of one address.
    pub timeout: Delta,
}

impl Query {
    /// How long a reply is waited for unless the query says otherwise.
    pub const DEFAULT_TIMEOUT: Delta = Delta::from_seconds(1);
    /// From one sample to the next unless the query says otherwise: the
    /// spacing of a burst in RFC 5905 (section 13.2).
    pub const DEFAULT_INTERVAL: Delta = Delta::from_seconds(2);

    /// One sample, from any of the target's addresses.
    #[must_use]
    pub const fn new(question: Question, target: Target) -> Self {
        Self {
            question,
            target,
            family: Family::Any,
            samples: 1,
            interval: Self::DEFAULT_INTERVAL,
            timeout: Self::DEFAULT_TIMEOUT,
        }
    }
}

/// This end of an exchange: what the client reads its own time from.
#[derive(Clone)]
pub struct Local {
    /// The host's clocks.
    pub clock: Arc<dyn HostClock>,
    /// How finely they can be read, in seconds as a power of two: part of the
    /// dispersion, and the least delay that can be told from none.
    pub precision_log2_s: i8,
}

/// One question that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The address that answered.
    pub address: SocketAddr,
    /// What it said.
    pub answer: Answer,
    /// The datagrams that came before it and were not it.
    pub ignored: Ignored,
}

/// Datagrams that arrived where the reply was expected and were not it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignored {
    /// How many.
    pub count: u64,
    /// The rule that the first one broke.
    pub first: Option<Fault>,
}

impl Ignored {
    fn add(&mut self, fault: Fault) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(fault);
    }
}

/// What came of one question.
pub type Outcome = Result<Sample, Failure>;

/// What came of a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Every sample in the order of asking. Fewer than were wanted when the
    /// server could not be found, or asked to be left alone.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// The samples that were answered.
    pub fn answered(&self) -> impl Iterator<Item = &Sample> {
        self.outcomes.iter().flatten()
    }

    /// The questions that were not.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
    }

    /// The samples' figures taken together; `None` unless NTP was spoken and
    /// answered.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let measured: Vec<_> = self
            .answered()
            .filter_map(|sample| sample.answer.measurement())
            .collect();
        Summary::of(&measured)
    }

    /// What the server's offset is known to lie within; `None` where the
    /// protocol does not tell or nothing was answered.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        if let Some(summary) = self.summary() {
            return Some(summary.interval());
        }
        let seconds = self
            .answered()
            .filter_map(|sample| sample.answer.second_measurement());
        let best = seconds.min_by_key(|second| second.uncertainty)?;
        Some(Interval {
            offset: best.offset,
            distance: best.uncertainty,
        })
    }
}

/// Asks one server, as often as the query says.
///
/// The name is resolved once. Its addresses are tried one after the other until
/// one answers; the samples after that go to the same address, since those of
/// two servers have no common jitter. A kiss-o'-death that asks for silence
/// (`RATE`, `DENY`, `RSTR`) ends the series. RFC 5905 section 7.4.
///
/// ```
/// use std::sync::Arc;
/// use timeball::client::{self, Local, Query, Question, Target};
/// use timeball::api::{HostClock, HostInstant};
///
/// # async fn example(clock: Arc<dyn HostClock>) {
/// let target = Target::parse("time.example.net", 123).expect("a name is a target");
/// let query = Query { samples: 4, ..Query::new(Question::NTP, target) };
/// let report = client::query(&query, &Local { clock, precision_log2_s: -20 }).await;
/// match report.summary() {
///     Some(summary) => println!("we are {} ns behind", summary.best.offset.as_nanos()),
///     None => report.failures().for_each(|failure| eprintln!("{failure}")),
/// }
/// # }
/// ```
///
/// # Panics
/// Outside of a tokio runtime with its I/O and time drivers.
pub async fn query(query: &Query, local: &Local) -> Report {
    query_each(query, local, |_outcome| ()).await
}

/// Does what [`query`] does and tells of each sample as it comes in.
///
/// # Panics
/// Outside of a tokio runtime with its I/O and time drivers.
pub async fn query_each(query: &Query, local: &Local, mut each: impl FnMut(&Outcome)) -> Report {
    let mut report = Report::default();
    let mut addresses = match resolve::resolve(&query.target, query.family, query.timeout).await {
        Ok(addresses) => addresses,
        Err(failure) => {
            let outcome = Err(failure);
            each(&outcome);
            report.outcomes.push(outcome);
            return report;
        }
    };
    let mut ticks = (query.interval > Delta::ZERO).then(|| {
        let mut ticks = tokio::time::interval(query.interval.to_std());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    for _ in 0..query.samples.max(1) {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let outcome = exchange::ask(query, &addresses, local).await;
        each(&outcome);
        let speaker = match &outcome {
            Ok(sample) => Some(sample.address),
            Err(failure) => failure.speaker(),
        };
        if let Some(speaker) = speaker {
            addresses = vec![speaker];
        }
        let stop = matches!(&outcome, Err(Failure::KissOfDeath { code, .. })
            if reply::kiss_means_stop(*code));
        report.outcomes.push(outcome);
        if stop {
            break;
        }
    }
    report
}

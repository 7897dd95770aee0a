//! Whether the transmit timestamps of a client can be guessed.

use super::clients::Clients;
use super::{Count, End, Failure, Settled, Test, majority, ntp_header};
use crate::api::{Delta, NtpTimestamp};
use crate::expect::model::Unpredictable;
use crate::transcript::{Direction, Record};
use std::collections::BTreeSet;

/// One second in the units of an [`NtpTimestamp`].
const SECOND: u64 = 1 << 32;

/// How near to mock time a timestamp may be read as a time.
const NEAR: Delta = Delta::from_seconds(3_600);

/// How many times near mock time are no coincidence.
const TOO_MANY_NEAR: usize = 2;

#[derive(Debug)]
pub(in crate::expect) struct TransmitTimestampsTest {
    requests: usize,
    unpredictable: Unpredictable,
    clients: Clients<Vec<Sent>>,
    runs: u64,
}

/// What a request says, and when.
#[derive(Debug, Clone, Copy)]
struct Sent {
    transmit_timestamp: NtpTimestamp,
    at: Delta,
    is_near_mock_time: bool,
}

impl TransmitTimestampsTest {
    pub(in crate::expect) const fn new(requests: usize, unpredictable: Unpredictable) -> Self {
        Self {
            requests,
            unpredictable,
            clients: Clients::new(),
            runs: 0,
        }
    }
}

impl Test for TransmitTimestampsTest {
    fn what(&self) -> String {
        let what = match self.unpredictable {
            Unpredictable::AllBits => "transmit timestamps",
            Unpredictable::LowBits => "the low bits of transmit timestamps",
        };
        format!("in {} requests {what} cannot be guessed", self.requests)
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In || !chosen {
            return Ok(());
        }
        let Some(header) = ntp_header(record) else {
            return Ok(());
        };
        let Some(sent) = self.clients.of(record) else {
            return Ok(());
        };
        let transmit_timestamp = header.transmit_timestamp;
        sent.push(Sent {
            transmit_timestamp,
            at: record.at,
            is_near_mock_time: transmit_timestamp.since(record.time.into()).abs() <= NEAR,
        });
        if sent.len() < self.requests {
            return Ok(());
        }
        self.runs += 1;
        let verdict = judge(sent, self.unpredictable);
        sent.clear();
        verdict.map_err(|why| {
            let why = format!(
                "of {} requests up to {} {why}",
                self.requests, record.number
            );
            Failure::at(record, why)
        })
    }

    fn settle(&self, _: &End<'_>) -> Settled {
        match self.runs {
            0 => Settled::NotTested(format!("no client asked {} times", self.requests)),
            runs => Settled::Held(format!(
                "{} of {} requests",
                Count(runs, "run"),
                self.requests
            )),
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched()
    }
}

/// Whether these may be random, as far as they have to be.
fn judge(sent: &[Sent], unpredictable: Unpredictable) -> Result<(), &'static str> {
    let bits: Vec<u64> = sent
        .iter()
        .map(|sent| sent.transmit_timestamp.to_bits())
        .collect();
    if bits.contains(&0) {
        return Err("one has no transmit timestamp");
    }
    if bits.iter().collect::<BTreeSet<_>>().len() < bits.len() {
        return Err("two have the same transmit timestamp");
    }
    let low_bits: BTreeSet<_> = bits.iter().map(|bits| *bits as u16).collect();
    if 2 * low_bits.len() < bits.len() {
        return Err("most transmit timestamps end in the same low bits as others");
    }
    match unpredictable {
        Unpredictable::LowBits if bits.iter().all(|&bits| is_whole_microseconds(bits)) => {
            Err("all transmit timestamps are whole microseconds")
        }
        Unpredictable::LowBits => Ok(()),
        Unpredictable::AllBits => judge_as_times(sent),
    }
}

/// Whether these are neither times nor a count.
fn judge_as_times(sent: &[Sent]) -> Result<(), &'static str> {
    let steps: Vec<u64> = sent
        .windows(2)
        .map(|pair| {
            let bits = |sent: Sent| sent.transmit_timestamp.to_bits();
            bits(pair[1]).wrapping_sub(bits(pair[0]))
        })
        .collect();
    for (step, pair) in steps.iter().zip(sent.windows(2)) {
        if is_small(*step) {
            return Err("two in a row have transmit timestamps less than a second apart");
        }
        if is_small(step.wrapping_sub(units(pair[1].at - pair[0].at))) {
            return Err("the transmit timestamp is that of a clock");
        }
    }
    if majority(&steps).is_some() {
        return Err("most transmit timestamps are one step from the one before");
    }
    if sent.iter().filter(|sent| sent.is_near_mock_time).count() >= TOO_MANY_NEAR {
        return Err("transmit timestamps are near the time that is served");
    }
    Ok(())
}

/// Whether a step, forwards or backwards around the circle, is below a second.
const fn is_small(step: u64) -> bool {
    (step as i64).unsigned_abs() < SECOND
}

/// A span of host time as a step of timestamps, around the circle.
fn units(span: Delta) -> u64 {
    ((i128::from(span.as_nanos()) << 32) / 1_000_000_000) as u64
}

/// Whether the fraction is that of a whole number of microseconds, rounded
/// either way.
const fn is_whole_microseconds(bits: u64) -> bool {
    let fraction = bits & (SECOND - 1);
    let micros = fraction * 1_000_000 / SECOND;
    let rounded_up = (micros * SECOND).div_ceil(1_000_000);
    let next_rounded_down = (micros + 1) * SECOND / 1_000_000;
    fraction == rounded_up || fraction == next_rounded_down
}

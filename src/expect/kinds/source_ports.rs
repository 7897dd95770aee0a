//! Whether the ports that a client asks from can be guessed.

use super::clients::Clients;
use super::{Count, End, Failure, Settled, Test, majority};
use crate::protocol::ProtocolName;
use crate::transcript::{Direction, Record};
use std::collections::BTreeSet;

/// The port of NTP servers, which a client must not ask from. RFC 9109.
const NTP_PORT: u16 = 123;

/// The longest step between ports that counts as the next one: others on the
/// client's host take ports too.
const MAX_STEP: i32 = 16;

#[derive(Debug)]
pub(in crate::expect) struct SourcePortsTest {
    requests: usize,
    distinct: usize,
    clients: Clients<Vec<u16>>,
    runs: u64,
}

impl SourcePortsTest {
    pub(in crate::expect) const fn new(requests: usize, distinct: usize) -> Self {
        Self {
            requests,
            distinct,
            clients: Clients::new(),
            runs: 0,
        }
    }
}

impl Test for SourcePortsTest {
    fn what(&self) -> String {
        let (distinct, requests) = (self.distinct, self.requests);
        match distinct {
            1 => format!("{requests} requests come from one port or more, in no sequence"),
            _ => format!("{requests} requests come from {distinct} ports at least, in no sequence"),
        }
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In || !chosen {
            return Ok(());
        }
        let port = record.peer.port();
        if port == NTP_PORT && record.protocol == ProtocolName::Ntp {
            let why = format!("request {} comes from port {NTP_PORT}", record.number);
            return Err(Failure::at(record, why));
        }
        let Some(ports) = self.clients.of(record) else {
            return Ok(());
        };
        ports.push(port);
        if ports.len() < self.requests {
            return Ok(());
        }
        self.runs += 1;
        let verdict = judge(ports, self.distinct);
        ports.clear();
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

/// Whether these ports, in the order of the requests, may be random.
fn judge(ports: &[u16], distinct: usize) -> Result<(), String> {
    let different: BTreeSet<_> = ports.iter().collect();
    if different.len() < distinct {
        return Err(format!(
            "the ports are only {} different ones",
            different.len()
        ));
    }
    let steps: Vec<i32> = ports
        .windows(2)
        .map(|pair| i32::from(pair[1]) - i32::from(pair[0]))
        .collect();
    let most = |count: usize| 2 * count > steps.len();
    let count = |is: &dyn Fn(i32) -> bool| steps.iter().filter(|&&step| is(step)).count();
    if most(count(&|step| (1..=MAX_STEP).contains(&step))) {
        return Err("most ports are among the next after the one before".to_owned());
    }
    if most(count(&|step| (-MAX_STEP..=-1).contains(&step))) {
        return Err("most ports are among the last below the one before".to_owned());
    }
    match majority(&steps) {
        Some(step) if step != 0 => Err(format!("most ports are {step:+} from the one before")),
        _ => Ok(()),
    }
}

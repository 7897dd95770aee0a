//! Asking less often after a kiss-o'-death.

use super::clients::Clients;
use super::kiss::{Asked, Kiss, any_of};
use super::{Count, End, Failure, Seconds, Settled, Test};
use crate::api::{Delta, ReferenceId};
use crate::transcript::{Direction, Record};

/// The longest poll interval that NTP has, 2^17 s: 36 hours. RFC 5905 section
/// 7.2.
pub(in crate::expect) const MAX_POLL_LOG2_S: u8 = 17;

#[derive(Debug)]
pub(in crate::expect) struct BackOffTest {
    codes: Vec<ReferenceId>,
    poll_log2_s: Option<u8>,
    requests: u64,
    grace: Delta,
    clients: Clients<State>,
    /// Requests that kept their distance, and silences that were long enough.
    kept: u64,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Asked>,
    owed: Option<Owed>,
}

/// The distance that a client has to keep.
#[derive(Debug, Clone, Copy)]
struct Owed {
    kiss: Kiss,
    interval: Delta,
    /// The request that the next one has to keep its distance from.
    since: u64,
    not_before: Delta,
    /// What comes up to here was on its way when the first kiss left.
    in_flight_until: Delta,
    /// How many more requests have to keep the distance.
    requests: u64,
}

impl BackOffTest {
    pub(in crate::expect) const fn new(
        codes: Vec<ReferenceId>,
        poll_log2_s: Option<u8>,
        requests: u64,
        grace: Delta,
    ) -> Self {
        Self {
            codes,
            poll_log2_s,
            requests,
            grace,
            clients: Clients::new(),
            kept: 0,
        }
    }
}

impl Test for BackOffTest {
    fn what(&self) -> String {
        let interval = match self.poll_log2_s {
            Some(poll) => Seconds(interval(poll)).to_string(),
            None => "2^poll s".to_owned(),
        };
        let requests = match self.requests {
            1 => "the next request keeps",
            count => &format!("the next {count} requests keep"),
        };
        format!(
            "after {} {requests} a distance of {interval} at least",
            any_of(&self.codes)
        )
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        let Some(state) = self.clients.of(record) else {
            return Ok(());
        };
        if record.direction == Direction::Out {
            if chosen && let Some(kiss) = Kiss::of(record, state.latest, &self.codes) {
                let poll = self
                    .poll_log2_s
                    .unwrap_or_else(|| kiss.poll_log2_s.clamp(0, MAX_POLL_LOG2_S as i8) as u8);
                state.kissed(kiss, interval(poll), self.grace, self.requests);
            }
            return Ok(());
        }
        let Some(asked) = Asked::of(record) else {
            return Ok(());
        };
        state.latest = Some(asked);
        let Some(owed) = &mut state.owed else {
            return Ok(());
        };
        if asked.at <= owed.in_flight_until {
            return Ok(());
        }
        if asked.at < owed.not_before {
            let distance = asked.at - (owed.not_before - owed.interval);
            return Err(Failure::at(
                record,
                format!(
                    "request {} came {} after request {}; {} after {} in answer to request {}",
                    asked.number,
                    Seconds(distance),
                    owed.since,
                    Seconds(owed.interval),
                    owed.kiss.code,
                    owed.kiss.asked.number,
                ),
            ));
        }
        self.kept += 1;
        owed.requests -= 1;
        if owed.requests == 0 {
            state.owed = None;
        } else {
            owed.since = asked.number;
            owed.not_before = asked.at + owed.interval;
            owed.in_flight_until = asked.at;
        }
        Ok(())
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let open = || self.clients.iter().filter_map(|(_, state)| state.owed);
        let silences = open().filter(|owed| end.at >= owed.not_before).count() as u64;
        match (self.kept + silences, open().next()) {
            (0, None) => Settled::NotTested(format!(
                "no {} left that a client had to believe",
                any_of(&self.codes)
            )),
            (0, Some(owed)) => Settled::NotTested(format!(
                "the run ended {} after {} in answer to request {}; {} would tell",
                Seconds(end.at - owed.kiss.at),
                owed.kiss.code,
                owed.kiss.asked.number,
                Seconds(owed.interval)
            )),
            (kept, _) => Settled::Held(format!("{} long enough", Count(kept, "pause"))),
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched()
    }
}

impl State {
    /// A client that is kissed again for asking too soon owes what it owed
    /// before: nothing more of it was on its way.
    fn kissed(&mut self, kiss: Kiss, interval: Delta, grace: Delta, requests: u64) {
        let not_before = kiss.asked.at + interval;
        let owed = Owed {
            kiss,
            interval,
            since: kiss.asked.number,
            not_before,
            in_flight_until: kiss.at + grace,
            requests,
        };
        match &mut self.owed {
            Some(before) if before.not_before > not_before => before.requests = requests,
            Some(before) => {
                *before = Owed {
                    in_flight_until: before.in_flight_until,
                    ..owed
                };
            }
            None => self.owed = Some(owed),
        }
    }
}

fn interval(poll_log2_s: u8) -> Delta {
    Delta::from_seconds(1 << poll_log2_s.min(MAX_POLL_LOG2_S))
}

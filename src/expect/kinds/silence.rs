//! Not asking any more after a kiss-o'-death.

use super::clients::Clients;
use super::kiss::{Asked, Kiss, any_of};
use super::{Count, End, Failure, Seconds, Settled, Test};
use crate::api::{Delta, ReferenceId};
use crate::transcript::{Direction, Record};

#[derive(Debug)]
pub(in crate::expect) struct SilenceTest {
    codes: Vec<ReferenceId>,
    lasting: Delta,
    grace: Delta,
    clients: Clients<State>,
    /// Silences that were broken after their time.
    kept: u64,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Asked>,
    silence: Option<Due>,
}

/// The silence that a client owes.
#[derive(Debug, Clone, Copy)]
struct Due {
    kiss: Kiss,
    until: Delta,
    /// What comes up to here was on its way when the first kiss left.
    in_flight_until: Delta,
}

impl SilenceTest {
    pub(in crate::expect) const fn new(
        codes: Vec<ReferenceId>,
        lasting: Delta,
        grace: Delta,
    ) -> Self {
        Self {
            codes,
            lasting,
            grace,
            clients: Clients::new(),
            kept: 0,
        }
    }
}

impl Test for SilenceTest {
    fn what(&self) -> String {
        format!(
            "no request in the {} after {}",
            Seconds(self.lasting),
            any_of(&self.codes)
        )
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        let Some(state) = self.clients.of(record) else {
            return Ok(());
        };
        if record.direction == Direction::Out {
            if chosen && let Some(kiss) = Kiss::of(record, state.latest, &self.codes) {
                // Once more for asking all the same: nothing of that was on its way.
                let in_flight_until = state
                    .silence
                    .map_or(kiss.at + self.grace, |due| due.in_flight_until);
                state.silence = Some(Due {
                    kiss,
                    until: kiss.at + self.lasting,
                    in_flight_until,
                });
            }
            return Ok(());
        }
        let Some(asked) = Asked::of(record) else {
            return Ok(());
        };
        state.latest = Some(asked);
        let Some(due) = state.silence else {
            return Ok(());
        };
        if asked.at <= due.in_flight_until {
            return Ok(());
        }
        if asked.at < due.until {
            return Err(Failure::at(
                record,
                format!(
                    "request {} came {} after {} in answer to request {}",
                    asked.number,
                    Seconds(asked.at - due.kiss.at),
                    due.kiss.code,
                    due.kiss.asked.number
                ),
            ));
        }
        self.kept += 1;
        state.silence = None;
        Ok(())
    }

    fn settle(&self, end: &End<'_>) -> Settled {
        let open = || self.clients.iter().filter_map(|(_, state)| state.silence);
        let silent = open().filter(|due| end.at >= due.until).count() as u64;
        match (self.kept + silent, open().next()) {
            (0, None) => Settled::NotTested(format!(
                "no {} left that a client had to believe",
                any_of(&self.codes)
            )),
            (0, Some(due)) => Settled::NotTested(format!(
                "the run ended {} after {} in answer to request {}",
                Seconds(end.at - due.kiss.at),
                due.kiss.code,
                due.kiss.asked.number
            )),
            (kept, _) => Settled::Held(format!("{} long enough", Count(kept, "silence"))),
        }
    }

    fn unwatched(&self) -> Option<String> {
        self.clients.unwatched()
    }
}

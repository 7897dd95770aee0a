//! Which rules each of the latest requests has matched.

use super::ask::Ticket;

/// The latest requests, by their tickets.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Decided>);

/// What was decided when a request came.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    ticket: Ticket,
    /// The rules that it matched, by their ids in order, each with whether the
    /// request is counted for it.
    pub(super) rules: Vec<(u64, bool)>,
    /// How many replies there were.
    pub(super) replies: u64,
}

impl Tickets {
    /// How many requests are remembered.
    pub(super) const MOST: u64 = 4_096;

    /// Remembers a request, in the place of one that came [`Self::MOST`] before.
    pub(super) fn put(&mut self, ticket: Ticket, rules: Vec<(u64, bool)>) {
        let decided = Decided {
            ticket,
            rules,
            replies: 0,
        };
        let place = (ticket.0 % Self::MOST) as usize;
        match self.0.get_mut(place) {
            Some(before) => *before = decided,
            None => {
                let nothing = Decided {
                    ticket: Ticket(0),
                    rules: Vec::new(),
                    replies: 0,
                };
                self.0.resize(place, nothing);
                self.0.push(decided);
            }
        }
    }

    /// What was decided on a request, if it is remembered.
    pub(super) fn get(&mut self, ticket: Ticket) -> Option<&mut Decided> {
        let decided = self.0.get_mut((ticket.0 % Self::MOST) as usize);
        decided.filter(|decided| decided.ticket == ticket && ticket != Ticket(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_requests_are_remembered_and_no_others() {
        let mut tickets = Tickets::default();
        for number in 1..=10_000 {
            tickets.put(Ticket(number), vec![(number, false)]);
        }
        assert_eq!(tickets.0.len() as u64, Tickets::MOST);
        for number in 10_001 - Tickets::MOST..=10_000 {
            let decided = tickets.get(Ticket(number)).expect("it is among the latest");
            assert_eq!(decided.rules, [(number, false)]);
        }
        for number in [0, 1, 10_000 - Tickets::MOST, 10_001, u64::MAX] {
            assert!(tickets.get(Ticket(number)).is_none(), "{number}");
        }
    }

    #[test]
    fn nothing_has_ticket_zero() {
        let mut tickets = Tickets::default();
        tickets.put(Ticket(3), Vec::new());
        assert!(tickets.get(Ticket(0)).is_none());
    }
}

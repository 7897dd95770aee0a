//! Who has asked, and what they were told: the memory of the engine.
//!
//! # Why it is full at some point
//! Anybody can ask under many addresses, so the memory has ends:
//! [`Clients::MOST`] clients are told apart. Those who come after them are
//! one crowd: they share the count of their requests, their previous reply and
//! what is held for them, and all arrive as the client behind the last one that
//! is known. Nobody is forgotten, so a flood changes nothing for those who were
//! there before it.

use super::ask::{Departure, Ticket};
use super::engine::Engine;
use super::network::Hold;
use crate::protocol::ntp::Header;
use std::collections::HashMap;
use std::net::IpAddr;

/// What is known of all clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    arrivals: HashMap<IpAddr, u64>,
    histories: HashMap<(usize, IpAddr), History>,
    crowds: HashMap<usize, History>,
    held: usize,
    held_octets: usize,
}

/// What one client and one endpoint have said to one another.
#[derive(Debug, Default)]
pub(super) struct History {
    /// How many requests came.
    pub(super) requests: u64,
    latest: Option<Told>,
    before: Option<Told>,
    held: Vec<(Hold, Departure)>,
}

/// A reply, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The request it answers.
    pub(super) ticket: Ticket,
    /// The header that the server wrote, and the one that was sent; for NTP.
    pub(super) headers: Option<(Header, Header)>,
    /// The octets that were sent; empty if there were too many.
    pub(super) octets: Vec<u8>,
}

impl Told {
    /// The longest reply that is kept.
    pub(super) const LONGEST: usize = 1_024;
}

impl Clients {
    /// How many clients are told apart, and how many pairs of a client and an
    /// endpoint.
    pub(super) const MOST: usize = 4_096;
    /// How many octets the held replies have together.
    const MOST_HELD_OCTETS: usize = 1 << 20;

    /// Which client this is in the order of arrival, from 1.
    pub(super) fn arrival(&mut self, client: IpAddr) -> u64 {
        let next = self.arrivals.len() as u64 + 1;
        match self.arrivals.get(&client) {
            Some(arrival) => *arrival,
            None => {
                if self.arrivals.len() < Self::MOST {
                    self.arrivals.insert(client, next);
                }
                next
            }
        }
    }

    /// What `client` and `endpoint` have said to one another.
    pub(super) fn history(&mut self, endpoint: usize, client: IpAddr) -> &mut History {
        let is_known = self.histories.contains_key(&(endpoint, client));
        if is_known || self.histories.len() < Self::MOST {
            self.histories.entry((endpoint, client)).or_default()
        } else {
            self.crowds.entry(endpoint).or_default()
        }
    }

    /// Holds `departure` back; gives it back if there is no room.
    pub(super) fn hold(
        &mut self,
        endpoint: usize,
        client: IpAddr,
        until: Hold,
        departure: Departure,
    ) -> Result<(), Departure> {
        let octets = self.held_octets + departure.octets.len();
        if self.held >= Engine::MOST_HELD || octets > Self::MOST_HELD_OCTETS {
            return Err(departure);
        }
        self.held += 1;
        self.held_octets = octets;
        let history = self.history(endpoint, client);
        history.held.push((until, departure));
        Ok(())
    }

    /// What was held for this client until now, in the order in which it was.
    pub(super) fn release(
        &mut self,
        endpoint: usize,
        client: IpAddr,
        until: Hold,
    ) -> Vec<Departure> {
        let held = &mut self.history(endpoint, client).held;
        let released: Vec<Departure> = held
            .extract_if(.., |(of, _)| *of == until)
            .map(|(_, departure)| departure)
            .collect();
        self.held -= released.len();
        self.held_octets -= released.iter().map(|it| it.octets.len()).sum::<usize>();
        released
    }
}

impl History {
    /// The reply before the one to the request of `ticket`.
    pub(super) fn previous(&self, ticket: Ticket) -> Option<&Told> {
        match &self.latest {
            Some(latest) if latest.ticket == ticket => self.before.as_ref(),
            latest => latest.as_ref(),
        }
    }

    /// Remembers a reply. Of several to one request the first counts.
    pub(super) fn remember(&mut self, told: Told) {
        let is_known = (self.latest.as_ref()).is_some_and(|latest| latest.ticket == told.ticket);
        if !is_known {
            self.before = self.latest.replace(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Via;
    use super::*;
    use crate::api::Delta;
    use std::net::Ipv4Addr;

    fn client(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number as u32).into()
    }

    fn departure(len: usize) -> Departure {
        Departure {
            after: Delta::ZERO,
            from: Via::Same,
            to: ([127, 0, 0, 1], 9).into(),
            octets: vec![0; len],
            ticket: Ticket(1),
            rules: Vec::new(),
        }
    }

    #[test]
    fn clients_beyond_the_most_are_one_crowd_and_nobody_is_forgotten() {
        let mut clients = Clients::default();
        let most = Clients::MOST;
        for number in 0..most + 1_000 {
            let arrival = clients.arrival(client(number));
            assert_eq!(arrival, number.min(most) as u64 + 1);
            clients.history(0, client(number)).requests += 1;
        }
        assert_eq!(clients.arrival(client(0)), 1);
        assert_eq!(clients.history(0, client(0)).requests, 1);
        assert_eq!(clients.history(0, client(most + 7)).requests, 1_000);
        assert_eq!(clients.arrivals.len(), most);
        assert_eq!(clients.histories.len(), most);
        assert_eq!(clients.crowds.len(), 1);
    }

    #[test]
    fn what_is_held_has_an_end_in_number_and_in_octets() {
        let mut clients = Clients::default();
        for number in 0..Engine::MOST_HELD {
            let held = clients.hold(0, client(number), Hold::NextReply, departure(48));
            assert_eq!(held, Ok(()));
        }
        let refused = clients.hold(0, client(0), Hold::NextReply, departure(48));
        assert_eq!(refused, Err(departure(48)));
        assert_eq!(clients.release(0, client(0), Hold::NextRequest), []);
        let released = clients.release(0, client(0), Hold::NextReply);
        assert_eq!(released, [departure(48)]);

        let mut clients = Clients::default();
        for _ in 0..16 {
            let held = clients.hold(0, client(0), Hold::NextReply, departure(65_507));
            assert_eq!(held, Ok(()));
        }
        assert!(
            clients
                .hold(0, client(0), Hold::NextReply, departure(65_507))
                .is_err()
        );
        assert_eq!(clients.release(0, client(0), Hold::NextReply).len(), 16);
        assert_eq!((clients.held, clients.held_octets), (0, 0));
    }

    #[test]
    fn a_second_reply_to_one_request_is_not_the_previous_of_itself() {
        let told = |number| Told {
            ticket: Ticket(number),
            headers: None,
            octets: vec![number as u8],
        };
        let mut history = History::default();
        assert_eq!(history.previous(Ticket(1)), None);
        history.remember(told(1));
        assert_eq!(history.previous(Ticket(1)), None);
        history.remember(told(1));
        assert_eq!(history.previous(Ticket(2)), Some(&told(1)));
        history.remember(told(2));
        assert_eq!(history.previous(Ticket(2)), Some(&told(1)));
        assert_eq!(history.previous(Ticket(3)), Some(&told(2)));
    }
}

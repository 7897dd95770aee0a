//! The engine: requests and replies in, what becomes of them out.

use super::answer::Answer;
use super::ask::{Arrivals, Ask, Departure, Endpoint, Ticket, Via};
use super::check::{Problem, RuleProblem, check_rules};
use super::clients::{Clients, Told};
use super::content::{Content, header_of};
use super::journey::Journey;
use super::network::Hold;
use super::octets::LONGEST;
use super::rule::Rule;
use super::slot::{Facts, Slot};
use super::tickets::Tickets;
use crate::api::Delta;
use std::sync::Arc;

/// The rules at work.
///
/// What it remembers has an end, whatever comes: 4,096 clients and pairs of a
/// client and an endpoint are told apart (those who come after them are treated
/// as one, and nobody is forgotten); [`Engine::MOST_HELD`] replies and 1 MiB of
/// them are held at a time (those beyond are not held); a reply to a request
/// that came more than 4,096 requests before is left alone. One reply becomes
/// [`Engine::MOST_DEPARTURES`] datagrams at most, beside those that were held.
///
/// ```
/// # use timeball::api::Delta;
/// # use timeball::faults::{Ask, Endpoint, Engine};
/// # use timeball::protocol::ProtocolName;
/// let late = toml::from_str("delay = { reply = '20ms' }")?;
/// let endpoint = Endpoint {
///     name: "clock".into(),
///     protocol: ProtocolName::Time,
/// };
/// let mut engine = Engine::new(1, vec![late], vec![endpoint]).expect("the rule is right");
///
/// let ask = Ask {
///     endpoint: 0,
///     peer: ([127, 0, 0, 1], 40_000).into(),
///     octets: b"",
///     at: Delta::ZERO,
///     elapsed: Delta::ZERO,
/// };
/// let arrivals = engine.request(&ask);
/// assert_eq!(arrivals.copies, [Delta::ZERO]);
/// let departures = engine.reply(arrivals.ticket, &ask, Some(&[0xee, 0xad, 0xf8, 0x84]));
/// assert_eq!(departures[0].after, Delta::from_millis(20));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    seed: u64,
    endpoints: Vec<Endpoint>,
    slots: Vec<Slot>,
    clients: Clients,
    tickets: Tickets,
    /// How many requests came to each endpoint, and to none of them.
    requests: Vec<u64>,
    last: u64,
    /// How many rules there ever were.
    rules: u64,
}

impl Engine {
    /// How many rules there can be.
    pub const MOST_RULES: usize = 256;
    /// How many datagrams leave because of one reply.
    pub const MOST_DEPARTURES: usize = 64;
    /// How many replies are held at a time, for all clients together.
    pub const MOST_HELD: usize = 256;
    /// How often one request arrives.
    pub const MOST_ARRIVALS: usize = 17;

    /// The engine of these rules, which stand in the order in which they are
    /// looked at.
    ///
    /// # Errors
    /// Everything that [`check_rules`] finds.
    pub fn new(
        seed: u64,
        rules: Vec<Rule>,
        endpoints: Vec<Endpoint>,
    ) -> Result<Self, Vec<RuleProblem>> {
        let problems = check_rules(&rules, &endpoints);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut engine = Self {
            seed,
            slots: Vec::new(),
            clients: Clients::default(),
            tickets: Tickets::default(),
            requests: vec![0; endpoints.len() + 1],
            endpoints,
            last: 0,
            rules: 0,
        };
        for rule in rules {
            let slot = engine.slot(rule);
            engine.slots.push(slot);
        }
        Ok(engine)
    }

    fn slot(&mut self, rule: Rule) -> Slot {
        self.rules += 1;
        let name = rule.name_at(self.rules).into();
        Slot::new(self.rules, name, rule, self.seed, &self.endpoints)
    }

    /// A request came: numbers it, decides which rules it matches, and says
    /// what the network does to it on its way to the server.
    pub fn request(&mut self, ask: &Ask<'_>) -> Arrivals {
        let facts = self.number(ask);
        let mut journey = Journey::new();
        let mut decided = Vec::new();
        for slot in &mut self.slots {
            slot.hear(&facts);
        }
        for slot in &mut self.slots {
            if !slot.matches(&facts) {
                continue;
            }
            let is_counted = slot.carry(&mut journey, facts.of_all) || slot.rule.honest;
            slot.count += u64::from(is_counted);
            decided.push((slot.id, is_counted));
            if !slot.rule.also {
                break;
            }
        }
        self.tickets.put(facts.ticket(), decided);
        let clients = &mut self.clients;
        let departures = clients.release(facts.endpoint, facts.client, Hold::NextRequest);
        Arrivals {
            ticket: facts.ticket(),
            copies: journey.copies(),
            departures,
            rules: journey.rules,
        }
    }

    /// Counts a request.
    fn number(&mut self, ask: &Ask<'_>) -> Facts {
        self.last += 1;
        let endpoint = ask.endpoint.min(self.endpoints.len());
        let client = ask.peer.ip().to_canonical();
        let history = self.clients.history(endpoint, client);
        history.requests += 1;
        let of_client = history.requests;
        self.requests[endpoint] += 1;
        Facts {
            endpoint,
            protocol: self.endpoints.get(endpoint).map(|it| it.protocol),
            client,
            arrival: self.clients.arrival(client),
            of_all: self.last,
            of_endpoint: self.requests[endpoint],
            of_client,
            at: ask.at,
            elapsed: ask.elapsed,
        }
    }

    /// The server answered a request with `reply`, or with nothing: says what
    /// leaves. To be called for each copy of the request that arrived.
    ///
    /// `ask` is the request as it was at [`request`](Self::request), at the
    /// moment of the reply.
    pub fn reply(&mut self, ticket: Ticket, ask: &Ask<'_>, reply: Option<&[u8]>) -> Vec<Departure> {
        let Some(reply) = reply else {
            return Vec::new();
        };
        let endpoint = ask.endpoint.min(self.endpoints.len());
        let client = ask.peer.ip().to_canonical();
        let history = self.clients.history(endpoint, client);
        let previous = history.previous(ticket).cloned();
        let mut answer = Answer::new(Content {
            octets: reply[..reply.len().min(LONGEST)].to_vec(),
            honest: header_of(reply),
            request: header_of(ask.octets),
            previous: previous.as_ref(),
            client,
        });
        let told = self.misuse(ticket, ask.at, &mut answer);
        self.clients.history(endpoint, client).remember(told);
        let blank = Departure {
            after: Delta::ZERO,
            from: Via::Same,
            to: ask.peer,
            octets: Vec::new(),
            ticket,
            rules: Vec::new(),
        };
        let hold = answer.hold;
        let released = self.clients.release(endpoint, client, Hold::NextReply);
        let [mut departures, mut mains, after] = answer.departures(&blank);
        let when = mains.first().map_or(Delta::ZERO, |main| main.after);
        if let Some(hold) = hold {
            let held = std::mem::take(&mut mains).into_iter();
            mains = held
                .filter_map(|it| self.clients.hold(endpoint, client, hold, it).err())
                .collect();
        }
        departures.extend(mains);
        departures.extend(after);
        departures.extend(released.into_iter().map(|held| Departure {
            after: held.after + when,
            ..held
        }));
        departures
    }

    /// Lets the rules that the request has matched make their faults; gives
    /// what is to be remembered as the reply.
    fn misuse(&mut self, ticket: Ticket, at: Delta, answer: &mut Answer<'_>) -> Told {
        let Some(decided) = self.tickets.get(ticket) else {
            return answer.content.told(ticket);
        };
        let copy = decided.replies;
        decided.replies += 1;
        // A rule that was removed since then does nothing any more.
        let find = |id| self.slots.iter().position(|slot| slot.id == id);
        let mut work: Vec<(usize, &mut bool, bool)> = (decided.rules.iter_mut())
            .filter_map(|(id, is_counted)| find(*id).map(|slot| (slot, is_counted, false)))
            .collect();
        let draws = |slot: &Slot| slot.draws.at(ticket.0, copy);
        for (slot, _, did) in &mut work {
            let slot = &mut self.slots[*slot];
            *did |= slot.change(&mut answer.content, &draws(slot), at);
        }
        let told = answer.content.told(ticket);
        for (slot, _, did) in &mut work {
            *did |= self.slots[*slot].replay_instead(&mut answer.content);
        }
        for (slot, _, did) in &mut work {
            let slot = &mut self.slots[*slot];
            *did |= slot.send(answer, &draws(slot));
        }
        for (slot, is_counted, did) in work {
            let slot = &mut self.slots[slot];
            if did {
                answer.rules.push(Arc::clone(&slot.name));
            }
            let did = slot.accompany(answer, &draws(slot)) || did;
            slot.count += u64::from(did && !*is_counted);
            *is_counted |= did;
        }
        told
    }

    /// Adds a rule before all others, so that it decides. It sees the requests
    /// that come from now on. Gives its name.
    ///
    /// # Errors
    /// Everything that is wrong with it: by itself, for these endpoints, and
    /// beside the rules that there are.
    pub fn add(&mut self, rule: Rule) -> Result<Arc<str>, Vec<Problem>> {
        let problems = check_rules(std::slice::from_ref(&rule), &self.endpoints);
        let mut problems: Vec<Problem> = problems.into_iter().map(|it| it.problem).collect();
        let name = rule.name_at(self.rules + 1);
        if self.slots.iter().any(|slot| *slot.name == *name) {
            problems.push(Problem::taken(&name));
        }
        if self.slots.len() >= Self::MOST_RULES {
            problems.push(Problem::too_many(&name));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let slot = self.slot(rule);
        let name = Arc::clone(&slot.name);
        self.slots.insert(0, slot);
        Ok(name)
    }

    /// Takes the rule of this name away, at once and for the replies under way
    /// too; `false` where there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| *slot.name != *name);
        self.slots.len() < before
    }

    /// Each rule's name, in the order in which they are looked at, and for how
    /// many requests it has done something to the request or to what left
    /// because of it; for an honest rule, how many it matched.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.slots.iter().map(|slot| (&*slot.name, slot.count))
    }
}

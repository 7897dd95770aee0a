//! A rule at work: what it matches now, and what it has done so far.

use super::ask::{Endpoint, Ticket};
use super::draws::{Purpose, RuleDraws};
use super::loss::LossState;
use super::matching::Of;
use super::rule::Rule;
use crate::api::Delta;
use crate::protocol::ProtocolName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A request, as far as rules tell one from the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) endpoint: usize,
    pub(super) protocol: Option<ProtocolName>,
    /// As an IPv4 address where it can be.
    pub(super) client: IpAddr,
    /// Which client it is in the order of arrival, from 1.
    pub(super) arrival: u64,
    /// Which request it is of the run, of its endpoint, and of its client
    /// there; each from 1.
    pub(super) of_all: u64,
    pub(super) of_endpoint: u64,
    pub(super) of_client: u64,
    pub(super) at: Delta,
    pub(super) elapsed: Delta,
}

impl Facts {
    pub(super) const fn ticket(&self) -> Ticket {
        Ticket(self.of_all)
    }
}

/// A rule, and its state.
#[derive(Debug)]
pub(super) struct Slot {
    /// Never used for another rule of the run.
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    pub(super) rule: Rule,
    pub(super) draws: RuleDraws,
    /// For how many requests it did something.
    pub(super) count: u64,
    pub(super) request_loss: LossState,
    pub(super) reply_loss: LossState,
    /// The endpoints that it names, by position.
    endpoints: Option<Vec<usize>>,
    /// When the black hole ends that it has made.
    dark_until: Option<Delta>,
    kissed: HashMap<IpAddr, Kissed>,
}

/// A client that was told to back off.
#[derive(Debug, Clone, Copy)]
struct Kissed {
    silent_since: Delta,
    is_pardoned: bool,
}

impl Slot {
    /// How many clients a rule with a pardon keeps apart. Those that it kisses
    /// beyond are never pardoned.
    const MOST_KISSED: usize = 4_096;

    pub(super) fn new(
        id: u64,
        name: Arc<str>,
        rule: Rule,
        seed: u64,
        endpoints: &[Endpoint],
    ) -> Self {
        let position = |name: &String| endpoints.iter().position(|it| *it.name == **name);
        let named = rule.endpoint.as_ref();
        Self {
            id,
            draws: RuleDraws::new(seed, &name),
            endpoints: named.map(|names| names.0.iter().filter_map(position).collect()),
            name,
            rule,
            count: 0,
            request_loss: LossState::default(),
            reply_loss: LossState::default(),
            dark_until: None,
            kissed: HashMap::new(),
        }
    }

    /// Notes a request, whichever rule decides on it: who asks is not silent.
    pub(super) fn hear(&mut self, facts: &Facts) {
        let Some(pardon) = self.rule.kiss.and_then(|kiss| kiss.pardon) else {
            return;
        };
        if self.is_about(facts)
            && let Some(kissed) = self.kissed.get_mut(&facts.client)
        {
            kissed.is_pardoned |= facts.at - kissed.silent_since >= pardon.0;
            kissed.silent_since = facts.at;
        }
    }

    /// Whether the rule matches a request. To be asked once for each that
    /// reaches it.
    pub(super) fn matches(&mut self, facts: &Facts) -> bool {
        let kissed = self.kissed.get(&facts.client);
        if !self.is_about(facts) || kissed.is_some_and(|kissed| kissed.is_pardoned) {
            return false;
        }
        if let Some(until) = self.dark_until {
            return facts.at < until;
        }
        let is_match = self.is_its_turn(facts)
            && self.rule.probability.is_none_or(|probability| {
                let draws = self.draws.at(facts.of_all, 0);
                probability.happens(draws.bits(Purpose::Match, 0))
            });
        if is_match && let Some(span) = self.rule.blackhole {
            self.dark_until = Some(facts.at + span.0);
        }
        is_match
    }

    /// A kiss was sent.
    pub(super) fn kiss(&mut self, client: IpAddr, at: Delta) {
        let has_pardon = self.rule.kiss.is_some_and(|kiss| kiss.pardon.is_some());
        let has_room = self.kissed.len() < Self::MOST_KISSED || self.kissed.contains_key(&client);
        if has_pardon && has_room {
            let kissed = Kissed {
                silent_since: at,
                is_pardoned: false,
            };
            self.kissed.insert(client, kissed);
        }
    }

    /// Whether it is a rule for this endpoint, protocol and client at all.
    fn is_about(&self, facts: &Facts) -> bool {
        let rule = &self.rule;
        let of_endpoint = self.endpoints.as_ref();
        of_endpoint.is_none_or(|them| them.contains(&facts.endpoint))
            && (!rule.is_for_ntp() || facts.protocol == Some(ProtocolName::Ntp))
            && (rule.client.as_ref())
                .is_none_or(|them| them.0.iter().any(|it| it.contains(facts.client)))
            && (rule.arrival).is_none_or(|positions| positions.contains(facts.arrival))
    }

    /// Whether it is a rule for this request, by its number and time.
    fn is_its_turn(&self, facts: &Facts) -> bool {
        let number = |of| match of {
            Of::Client => facts.of_client,
            Of::Endpoint => facts.of_endpoint,
            Of::All => facts.of_all,
        };
        let (requests, during) = (self.rule.request, self.rule.during);
        requests.is_none_or(|it| it.positions().contains(number(it.of)))
            && during.is_none_or(|window| window.contains(facts.elapsed))
    }
}

//! Where and when an expectation looks.

use super::model::Client;
use crate::api::Delta;
use crate::transcript::Record;

/// What an expectation is limited to.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) endpoint: Option<usize>,
    pub(super) client: Option<Client>,
    pub(super) from: Delta,
    pub(super) until: Option<Delta>,
    pub(super) rules: Vec<String>,
}

impl Scope {
    /// Whether this is the endpoint and the client.
    pub(super) fn is_here(&self, record: &Record) -> bool {
        self.endpoint.is_none_or(|index| index == record.endpoint)
            && self
                .client
                .is_none_or(|client| client.holds(record.peer.ip()))
    }

    /// Whether this is the time, and whether one of the rules is among those of
    /// the record.
    pub(super) fn chooses(&self, record: &Record) -> bool {
        record.elapsed >= self.from
            && self.until.is_none_or(|until| record.elapsed < until)
            && (self.rules.is_empty() || touches(&self.rules, record))
    }
}

/// Whether one of `rules` touched the datagram.
pub(super) fn touches(rules: &[String], record: &Record) -> bool {
    record
        .rules
        .iter()
        .any(|touched| rules.iter().any(|rule| **rule == **touched))
}

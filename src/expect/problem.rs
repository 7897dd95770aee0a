//! What can be wrong with an expectation that is written rightly.

use std::fmt;

/// One value that cannot stand where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, seen from the table of the expectation: `requests.at_most`;
    /// empty for the table as a whole.
    pub key: String,
    /// The value; empty where one is missing.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), self.value.as_str()) {
            ("", _) => write!(f, "accepted: {}", self.accepted),
            (key, "") => write!(f, "{key}: missing; accepted: {}", self.accepted),
            (key, value) => write!(f, "{key} = {value}: refused; accepted: {}", self.accepted),
        }
    }
}

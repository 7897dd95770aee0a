//! The scenarios that are built in.

use super::{Scenario, ScenarioErrors};

/// A scenario of `scenarios/`, as the program carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name: that of its file, without `.toml`.
    pub name: &'static str,
    /// Its file, as it stands in `scenarios/`.
    pub text: &'static str,
}

impl BuiltIn {
    /// The scenario, read.
    ///
    /// # Errors
    /// None, as the tests read every one of them.
    pub fn scenario(&self) -> Result<Scenario, ScenarioErrors> {
        Scenario::from_toml(self.text, &format!("<built-in {}>", self.name))
    }
}

/// The files of `scenarios/` with these names; a test compares it with the
/// folder.
macro_rules! files {
    ($($name:literal)*) => {
        &[$(BuiltIn {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// Every scenario that is built in, by name.
#[must_use]
pub fn library() -> &'static [BuiltIn] {
    LIBRARY
}

const LIBRARY: &[BuiltIn] = files! {
    "asymmetric-delay"
    "bit-flips"
    "blackhole"
    "bogus-origin"
    "closed-port"
    "dead-and-live"
    "drift"
    "dst-change"
    "duplicates"
    "era-2036"
    "era-pivot-2104"
    "extension-fields"
    "falseticker"
    "fast-60x"
    "freeze"
    "frozen-transmit"
    "gps-week-2019"
    "gps-week-2038"
    "interleaved"
    "jitter"
    "kod-codes"
    "kod-deny"
    "kod-rate"
    "kod-sometimes"
    "kod-wrong-origin"
    "late-reply"
    "leap-2012"
    "leap-2016"
    "leap-alarm"
    "leap-delete"
    "leap-not-announced"
    "leap-not-applied"
    "leap-not-cleared"
    "leap-one-of-four"
    "leap-wrong-month"
    "loss-burst"
    "loss-first"
    "loss-random"
    "mac-trailers"
    "majority-false"
    "oversized"
    "per-client"
    "poll-absurd"
    "precision-absurd"
    "predictable-transmit"
    "receive-after-transmit"
    "reference-loop"
    "reference-timestamp"
    "replay"
    "replayed-origin"
    "reply-from-elsewhere"
    "root-distance"
    "sawtooth"
    "smear-cosine"
    "smear-linear"
    "smear-one-of-four"
    "smear-quadratic"
    "step"
    "stratum-changes"
    "suspend-gap"
    "symmetric-delay"
    "text-odd"
    "truncated"
    "unix-2038"
    "unsolicited"
    "unsynchronised"
    "usno-2012"
    "v5-offer"
    "wander"
    "wrong-mode"
    "wrong-version"
    "zero-origin"
    "zero-timestamps"
};

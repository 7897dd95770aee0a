//! Faults: rules that make replies, and the network they cross, wrong on
//! purpose.
//!
//! A [`Rule`] is one `[[rules]]` table of a scenario: what it matches, and what
//! it does. The [`Engine`] is told of each request and of each reply, and says
//! what comes of them: when a request arrives, if at all, and which datagrams
//! leave in place of the server's reply, with which octets, when, and from
//! where. It has no socket, clock or thread: the moment is an argument, and
//! what is random is a hash of the seed, the rule and the number of the
//! request. So the same requests get the same answers on every machine,
//! whether they came over a network, in virtual time or from a transcript.
//!
//! | module | what it holds |
//! |---|---|
//! | [`rule`] | one rule, as it is written |
//! | [`matching`] | what a rule matches |
//! | [`kiss`] | the kiss-o'-death |
//! | [`interleaved`] | interleaved replies, right and wrong |
//! | [`set`] | other values in the fields of an NTP header |
//! | [`stamp`] | other values in its timestamps |
//! | [`trailer`] | faults behind the header: extension fields, MACs |
//! | [`octets`] | faults of the octets of any protocol |
//! | [`network`] | delay, loss, duplication, order, and where a reply comes from |
//! | [`unasked`] | datagrams that nobody asked for |
//! | [`value`] | durations, probabilities and the like, as they are written |
//! | `written` | the same, written down again |
//! | [`check`] | what can be wrong with a rule |
//! | [`ask`] | what the engine is told, and what it says |
//! | [`engine`] | the engine |
//!
//! # Order of the faults
//! A request meets the rules in the order in which they stand. The first that
//! matches decides; if it says `also`, so does the next that matches. The
//! octets of a reply go through the rules that matched in that order, and in
//! each through its faults in the order of the fields of [`Rule`]. The network
//! comes after all of them: delays add up, and one loss is enough.

mod answer;
pub mod ask;
pub mod check;
mod checker;
mod clients;
mod content;
mod distribution;
mod draws;
pub mod engine;
pub mod interleaved;
mod journey;
pub mod kiss;
mod loss;
pub mod matching;
pub mod network;
pub mod octets;
pub mod rule;
pub mod set;
mod short;
mod slot;
pub mod stamp;
mod tickets;
pub mod trailer;
pub mod unasked;
pub mod value;
mod written;

pub use ask::{Arrivals, Ask, Departure, Endpoint, Ticket, Via};
pub(crate) use check::check_family;
pub use check::{Problem, RuleProblem, check_rules};
pub use engine::Engine;
pub use rule::Rule;

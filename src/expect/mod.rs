//! What a good client does, and whether the client did it.
//!
//! A scenario's `[[expect]]` tables are [`Expectation`]s. A [`Judge`] made of
//! them looks on as a [`Witness`](crate::transcript::Witness) and gives a
//! [`Verdict`]: for each expectation one [`Finding`].
//!
//! It judges by what the wire shows and knows nothing else of the client. A
//! client is an address: its ports may change from request to request, and
//! clients behind one address are one client.
//!
//! # What was not seen does not count
//! An expectation that had nothing to judge, since the client never asked or the
//! run was over too early, is [`Outcome::NotTested`], and fails the run unless
//! it is `optional`. So a client that never starts passes nothing.
//!
//! # Memory
//! Each expectation watches 1024 clients at most ([`MAX_CLIENTS`]; one at two
//! endpoints counts twice), with at most some 16 KiB for each. If there were
//! more it does not claim to hold.

mod check;
mod judge;
mod junit;
mod kinds;
mod length;
mod model;
mod problem;
mod scope;
mod verdict;

pub use judge::Judge;
pub use kinds::MAX_CLIENTS;
pub use length::Length;
pub use model::{
    BackOff, Client, Expectation, Header, Recovery, Rejection, Requests, Silence, SourcePorts,
    TransmitTimestamps, Unpredictable,
};
pub use problem::Problem;
pub use verdict::{Finding, Outcome, Verdict};

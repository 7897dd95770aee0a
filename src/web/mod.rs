//! What everything shares that is asked over HTTP: where it is bound, who is let
//! in, how a request is refused. actix-web's server, with one worker.
//!
//! | module | what it does |
//! |---|---|
//! | `access` | who may ask: `Host`, `Origin`, [`Token`] |
//! | `refusal` | why something was not done: [`Refusal`] |
//! | `server` | the socket, the worker, and the bounds on what connections may cost |
//!
//! # Why one worker
//! A thread of its own, that no shard shares, answers one request after the
//! other: what takes long holds up no datagram, and no two requests are carried
//! out at once.

pub(crate) mod access;
pub(crate) mod refusal;
pub(crate) mod server;

use crate::api::Timestamp;
use chrono::{DateTime, SecondsFormat};

pub use access::{Token, TokenError, is_loopback};
pub use refusal::{Refusal, RefusalKind};

/// The time as JSON has it: UTC with nanoseconds.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    DateTime::from_timestamp_nanos(time.as_nanos()).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

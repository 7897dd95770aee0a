//! What a running server does, told over HTTP: to Prometheus, to whoever asks
//! whether it is well, and to people.
//!
//! `docs/monitoring.md` says what can be asked and what each figure means.
//!
//! | module | what it does |
//! |---|---|
//! | `server` | the paths, and who may ask at which: [`BoundHttp`], [`Http`] |
//! | `observed` | what is looked at: [`Observed`] |
//! | `readings` | reads the sources without being held up by one |
//! | `seen` | one look at all of it |
//! | [`status`] | the look as JSON |
//! | `exposition` | the look as Prometheus reads it |
//! | `recent` | what was dropped within the last minute |
//! | `events` | the look once a second, to whoever listens |
//!
//! Nothing here is on the way of a datagram: counters are read as they stand, and
//! whoever asks pays for what is told.

mod events;
mod exposition;
mod observed;
mod readings;
mod recent;
mod seen;
mod server;
pub mod status;

pub use observed::{Observed, ObservedListener, ObservedSource};
pub use server::{BoundHttp, Http, HttpError};

//! The vocabulary of timeball: what a time source, a protocol and the actors
//! between them say to each other.
//!
//! Everything in timeball depends on this crate and it depends on nothing but
//! `std`. It does no I/O and reads no clock, so whatever is written against it
//! runs in virtual time in a test.
//!
//! | module | what it holds |
//! |---|---|
//! | [`time`] | [`Timestamp`], [`Monotonic`], [`Delta`]: points and spans of time in nanoseconds |
//! | [`wire`] | [`NtpTimestamp`], [`NtpShort`]: the fixed-point formats of the wire |
//! | [`host`] | [`HostInstant`], [`HostClock`], [`KernelClock`]: what this machine's clocks show |
//! | [`quality`] | [`Quality`], [`LeapIndicator`], [`ReferenceId`]: how good a reading is |
//! | [`source`] | [`TimeSource`], [`Reading`], [`Source`]: where time comes from |
//! | [`forecast`] | [`Forecast`], [`Stretch`]: what a source will say |
//! | [`protocol`] | [`Protocol`], [`Exchange`], [`Outcome`], [`DropReason`]: bytes in, bytes out |
//! | [`settings`] | [`Kind`](settings::Kind), [`Key`](settings::Key): how a kind of source declares its settings |
//! | [`keys`] | the settings that several kinds share |
//! | [`conformance`] | checks that every time source and every protocol must pass |
//!
//! A time source of one's own is one `impl`:
//!
//! ```
//! use timeball_api::{HostInstant, Quality, Reading, TimeSource, Unavailable};
//!
//! /// The host's clock, rounded down to the whole second.
//! struct WholeSeconds;
//!
//! impl TimeSource for WholeSeconds {
//!     fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
//!         let seconds = at.realtime.as_nanos().div_euclid(1_000_000_000);
//!         Ok(Reading {
//!             time: timeball_api::Timestamp::from_unix_seconds(seconds),
//!             quality: Quality { precision_log2_s: 0, ..Quality::default() },
//!         })
//!     }
//! }
//! # timeball_api::conformance::check_source(&WholeSeconds, HostInstant::default());
//! ```

pub mod conformance;
pub mod forecast;
pub mod host;
pub mod keys;
pub mod protocol;
pub mod quality;
pub mod settings;
pub mod source;
pub mod time;
pub mod wire;

pub use forecast::{Forecast, Stretch};
pub use host::{Host, HostClock, HostInstant, KernelClock, KernelState, LeapSchedule};
pub use protocol::{Datagram, DropReason, Exchange, Kiss, Outcome, Protocol};
pub use quality::{LeapIndicator, Quality, ReferenceId};
pub use source::{Reading, Source, TimeSource, Unavailable, Upkeep};
pub use time::{Delta, Monotonic, Timestamp};
pub use wire::{NtpShort, NtpTimestamp};

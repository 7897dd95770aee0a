//! timeball: a UDP time server, honest and fast for operators, dishonest on
//! purpose for testers.
//!
//! A datagram's way, and where each step lives:
//!
//! | module | what it does |
//! |---|---|
//! | [`transport`] | takes batches of datagrams from the kernel and gives replies to it |
//! | [`actors`] | a listener receives, responders answer, a supervisor starts and stops them |
//! | [`service`] | serves one datagram: admission, two readings of the source, the protocol |
//! | [`admission`] | decides who gets an answer at all |
//! | [`sources`] | the table of the kinds of time source; each is a crate in `plugins/` |
//! | [`protocol`] | bytes in, bytes out: text, daytime, time, NTP |
//! | [`xdp`] | answers plain NTP requests in the network driver, before a socket sees them |
//! | [`metrics`] | counts what came of each datagram |
//!
//! and around it:
//!
//! | module | what it does |
//! |---|---|
//! | [`server`] | a whole server from its settings, as `timeball serve` runs it and as a test starts it |
//! | [`sandbox`] | what a server gives up once everything is bound |
//! | [`settings`] | `settings.toml`, checked whole and turned into types |
//! | [`client`] | asks servers for the time, and judges what they answer |
//! | [`control`] | control of a running server over HTTP: its clocks, its faults, its verdict |
//! | [`http`] | how a running server does, over HTTP: metrics, health, status |
//! | [`faults`] | rules that make replies and the network wrong on purpose, and the engine that applies them |
//! | [`transcript`] | what went over the wire on test time: as JSON lines, and as a capture |
//! | [`expect`] | what a good client does, and whether the client did it |
//! | [`load`] | asks a server as fast as it can, and measures it |
//! | [`play`] | a scenario on real sockets, and the verdict on whoever asked |
//! | [`simulate`] | a scenario with virtual clients, in virtual time |
//! | [`scenario`] | time that misbehaves as a file says |
//! | [`host`] | the only reader of this machine's clocks |
//! | [`web`] | what everything shares that is asked over HTTP: binding, who may ask |
//! | [`api`] | the vocabulary that all of it speaks: the crate `timeball-api` |

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("timeball speaks to the Linux kernel, on 64-bit machines");

pub use timeball_api as api;

pub mod actors;
pub mod admission;
pub mod client;
pub mod control;
pub mod expect;
pub mod faults;
pub mod host;
pub mod http;
pub mod load;
pub mod metrics;
pub mod play;
pub mod protocol;
pub mod sandbox;
pub mod scenario;
pub mod server;
pub mod service;
pub mod settings;
pub mod simulate;
pub mod sources;
mod svg;
pub mod transcript;
pub mod transport;
pub mod web;
pub mod xdp;

pub use server::{RunningServer, Server, StartError};
pub use settings::Settings;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// The examples of the page on scenarios, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/scenarios.md")]
mod scenarios_page {}

/// The examples of the page on time sources, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/time-sources.md")]
mod time_sources_page {}

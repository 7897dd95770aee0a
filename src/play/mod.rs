//! Scenarios on real sockets: time that misbehaves as a file says, served to
//! whoever asks, and a verdict on how the client took it.
//!
//! The server is the one that serves true time: the same binary, actors,
//! service and codecs. A scenario stands around it: its clocks are the
//! server's time sources, and a transport that knows its rules stands between
//! each listener and the network.
//!
//! ```
//! use std::net::UdpSocket;
//! use timeball::play::Play;
//!
//! // A server on a port that the kernel chooses, whose clock a test moves.
//! let stage = Play::from_toml("name = 'mine'\ndescription = 'a test'\ntime.base = 'manual'")?
//!     .start()?;
//!
//! // The client under test; here one request by hand.
//! let client = UdpSocket::bind("127.0.0.1:0")?;
//! let mut request = [0; 48];
//! request[0] = 0x23;
//! client.send_to(&request, stage.address(0))?;
//! let mut reply = [0; 48];
//! client.recv(&mut reply)?;
//! assert_eq!(&reply[12..16], b"XTST");
//!
//! stage.clock(0).advance(timeball::api::Delta::from_seconds(60));
//! let finished = stage.finish();
//! assert_eq!(finished.records.len(), 2);
//! assert!(finished.verdict.passes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same scenario without sockets, in virtual time:
//! [`simulate`](crate::simulate).
//!
//! | module | what it does |
//! |---|---|
//! | `run` | what comes of each request: rules, witnesses, judge; no socket, clock or thread |
//! | `network`, `traffic`, `transport` | the same on real sockets, one request at a time |
//! | `agenda` | what is to happen, in the order in which it is |
//! | `upstream`, `upstreams` | servers that are asked in the place of an endpoint's own: each question, and where they are |
//! | `delay_line` | where datagrams wait that are to arrive or to leave later |
//! | `exits` | how a reply leaves: from the socket that was asked, or from elsewhere |
//! | `moments`, `staged` | the host's clocks as a run sees them, and a source that can be exchanged |
//! | [`replay`] | a run made again from its transcript |
//! | [`plot`] | what the clocks show over time, as a picture |
//! | `fence` | where test time may be served |
//! | `controlled` | what control drives of it |
//! | `plan` | how a scenario is to be served, and the server for it |
//! | `stage`, `handle` | a run that is served, and what may be done to it meanwhile |

pub(crate) mod agenda;
mod controlled;
mod delay_line;
mod error;
mod exits;
mod fence;
mod handle;
pub(crate) mod moments;
mod network;
mod pace;
mod plan;
pub mod plot;
mod recorder;
pub mod replay;
pub(crate) mod run;
mod stage;
mod staged;
mod traffic;
mod transport;
mod upstream;
mod upstreams;

pub use error::{LoadError, PlayError};
pub use fence::{OutOfBounds, ReplyOutOfBounds};
pub use handle::{EndpointStatus, StageHandle, Status};
pub use pace::RateError;
pub use plan::Play;
pub use stage::{Finished, LaunchedStage, Stage};

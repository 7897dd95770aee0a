//! Thin shells that carry bytes between the network and the service, and decide
//! nothing else.
//!
//! ```text
//!  System arbiter          shard 0 .. K-1, one thread for each CPU
//! ┌──────────────┐        ┌────────────────────────────────────────┐
//! │ Supervisor   │ starts │ Listener ── batch ──▶ Responder        │
//! │  start, stop ├───────▶│    ▲  bounded mailbox    │             │
//! └──────────────┘        │ recvmmsg                 ▼ sendmmsg    │
//!                         │    └──────  socket  ◀────┘             │
//!                         └────────────────────────────────────────┘
//! ```
//!
//! Shards share nothing: each has, for each listener, a socket of its own with
//! the same address, a pool of batches, and responders that share a mailbox.
//! Responders move to threads of their own only for a source that may block.
//! Sources are tended on a thread of their own.
//! The [`client`] lives on whatever arbiter it is started on.

pub mod client;
mod listener;
mod mailbox;
mod pace;
mod responder;
mod served_log;
pub mod supervisor;
mod upkeep;

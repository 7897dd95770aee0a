//! Thin shells that carry bytes between the network and the service, and decide
//! nothing else.
//!
//! ```text
//!  System arbiter          shard 0 .. K-1, one thread for each CPU
//! ┌──────────────┐        ┌────────────────────────────────────────┐
//! │ Supervisor   │ starts │ Listener ── batch ──▶ Responder        │
//! │  upkeep, stop├───────▶│    ▲  bounded mailbox    │             │
//! └──────────────┘        │ recvmmsg                 ▼ sendmmsg    │
//!                         │    └──────  socket  ◀────┘             │
//!                         └────────────────────────────────────────┘
//! ```
//!
//! Shards share nothing: each has, for each listener, a socket of its own with
//! the same address, a pool of batches and its responders, which share a mailbox.
//! Responders move to
//! threads of their own only for a source that may block.

mod listener;
mod mailbox;
mod responder;
mod served_log;
pub mod supervisor;

//! Control of a running server over HTTP with JSON: the clocks of `timeball
//! serve`, and all of a scenario that `timeball play` plays.
//!
//! `docs/control.md` says what can be asked. `timeball ctl` asks it.
//!
//! | module | what it does |
//! |---|---|
//! | `http` | the server: [`BoundControl`], [`Control`] |
//! | `access` | who may control: `Host`, `Origin`, [`Token`] |
//! | `verbs` | the paths, and what is done at each |
//! | `arguments` | a body of JSON against what its verb declares |
//! | `clocks` | what is done to clocks |
//! | `scenarios` | the verbs of a scenario: rules out of JSON, and other scenarios |
//! | `controllable` | what is driven: [`Controllable`], [`Stage`] |
//! | `refusal` | why something was not done: [`Refusal`] |
//! | [`status`] | what is told |

mod access;
mod arguments;
pub(crate) mod clocks;
mod controllable;
mod http;
mod refusal;
mod scenarios;
pub mod status;
mod verbs;

pub use access::{Token, TokenError};
pub use controllable::{Controllable, Stage};
pub use http::{BoundControl, Control, ControlError, is_loopback};
pub use refusal::{Refusal, RefusalKind};

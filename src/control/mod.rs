//! Control of a running server over HTTP with JSON: the clocks of `timeball
//! serve`, and all of a scenario that `timeball play` plays.
//!
//! `docs/control.md` says what can be asked. `timeball ctl` asks it.
//!
//! | module | what it does |
//! |---|---|
//! | `http` | the server: [`BoundControl`], [`Control`] |
//! | `verbs` | the paths, and what is done at each |
//! | `arguments` | a body of JSON against what its verb declares |
//! | `clocks` | what is done to clocks |
//! | `scenarios` | the verbs of a scenario: rules out of JSON, and other scenarios |
//! | `controllable` | what is driven: [`Controllable`], [`Stage`] |
//! | [`status`] | what is told |
//!
//! Who may control is decided in [`web`](crate::web), and what a [`Refusal`] is.

mod arguments;
pub(crate) mod clocks;
mod controllable;
mod http;
mod scenarios;
pub mod status;
mod verbs;

pub use crate::web::{Refusal, RefusalKind, Token, TokenError};
pub use controllable::{Controllable, Stage};
pub use http::{BoundControl, Control, ControlError};

use crate::web::refusal;

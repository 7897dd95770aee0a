//! To come.
pub mod protocol;
pub use timeball_api as api;

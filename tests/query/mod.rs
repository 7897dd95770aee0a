//! The client against servers that do what they should not.

mod command;
mod library;
pub mod server;

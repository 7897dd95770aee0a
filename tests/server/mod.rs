//! The server: what it answers, whom it serves side by side, what it survives,
//! how it starts and ends.

mod addresses;
mod admission;
pub mod burst;
mod clock_steps;
mod failures;
mod idle;
mod log;
mod mock;
mod path;
pub mod process;
mod reload;
mod restart;
mod signals;
mod slow_source;
mod timestamps;

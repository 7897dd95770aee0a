//! What comes from a network that has enemies, sent at the program itself over
//! loopback: bounded in count, and over when the test is.
//!
//! A target of its own, one test after the other: each fills the machine. What
//! needs addresses that this host has not, and ports below 1024, is in
//! `tests/attacks/network.py`.

mod changes;
mod descriptors;
mod flood;
#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod watched;

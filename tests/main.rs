//! What a user of timeball sees, by subject. Each test starts what it needs on
//! ports that the kernel chooses, so they run in any order and side by side.

mod bench;
mod control;
mod expect;
mod faults;
mod generated;
mod http;
mod monitoring;
mod play;
mod protocol;
mod query;
mod sandbox;
mod scenarios;
mod server;
mod settings;
mod support;
mod transcript;

//! Load for answers from the network driver: more requests than any program on
//! sockets can send, and a look at every reply.
//!
//! `benches/xdp/run` makes network namespaces, a wire between them and a server at
//! its other end, and runs this at the clients' end. Requests are made by a program
//! in the kernel that runs on live frames (`BPF_PROG_TEST_RUN`), replies end in
//! another one that is attached to the wire.

mod emit;
mod floor;
mod generate;
mod generator;
mod hold;
mod measure;
mod observe;
mod selftest;
mod sink;
mod wire;

use clap::{Parser, Subcommand};
use measure::Failure;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

/// Load a server's network driver with NTP requests, and check every reply
///
/// Needs root, or CAP_BPF and CAP_NET_ADMIN. `benches/xdp/run` starts it.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Send requests, count replies, and write one JSON object to stdout
    Measure(measure::Plan),
    /// Attach a program to the server's end, and stay until ended
    Hold(hold::Hold),
    /// Try the programs on made-up frames, without sending any
    SelfTest,
}

fn main() -> ExitCode {
    match run(&Options::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xdp_load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), Failure> {
    match task {
        Task::Measure(plan) => {
            let key = RandomState::new().hash_one(std::process::id());
            let measured = measure::run(plan, key)?;
            let object = serde_json::to_string(&measured).expect("names and numbers are JSON");
            println!("{object}");
            Ok(())
        }
        Task::Hold(hold) => hold::run(hold),
        Task::SelfTest => selftest::run(),
    }
}

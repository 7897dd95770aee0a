//! A program at the server's end, until this process is ended.

use crate::floor;
use crate::measure::{Failure, interface_number};
use clap::{Args, ValueEnum};
use timeball::api::{HostClock, NtpTimestamp};
use timeball::host::OsClock;
use timeball::transport::bpf::{AttachMode, XdpProgram};
use timeball_ebpf::register::R0;
use timeball_ebpf::{Assembler, Error, Program};

/// What to attach, and where.
#[derive(Debug, Args)]
pub struct Hold {
    /// The interface
    interface: String,

    /// What becomes of its frames
    #[arg(value_enum)]
    action: Action,

    /// In the network stack, where the driver has no XDP
    #[arg(long)]
    generic: bool,
}

/// What becomes of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// They are dropped: what is left is the harness
    Drop,
    /// They are passed on: as without a program, but as frames of a driver
    Pass,
    /// They are answered by the bare responder
    Floor,
}

/// Attaches, says so, and stays.
///
/// # Errors
/// Whatever the kernel does not take.
pub fn run(hold: &Hold) -> Result<(), Failure> {
    let program = match hold.action {
        Action::Drop => constant(crate::emit::verdict::DROP),
        Action::Pass => constant(crate::emit::verdict::PASS),
        Action::Floor => floor::program(ahead_ns()),
    }?;
    let program = XdpProgram::load("load_hold", &program, &[], c"MIT")?;
    let mode = if hold.generic {
        AttachMode::Generic
    } else {
        AttachMode::Native
    };
    let _attached = program.attach(interface_number(&hold.interface)?, mode)?;
    println!("attached");
    loop {
        std::thread::park();
    }
}

fn constant(verdict: i32) -> Result<Program, Error> {
    let mut program = Assembler::new();
    program.set(R0, verdict);
    program.exit();
    program.assemble()
}

/// How far NTP's time is ahead of the monotonic clock.
pub fn ahead_ns() -> u64 {
    let host = OsClock.now();
    let bits = u128::from(NtpTimestamp::from(host.realtime).to_bits());
    let nanos = (bits * 1_000_000_000) >> 32;
    (nanos as u64).wrapping_sub(host.monotonic.as_nanos().cast_unsigned())
}

//! Runs the generator for a time that is not known beforehand.

use crate::wire::Path;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::Duration;
use timeball::transport::bpf::{BpfError, Load, XdpProgram};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Runs of the program that one call is to do at most: hours.
const RUNS: u32 = 1 << 31;
/// How often it is told to end.
const INSIST: Duration = Duration::from_millis(10);

/// What ends a call into the kernel: a signal that only the generator's thread
/// gets.
pub struct Interruption {
    /// What the signal's handler tells.
    _runtime: Runtime,
}

/// A generator that runs.
pub struct Generator<'scope> {
    thread: ScopedJoinHandle<'scope, Result<(), BpfError>>,
}

impl Interruption {
    /// Called before there are threads that have to keep out of the way.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        {
            let _inside = runtime.enter();
            // Nobody listens to it. Its handler stays, so that it ends calls and not
            // the process.
            let _ = signal(SignalKind::user_defined1())?;
        }
        SigSet::from(Signal::SIGUSR1).thread_block()?;
        Ok(Self { _runtime: runtime })
    }

    /// Starts to send requests along `path` into `interface`.
    pub fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        program: &'scope XdpProgram,
        path: Path,
        interface: u32,
        batch: u32,
    ) -> Generator<'scope> {
        let thread = scope.spawn(move || {
            SigSet::from(Signal::SIGUSR1)
                .thread_unblock()
                .map_err(other)?;
            let frame = path.request();
            let load = Load {
                frame: &frame,
                repeat: RUNS,
                batch,
                interface,
            };
            loop {
                match program.run_live(&load) {
                    Ok(()) => {}
                    Err(BpfError::Other { error, .. })
                        if error.kind() == io::ErrorKind::Interrupted =>
                    {
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        });
        Generator { thread }
    }
}

impl Generator<'_> {
    /// Ends it.
    ///
    /// # Errors
    /// What the kernel said to the program's run.
    pub fn end(self) -> Result<(), BpfError> {
        while !self.thread.is_finished() {
            // Without a thread that takes it, it waits until the next one does.
            let _ = kill(Pid::this(), Signal::SIGUSR1);
            sleep(INSIST);
        }
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn other(error: nix::Error) -> BpfError {
    BpfError::Other {
        step: timeball::transport::bpf::Step::TestRun,
        error: error.into(),
    }
}

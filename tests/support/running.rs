//! A program that a test starts, and that never outlives it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::io::Read;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a program may take to end. Nothing is decided by it: it only turns a
/// hang into a failure.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a program to its end, which must come in time.
pub fn run(command: &mut Command) -> Output {
    Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).end()
}

/// A program that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    /// How the command line reads, for who has to find out what went wrong.
    command: String,
}

impl Running {
    /// Starts the program.
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().expect("the program starts");
        let command = format!("{command:?}");
        Self { child, command }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its stdout, if it is a pipe and nobody has taken it.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("stdout is a pipe")
    }

    /// Its stderr, if it is a pipe and nobody has taken it.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("stderr is a pipe")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program runs");
    }

    /// How it ended, and what it wrote to those of stdout and stderr that are
    /// pipes and that nobody has taken.
    ///
    /// # Panics
    /// If it does not end by the [`DEADLINE`], with what it wrote until then.
    pub fn end(mut self) -> Output {
        let stdout = read_all(self.child.stdout.take());
        let stderr = read_all(self.child.stderr.take());
        let has_ended = self.ends_in_time();
        if !has_ended {
            self.child.kill().expect("the program runs");
        }
        let output = Output {
            status: self.child.wait().expect("it was not waited for"),
            stdout: stdout.join().expect("reading does not panic"),
            stderr: stderr.join().expect("reading does not panic"),
        };
        assert!(
            has_ended,
            "{} has not ended after {DEADLINE:?}; it wrote\n{}{}",
            self.command,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Waits until it has ended, or the deadline has come.
    fn ends_in_time(&self) -> bool {
        let program = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .expect("it was not waited for");
        let deadline = Timespec::try_from(DEADLINE).expect("a minute is a time-out");
        let ended = retry_on_intr(|| {
            let mut watched = [PollFd::new(&program, PollFlags::IN)];
            poll(&mut watched, Some(&deadline))
        });
        ended.expect("a program can be watched") > 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe until its other end is closed: at the latest when the program ends.
fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut octets = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth to be seen.
            let _ = pipe.read_to_end(&mut octets);
        }
        octets
    })
}

//! Results go to stdout, what went wrong to stderr.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Prints `text` to stdout and gives `code`; a reader that has gone away
/// (`timeball sources | head -1`) is no error.
pub fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            // Nothing is left to try if stderr is gone as well.
            let _ = writeln!(io::stderr(), "timeball: cannot write to stdout: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

/// Writes a line to stderr; there is nobody to tell if that is gone.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Does the same if stderr takes it at once: who is to end now waits for no
/// reader.
pub fn tell_at_once(text: &str) {
    let stderr = io::stderr();
    let mut watched = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
        tell(text);
    }
}

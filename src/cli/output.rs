//! Results go to stdout, what went wrong to stderr.

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

//! Writing on the way of a datagram, where nobody can be told what goes wrong.

use std::io::{self, Write};

/// A writer that keeps its first error, and writes nothing after it: a file
/// with a gap would look whole.
#[derive(Debug)]
pub(super) struct Sink<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> Sink<W> {
    pub(super) const fn new(out: W) -> Self {
        Self { out, error: None }
    }

    pub(super) fn put(&mut self, octets: &[u8]) {
        if self.error.is_none() {
            self.error = self.out.write_all(octets).err();
        }
    }

    /// Something else went wrong.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }

    /// What has gone wrong.
    pub(super) const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Hands the writer back, with all that was put into it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

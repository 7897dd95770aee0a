//! Records as lines of JSON.

use super::change::{Change, Control};
use super::change_line::ChangeOut;
use super::line::{LineOut, Opening, OpeningLine, UnseenOut};
use super::record::{Record, Unseen, Witness};
use super::sink::Sink;
use serde::Serialize;
use std::io::{self, Write};

/// Writes a transcript, line by line as things happen.
///
/// Each line is one call of `write_all`: hand in a `BufWriter` for speed, or a
/// `LineWriter` for somebody to follow the run.
///
/// ```
/// use timeball::transcript::{Opening, Reader, Writer};
///
/// let opening = Opening::new("quiet", 1, vec!["server".to_owned()], "name = \"quiet\"\n");
/// let writer = Writer::new(Vec::new(), &opening)?;
/// let lines = writer.finish()?;
/// let reader = Reader::new(lines.as_slice())?;
/// assert_eq!(*reader.opening(), opening);
/// assert_eq!(reader.count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    sink: Sink<W>,
    endpoints: Vec<String>,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// That of the writer.
    pub fn new(mut out: W, opening: &Opening) -> io::Result<Self> {
        let mut line = serde_json::to_vec(&OpeningLine::from(opening))?;
        line.push(b'\n');
        out.write_all(&line)?;
        Ok(Self {
            sink: Sink::new(out),
            endpoints: opening.endpoints.clone(),
            line,
        })
    }

    /// What has gone wrong: nothing was written since.
    #[must_use]
    pub const fn error(&self) -> Option<&io::Error> {
        self.sink.error()
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// The first that the writer had.
    pub fn finish(self) -> io::Result<W> {
        self.sink.finish()
    }
}

/// Puts a line into `sink`, by way of `buffer`.
fn put(
    sink: &mut Sink<impl Write>,
    buffer: &mut Vec<u8>,
    line: serde_json::Result<impl Serialize>,
) {
    buffer.clear();
    match line.and_then(|line| serde_json::to_writer(&mut *buffer, &line)) {
        Ok(()) => {
            buffer.push(b'\n');
            sink.put(buffer);
        }
        Err(error) => sink.fail(error.into()),
    }
}

impl<W: Write + Send> Witness for Writer<W> {
    fn saw(&mut self, record: &Record) {
        let endpoint = self.endpoints.get(record.endpoint);
        let endpoint = endpoint.map_or("?", String::as_str);
        let line = LineOut::of(record, endpoint);
        put(&mut self.sink, &mut self.line, line);
    }

    fn changed(&mut self, change: &Change) {
        put(&mut self.sink, &mut self.line, ChangeOut::of(change));
        if let Control::Load(opening) = &change.what {
            self.endpoints.clone_from(&opening.endpoints);
        }
    }

    fn unseen(&mut self, unseen: &Unseen) {
        put(&mut self.sink, &mut self.line, UnseenOut::of(unseen));
    }
}

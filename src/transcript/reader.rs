//! Records from lines of JSON.

use super::change::{Control, Entry};
use super::change_line::ChangeIn;
use super::line::{FORMAT, LineIn, Opening, OpeningLine, UnseenIn};
use serde::Deserialize;
use std::io::{self, BufRead, Read};
use thiserror::Error;

/// The most octets of a line. The longest datagram makes a line of 0.6 MB at
/// most: two digits an octet, and as text up to six characters.
const MAX_LINE: usize = 4 << 20;

/// How a line begins that says what control changed.
const CHANGE: &[u8] = b"{\"control\"";
/// How one begins that says what no datagram shows.
const UNSEEN: &[u8] = b"{\"unseen\"";

/// A transcript that cannot be read any further.
#[derive(Debug, Error)]
#[error("line {line}: {damage}")]
pub struct DamagedTranscript {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What can be wrong with a line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Damage {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// There is no first line.
    #[error("missing: a transcript begins with a line about the scenario")]
    Empty,
    /// It has no end, as the last line of a run that was killed.
    #[error("cut off after {octets} octets")]
    CutOff {
        /// What there is of it.
        octets: usize,
    },
    /// It is longer than any line of a transcript.
    #[error("longer than {MAX_LINE} octets")]
    TooLong,
    /// It is of a format that this version does not read.
    #[error("format {format}: this version of timeball reads format {FORMAT}")]
    Format {
        /// The format that it says.
        format: u64,
    },
    /// It is not JSON, or not the JSON of a transcript.
    #[error("column {column}: {problem}")]
    Json {
        /// The octet at which it is wrong, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A value is not what it should be.
    #[error("{0}")]
    Value(String),
}

/// Reads a transcript, line by line.
///
/// Keeps one line in memory. After an error there is nothing more.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    opening: Opening,
    /// The names of the endpoints of the scenario that was loaded last.
    endpoints: Vec<String>,
    line: Vec<u8>,
    /// How many lines were read.
    count: u64,
    is_over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is not that of a transcript.
    pub fn new(mut input: R) -> Result<Self, DamagedTranscript> {
        let mut line = Vec::new();
        let opening = read_line(&mut input, &mut line)
            .and_then(|is_there| {
                if is_there {
                    opening(&line)
                } else {
                    Err(Damage::Empty)
                }
            })
            .map_err(|damage| DamagedTranscript { line: 1, damage })?;
        Ok(Self {
            input,
            endpoints: opening.endpoints.clone(),
            opening,
            line,
            count: 1,
            is_over: false,
        })
    }

    /// What was run, at first.
    #[must_use]
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    fn entry(&mut self) -> Result<Option<Entry>, Damage> {
        if !read_line(&mut self.input, &mut self.line)? {
            return Ok(None);
        }
        let entry = if self.line.starts_with(CHANGE) {
            let line: ChangeIn<'_> = json(&self.line)?;
            line.change(&self.endpoints).map(Entry::Change)
        } else if self.line.starts_with(UNSEEN) {
            let line: UnseenIn<'_> = json(&self.line)?;
            line.unseen().map(Entry::Unseen)
        } else {
            let line: LineIn<'_> = json(&self.line)?;
            line.record(&self.endpoints).map(Entry::Datagram)
        };
        let entry = entry.map_err(Damage::Value)?;
        if let Entry::Change(change) = &entry
            && let Control::Load(opening) = &change.what
        {
            self.endpoints.clone_from(&opening.endpoints);
        }
        Ok(Some(entry))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, DamagedTranscript>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        self.count += 1;
        let entry = self.entry().map_err(|damage| DamagedTranscript {
            line: self.count,
            damage,
        });
        self.is_over = !matches!(entry, Ok(Some(_)));
        entry.transpose()
    }
}

impl<R: BufRead> std::iter::FusedIterator for Reader<R> {}

/// Reads a line without its end; `false` where there is none any more.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Damage> {
    line.clear();
    input
        .take(MAX_LINE as u64 + 1)
        .read_until(b'\n', line)
        .map_err(Damage::Unreadable)?;
    match line.pop() {
        None => Ok(false),
        Some(b'\n') => Ok(true),
        Some(_) if line.len() >= MAX_LINE => Err(Damage::TooLong),
        Some(_) => Err(Damage::CutOff {
            octets: line.len() + 1,
        }),
    }
}

fn opening(line: &[u8]) -> Result<Opening, Damage> {
    // Another format may have other keys.
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    match json::<Format>(line)? {
        Format { format: FORMAT } => json::<OpeningLine<'_>>(line).map(Opening::from),
        Format { format } => Err(Damage::Format { format }),
    }
}

fn json<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Damage> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Damage::Json {
            column: error.column(),
            problem: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    })
}

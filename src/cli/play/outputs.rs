//! The files that a run writes.

use super::args::ServeArgs;
use crate::cli::failed::Failed;
use std::fs::File;
use std::io::{self, BufWriter, LineWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use timeball::expect::Verdict;
use timeball::host::this_host;
use timeball::play::{Play, Status};
use timeball::scenario::Scenario;
use timeball::transcript::{Change, Opening, Pcapng, Record, Unseen, Witness, Writer};
use tracing::error;

/// The files that a run writes: opened before anything is bound.
#[derive(Default)]
pub struct Outputs<'a> {
    transcript: Option<(&'a Path, Shared<Writer<LineWriter<File>>>)>,
    pcap: Option<(&'a Path, Shared<Pcapng<BufWriter<File>>>)>,
    junit: Option<(&'a Path, File)>,
}

/// A witness that writes to a file.
trait Written: Witness {
    /// What it was asked for with.
    const FLAG: &'static str;

    /// What has gone wrong: nothing was written since.
    fn error(&self) -> Option<&io::Error>;

    fn close(self) -> io::Result<()>;
}

impl<W: Write + Send> Written for Writer<W> {
    const FLAG: &'static str = "--transcript";

    fn error(&self) -> Option<&io::Error> {
        self.error()
    }

    fn close(self) -> io::Result<()> {
        self.finish().map(drop)
    }
}

impl<W: Write + Send> Written for Pcapng<W> {
    const FLAG: &'static str = "--pcap";

    fn error(&self) -> Option<&io::Error> {
        self.error()
    }

    fn close(self) -> io::Result<()> {
        self.finish().map(drop)
    }
}

/// A witness that is also held by who will close its file.
struct Shared<W> {
    witness: Arc<Mutex<Option<W>>>,
    /// Whether the log has what went wrong.
    is_told: bool,
}

impl<W: Written> Shared<W> {
    fn new(witness: W) -> Self {
        Self {
            witness: Arc::new(Mutex::new(Some(witness))),
            is_told: false,
        }
    }

    fn another(&self) -> Self {
        Self {
            witness: Arc::clone(&self.witness),
            is_told: false,
        }
    }

    fn look(&mut self, look: impl FnOnce(&mut W)) {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(witness) = &mut *witness else { return };
        look(witness);
        if !self.is_told
            && let Some(error) = witness.error()
        {
            error!("{}: {error}; nothing more is written", W::FLAG);
            self.is_told = true;
        }
    }

    fn close(&self, file: &Path) -> Result<(), Failed> {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        witness
            .take()
            .map_or(Ok(()), Written::close)
            .map_err(|error| Failed::file(W::FLAG, file, &error))
    }
}

impl<W: Written> Witness for Shared<W> {
    fn saw(&mut self, record: &Record) {
        self.look(|witness| witness.saw(record));
    }

    fn changed(&mut self, change: &Change) {
        self.look(|witness| witness.changed(change));
    }

    fn unseen(&mut self, unseen: &Unseen) {
        self.look(|witness| witness.unseen(unseen));
    }
}

impl<'a> Outputs<'a> {
    /// Creates what the command line asks for.
    pub fn create(args: &'a ServeArgs, scenario: &Scenario) -> Result<Self, Failed> {
        let create = |flag: &str, file: &Path| {
            File::create(file).map_err(|error| Failed::file_asked_for(flag, file, &error))
        };
        let mut outputs = Self::default();
        if let Some(file) = &args.transcript {
            let out = LineWriter::new(create("--transcript", file)?);
            let writer = Writer::new(out, &opening(args, scenario))
                .map_err(|error| Failed::file("--transcript", file, &error))?;
            outputs.transcript = Some((file, Shared::new(writer)));
        }
        if let Some(file) = &args.pcap {
            let out = BufWriter::new(create("--pcap", file)?);
            let now = this_host().clock.now().realtime;
            let writer =
                Pcapng::new(out, now).map_err(|error| Failed::file("--pcap", file, &error))?;
            outputs.pcap = Some((file, Shared::new(writer)));
        }
        if let Some(file) = &args.junit {
            outputs.junit = Some((file, create("--junit", file)?));
        }
        Ok(outputs)
    }

    /// Has the files written while it is served.
    pub fn look_on(&self, mut play: Play) -> Play {
        if let Some((_, writer)) = &self.transcript {
            play = play.witness(writer.another());
        }
        if let Some((_, writer)) = &self.pcap {
            play = play.witness(writer.another());
        }
        play
    }

    /// Closes them, each of them whatever becomes of the others, and says which
    /// could not be written.
    pub fn finish(self, status: &Status, verdict: &Verdict) -> Vec<Failed> {
        let transcript = self.transcript.map(|(file, writer)| writer.close(file));
        let pcap = self.pcap.map(|(file, writer)| writer.close(file));
        let junit = self.junit.map(|(file, out)| {
            let mut out = BufWriter::new(out);
            verdict
                .write_junit(&mut out, &status.scenario, status.at)
                .and_then(|()| out.flush())
                .map_err(|error| Failed::file("--junit", file, &error))
        });
        let closed = [transcript, pcap, junit].into_iter().flatten();
        closed.filter_map(Result::err).collect()
    }
}

fn opening(args: &ServeArgs, scenario: &Scenario) -> Opening {
    let endpoints = scenario.endpoints.iter().map(|it| it.name.clone());
    let opening = Opening::new(
        &scenario.name,
        scenario.seed,
        endpoints.collect(),
        &scenario.text,
    );
    Opening {
        rate: args.rate,
        ..opening
    }
}

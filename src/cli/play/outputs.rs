//! The files that a run writes.

use super::args::ServeArgs;
use super::failed::Failed;
use std::fs::File;
use std::io::{BufWriter, LineWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use timeball::expect::Verdict;
use timeball::host::this_host;
use timeball::play::{Play, Status};
use timeball::scenario::Scenario;
use timeball::transcript::{Change, Opening, Pcapng, Record, Witness, Writer};

/// The files that a run writes: opened before anything is bound.
#[derive(Default)]
pub struct Outputs<'a> {
    transcript: Option<(&'a Path, Shared<Writer<LineWriter<File>>>)>,
    pcap: Option<(&'a Path, Shared<Pcapng<BufWriter<File>>>)>,
    junit: Option<(&'a Path, File)>,
}

/// A witness that is also held by who will close its file.
struct Shared<W>(Arc<Mutex<Option<W>>>);

impl<W> Shared<W> {
    fn new(witness: W) -> Self {
        Self(Arc::new(Mutex::new(Some(witness))))
    }

    fn another(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn take(&self) -> Option<W> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<W: Witness> Witness for Shared<W> {
    fn saw(&mut self, record: &Record) {
        let mut witness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(witness) = &mut *witness {
            witness.saw(record);
        }
    }

    fn changed(&mut self, change: &Change) {
        let mut witness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(witness) = &mut *witness {
            witness.changed(change);
        }
    }
}

impl<'a> Outputs<'a> {
    /// Creates what the command line asks for.
    pub fn create(args: &'a ServeArgs, scenario: &Scenario) -> Result<Self, Failed> {
        let create = |flag: &str, file: &Path| {
            File::create(file)
                .map_err(|error| Failed::usage(format!("{flag} {}: {error}", file.display())))
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

    /// Closes them.
    pub fn finish(self, status: &Status, verdict: &Verdict) -> Result<(), Failed> {
        if let Some((file, writer)) = self.transcript
            && let Some(writer) = writer.take()
        {
            let finished = writer.finish().map(drop);
            finished.map_err(|error| Failed::file("--transcript", file, &error))?;
        }
        if let Some((file, writer)) = self.pcap
            && let Some(writer) = writer.take()
        {
            let finished = writer.finish().map(drop);
            finished.map_err(|error| Failed::file("--pcap", file, &error))?;
        }
        if let Some((file, out)) = self.junit {
            let mut out = BufWriter::new(out);
            verdict
                .write_junit(&mut out, &status.scenario, status.at)
                .and_then(|()| out.flush())
                .map_err(|error| Failed::file("--junit", file, &error))?;
        }
        Ok(())
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

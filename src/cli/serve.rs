//! `timeball serve`: answers until SIGINT or SIGTERM.

mod hand_over;
mod signals;
mod systemd;

use super::check::settled;
use super::output::tell;
use super::ports::{make_way, write_ports};
use super::{log, panics};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hand_over::{Desk, Predecessor, Successor};
use signals::{Signals, Told};
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timeball::host::this_host;
use timeball::protocol::line::printable;
use timeball::sandbox::Sandbox;
use timeball::server::{Reread, WatchReloads};
use timeball::settings::{Environment, Loader, SettingsErrors};
use timeball::transport::inherited::{BoundSocket, Role};
use timeball::{Server, Settings, StartError};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Interval, timeout};
use tracing::{info, warn};

/// Serve the time
///
/// SIGHUP has the settings read anew, SIGUSR1 the counters logged.
///
/// Exit codes: 0 after SIGINT or SIGTERM; 1 when a listener could not be
/// started, or a second signal cut the end short; 2 when the settings are wrong,
/// or the log, the ports file or the hand-over cannot be had.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The settings [default: settings.toml in this folder, or what `timeball
    /// settings` prints]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// How many threads serve; 0 means one for each CPU [overrides `threads`]
    #[arg(long, value_name = "N")]
    threads: Option<u16>,

    /// What the log tells: a level, and with commas more for one part of the program
    /// [overrides `log.level`]
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,

    /// How a line of the log is written: `text` or `json` [overrides `log.format`]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Where the log goes: `stderr` or `journald` [overrides `log.to`]
    #[arg(long, value_name = "TARGET")]
    log_to: Option<String>,

    /// Write the bound addresses to FILE as JSON once every listener is bound
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,

    /// Take the place of the server that waits at the socket FILE, if one does:
    /// serve on its sockets, so that no request is lost; then wait there for the
    /// next one
    #[arg(long, value_name = "FILE")]
    hand_over: Option<PathBuf>,

    /// Give up no rights once everything is bound, to look for a fault [overrides
    /// `sandbox.enabled`]
    #[arg(long)]
    no_sandbox: bool,
}

/// Runs the subcommand; `verbose` is how often `-v` was given.
pub fn run(args: &Args, verbose: u8) -> ExitCode {
    // While there is no other thread.
    let sockets = systemd::sockets();
    let (settings, sandbox) = match load(args).and_then(|settings| {
        let sandbox = sandbox(args, &settings)?;
        Ok((settings, sandbox))
    }) {
        Ok(loaded) => loaded,
        Err(errors) => {
            tell(&errors.to_string());
            return ExitCode::from(2);
        }
    };
    let (log, writer) = match log::of_the_server(&settings.log, verbose) {
        Ok(log) => log,
        Err(error) => {
            tell(&format!("error: {error}"));
            return ExitCode::from(2);
        }
    };
    panics::log_those_of_other_threads();
    // The file that there is now, and not the settings that are built in, should it go.
    let again = Args {
        settings: loader(args).found(),
        ..args.clone()
    };
    let reread: Reread = Arc::new(move || load(&again));
    let given_up = GivenUp { sandbox, writer };
    let serve = serve(settings, reread, sockets, given_up, args);
    let served = actix_rt::System::new().block_on(serve);
    // Writes what waits.
    drop(log);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Start(#[from] StartError),
    /// Known before anything is bound.
    #[error("--ports-file {}: {error}", printable(&.file.to_string_lossy()))]
    NoPortsFile { file: PathBuf, error: io::Error },
    #[error("--ports-file {}: {error}", printable(&.file.to_string_lossy()))]
    PortsFile { file: PathBuf, error: io::Error },
    /// Known before anything is bound.
    #[error("--hand-over {}: {error}", printable(&.file.to_string_lossy()))]
    NoHandOver { file: PathBuf, error: io::Error },
    #[error("--hand-over {}: {error}", printable(&.file.to_string_lossy()))]
    HandOver { file: PathBuf, error: io::Error },
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
    #[error("the thread that writes the log cannot be started: {0}")]
    Log(io::Error),
}

impl ServeError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoPortsFile { .. } | Self::NoHandOver { .. } => 2,
            Self::Start(error) if error.is_about_settings() => 2,
            _ => 1,
        }
    }
}

async fn serve(
    settings: Settings,
    reread: Reread,
    sockets: Vec<BoundSocket>,
    given_up: GivenUp,
    args: &Args,
) -> Result<(), ServeError> {
    // Before anything is bound: a signal that comes early is not lost.
    let signals = Signals::listen().map_err(ServeError::Signals)?;
    if let Some(file) = &args.ports_file {
        make_way(file).map_err(|error| ServeError::NoPortsFile {
            file: file.to_owned(),
            error,
        })?;
    }
    let succession = args.hand_over.as_deref().map(Succession::begin);
    let mut succession = succession.transpose()?.unwrap_or_default();
    let (started, signalled) = oneshot::channel();
    let ports_file = args.ports_file.clone();
    let desk = succession.desk.take();
    let kept = Kept::default();
    let server = Server::new(settings)
        .with_reread(reread)
        .with_watch(kept.clone())
        .with_sockets(sockets)
        .with_sockets(std::mem::take(&mut succession.sockets))
        .before_serving(move |bound| {
            // Nothing can be written or moved later.
            if let Some(file) = ports_file {
                write_ports(&file, bound).map_err(|error| ServeError::PortsFile { file, error })?;
            }
            if let Some((file, desk)) = &desk {
                desk.take_its_place()
                    .map_err(|error| ServeError::HandOver {
                        file: file.clone(),
                        error,
                    })?;
            }
            given_up.apply()?;
            let told = signals.wait_on_a_thread().map_err(ServeError::Signals)?;
            // Nobody is left to be told only when the launch was given up.
            let _ = started.send((told, desk));
            Ok(())
        })
        .launch()
        .await?;
    let (mut told, desk) = signalled
        .await
        .expect("what comes before serving was done, or there would be no server");
    succession.desk = desk;
    let mut successors = match succession.complete().await {
        Ok(successors) => successors,
        Err(error) => {
            server.stop().await;
            return Err(error);
        }
    };
    kept.renew(server.sockets().await);
    systemd::ready();

    let mut beat = systemd::pulse().map(tokio::time::interval);
    let mut giving = FuturesUnordered::new();
    let mut has_given_driver = false;
    let replaced = loop {
        tokio::select! {
            wish = told.recv() => match wish {
                // What came of it is in the log.
                Some(Told::Reload) => drop(server.reload().await),
                Some(Told::Count) => info!("counted {}", server.totals()),
                // `None` would mean that nobody listens for signals any more.
                Some(Told::Stop) | None => break None,
            },
            Some(successor) = successors.recv() => match server.sockets().await {
                Ok(sockets) => {
                    has_given_driver |= sockets.iter().any(|it| matches!(it.role, Role::Driver(_)));
                    giving.push(successor.give(sockets));
                }
                Err(error) => warn!(%error, "the sockets cannot be handed over"),
            },
            Some(given) = giving.next() => match given {
                Ok(replaced) => break Some(replaced),
                Err(error) => {
                    warn!(%error, "no server has taken this one's place; it serves on");
                    if has_given_driver {
                        warn!("its place in the network driver may be taken: sockets may answer alone until the next start");
                    }
                }
            },
            period = next(&mut beat) => match timeout(period, server.pulse()).await {
                Ok(()) => systemd::alive(),
                Err(_) => warn!("a thread that serves does not answer"),
            },
        }
    };
    systemd::stopping();
    let totals = if replaced.is_some() || kept.are() {
        server.hand_over().await
    } else {
        server.stop().await
    };
    match replaced {
        Some(_) => info!("handed over {totals}"),
        None => info!("stopped {totals}"),
    }
    Ok(())
}

/// Whether systemd keeps the sockets: it is given them at the start and again with
/// each reload, and told of that.
#[derive(Clone, Default)]
struct Kept(Arc<AtomicBool>);

impl Kept {
    fn renew(&self, sockets: io::Result<Vec<BoundSocket>>) {
        let are_kept = match sockets {
            Ok(sockets) => systemd::keep(&sockets),
            Err(error) => {
                warn!(%error, "the sockets cannot be given to systemd");
                false
            }
        };
        self.0.store(are_kept, Ordering::Relaxed);
    }

    fn are(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl WatchReloads for Kept {
    fn begins(&self) {
        systemd::reloading();
    }

    fn is_over(&self, sockets: io::Result<Vec<BoundSocket>>) {
        self.renew(sockets);
        systemd::ready();
    }
}

/// Waits for the next beat, and says how far they are apart; for ever where there
/// is none.
async fn next(beat: &mut Option<Interval>) -> Duration {
    match beat {
        Some(beat) => {
            beat.tick().await;
            beat.period()
        }
        None => pending().await,
    }
}

/// How a server comes into the place of another: `--hand-over`.
#[derive(Default)]
struct Succession {
    /// What the one before gave.
    sockets: Vec<BoundSocket>,
    predecessor: Option<Predecessor>,
    desk: Option<(PathBuf, Desk)>,
}

impl Succession {
    /// Gets the sockets of the server that runs, if one does.
    fn begin(file: &Path) -> Result<Self, ServeError> {
        let failed = |error| ServeError::NoHandOver {
            file: file.to_owned(),
            error,
        };
        let predecessor = Predecessor::find(file).map_err(failed)?;
        let sockets = predecessor.as_ref().map(Predecessor::sockets);
        Ok(Self {
            sockets: sockets.transpose().map_err(failed)?.unwrap_or_default(),
            predecessor,
            desk: Some((file.to_owned(), Desk::open(file).map_err(failed)?)),
        })
    }

    /// This server serves: the one before is told so, and the next one waited for.
    async fn complete(self) -> Result<UnboundedReceiver<Successor>, ServeError> {
        let (wishes, successors) = unbounded_channel();
        if let Some((file, desk)) = self.desk {
            let failed = |error| ServeError::HandOver { file, error };
            desk.wait(wishes).map_err(failed)?;
        }
        if let Some(predecessor) = self.predecessor {
            let replaced = tokio::task::spawn_blocking(|| predecessor.replace()).await;
            match replaced.map_err(io::Error::other).flatten() {
                Ok(()) => info!("serving in the place of the server before"),
                Err(error) => warn!(%error, "the server before may still serve, too"),
            }
        }
        Ok(successors)
    }
}

/// What is given up once everything is bound, and the thread that is started then
/// and not before: what is given up is given up by a thread and those it starts.
struct GivenUp {
    sandbox: Option<Sandbox>,
    writer: log::Pending,
}

impl GivenUp {
    fn apply(self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match self.sandbox {
            Some(sandbox) => sandbox.apply()?,
            None => warn!("there is no sandbox: what has no need of rights has them"),
        }
        Ok(self.writer.start().map_err(ServeError::Log)?)
    }
}

/// What is to be given up, and what a reload may still read. The user is looked for
/// once: a reload could not.
fn sandbox(args: &Args, settings: &Settings) -> Result<Option<Sandbox>, SettingsErrors> {
    let loader = loader(args);
    let sandbox = settings.sandbox(&loader.name())?;
    Ok(sandbox.map(|sandbox| {
        let control = settings.control.as_ref();
        let token = control.and_then(|control| control.token_file.as_deref());
        let sandbox = sandbox.readable_with_its_folder(&loader.path());
        token
            .map(Path::new)
            .into_iter()
            .fold(sandbox, Sandbox::readable)
    }))
}

/// The settings: the file, the environment over it, the flags over both.
fn loader(args: &Args) -> Loader {
    let mut loader = Loader::file(args.settings.as_deref()).environment(Environment::of_process());
    if let Some(threads) = args.threads {
        loader = loader.set("threads", threads, "--threads");
    }
    for (setting, flag, value) in [
        ("log.level", "--log-level", &args.log_level),
        ("log.format", "--log-format", &args.log_format),
        ("log.to", "--log-to", &args.log_to),
    ] {
        if let Some(value) = value {
            loader = loader.set(setting, value, flag);
        }
    }
    if args.no_sandbox {
        for key in ["sandbox.enabled", "sandbox.required"] {
            loader = loader.set(key, false, "--no-sandbox");
        }
    }
    loader
}

/// The settings that it finds, checked.
fn load(args: &Args) -> Result<Settings, SettingsErrors> {
    settled(&loader(args), &this_host())
}

//! The signals that ask a server for something, from before anything is bound until it
//! has ended.

use crate::cli::output::tell_at_once;
use std::io;
use std::process::exit;
use std::thread;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::error;

/// What a signal asks for.
pub enum Told {
    /// SIGHUP: read the settings anew.
    Reload,
    /// SIGUSR1: log what was counted.
    Count,
    /// SIGINT or SIGTERM: end.
    Stop,
}

/// The signals that ask for something.
pub struct Signals {
    hangup: Signal,
    user: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on they are noted, and end nothing by themselves. To be called on a
    /// runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for them on a thread of its own. A second one that asks for the end ends
    /// the process at once, whatever holds up the other threads: a source, or a log
    /// that nobody reads.
    pub fn wait_on_a_thread(mut self) -> io::Result<UnboundedReceiver<Told>> {
        // As many as there are signals: they are not queued by the kernel either.
        let (tell, told) = unbounded_channel();
        let listen = async move {
            let mut is_stopping = false;
            loop {
                let wish = tokio::select! {
                    _ = self.hangup.recv() => Told::Reload,
                    _ = self.user.recv() => Told::Count,
                    _ = self.interrupt.recv() => Told::Stop,
                    _ = self.terminate.recv() => Told::Stop,
                };
                if matches!(wish, Told::Stop) {
                    if is_stopping {
                        tell_at_once("error: a second signal came before the first had ended it");
                        exit(1)
                    }
                    is_stopping = true;
                }
                // Nobody is left to be told when the server is ending already.
                let _ = tell.send(wish);
            }
        };
        let wait = move || {
            // A runtime of its own: the first one may be held up.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(listen),
                // What is to be told of the first is gone with this: the server ends.
                Err(error) => error!("signals cannot be waited for: {error}"),
            }
        };
        thread::Builder::new().name("signals".into()).spawn(wait)?;
        Ok(told)
    }
}

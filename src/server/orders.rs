//! What a running server is told to do: one wish after the other.

use super::live::Live;
use super::reloaded::{ReloadError, Reloaded};
use crate::actors::supervisor::End;
use crate::settings::{Settings, SettingsErrors};
use crate::transport::inherited::BoundSocket;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

/// Reads the settings of a server anew.
pub type Reread = Arc<dyn Fn() -> Result<Settings, SettingsErrors> + Send + Sync>;

/// Is told whenever the settings are read anew, whoever asks for that.
pub trait WatchReloads: Send {
    /// It begins.
    fn begins(&self);
    /// It is over, whether something has changed or not; the sockets of the
    /// listeners as they are now.
    fn is_over(&self, sockets: io::Result<Vec<BoundSocket>>);
}

/// How settings are read anew, and who is told.
#[derive(Default)]
pub(super) struct Reloads {
    pub reread: Option<Reread>,
    pub watch: Option<Box<dyn WatchReloads>>,
}

/// Wishes that may wait.
const WAITING: usize = 16;

/// A wish.
enum Order {
    /// Become what these settings say, or else those that are read anew.
    Reload(Option<Box<Settings>>, Answer<Result<Reloaded, ReloadError>>),
    /// Give the sockets of the listeners.
    Sockets(Answer<io::Result<Vec<BoundSocket>>>),
    /// Say when every serving thread has had a turn.
    Pulse(Answer<()>),
    /// End.
    Stop(End, Answer<()>),
}

type Answer<T> = oneshot::Sender<T>;

/// Who tells a running server what to do.
#[derive(Clone)]
pub(super) struct Orders(mpsc::Sender<Order>);

/// Where the wishes come in.
pub(super) struct OrderBook(mpsc::Receiver<Order>);

pub(super) fn orders() -> (Orders, OrderBook) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Orders(sender), OrderBook(receiver))
}

impl Orders {
    /// Has the server become what `settings` say, or those that are read anew.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self, settings: Option<Settings>) -> Result<Reloaded, ReloadError> {
        let settings = settings.map(Box::new);
        self.ask(|answer| Order::Reload(settings, answer))
            .await
            .unwrap_or(Err(ReloadError::Ending))
    }

    /// The same for a thread without a reactor, with settings that were read.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub fn reload_blocking(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Reload(Some(Box::new(settings)), answer);
        let sent = self.0.blocking_send(order).ok();
        let answered = sent.and_then(|()| answered.blocking_recv().ok());
        answered.unwrap_or(Err(ReloadError::Ending))
    }

    /// Resolves once every thread that serves has had a turn.
    pub async fn pulse(&self) {
        // An error means that the server has ended.
        let _ = self.ask(Order::Pulse).await;
    }

    /// The sockets of its listeners, for a server in its place.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub async fn sockets(&self) -> io::Result<Vec<BoundSocket>> {
        let sockets = self.ask(Order::Sockets).await;
        sockets.unwrap_or_else(|| Err(io::Error::other("the server is ending")))
    }

    /// Ends the server.
    pub async fn stop(&self, how: End) {
        // An error means that it has ended already.
        let _ = self.ask(|answer| Order::Stop(how, answer)).await;
    }

    async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.send(order(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl OrderBook {
    /// Carries out one order after the other, until the server has ended.
    pub async fn carry_out(mut self, mut live: Live, reloads: Reloads) {
        while let Some(order) = self.0.recv().await {
            // Whoever asked may be gone, which changes nothing.
            match order {
                Order::Reload(settings, answer) => {
                    let watch = reloads.watch.as_ref();
                    if let Some(watch) = watch {
                        watch.begins();
                    }
                    let reloaded = reload(&mut live, settings, reloads.reread.as_ref()).await;
                    if let Some(watch) = watch {
                        watch.is_over(live.sockets());
                    }
                    let _ = answer.send(reloaded);
                }
                Order::Sockets(answer) => drop(answer.send(live.sockets())),
                Order::Pulse(answer) => {
                    live.pulse().await;
                    let _ = answer.send(());
                }
                Order::Stop(how, answer) => {
                    live.stop(how).await;
                    let _ = answer.send(());
                    return;
                }
            }
        }
        live.stop(End::Drain).await;
    }
}

async fn reload(
    live: &mut Live,
    settings: Option<Box<Settings>>,
    reread: Option<&Reread>,
) -> Result<Reloaded, ReloadError> {
    let read = match (settings, reread) {
        (Some(settings), _) => Ok(*settings),
        (None, Some(reread)) => reread().map_err(ReloadError::from),
        (None, None) => Err(ReloadError::NoFile),
    };
    let reloaded = match read {
        Ok(settings) => live.change_to(settings).await.map_err(ReloadError::from),
        Err(error) => Err(error),
    };
    match &reloaded {
        Ok(reloaded) => info!("reloaded {reloaded}"),
        Err(error) => error!("not reloaded, and nothing has changed: {error}"),
    }
    if let Ok(Reloaded { needs_restart, .. }) = &reloaded
        && !needs_restart.is_empty()
    {
        let settings = needs_restart.join(", ");
        warn!(%settings, "other now, and without effect until the server is started anew");
    }
    reloaded
}

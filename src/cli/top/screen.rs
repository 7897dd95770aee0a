//! The terminal: takes it, shows looks until it is told to end, and gives it back.

use super::client::Client;
use super::past::Past;
use super::view::{self, View};
use crate::cli::failed::Failed;
use futures_util::future::select;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;
use timeball::http::status::Status;
use tokio::signal::unix::{SignalKind, signal};

/// How long a key, a look or a signal may wait to be seen.
const BEAT: Duration = Duration::from_millis(50);

/// What comes from other threads.
enum News {
    Look(Result<Box<Status>, Failed>),
    /// A signal asks for the end.
    End,
}

/// The terminal is given back when this is dropped, whichever way that comes about.
/// A panic gives it back as well, before it is told.
struct Taken(DefaultTerminal);

impl Taken {
    fn take() -> io::Result<Self> {
        ratatui::try_init()
            .map(Self)
            .inspect_err(|_| ratatui::restore())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows what `client` is told, every `interval`, beginning with `first`.
///
/// # Errors
/// The terminal cannot be had, or is lost.
pub(super) fn show(client: Client, interval: Duration, first: Status) -> Result<(), Failed> {
    let lost = |error: io::Error| Failed::other(format!("the terminal: {error}"));
    let mut view = View {
        url: client.url().to_owned(),
        past: Past::default(),
        status: first,
        lost: None,
    };
    view.past.note(&view.status);
    let (tell, news) = channel();
    watch_signals(tell.clone()).map_err(lost)?;
    let look = thread::Builder::new().name("look".into());
    look.spawn(move || ask(&client, interval, &tell))
        .map_err(lost)?;
    let mut taken = Taken::take().map_err(lost)?;
    run(&mut taken.0, &mut view, &news).map_err(lost)
}

/// Asks every `interval`, until nobody listens.
fn ask(client: &Client, interval: Duration, tell: &Sender<News>) {
    loop {
        thread::sleep(interval);
        let look = client.status().map(Box::new);
        if tell.send(News::Look(look)).is_err() {
            return;
        }
    }
}

/// Has SIGTERM and SIGHUP end it as `q` does, so that the terminal is given back.
fn watch_signals(tell: Sender<News>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut terminate, mut hang_up) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    let wait = move || {
        runtime.block_on(select(pin!(terminate.recv()), pin!(hang_up.recv())));
        // Who has ended already need not be told.
        let _ = tell.send(News::End);
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

fn run(terminal: &mut DefaultTerminal, view: &mut View, news: &Receiver<News>) -> io::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, view))?;
        // Until there is something new to be drawn.
        loop {
            if event::poll(BEAT)? {
                match event::read()? {
                    Event::Key(key) if ends(key) => return Ok(()),
                    Event::Resize(_, _) => break,
                    _ => {}
                }
            }
            match news.try_recv() {
                Ok(News::Look(Ok(status))) => {
                    view.past.note(&status);
                    view.status = *status;
                    view.lost = None;
                    break;
                }
                Ok(News::Look(Err(failed))) => {
                    view.lost = Some(failed.text);
                    break;
                }
                Ok(News::End) => return Ok(()),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    return Err(io::Error::other("whoever asks the server has ended"));
                }
            }
        }
    }
}

/// Whether a key says that it is enough.
fn ends(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('c') => is_control,
            KeyCode::Char('q') | KeyCode::Esc => true,
            _ => false,
        }
}

//! The thread that writes the log, so that nobody who serves waits for stderr.

use super::cap::{Cap, TOLD_AFTER};
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;
use timeball::api::{Delta, HostClock, Monotonic};
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// What the log says of itself is of this part of the program.
pub const TARGET: &str = "timeball::log";
/// Lines that wait to be written at most.
const WAITING: usize = 1_024;
/// How long the end of the program waits for a reader of the log.
const LAST_WAIT: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this thread is the one that writes.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

enum Message {
    Line(Vec<u8>),
    /// Look whether lines were left out, or the end has come.
    Look,
}

/// The near end of the queue: takes a line if there is room, and never waits.
#[derive(Clone)]
pub struct Lines {
    queue: SyncSender<Message>,
    cap: Arc<Cap>,
    has_ended: Arc<AtomicBool>,
}

/// The far end of the queue.
pub struct Queue(Receiver<Message>);

/// A queue for lines. What it has no room for is left out, and counted by `cap`.
pub fn queue(cap: Arc<Cap>) -> (Lines, Queue) {
    let (near, far) = sync_channel(WAITING);
    let lines = Lines {
        queue: near,
        cap,
        has_ended: Arc::default(),
    };
    (lines, Queue(far))
}

impl Lines {
    /// Counts a line that is left out, and has that told a second after the first.
    pub fn leave_out(&self) {
        if self.cap.leave_out() {
            self.look();
        }
    }

    /// Wakes the thread that writes, if it sleeps: where there is no room in the
    /// queue it does not, and looks after each line.
    fn look(&self) {
        let _ = self.queue.try_send(Message::Look);
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if WRITES.get() {
            write(line);
        } else if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.leave_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What stderr does not take is lost: there is nobody to tell.
fn write(line: &[u8]) {
    let _ = io::stderr().write_all(line);
}

/// The thread that writes. Dropped, it writes what waits, for as long as a reader
/// may be expected to need.
pub struct Writer {
    lines: Lines,
    ended: Receiver<()>,
}

/// The same thread before it is started: what a server gives up is given up by a thread
/// and those that it starts later. Dropped, it writes what waits without one.
pub struct Pending {
    queue: Option<Queue>,
    lines: Lines,
    clock: Arc<dyn HostClock>,
    tell_end: SyncSender<()>,
}

impl Writer {
    /// One that is to be started.
    pub fn of(lines: Lines, queue: Queue, clock: Arc<dyn HostClock>) -> (Self, Pending) {
        let (tell_end, ended) = sync_channel(1);
        let pending = Pending {
            queue: Some(queue),
            lines: lines.clone(),
            clock,
            tell_end,
        };
        (Self { lines, ended }, pending)
    }
}

impl Pending {
    /// Starts it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(mut self) -> io::Result<()> {
        let Some(queue) = self.queue.take() else {
            return Ok(());
        };
        let (lines, clock, tell_end) = (
            self.lines.clone(),
            self.clock.clone(),
            self.tell_end.clone(),
        );
        let write = move || {
            WRITES.set(true);
            write_all(&queue.0, &lines.cap, &lines.has_ended, &*clock);
            let _ = tell_end.send(());
        };
        thread::Builder::new()
            .name("log".into())
            .spawn(write)
            .map(drop)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            write_all(
                &queue.0,
                &self.lines.cap,
                &AtomicBool::new(true),
                &*self.clock,
            );
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines.has_ended.store(true, Ordering::Release);
        self.lines.look();
        // A time-out: nobody reads, and the program ends all the same.
        let _ = self.ended.recv_timeout(LAST_WAIT);
    }
}

fn write_all(queue: &Receiver<Message>, cap: &Cap, has_ended: &AtomicBool, clock: &dyn HostClock) {
    let now = || clock.now().monotonic;
    // When to tell of what was left out.
    let mut due: Option<Monotonic> = None;
    loop {
        let message = match queue.try_recv() {
            Err(TryRecvError::Empty) if has_ended.load(Ordering::Acquire) => break,
            Err(TryRecvError::Empty) => match due {
                None => queue.recv().map_err(RecvTimeoutError::from),
                Some(due) => queue.recv_timeout(until(due, now())),
            },
            taken => taken.map_err(|_disconnected| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Message::Line(line)) => write(&line),
            Ok(Message::Look) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if due.is_some_and(|due| now() >= due) {
            tell(cap);
            due = None;
        }
        if due.is_none() && cap.has_left_out() {
            due = Some(now() + TOLD_AFTER);
        }
    }
    tell(cap);
}

fn until(due: Monotonic, now: Monotonic) -> Duration {
    let left = (due - now).max(Delta::ZERO).as_nanos();
    Duration::from_nanos(left.unsigned_abs())
}

fn tell(cap: &Cap) {
    let left_out = cap.take_left_out();
    if left_out > 0 {
        warn!(target: TARGET, left_out, "there was more than the log takes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_queue_has_no_room_for_is_left_out_at_once_and_counted() {
        let cap = Arc::new(Cap::new(1, 1));
        let (mut lines, queue) = queue(cap.clone());
        for _ in 0..WAITING + 3 {
            assert_eq!(lines.write(b"a line\n").unwrap(), 7);
        }
        assert_eq!(cap.take_left_out(), 3);
        // Whoever writes makes room.
        assert!(matches!(queue.0.recv(), Ok(Message::Line(line)) if line == b"a line\n"));
        lines.write_all(b"another\n").unwrap();
        assert!(!cap.has_left_out());
    }

    #[test]
    fn the_wait_for_the_count_ends_when_it_is_due() {
        let now = Monotonic::default();
        assert_eq!(until(now + TOLD_AFTER, now), Duration::from_secs(1));
        assert_eq!(until(now, now + TOLD_AFTER), Duration::ZERO);
    }
}

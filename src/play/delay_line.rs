//! Where datagrams wait that are to arrive or to leave later.
//!
//! # Why a thread
//! The timers of a reactor count milliseconds, and a delay is to be kept to a
//! fraction of one. A thread that waits on a condition variable wakes up within
//! some tens of microseconds, and costs nothing while nobody waits.

use super::agenda::Agenda;
use crate::api::{HostClock, Monotonic};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How many datagrams may wait at a time.
const MAX_COUNT: usize = 65_536;
/// How many octets they may have together.
const MAX_LEN: usize = 64 << 20;

/// Keeps items until they are due, then hands them on in the order in which they
/// are due, and those of one moment in the order in which they came. Dropping it
/// forgets those that still wait.
pub(super) struct DelayLine<T> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Each with its octets.
    waiting: Agenda<Monotonic, (usize, T)>,
    /// Octets of those that wait.
    len: usize,
    is_closed: bool,
}

impl<T: Send + 'static> DelayLine<T> {
    /// A line that hands its items to `hand_on`, on a thread of its own.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    pub(super) fn start(
        clock: Arc<dyn HostClock>,
        mut hand_on: impl FnMut(T) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiting: Agenda::new(),
                len: 0,
                is_closed: false,
            }),
            changed: Condvar::new(),
        });
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                while let Some(item) = shared.next_due(&*clock) {
                    hand_on(item);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("delay-line".into())
            .spawn(run)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Keeps `item`, of `len` octets, until `due`.
    ///
    /// # Errors
    /// The item, where there is no room for it.
    pub(super) fn hold(&self, due: Monotonic, len: usize, item: T) -> Result<(), T> {
        let mut state = self.shared.lock();
        if state.waiting.count() == MAX_COUNT || state.len + len > MAX_LEN {
            return Err(item);
        }
        state.len += len;
        state.waiting.put(due, (len, item));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Gives everything up that waits, in the order in which it would have been
    /// handed on.
    pub(super) fn take_all(&self) -> Vec<T> {
        let mut state = self.shared.lock();
        state.len = 0;
        let mut items = Vec::with_capacity(state.waiting.count());
        while let Some((_, (_, item))) = state.waiting.take() {
            items.push(item);
        }
        items
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next item to be due; `None` when the line is closed.
    fn next_due(&self, clock: &dyn HostClock) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let Some((due, _)) = state.waiting.peek() else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let wait = due - clock.now().monotonic;
            if wait.as_nanos() > 0 {
                (state, _) = self
                    .changed
                    .wait_timeout(state, wait.to_std())
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (_, (len, item)) = state.waiting.take()?;
            state.len -= len;
            return Some(item);
        }
    }
}

impl<T> Drop for DelayLine<T> {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It ended by a panic of whom it handed to: there is nothing to do.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Delta, HostInstant};
    use crate::host::OsClock;
    use std::sync::mpsc::channel;

    #[test]
    fn items_are_handed_on_when_they_are_due_and_in_that_order() {
        let (tell, told) = channel();
        let line = DelayLine::start(Arc::new(OsClock), move |item: u32| {
            // The test has seen enough when it is gone.
            let _ = tell.send((item, OsClock.now().monotonic));
        })
        .expect("a thread");
        let now = OsClock.now().monotonic;
        let due = |millis| now + Delta::from_millis(millis);
        for (millis, item) in [(30, 3), (10, 1), (30, 4), (20, 2), (0, 0)] {
            assert_eq!(line.hold(due(millis), 48, item), Ok(()));
        }
        let handed_on: Vec<_> = (0..5).map(|_| told.recv().expect("five items")).collect();
        let items: Vec<_> = handed_on.iter().map(|(item, _)| *item).collect();
        assert_eq!(items, [0, 1, 2, 3, 4]);
        for ((_, at), millis) in handed_on.into_iter().zip([0, 10, 20, 30, 30]) {
            assert!(at >= due(millis), "nothing leaves early");
        }
    }

    /// A clock that stands: nothing is ever due on it that lies ahead.
    struct Standing;

    impl HostClock for Standing {
        fn now(&self) -> HostInstant {
            HostInstant::default()
        }
    }

    #[test]
    fn a_line_holds_so_many_octets_and_no_more() {
        let line = DelayLine::start(Arc::new(Standing), |_: ()| ()).expect("a thread");
        let never = Monotonic::from_nanos(1_000_000_000);
        assert_eq!(line.hold(never, MAX_LEN, ()), Ok(()));
        assert_eq!(line.hold(never, 1, ()), Err(()));
        assert_eq!(line.hold(never, 0, ()), Ok(()));
        assert_eq!(line.take_all().len(), 2);
        assert_eq!(line.hold(never, MAX_LEN, ()), Ok(()));
    }

    #[test]
    fn a_line_holds_so_many_datagrams_and_no_more() {
        let line = DelayLine::start(Arc::new(Standing), |_: ()| ()).expect("a thread");
        let never = Monotonic::from_nanos(1_000_000_000);
        assert!((0..MAX_COUNT).all(|_| line.hold(never, 48, ()).is_ok()));
        assert_eq!(line.hold(never, 48, ()), Err(()));
    }
}

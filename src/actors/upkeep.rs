//! The thread that does what sources need done away from the datagrams.
//!
//! # Why not a timer of the supervisor's
//! A reactor wakes up twice or three times for one tick of a timer a second
//! away, and this is all that wakes an idle process. And a source that takes
//! its time, or panics, must not stop the thread that receives signals.

use crate::api::source::Notice;
use crate::api::{HostClock, Upkeep};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tracing::{error, info, warn};

/// How often the sources are looked at: the only wake-up of an idle process.
const TICK: Duration = Duration::from_secs(1);

/// Tends sources until it is dropped. A look that is being made then is
/// finished, and not waited for.
pub struct UpkeepThread {
    /// The thread ends when this is gone.
    changes: Sender<UpkeepChange>,
}

/// Sources by name, and what each needs done.
pub type Tasks = Vec<(String, Box<dyn Upkeep>)>;

/// Which sources are tended from now on, beside those that are already.
#[derive(Default)]
pub struct UpkeepChange {
    /// These are tended no more.
    pub removed: Vec<String>,
    /// These are, too.
    pub added: Tasks,
}

impl UpkeepThread {
    /// Starts to tend `sources`, the first time at once.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    pub fn start(sources: Tasks, clock: Arc<dyn HostClock>) -> io::Result<Self> {
        let (changes, told) = channel::<UpkeepChange>();
        let tend = move || {
            let mut tended = Tended(sources);
            loop {
                tended.tick(&*clock);
                let change = if tended.0.is_empty() {
                    told.recv().map_err(|_| RecvTimeoutError::Disconnected)
                } else {
                    told.recv_timeout(TICK)
                };
                match change {
                    Ok(change) => tended.change(change),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("upkeep".into());
        thread.spawn(tend)?;
        Ok(Self { changes })
    }

    /// Changes which sources are tended.
    pub fn change(&self, change: UpkeepChange) {
        // An error would mean that the thread has ended, which it does not.
        let _ = self.changes.send(change);
    }
}

/// The sources that are tended.
struct Tended(Tasks);

impl Tended {
    fn change(&mut self, UpkeepChange { removed, added }: UpkeepChange) {
        self.0.retain(|(name, _)| !removed.contains(name));
        self.0.extend(added);
    }

    /// Tends each, and logs what it has to tell. A source that panics is not
    /// tended any more.
    fn tick(&mut self, clock: &dyn HostClock) {
        for notice in self.tend(clock) {
            if notice.is_warning {
                warn!("{}", notice.text);
            } else {
                info!("{}", notice.text);
            }
        }
    }

    /// What the sources have to tell, each thing once: several of them look at
    /// the same kernel.
    fn tend(&mut self, clock: &dyn HostClock) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.0.retain_mut(|(name, source)| {
            let tend = AssertUnwindSafe(|| source.tend(clock.now()));
            let Ok(notice) = catch_unwind(tend) else {
                error!(%name, "the upkeep of a source panicked; it is not tended any more");
                return false;
            };
            notices.extend(notice.filter(|notice| !notices.contains(notice)));
            true
        });
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::HostInstant;
    use crate::host::OsClock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Counts {
        count: Arc<AtomicU64>,
        panics: bool,
    }

    impl Upkeep for Counts {
        fn tend(&mut self, _: HostInstant) -> Option<Notice> {
            self.count.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "this panic is part of the test");
            Some(Notice {
                is_warning: false,
                text: "as ever".into(),
            })
        }
    }

    fn source(name: &str, panics: bool) -> ((String, Box<dyn Upkeep>), Arc<AtomicU64>) {
        let count = Arc::<AtomicU64>::default();
        let source = Counts {
            count: Arc::clone(&count),
            panics,
        };
        ((name.to_owned(), Box::new(source)), count)
    }

    #[test]
    fn each_source_is_tended_at_each_tick_and_one_that_panics_once() {
        let (panics, once) = source("panics", true);
        let (honest, each) = source("honest", false);
        let (other, _) = source("other", false);
        let mut tended = Tended(vec![panics, honest, other]);
        for _ in 0..7 {
            assert_eq!(tended.tend(&OsClock).len(), 1, "both say the same");
        }
        let counts = [once, each].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [1, 7]);
    }
    #[test]
    fn sources_come_and_go() {
        let (one, first) = source("one", false);
        let (two, second) = source("two", false);
        let mut tended = Tended(vec![one]);
        tended.tend(&OsClock);
        tended.change(UpkeepChange {
            removed: vec!["one".to_owned()],
            added: vec![two],
        });
        tended.tend(&OsClock);
        let counts = [first, second].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [1, 1]);
    }
}

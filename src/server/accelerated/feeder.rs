//! The thread that tells the program in the driver what time it is.

use crate::api::{Delta, HostClock, Monotonic};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::error;

/// How often, if the host's clock is not stepped: several times in
/// [`VALID`](crate::xdp::VALID).
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 125_000_000,
};
/// A little less than a second, and ticks are never early.
const ALMOST_A_SECOND: Delta = Delta::from_millis(900);

/// Ticks until it is dropped.
pub(super) struct Feeder {
    is_over: Arc<AtomicBool>,
}

impl Feeder {
    /// Calls `tick` at once, several times a second, and when somebody steps the
    /// host's clock; with whether a second is over. Calls `end` where that is not
    /// possible any more.
    ///
    /// # Errors
    /// The operating system's, when a timer or a thread cannot be had.
    pub fn start(
        clock: Arc<dyn HostClock>,
        tick: impl Fn(&dyn HostClock, bool) + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let steps = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
        let is_over = Arc::<AtomicBool>::default();
        let until = Arc::clone(&is_over);
        let feed = move || {
            // By the clock, and not by the number of ticks: on a busy machine each
            // of them is late.
            let mut begun: Option<Monotonic> = None;
            while !until.load(Ordering::Relaxed) {
                // Before the look at the clock: a step behind it ends the wait.
                if let Err(error) = watch(&steps) {
                    error!(%error, "the network driver is told no time any more");
                    return end();
                }
                let now = clock.now().monotonic;
                let is_second = begun.is_none_or(|begun| now - begun > ALMOST_A_SECOND);
                if is_second {
                    begun = Some(now);
                }
                tick(&*clock, is_second);
                if let Err(error) = wait(&steps) {
                    error!(%error, "the network driver is told no time any more");
                    return end();
                }
            }
        };
        std::thread::Builder::new().name("xdp".into()).spawn(feed)?;
        Ok(Self { is_over })
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Has the timer, which never comes, be readable as soon as the clock is stepped.
fn watch(steps: &OwnedFd) -> io::Result<()> {
    let never = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec {
            tv_sec: i64::from(i32::MAX) * 4, // in the year 2242
            tv_nsec: 0,
        },
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    match timerfd_settime(steps, flags, &never) {
        // The clock was stepped since the last time; the timer is set all the same.
        Ok(_) | Err(Errno::CANCELED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a tick by the monotonic clock, or less if the other one is stepped.
fn wait(steps: &OwnedFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(steps, PollFlags::IN)], Some(&TICK)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

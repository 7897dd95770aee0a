//! The thread that tells the program in the driver what time it is.

use crate::api::{Delta, HostClock, Monotonic};
use rustix::io::{Errno, read};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often, if the host's clock is not stepped: several times in
/// [`VALID`](crate::xdp::VALID).
const TICK_NANOS: i64 = 125_000_000;
/// Ticks in a second, if none is late.
const TICKS_PER_SECOND: i64 = 8;

/// Ticks until it is dropped.
pub(super) struct Feeder {
    is_over: Arc<AtomicBool>,
}

impl Feeder {
    /// Calls `tick` several times a second, and at once when somebody steps the
    /// host's clock; with whether a second is over.
    ///
    /// # Errors
    /// The operating system's, when a timer or a thread cannot be had.
    pub fn start(
        clock: Arc<dyn HostClock>,
        tick: impl Fn(&dyn HostClock, bool) + Send + 'static,
    ) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
        let is_over = Arc::<AtomicBool>::default();
        let until = Arc::clone(&is_over);
        let feed = move || {
            // By the clock, and not by the number of ticks: on a busy machine each
            // of them is late.
            let second = Delta::from_nanos(TICK_NANOS * (TICKS_PER_SECOND - 1));
            let mut begun: Option<Monotonic> = None;
            loop {
                // Not from before the wait for a step to the look at the clock: a step
                // in between is seen by one or the other.
                if let Err(error) = wait(&timer, &*clock) {
                    tracing::error!(%error, "the network driver is told no time any more");
                    return;
                }
                if until.load(Ordering::Relaxed) {
                    return;
                }
                let now = clock.now().monotonic;
                let is_second = begun.is_none_or(|begun| now - begun > second);
                if is_second {
                    begun = Some(now);
                }
                tick(&*clock, is_second);
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

/// Waits for a tick, or less if the clock is stepped.
fn wait(timer: &OwnedFd, clock: &dyn HostClock) -> io::Result<()> {
    let until = clock.now().realtime.as_nanos().saturating_add(TICK_NANOS);
    let until = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: until.div_euclid(1_000_000_000),
            tv_nsec: until.rem_euclid(1_000_000_000),
        },
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    match timerfd_settime(timer, flags, &until) {
        // The clock was stepped since the last look.
        Ok(_) | Err(Errno::CANCELED) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ticks = [0; 8];
    match read(timer, &mut ticks) {
        Ok(_) | Err(Errno::CANCELED | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

//! The only reader of the host's clocks.
//!
//! Everything else takes a [`HostInstant`] as an argument, so it runs in
//! virtual time in a test. Clippy holds the rest of the crate to it.

use crate::api::{
    Delta, Host, HostClock, HostInstant, KernelClock, KernelState, LeapSchedule, Monotonic,
    Timestamp,
};
use crate::transport::kernel;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io;
use std::sync::Arc;

/// The operating system's clocks: `CLOCK_REALTIME` and `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsClock;

/// Two reads that lie further apart were split by a preemption.
const ADJACENT: Delta = Delta::from_nanos(1_000);
/// How often to try for two adjacent reads; under load the best of these serves.
const TRIES: usize = 5;
/// How far the one clock may carry the other. Both are slewed alike, so only a
/// step parts them, and a step shows as a larger or a negative span.
const CARRY: Delta = Delta::from_millis(10);

impl HostClock for OsClock {
    fn now(&self) -> HostInstant {
        let mut best = (Delta::MAX, HostInstant::default());
        for _ in 0..TRIES {
            let before = monotonic();
            let realtime = realtime();
            let after = monotonic();
            let width = after - before;
            if width < best.0 {
                let monotonic = before + Delta::from_nanos(width.as_nanos() / 2);
                best = (
                    width,
                    HostInstant {
                        realtime,
                        monotonic,
                        request: None,
                    },
                );
            }
            if width <= ADJACENT {
                break;
            }
        }
        best.1
    }

    fn again(&self, base: HostInstant) -> HostInstant {
        let realtime = realtime();
        let since = realtime - base.realtime;
        if since < Delta::ZERO || since > CARRY {
            return self.now();
        }
        HostInstant {
            realtime,
            monotonic: base.monotonic + since,
            request: None,
        }
    }
}

fn realtime() -> Timestamp {
    Timestamp::from_nanos(nanos(clock_gettime(ClockId::Realtime)))
}

/// The monotonic clock alone, at a third of the cost of [`OsClock`]: for a loop
/// that looks at it all the time.
pub(crate) fn monotonic() -> Monotonic {
    Monotonic::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

/// How finely the realtime clock can be read, in seconds as a power of two,
/// rounded up: the smallest step seen between two reads, which is the clock's
/// resolution or the time a read takes, whichever is coarser. RFC 5905
/// section 7.3.
#[must_use]
pub fn measure_precision_log2_s() -> i8 {
    let mut smallest = Delta::from_seconds(1);
    let mut last = realtime();
    for _ in 0..10_000 {
        let now = realtime();
        if now > last {
            smallest = smallest.min(now - last);
        }
        last = now;
    }
    log2_s_rounded_up(smallest)
}

/// The least power of two of a second that is not below `span` (1 ns to 1 s).
fn log2_s_rounded_up(span: Delta) -> i8 {
    let span = u128::try_from(span.as_nanos()).unwrap_or(0).max(1);
    let mut exponent = 0;
    while exponent > -29 && (1_000_000_000_u128 >> (1 - exponent)) >= span {
        exponent -= 1;
    }
    exponent as i8
}

/// The kernel's clock discipline: a read-only `adjtimex(2)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsKernelClock;

impl KernelClock for OsKernelClock {
    fn state(&self) -> io::Result<KernelState> {
        let (state, timex) = kernel::adjtimex()?;
        Ok(KernelState {
            synchronised: state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0,
            leap: match state {
                libc::TIME_INS => LeapSchedule::InsertToday,
                libc::TIME_DEL => LeapSchedule::DeleteToday,
                libc::TIME_OOP => LeapSchedule::InProgress,
                _ => LeapSchedule::None,
            },
            maximum_error: Delta::from_micros(timex.maxerror),
        })
    }
}

/// This machine, for sources to build on.
#[must_use]
pub fn this_host() -> Host {
    Host {
        clock: Arc::new(OsClock),
        kernel: Arc::new(OsKernelClock),
        precision_log2_s: measure_precision_log2_s(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_rounded_up_to_a_power_of_two() {
        for (nanos, exponent) in [
            (1_000_000_000, 0),
            (500_000_001, 0),
            (500_000_000, -1),
            (29, -25),
            (30, -24),
            (59, -24),
            (1, -29),
            (0, -29),
        ] {
            assert_eq!(
                log2_s_rounded_up(Delta::from_nanos(nanos)),
                exponent,
                "{nanos} ns"
            );
        }
    }

    #[test]
    fn a_moment_again_is_not_before_the_first_and_carries_both_clocks_alike() {
        let base = OsClock.now();
        let again = OsClock.again(base);
        assert!(again.monotonic >= base.monotonic);
        let later = OsClock.again(HostInstant {
            realtime: base.realtime + Delta::from_seconds(5),
            ..base
        });
        assert!(
            later.realtime < base.realtime + Delta::from_seconds(5),
            "a step back is seen"
        );
    }
}

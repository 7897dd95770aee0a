//! Whether the thread that tends the sources is alive.

use crate::actors::supervisor::Tasks;
use crate::api::source::Notice;
use crate::api::{Delta, HostClock, HostInstant, Monotonic, Upkeep};
use crate::host::OsClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How long the sources may go untended before that is told: they are tended once
/// a second, and a host that is busy is not one that is ill.
const LONGEST: Delta = Delta::from_seconds(30);

/// What it is called among the sources that are tended: no name of one.
const NAME: &str = "(pulse)";

/// When the sources were tended last, in nanoseconds of the host's monotonic clock.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<AtomicI64>);

impl Pulse {
    /// A pulse that is felt whenever all of `upkeep` was done; `None` where there
    /// is none, and no thread that would do it.
    pub fn beside(upkeep: &mut Tasks) -> Option<Self> {
        if upkeep.is_empty() {
            return None;
        }
        let pulse = Self(Arc::default());
        pulse.beat(OsClock.now().monotonic);
        upkeep.push((NAME.to_owned(), Box::new(pulse.clone())));
        Some(pulse)
    }

    fn beat(&self, now: Monotonic) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Whether it has been felt lately.
    pub fn is_felt(&self, now: Monotonic) -> bool {
        let last = Monotonic::from_nanos(self.0.load(Ordering::Relaxed));
        now - last < LONGEST
    }
}

impl Upkeep for Pulse {
    fn tend(&mut self, _: HostInstant) -> Option<Notice> {
        self.beat(OsClock.now().monotonic);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_felt_for_half_a_minute_after_each_beat() {
        let mut upkeep = Tasks::new();
        assert!(Pulse::beside(&mut upkeep).is_none(), "nobody is tended");
        let pulse = Pulse(Arc::default());
        let at = |seconds| Monotonic::from_nanos(0) + Delta::from_seconds(seconds);
        pulse.beat(at(100));
        assert!(pulse.is_felt(at(129)));
        assert!(!pulse.is_felt(at(130)));
        upkeep.push(("it".to_owned(), Box::new(pulse.clone())));
        let beside = Pulse::beside(&mut upkeep).expect("there is one to tend");
        assert_eq!(upkeep.len(), 2, "it is tended last");
        let now = OsClock.now();
        beside.beat(at(0));
        assert!(upkeep[1].1.tend(now).is_none());
        assert!(beside.is_felt(OsClock.now().monotonic));
    }
}

//! The host's clocks as the clocks of a scenario see them.
//!
//! Every moment of a run counts from the run's beginning, where a monotonic
//! clock stands at zero: so a clock that runs with the host's gives the same
//! readings when the run is made again from its transcript, whose `at` is that
//! very moment.

use crate::api::{Delta, HostClock, HostInstant, Monotonic, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The moments of a run on this host. Before it is begun they stand at zero.
pub(crate) struct Moments {
    host: Arc<dyn HostClock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The zero of the run on the host's monotonic clock.
    began: Option<Monotonic>,
    /// When the datagram arrived that is being served, if one is.
    arrival: Option<HostInstant>,
    /// The moment for which a clock was last looked at for its reply; none
    /// where the clock is a virtual one, which does not look at this one.
    leaving: Option<Delta>,
    /// The moment that it is for as long as something is decided.
    standing: Option<Delta>,
}

impl Moments {
    pub(crate) fn new(host: Arc<dyn HostClock>) -> Self {
        Self {
            host,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host's own clock.
    pub(crate) const fn host(&self) -> &Arc<dyn HostClock> {
        &self.host
    }

    /// Begins the run now.
    pub(crate) fn begin(&self) {
        self.lock().began = Some(self.host.now().monotonic);
    }

    /// How long the run has gone on.
    pub(crate) fn at(&self) -> Delta {
        at(self.now())
    }

    /// A moment of the host as one of the run: not before its beginning.
    pub(crate) fn of_run(&self, instant: HostInstant) -> HostInstant {
        let mut instant = self.lock().of_run(instant);
        instant.monotonic = instant.monotonic.max(Monotonic::default());
        instant
    }

    /// `moment` of the run, on the host's monotonic clock.
    pub(crate) fn on_host(&self, moment: Delta) -> Monotonic {
        self.lock().began.unwrap_or_default() + moment
    }

    /// Has [`now`](HostClock::now) say this moment, until it is told to go on
    /// with `None`: what is decided of a datagram is decided for the moment it
    /// came or left.
    pub(crate) fn stand(&self, moment: Option<Delta>) {
        self.lock().standing = moment;
    }

    /// The datagram that is served from now on arrived at this moment of the
    /// run.
    pub(crate) fn serve(&self, arrival: HostInstant) {
        let mut state = self.lock();
        state.arrival = Some(arrival);
        state.leaving = None;
    }

    /// Nothing is served any more: who asks how late it is gets the present
    /// moment.
    pub(crate) fn served(&self) {
        self.lock().arrival = None;
    }

    /// The moment of the run for which the latest reply was made.
    pub(crate) fn leaving(&self) -> Delta {
        let leaving = self.lock().leaving;
        leaving.unwrap_or_else(|| self.at())
    }
}

impl State {
    /// A moment of the host as one of the run.
    fn of_run(&self, instant: HostInstant) -> HostInstant {
        HostInstant {
            monotonic: match self.began {
                Some(began) => Monotonic::default() + (instant.monotonic - began),
                None => Monotonic::default(),
            },
            ..instant
        }
    }
}

/// The span from the beginning of the run to a moment of it.
pub(crate) fn at(instant: HostInstant) -> Delta {
    instant.monotonic - Monotonic::default()
}

impl HostClock for Moments {
    fn now(&self) -> HostInstant {
        let now = self.host.now();
        let state = self.lock();
        match state.standing {
            Some(moment) => HostInstant {
                monotonic: Monotonic::default() + moment,
                ..now
            },
            None => state.of_run(now),
        }
    }

    /// Taken for a reply: [`leaving`](Moments::leaving) tells it again, and it
    /// stays that moment until the reply is decided upon, so that a clock which
    /// starts with its first reply starts at the moment that is written down.
    fn again(&self, base: HostInstant) -> HostInstant {
        let on_host = HostInstant {
            monotonic: self.on_host(at(base)),
            ..base
        };
        let now = self.host.again(on_host);
        let mut state = self.lock();
        let mut now = state.of_run(now);
        now.monotonic = now.monotonic.max(base.monotonic);
        if state.arrival.is_some() {
            state.leaving = Some(at(now));
            state.standing = state.leaving;
        }
        now
    }

    fn arrival(&self, stamp: Timestamp, now: HostInstant) -> HostInstant {
        let arrival = self.lock().arrival;
        arrival.unwrap_or_else(|| now.earlier_by(now.realtime - stamp))
    }
}

/// The moments of a run that has no host: they are where they were last put.
#[derive(Default)]
pub(crate) struct VirtualMoments {
    arrived: AtomicI64,
    leaving: AtomicI64,
}

impl VirtualMoments {
    /// What is served now arrived at `arrived`, and its reply is made for the
    /// moment `leaving`.
    pub(crate) fn set(&self, arrived: Delta, leaving: Delta) {
        self.arrived.store(arrived.as_nanos(), Ordering::Relaxed);
        self.leaving.store(leaving.as_nanos(), Ordering::Relaxed);
    }
}

fn virtual_instant(nanos: &AtomicI64) -> HostInstant {
    let nanos = nanos.load(Ordering::Relaxed);
    HostInstant {
        realtime: Timestamp::from_nanos(nanos),
        monotonic: Monotonic::from_nanos(nanos),
        request: None,
    }
}

impl HostClock for VirtualMoments {
    fn now(&self) -> HostInstant {
        virtual_instant(&self.leaving)
    }

    fn arrival(&self, _: Timestamp, _: HostInstant) -> HostInstant {
        virtual_instant(&self.arrived)
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose clocks a test moves.
    #[derive(Default)]
    struct Movable(AtomicI64);

    impl HostClock for Movable {
        fn now(&self) -> HostInstant {
            let nanos = self.0.load(Ordering::Relaxed);
            HostInstant {
                realtime: Timestamp::from_unix_seconds(1_000_000) + Delta::from_nanos(nanos),
                monotonic: Monotonic::from_nanos(5_000 + nanos),
                request: None,
            }
        }
    }

    #[test]
    fn moments_count_from_the_beginning_of_the_run() {
        let host = Arc::new(Movable::default());
        let moments = Moments::new(host.clone());
        host.0.store(100, Ordering::Relaxed);
        assert_eq!(moments.at(), Delta::ZERO, "it has not begun");
        moments.begin();
        host.0.store(350, Ordering::Relaxed);
        assert_eq!(moments.at(), Delta::from_nanos(250));
        assert_eq!(
            moments.on_host(Delta::from_nanos(250)),
            host.now().monotonic
        );

        let ago = |nanos| at(moments.of_run(host.now().earlier_by(Delta::from_nanos(nanos))));
        assert_eq!(ago(50), Delta::from_nanos(200));
        assert_eq!(ago(300), Delta::ZERO, "nothing comes before the run");
    }

    #[test]
    fn what_is_served_arrived_when_it_was_said_to_and_its_reply_is_remembered() {
        let host = Arc::new(Movable::default());
        let moments = Moments::new(host.clone());
        moments.begin();
        host.0.store(900, Ordering::Relaxed);
        let arrival = moments.of_run(host.now().earlier_by(Delta::from_nanos(700)));
        moments.serve(arrival);
        let base = moments.now();
        assert_eq!(
            moments.arrival(Timestamp::UNIX_EPOCH, base),
            arrival,
            "whatever the stamp"
        );
        assert_eq!(
            moments.leaving(),
            Delta::from_nanos(900),
            "no clock has been looked at"
        );
        host.0.store(950, Ordering::Relaxed);
        assert_eq!(at(moments.again(base)), Delta::from_nanos(950));
        host.0.store(990, Ordering::Relaxed);
        assert_eq!(moments.leaving(), Delta::from_nanos(950));
        assert_eq!(moments.at(), Delta::from_nanos(950), "it is decided upon");

        // Once it has left, a look at the clock tells how long that took.
        moments.served();
        moments.stand(None);
        assert_eq!(at(moments.again(base)), Delta::from_nanos(990));
        host.0.store(1_000, Ordering::Relaxed);
        assert_eq!(moments.at(), Delta::from_nanos(1_000), "time goes on");
    }
}

//! A machine whose clocks and kernel say what a test wants.

use std::io;
use std::sync::{Arc, Mutex};
use timeball_api::{
    Delta, Host, HostClock, HostInstant, KernelClock, KernelState, LeapSchedule, Monotonic,
    Timestamp,
};

/// What a kernel says that keeps its clock within 3 ms.
pub const IN_ORDER: KernelState = KernelState {
    synchronised: true,
    leap: LeapSchedule::None,
    maximum_error: Delta::from_millis(3),
};

/// What a kernel says whose clock nothing disciplines.
pub const FREE_RUNNING: KernelState = KernelState {
    synchronised: false,
    leap: LeapSchedule::None,
    maximum_error: Delta::from_seconds(16),
};

/// A machine at noon of 2026-12-31, with a kernel that answers as told.
pub struct Machine {
    answer: Mutex<Option<KernelState>>,
}

/// The moment at which every [`Machine`] stands.
pub fn noon() -> HostInstant {
    HostInstant {
        realtime: Timestamp::from_unix_seconds(1_798_718_400),
        monotonic: Monotonic::from_nanos(5_000_000_007),
        request: None,
    }
}

impl Machine {
    pub fn new(state: KernelState) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(Some(state)),
        })
    }

    /// What the kernel says from now on.
    pub fn say(&self, state: KernelState) {
        *self.answer.lock().expect("no test panics here") = Some(state);
    }

    /// From now on the kernel may not be asked.
    pub fn refuse(&self) {
        *self.answer.lock().expect("no test panics here") = None;
    }

    pub fn host(self: &Arc<Self>) -> Host {
        Host {
            clock: Arc::<Self>::clone(self),
            kernel: Arc::<Self>::clone(self),
            precision_log2_s: -24,
        }
    }
}

impl HostClock for Machine {
    fn now(&self) -> HostInstant {
        noon()
    }
}

impl KernelClock for Machine {
    fn state(&self) -> io::Result<KernelState> {
        let answer = *self.answer.lock().expect("no test panics here");
        answer.ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))
    }
}

//! How far a measurement is, and how to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Looks at a measurement from another thread, and stops it.
#[derive(Debug, Default)]
pub struct Watch {
    stopped: AtomicBool,
    sent: AtomicU64,
    valid: AtomicU64,
}

impl Watch {
    /// A watch for one measurement, or for several one after the other.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the measurement: it reports what it has counted so far.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Requests sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Valid replies so far.
    #[must_use]
    pub fn valid(&self) -> u64 {
        self.valid.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, sent: u64, valid: u64) {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.valid.fetch_add(valid, Ordering::Relaxed);
    }
}

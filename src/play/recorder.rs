//! A witness that keeps what it saw, for a test to look at.

use crate::transcript::{Change, Control, Record, Witness};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many records are kept; what comes after is not.
const MAX_RECORDS: usize = 1 << 20;
/// How many octets they may have together.
const MAX_LEN: usize = 256 << 20;

/// Keeps the records of a run in memory. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    len: usize,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen so far.
    pub(super) fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }
}

impl Witness for Recorder {
    fn saw(&mut self, record: &Record) {
        let mut kept = self.lock();
        if kept.records.len() < MAX_RECORDS && kept.len + record.octets.len() <= MAX_LEN {
            kept.len += record.octets.len();
            kept.records.push(record.clone());
        }
    }

    fn changed(&mut self, change: &Change) {
        if matches!(change.what, Control::Load(_)) {
            // Another run begins.
            *self.lock() = Kept::default();
        }
    }
}

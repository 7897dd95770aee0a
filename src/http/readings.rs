//! Reads the sources without being held up by one.

use super::observed::ObservedSource;
use crate::api::{HostClock, Reading, Source, Timestamp};
use crate::host::OsClock;
use futures_util::FutureExt;
use futures_util::future::Shared;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a reading of a source that may block is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a source said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    /// What it says of this moment.
    pub reading: Reading,
    /// What the host's realtime clock showed then.
    pub host: Timestamp,
}

impl Observation {
    /// By how much the source is ahead of the host's realtime clock, in seconds.
    pub fn offset_s(&self) -> f64 {
        (self.reading.time - self.host).as_nanos() as f64 / 1e9
    }
}

/// An observation, or why there is none.
pub(super) type Observed = Result<Observation, String>;

/// Readings that are under way on threads of their own: one for each source that
/// may block, however often it is asked for.
#[derive(Default)]
pub(super) struct Readings {
    pending: Mutex<BTreeMap<String, Shared<oneshot::Receiver<Observed>>>>,
}

impl Readings {
    /// What `source` says now.
    pub async fn read(&self, source: &ObservedSource) -> Observed {
        if !source.source.may_block {
            return observe(&source.source);
        }
        match timeout(PATIENCE, self.pending(source)).await {
            Ok(Ok(observed)) => observed,
            Ok(Err(_)) => Err("no thread could be had to read it".to_owned()),
            Err(_) => Err(format!("no reading within {PATIENCE:?}")),
        }
    }

    /// The reading of this source that is under way, or a new one.
    fn pending(&self, source: &ObservedSource) -> Shared<oneshot::Receiver<Observed>> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = pending.get(&source.name)
            && reading.peek().is_none()
        {
            return reading.clone();
        }
        let (tell, told) = oneshot::channel();
        let it = source.source.clone();
        let read = move || {
            // Nobody is left to be told when the server has ended.
            let _ = tell.send(observe(&it));
        };
        // Without a thread the sender is dropped, which is told.
        let _ = thread::Builder::new().name("reading".into()).spawn(read);
        let reading = told.shared();
        pending.insert(source.name.clone(), reading.clone());
        reading
    }
}

/// Reads `source`, whatever it does. Under a clock that counts requests this is
/// none.
fn observe(source: &Source) -> Observed {
    let read = || {
        let now = source.clock.now();
        let host = if source.clock.is_virtual() {
            OsClock.now().realtime
        } else {
            now.realtime
        };
        source
            .time
            .read(now)
            .map(|reading| Observation { reading, host })
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(observation)) => Ok(observation),
        Ok(Err(unavailable)) => Err(unavailable.0.to_owned()),
        Err(_) => Err("the reading panicked".to_owned()),
    }
}

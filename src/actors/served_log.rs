//! One log line for each request served, for `-v`: as many a second as a person
//! can follow, and a count of those left out.

use crate::api::{Delta, Monotonic, Timestamp};
use chrono::DateTime;
use std::net::SocketAddr;
use tracing::{Level, debug, enabled};

/// Lines a second; what is beyond is counted.
const LINES_PER_SECOND: u32 = 100;

/// Writes the lines of one responder. Off unless the log shows them when the
/// responder starts.
#[derive(Debug, Clone)]
pub struct ServedLog {
    protocol: &'static str,
    is_on: bool,
    second: Monotonic,
    written: u32,
    left_out: u64,
}

impl ServedLog {
    /// A log for replies of `protocol`.
    #[must_use]
    pub fn new(protocol: &'static str) -> Self {
        let is_on = enabled!(target: "timeball::served", Level::DEBUG);
        Self {
            protocol,
            is_on,
            second: Monotonic::default(),
            written: 0,
            left_out: 0,
        }
    }

    /// Logs that `client` was given `time`, at the moment `now`.
    pub fn served(&mut self, client: SocketAddr, time: Timestamp, now: Monotonic) {
        if !self.is_on {
            return;
        }
        if now - self.second >= Delta::from_seconds(1) {
            self.flush();
            self.second = now;
            self.written = 0;
        }
        if self.written == LINES_PER_SECOND {
            self.left_out += 1;
            return;
        }
        self.written += 1;
        let time = DateTime::from_timestamp_nanos(time.as_nanos());
        let time = time.format("%Y-%m-%dT%H:%M:%S%.9fZ");
        debug!(target: "timeball::served", %client, protocol = %self.protocol, %time, "served");
    }

    /// Whether lines were left out that [`flush`](Self::flush) has not told of.
    #[must_use]
    pub fn has_left_out(&self) -> bool {
        self.left_out > 0
    }

    /// Says how many lines were left out, if any were.
    pub fn flush(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let protocol = self.protocol;
            debug!(target: "timeball::served", %protocol, left_out, "more were served than are shown");
        }
    }
}

//! What the program counted.

use super::layout::{LISTENERS, counters};
use crate::transport::bpf::SharedMap;
use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, Sub};
use std::sync::atomic::Ordering;

/// What came of the requests that the program did not pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// The time was told.
    pub replies: u64,
    /// A kiss went out that asks to slow down.
    pub kisses: u64,
    /// Dropped: the sender is not let in.
    pub denied: u64,
    /// Dropped: the sender asks too often.
    pub rate_limited: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.replies += other.replies;
        self.kisses += other.kisses;
        self.denied += other.denied;
        self.rate_limited += other.rate_limited;
    }
}

impl Sub for Counts {
    type Output = Self;

    /// What was counted since `before`.
    fn sub(self, before: Self) -> Self {
        Self {
            replies: self.replies.saturating_sub(before.replies),
            kisses: self.kisses.saturating_sub(before.kisses),
            denied: self.denied.saturating_sub(before.denied),
            rate_limited: self.rate_limited.saturating_sub(before.rate_limited),
        }
    }
}

impl Counts {
    /// The counts of the listener at `place`, of all processors together; each
    /// for itself, while they go on. Zeros where there is no such place.
    pub(super) fn read(map: &SharedMap, place: usize) -> Self {
        let mut counts = Self::default();
        if place >= LISTENERS {
            return counts;
        }
        let of_processors = map.words().chunks_exact(LISTENERS * counters::WORDS);
        for processor in of_processors {
            let line = &processor[place * counters::WORDS..][..counters::WORDS];
            let count = |word: usize| line[word].load(Ordering::Relaxed);
            counts.replies += count(counters::REPLIES);
            counts.kisses += count(counters::KISSES);
            counts.denied += count(counters::DENIED);
            counts.rate_limited += count(counters::RATE_LIMITED);
        }
        counts
    }
}

//! What the program counted.

use super::layout::{LISTENERS, counters};
use crate::transport::bpf::SharedMap;
use std::sync::atomic::Ordering;

/// What came of the requests that the program did not pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

//! A value that one thread writes now and then and others read at any time,
//! without a lock.
//!
//! A reader is a responder with a datagram in its hand: it must not wait for a
//! writer that the scheduler has put aside in the middle of its work, as it
//! would behind a lock or a plain sequence lock. So there are two slots: the
//! writer fills the one that is not being shown, then shows it. A reader has
//! to read again only if a whole further write began while it read, and the
//! writer comes once a second.
//!
//! Made of atomics alone, so that even a reading that is torn, and therefore
//! thrown away, is no data race.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// `N` words of 64 bits that are always read as they were written: together.
pub(crate) struct Latch<const N: usize> {
    /// Counts the writes. Its lowest bit says which slot is shown.
    writes: AtomicU64,
    slots: [[AtomicU64; N]; 2],
}

impl<const N: usize> Latch<N> {
    pub(crate) fn new(words: [u64; N]) -> Self {
        Self {
            writes: AtomicU64::new(0),
            slots: [words.map(AtomicU64::new), words.map(AtomicU64::new)],
        }
    }

    /// The words of the last write.
    pub(crate) fn read(&self) -> [u64; N] {
        loop {
            let before = self.writes.load(Ordering::Acquire);
            let shown = &self.slots[slot_of(before)];
            let words = std::array::from_fn(|n| shown[n].load(Ordering::Relaxed));
            // Pairs with the fence of `write`: if a word came from the write
            // after the next one, the load below sees that the next one is over.
            fence(Ordering::Acquire);
            if self.writes.load(Ordering::Relaxed) == before {
                return words;
            }
        }
    }

    /// Shows `words` from now on. To be called by one thread at a time.
    pub(crate) fn write(&self, words: [u64; N]) {
        let next = self.writes.load(Ordering::Relaxed).wrapping_add(1);
        // Nothing of this write may be seen before the one that took readers
        // away from this slot.
        fence(Ordering::Release);
        for (shown, word) in self.slots[slot_of(next)].iter().zip(words) {
            shown.store(word, Ordering::Relaxed);
        }
        self.writes.store(next, Ordering::Release);
    }
}

fn slot_of(writes: u64) -> usize {
    usize::from(writes % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    const WRITES: u64 = 1_000_000;

    /// Words that belong together: the first says how the others must be.
    fn words_of(write: u64) -> [u64; 5] {
        [
            write,
            !write,
            write.rotate_left(32),
            write.wrapping_mul(7),
            write ^ 0x5a5a,
        ]
    }

    #[test]
    fn it_shows_what_was_written_last() {
        let latch = Latch::new([1, 2]);
        assert_eq!(latch.read(), [1, 2]);
        for write in 0..5 {
            latch.write([write, !write]);
            assert_eq!(latch.read(), [write, !write]);
        }
    }

    #[test]
    fn no_reading_is_torn_while_another_thread_writes() {
        let latch = Latch::new(words_of(0));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let words = latch.read();
                        let write = words[0];
                        assert_eq!(words, words_of(write), "torn");
                        assert!(write >= last, "{write} was shown after {last}");
                        last = write;
                    }
                });
            }
            for write in 1..=WRITES {
                latch.write(words_of(write));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(latch.read(), words_of(WRITES));
    }
}

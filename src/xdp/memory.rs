//! A value that the program reads, in one of two slots: the writer fills the one
//! that is not shown, then shows it.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Fills the slot of `len` words that is not shown, of the two at `slots`, and
/// shows it; the lowest bit of `writes` says which. One thread at a time.
///
/// A program that reads it looks at `writes` before and behind: while they are
/// the same, what it read is from one write.
pub(super) fn show(
    writes: &AtomicU64,
    slots: &[AtomicU64],
    len: usize,
    fill: impl FnOnce(usize, &[AtomicU64]),
) {
    let next = writes.load(Ordering::Relaxed).wrapping_add(1);
    let slot = (next % 2) as usize;
    // Nothing of this write may be seen before the one that took readers away
    // from this slot.
    fence(Ordering::Release);
    fill(slot, &slots[slot * len..][..len]);
    writes.store(next, Ordering::Release);
}

/// Stores `value` at `place`.
pub(super) fn set(words: &[AtomicU64], place: usize, value: u64) {
    words[place].store(value, Ordering::Relaxed);
}

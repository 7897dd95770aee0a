//! Memory that the kernel is given pointers into.

use std::ptr::{self, NonNull};

/// An allocation that the kernel is given pointers into. It is reached through
/// its raw pointer only, so that those stay valid while it is borrowed.
pub(super) struct Shared<T> {
    start: NonNull<T>,
    count: usize,
}

impl<T: Copy> Shared<T> {
    /// `count` values of all zero bits, in pages that are touched when used.
    pub(super) fn zeroed(count: usize) -> Self {
        // SAFETY: only instantiated below with integers, arrays of them, and C
        // structures of integers and pointers: all zero bits are a value.
        let values = unsafe { Box::<[T]>::new_zeroed_slice(count).assume_init() };
        let start = NonNull::from(Box::leak(values)).cast();
        Self { start, count }
    }

    pub(super) fn pointer(&self, index: usize) -> *mut T {
        assert!(index < self.count, "index {index} of {}", self.count);
        // SAFETY: the index is inside the allocation.
        unsafe { self.start.as_ptr().add(index) }
    }

    pub(super) fn get(&self, index: usize) -> &T {
        // SAFETY: `pointer` checked the index; the value is initialised; no
        // `&mut` exists, as that would borrow `self` mutably.
        unsafe { &*self.pointer(index) }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut T {
        // SAFETY: as in `get`, and `self` is borrowed mutably.
        unsafe { &mut *self.pointer(index) }
    }

    pub(super) fn range(&self, from: usize, len: usize) -> &[T] {
        assert!(from.checked_add(len).is_some_and(|end| end <= self.count));
        // SAFETY: the range is inside the allocation; aliasing as in `get`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(from), len) }
    }

    pub(super) fn range_mut(&mut self, from: usize, len: usize) -> &mut [T] {
        assert!(from.checked_add(len).is_some_and(|end| end <= self.count));
        // SAFETY: the range is inside the allocation; aliasing as in `get_mut`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(from), len) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let values = ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.count);
        // SAFETY: `zeroed` leaked exactly this box, and nothing else frees it.
        drop(unsafe { Box::from_raw(values) });
    }
}

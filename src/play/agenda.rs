//! What is to happen, in the order in which it is.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Items with the moments at which they are due. Those of one moment come out
/// in the order in which they went in.
pub(crate) struct Agenda<M, T> {
    waiting: BinaryHeap<Reverse<Entry<M, T>>>,
    /// The number of the next one.
    next: u64,
}

struct Entry<M, T> {
    due: M,
    number: u64,
    item: T,
}

impl<M: Ord, T> PartialEq for Entry<M, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<M: Ord, T> Eq for Entry<M, T> {}

impl<M: Ord, T> PartialOrd for Entry<M, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M: Ord, T> Ord for Entry<M, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.due, self.number).cmp(&(&other.due, other.number))
    }
}

impl<M: Ord + Copy, T> Agenda<M, T> {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: BinaryHeap::new(),
            next: 0,
        }
    }

    /// How many items there are.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Puts an item in.
    pub(crate) fn put(&mut self, due: M, item: T) {
        let number = self.next;
        self.next += 1;
        self.waiting.push(Reverse(Entry { due, number, item }));
    }

    /// The next item, and when it is due.
    pub(crate) fn peek(&self) -> Option<(M, &T)> {
        let Reverse(first) = self.waiting.peek()?;
        Some((first.due, &first.item))
    }

    /// Takes the next item out.
    pub(crate) fn take(&mut self) -> Option<(M, T)> {
        let Reverse(first) = self.waiting.pop()?;
        Some((first.due, first.item))
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first_and_of_one_moment_what_came_first() {
        let mut agenda = Agenda::new();
        for (due, item) in [(3, 'd'), (1, 'a'), (3, 'e'), (2, 'b'), (2, 'c')] {
            agenda.put(due, item);
        }
        assert_eq!(agenda.peek(), Some((1, &'a')));
        let items: String = std::iter::from_fn(|| agenda.take())
            .map(|it| it.1)
            .collect();
        assert_eq!(items, "abcde");
        assert_eq!(agenda.count(), 0);
    }
}

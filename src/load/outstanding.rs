//! The requests of one socket that wait for their replies.

use crate::api::Monotonic;

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

/// The number of a request: never given twice by the same [`Outstanding`]
/// within 2^32 requests of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Ticket {
    const fn new(slot: u32, generation: u32) -> Self {
        Self(((generation as u64) << 32) | slot as u64)
    }

    /// The ticket of these bits, whoever made them up.
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The ticket as 64 bits.
    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }

    const fn slot(self) -> u32 {
        self.0 as u32
    }

    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// When a request was to be sent and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// When it was due: what its latency counts from.
    pub(super) due: Monotonic,
    /// When it was handed to the kernel: what its time-out counts from.
    pub(super) sent: Monotonic,
}

/// Why a ticket is not that of a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotWaiting {
    /// No such request was sent.
    Unknown,
    /// It was answered before.
    Answered,
    /// It was given up. Said once of each: the next reply to it is a second
    /// one.
    GivenUp,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Of the request that is in the slot, or was; 0 before the first.
    generation: u32,
    /// Of the last request here that was given up and of which no reply was
    /// seen since; 0 for none.
    given_up: u32,
    /// The request sent before it, if it waits; the next free slot, if not.
    before: u32,
    /// The request sent after it.
    after: u32,
    waits: bool,
    times: Times,
}

/// Requests that wait, in the order in which they were sent.
///
/// A slot for each, in a table that is allocated once and touched as far as it
/// is used; a list through the slots in the order of sending, so that whichever
/// is answered is taken out at once and the oldest is always known.
#[derive(Debug)]
pub(super) struct Outstanding {
    slots: Vec<Slot>,
    capacity: usize,
    free: u32,
    oldest: u32,
    newest: u32,
    count: usize,
}

impl Outstanding {
    /// Room for `capacity` requests (below 2^32 - 1).
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            capacity,
            free: NONE,
            oldest: NONE,
            newest: NONE,
            count: 0,
        }
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Monotonic> {
        self.slots
            .get(self.oldest as usize)
            .map(|slot| slot.times.sent)
    }

    /// Puts in a request; `None` when there is no room.
    pub(super) fn add(&mut self, times: Times) -> Option<Ticket> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self.slots[index as usize].before;
            index
        } else if self.slots.len() < self.capacity {
            self.slots.push(Slot {
                generation: 0,
                given_up: 0,
                before: NONE,
                after: NONE,
                waits: false,
                times,
            });
            (self.slots.len() - 1) as u32
        } else {
            return None;
        };
        let newest = self.newest;
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1);
        slot.waits = true;
        slot.times = times;
        slot.before = newest;
        slot.after = NONE;
        let ticket = Ticket::new(index, slot.generation);
        match self.slots.get_mut(newest as usize) {
            Some(newest) => newest.after = index,
            None => self.oldest = index,
        }
        self.newest = index;
        self.count += 1;
        Some(ticket)
    }

    /// Takes out a request that was not sent after all.
    pub(super) fn withdraw(&mut self, ticket: Ticket) {
        // Whatever else the ticket is, it does not wait.
        let _ = self.take(ticket);
    }

    /// Takes out the request of this ticket, which was answered.
    ///
    /// # Errors
    /// [`NotWaiting`] when it is not there to be answered.
    pub(super) fn take(&mut self, ticket: Ticket) -> Result<Times, NotWaiting> {
        let generation = ticket.generation();
        let slot = self
            .slots
            .get_mut(ticket.slot() as usize)
            .filter(|slot| generation != 0 && generation <= slot.generation)
            .ok_or(NotWaiting::Unknown)?;
        if slot.waits && slot.generation == generation {
            return Ok(self.remove(ticket.slot()));
        }
        if slot.given_up == generation {
            slot.given_up = 0;
            return Err(NotWaiting::GivenUp);
        }
        Err(NotWaiting::Answered)
    }

    /// Takes out the request that was sent first, for a reply that does not
    /// say which it answers.
    pub(super) fn take_oldest(&mut self) -> Option<Times> {
        (self.oldest != NONE).then(|| self.remove(self.oldest))
    }

    /// Gives up every request that was sent before `limit`, and returns how
    /// many those are.
    pub(super) fn give_up(&mut self, limit: Monotonic) -> u64 {
        let mut count = 0;
        while let Some(sent) = self.oldest()
            && sent < limit
        {
            let index = self.oldest;
            self.remove(index);
            let slot = &mut self.slots[index as usize];
            slot.given_up = slot.generation;
            count += 1;
        }
        count
    }

    fn remove(&mut self, index: u32) -> Times {
        let Slot {
            before,
            after,
            times,
            ..
        } = self.slots[index as usize];
        match self.slots.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.oldest = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.newest = before,
        }
        let slot = &mut self.slots[index as usize];
        slot.waits = false;
        // The slot used last is used next: the fewer, the warmer.
        slot.before = self.free;
        self.free = index;
        self.count -= 1;
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn at(nanos: i64) -> Times {
        let moment = Monotonic::from_nanos(nanos);
        Times {
            due: moment,
            sent: moment,
        }
    }

    #[test]
    fn a_request_is_answered_once() {
        let mut outstanding = Outstanding::new(4);
        let ticket = outstanding.add(at(5)).unwrap();
        assert_eq!(outstanding.take(ticket), Ok(at(5)));
        assert_eq!(outstanding.take(ticket), Err(NotWaiting::Answered));
        let next = outstanding.add(at(6)).unwrap();
        assert_ne!(next, ticket);
        assert_eq!(outstanding.take(ticket), Err(NotWaiting::Answered));
        assert_eq!(outstanding.count(), 1);
    }

    #[test]
    fn what_was_never_sent_is_unknown() {
        let mut outstanding = Outstanding::new(4);
        let ticket = outstanding.add(at(5)).unwrap();
        for bits in [
            0,
            u64::MAX,
            ticket.to_bits() + 1,
            ticket.to_bits() + (1 << 32),
            ticket.to_bits() & 0xffff_ffff,
        ] {
            let made_up = Ticket::from_bits(bits);
            assert_eq!(outstanding.take(made_up), Err(NotWaiting::Unknown));
        }
    }

    #[test]
    fn a_late_reply_is_told_from_a_second_one_though_the_slot_is_in_use_again() {
        let mut outstanding = Outstanding::new(1);
        let ticket = outstanding.add(at(5)).unwrap();
        assert_eq!(outstanding.give_up(Monotonic::from_nanos(5)), 0);
        assert_eq!(outstanding.give_up(Monotonic::from_nanos(6)), 1);
        let second = outstanding.add(at(7)).unwrap();
        assert_eq!(outstanding.take(second), Ok(at(7)));
        outstanding.add(at(8)).unwrap();
        assert_eq!(outstanding.take(ticket), Err(NotWaiting::GivenUp));
        assert_eq!(outstanding.take(ticket), Err(NotWaiting::Answered));
    }

    #[test]
    fn there_is_no_room_beyond_the_capacity() {
        let mut outstanding = Outstanding::new(2);
        outstanding.add(at(1)).unwrap();
        let second = outstanding.add(at(2)).unwrap();
        assert_eq!(outstanding.add(at(3)), None);
        outstanding.withdraw(second);
        assert!(outstanding.add(at(3)).is_some());
    }

    proptest! {
        #[test]
        fn it_keeps_the_order_of_sending_whatever_is_taken_out(
            steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 1..300)
        ) {
            let mut outstanding = Outstanding::new(20);
            let mut model: VecDeque<(Ticket, Times)> = VecDeque::new();
            for (number, (step, which)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let times = at(number as i64);
                        let ticket = outstanding.add(times);
                        prop_assert_eq!(ticket.is_some(), model.len() < 20);
                        model.extend(ticket.map(|ticket| (ticket, times)));
                    }
                    2 if !model.is_empty() => {
                        let (ticket, times) = model.remove(which.index(model.len())).unwrap();
                        prop_assert_eq!(outstanding.take(ticket), Ok(times));
                    }
                    _ => {
                        let expected = model.pop_front().map(|(_, times)| times);
                        prop_assert_eq!(outstanding.take_oldest(), expected);
                    }
                }
                prop_assert_eq!(outstanding.count(), model.len());
                prop_assert_eq!(outstanding.oldest(), model.front().map(|(_, times)| times.sent));
            }
        }
    }
}

//! The way of a request to the server.

use super::draws::Purpose;
use super::engine::Engine;
use super::loss::LossPurposes;
use super::slot::Slot;
use crate::api::Delta;
use std::sync::Arc;

/// What the network does to a request.
#[derive(Debug)]
pub(super) struct Journey {
    is_lost: bool,
    delay: Delta,
    /// How long after it each of its copies arrives.
    duplicates: Vec<Delta>,
    /// The rules that did something to it.
    pub(super) rules: Vec<Arc<str>>,
}

impl Journey {
    pub(super) const fn new() -> Self {
        Self {
            is_lost: false,
            delay: Delta::ZERO,
            duplicates: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// When it arrives, as often as it does.
    pub(super) fn copies(&self) -> Vec<Delta> {
        let duplicates = self.duplicates.iter().map(|after| self.delay + *after);
        let all = std::iter::once(self.delay).chain(duplicates);
        let count = if self.is_lost {
            0
        } else {
            Engine::MOST_ARRIVALS
        };
        all.take(count).collect()
    }
}

impl Slot {
    const REQUEST_LOSS: LossPurposes = LossPurposes {
        loss: Purpose::RequestLoss,
        step: Purpose::RequestBurst,
    };

    /// Makes the rule's faults on the way of the request of this number; says
    /// whether one did anything.
    pub(super) fn carry(&mut self, journey: &mut Journey, number: u64) -> bool {
        let draws = self.draws.at(number, 0);
        let loss = self.rule.lose.and_then(|lose| lose.request);
        let is_lost = loss
            .is_some_and(|loss| loss.loses(&mut self.request_loss, &draws, Self::REQUEST_LOSS))
            || self.rule.blackhole.is_some();
        journey.is_lost |= is_lost;
        let delay = self.rule.delay.and_then(|delay| delay.request);
        if let Some(delay) = delay {
            let drawn = delay.draw(&draws, Purpose::RequestDelay);
            journey.delay = journey.delay + drawn;
        }
        let duplicate = self.rule.duplicate.and_then(|duplicate| duplicate.request);
        if let Some(duplicate) = duplicate {
            let copies = (1..=duplicate.copies).map(|copy| duplicate.after.0 * copy);
            journey.duplicates.extend(copies);
        }
        let did = is_lost || delay.is_some() || duplicate.is_some();
        if did {
            journey.rules.push(Arc::clone(&self.name));
        }
        did
    }
}

//! From the server's reply to what leaves.

use super::ask::{Departure, Via};
use super::content::Content;
use super::draws::{Draws, Purpose};
use super::engine::Engine;
use super::loss::LossPurposes;
use super::network::{Duplicate, Hold, ReplyFrom};
use super::octets::{self, flip};
use super::slot::Slot;
use super::unasked::Replay;
use crate::api::Delta;
use std::sync::Arc;

/// The reply with its way through the network, and what leaves beside it.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) content: Content<'a>,
    pub(super) is_lost: bool,
    pub(super) delay: Delta,
    pub(super) from: Via,
    pub(super) hold: Option<Hold>,
    copies: Vec<Extra>,
    before: Vec<Extra>,
    after: Vec<Extra>,
    /// The rules that did something to it.
    pub(super) rules: Vec<Arc<str>>,
}

/// A datagram beside the reply.
#[derive(Debug)]
struct Extra {
    /// How long after the reply.
    after: Delta,
    octets: Vec<u8>,
    rule: Arc<str>,
}

impl<'a> Answer<'a> {
    pub(super) const fn new(content: Content<'a>) -> Self {
        Self {
            content,
            is_lost: false,
            delay: Delta::ZERO,
            from: Via::Same,
            hold: None,
            copies: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// How many more datagrams a rule may add.
    fn room(&self) -> usize {
        let all = 1 + self.copies.len() + self.before.len() + self.after.len();
        Engine::MOST_DEPARTURES.saturating_sub(all)
    }

    /// The reply with its copies, and what leaves before and after them;
    /// `blank` says where to and because of what.
    pub(super) fn departures(self, blank: &Departure) -> [Vec<Departure>; 3] {
        let (delay, from, rules) = (self.delay, self.from, self.rules);
        let extra = |extra: Extra| Departure {
            after: delay + extra.after,
            octets: extra.octets,
            rules: vec![extra.rule],
            ..blank.clone()
        };
        let copies: Vec<Extra> = self.copies;
        let copies = copies.into_iter().map(|copy| Departure {
            after: delay + copy.after,
            from,
            octets: copy.octets,
            rules: with(&rules, copy.rule),
            ..blank.clone()
        });
        let main = Departure {
            after: delay,
            from,
            octets: self.content.octets,
            rules: rules.clone(),
            ..blank.clone()
        };
        let mains = (!self.is_lost).then(|| std::iter::once(main).chain(copies));
        [
            self.before.into_iter().map(extra).collect(),
            mains.into_iter().flatten().collect(),
            self.after.into_iter().map(extra).collect(),
        ]
    }
}

/// `rules` and `rule`, once each.
fn with(rules: &[Arc<str>], rule: Arc<str>) -> Vec<Arc<str>> {
    let mut all = rules.to_vec();
    if !all.contains(&rule) {
        all.push(rule);
    }
    all
}

impl Slot {
    const REPLY_LOSS: LossPurposes = LossPurposes {
        loss: Purpose::ReplyLoss,
        step: Purpose::ReplyBurst,
    };

    /// Makes the rule's faults in the octets of a reply; says whether one
    /// did anything.
    pub(super) fn change(&mut self, content: &mut Content<'_>, draws: &Draws, at: Delta) -> bool {
        let mut did = false;
        if content.honest.is_some() {
            did |= self.change_packet(content, draws, at);
        }
        let rule = &self.rule;
        did |= (rule.replace.as_ref()).is_some_and(|by| octets::replace(by, content));
        did |= (rule.truncate).is_some_and(|to| octets::truncate(&to, content, draws));
        did |= (rule.pad.as_ref()).is_some_and(|pad| pad.apply(content));
        did |= (rule.junk).is_some_and(|len| octets::junk(&len, content, draws));
        did |= (rule.flip_bits).is_some_and(|bits| bits.apply(content, draws));
        did
    }

    fn change_packet(&mut self, content: &mut Content<'_>, draws: &Draws, at: Delta) -> bool {
        let client = content.client;
        let is_kiss = self.rule.kiss.is_some_and(|kiss| kiss.apply(content));
        if is_kiss {
            self.kiss(client, at);
        }
        let rule = &self.rule;
        let mut did = is_kiss;
        did |= (rule.interleaved).is_some_and(|interleaved| interleaved.apply(content));
        did |= (rule.set.as_ref()).is_some_and(|set| set.apply(content, draws));
        let extensions = rule.extension.iter().flat_map(|them| &them.0);
        for (part, extension) in extensions.enumerate() {
            did |= extension.apply(part, content, draws);
        }
        did |= (rule.mac).is_some_and(|mac| mac.apply(content, draws));
        did
    }

    /// Makes the rule's faults on the way of a reply and beside it; says
    /// whether one did anything.
    pub(super) fn send(&mut self, answer: &mut Answer<'_>, draws: &Draws) -> bool {
        let mut did = false;
        if let Some(loss) = self.rule.lose.and_then(|lose| lose.reply)
            && loss.loses(&mut self.reply_loss, draws, Self::REPLY_LOSS)
        {
            answer.is_lost = true;
            did = true;
        }
        let rule = &self.rule;
        if let Some(delay) = rule.delay.and_then(|delay| delay.reply) {
            answer.delay = answer.delay + delay.draw(draws, Purpose::ReplyDelay);
            did = true;
        }
        if let Some(from) = rule.reply_from {
            answer.from = match from {
                ReplyFrom::OtherPort => Via::OtherPort,
                ReplyFrom::Address(address) => Via::OtherAddress(address),
            };
            did = true;
        }
        if let Some(hold) = rule.hold {
            answer.hold = Some(hold);
            did = true;
        }
        did
    }

    /// Puts an old reply in the place of this one; says whether it did.
    pub(super) fn replay_instead(&self, content: &mut Content<'_>) -> bool {
        let old = content.previous_octets().map(<[u8]>::to_vec);
        match (self.rule.replay, old) {
            (Some(Replay::Instead), Some(old)) => {
                content.octets = old;
                true
            }
            _ => false,
        }
    }

    /// Adds what leaves beside the reply; says whether anything does.
    pub(super) fn accompany(&self, answer: &mut Answer<'_>, draws: &Draws) -> bool {
        let extra = |after, octets: &[u8]| Extra {
            after,
            octets: octets.to_vec(),
            rule: Arc::clone(&self.name),
        };
        let content = &answer.content;
        let mut did = false;
        if let Some(duplicate) = self.rule.duplicate.and_then(|duplicate| duplicate.reply) {
            let (duplicates, room) = (self.duplicates(duplicate, content, draws), answer.room());
            answer.copies.extend(duplicates.take(room));
            did = !answer.is_lost;
        }
        if let (Some(replay), Some(old)) = (self.rule.replay, content.previous_octets())
            && replay != Replay::Instead
            && answer.room() > 0
        {
            let beside = match replay {
                Replay::Before => &mut answer.before,
                _ => &mut answer.after,
            };
            beside.push(extra(Delta::ZERO, old));
            did = true;
        }
        if let (Some(unsolicited), Some(honest)) = (self.rule.unsolicited, content.honest) {
            let packets = (1..=unsolicited.count).map(|number| {
                let packet = unsolicited.packet(&honest, draws, number as u64);
                extra(unsolicited.delay(number), &packet)
            });
            let room = answer.room();
            answer.after.extend(packets.take(room));
            did = true;
        }
        did
    }

    fn duplicates(
        &self,
        duplicate: Duplicate,
        content: &Content<'_>,
        draws: &Draws,
    ) -> impl Iterator<Item = Extra> {
        (1..=duplicate.copies).map(move |copy| {
            let mut octets = content.octets.clone();
            flip(&mut octets, duplicate.flip_bits as u64, |index, high| {
                let index = (copy as u64) << 32 | index;
                draws.between(Purpose::DuplicateFlips, index, 0, high)
            });
            Extra {
                after: duplicate.after.0 * copy,
                octets,
                rule: Arc::clone(&self.name),
            }
        })
    }
}

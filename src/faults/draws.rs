//! Random numbers that are functions: a hash of the seed, the name of the rule,
//! what they are for, and the number of the request.
//!
//! The hash is SipHash-1-3 keyed with the seed and the name, over fixed octets
//! in little-endian order, so that it is the same on every machine. No draw
//! depends on another, on the time, or on how many were made before. A rule
//! keeps its numbers when other rules come and go, as long as it keeps its
//! name.

use siphasher::sip::SipHasher13;

/// What a number is drawn for. The values are part of what a seed means: a
/// number that is taken stays taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Purpose {
    Match = 0,
    RequestLoss = 1,
    ReplyLoss = 2,
    RequestBurst = 3,
    ReplyBurst = 4,
    RequestDelay = 5,
    ReplyDelay = 6,
    ReferenceTimestamp = 7,
    OriginTimestamp = 8,
    ReceiveTimestamp = 9,
    TransmitTimestamp = 10,
    Extension = 11,
    Mac = 12,
    TruncateLen = 13,
    JunkLen = 14,
    Junk = 15,
    FlipCount = 16,
    FlipPlaces = 17,
    DuplicateFlips = 18,
    Unsolicited = 19,
}

/// The numbers of one rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleDraws(SipHasher13);

impl RuleDraws {
    pub(super) fn new(seed: u64, rule: &str) -> Self {
        let name = SipHasher13::new_with_keys(0, 0).hash(rule.as_bytes());
        Self(SipHasher13::new_with_keys(seed, name))
    }

    /// Those for the `copy`-th arrival (from 0) of the `number`-th request.
    pub(super) const fn at(self, number: u64, copy: u64) -> Draws {
        Draws {
            rule: self,
            number,
            copy,
        }
    }
}

/// The numbers of one rule for one datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    rule: RuleDraws,
    number: u64,
    copy: u64,
}

impl Draws {
    /// The `index`-th 64 bits for a purpose.
    pub(super) fn bits(&self, purpose: Purpose, index: u64) -> u64 {
        let mut octets = [0; 25];
        octets[0] = purpose as u8;
        octets[1..9].copy_from_slice(&self.number.to_le_bytes());
        octets[9..17].copy_from_slice(&self.copy.to_le_bytes());
        octets[17..25].copy_from_slice(&index.to_le_bytes());
        self.rule.0.hash(&octets)
    }

    /// The `index`-th number from `low` to `high`, both included; each is as
    /// likely as the other to within 2^-40, for up to 2^24 of them.
    pub(super) fn between(&self, purpose: Purpose, index: u64, low: u64, high: u64) -> u64 {
        let count = u128::from(high.saturating_sub(low)) + 1;
        low + ((u128::from(self.bits(purpose, index)) * count) >> 64) as u64
    }

    /// Appends `len` octets to `octets`. `part` tells apart what one purpose
    /// draws several times.
    pub(super) fn append(&self, purpose: Purpose, part: u32, len: usize, octets: &mut Vec<u8>) {
        let end = octets.len() + len;
        let mut index = u64::from(part) << 32;
        while octets.len() < end {
            let drawn = self.bits(purpose, index).to_le_bytes();
            octets.extend_from_slice(&drawn[..drawn.len().min(end - octets.len())]);
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(seed: u64, rule: &str, purpose: Purpose, number: u64, copy: u64, index: u64) -> u64 {
        let draws = RuleDraws::new(seed, rule).at(number, copy);
        draws.bits(purpose, index)
    }

    #[test]
    fn a_draw_is_the_same_on_every_machine() {
        // Worked out by another implementation of SipHash-1-3. It may never
        // change: transcripts and golden scenarios rest on it.
        assert_eq!(
            bits(1, "rule-1", Purpose::Match, 1, 0, 0),
            0x6a11_3be3_12f6_f0d3
        );
    }

    #[test]
    fn everything_that_tells_draws_apart_changes_them() {
        let base = bits(1, "a", Purpose::Match, 1, 0, 0);
        let others = [
            bits(2, "a", Purpose::Match, 1, 0, 0),
            bits(1, "b", Purpose::Match, 1, 0, 0),
            bits(1, "a", Purpose::ReplyLoss, 1, 0, 0),
            bits(1, "a", Purpose::Match, 2, 0, 0),
            bits(1, "a", Purpose::Match, 1, 1, 0),
            bits(1, "a", Purpose::Match, 1, 0, 1),
        ];
        for (position, other) in others.iter().enumerate() {
            assert_ne!(base, *other, "{position}");
            assert!(!others[..position].contains(other), "{position}");
        }
    }

    #[test]
    fn a_number_between_two_reaches_both_and_nothing_beyond() {
        let draws = RuleDraws::new(7, "dice").at(1, 0);
        let mut seen = [0_u32; 6];
        for index in 0..6_000 {
            let value = draws.between(Purpose::Junk, index, 10, 15);
            seen[usize::try_from(value - 10).unwrap()] += 1;
        }
        // The standard deviation of each count is 29.
        assert!(seen.iter().all(|count| count.abs_diff(1_000) < 150));
        assert_eq!(draws.between(Purpose::Junk, 0, 3, 3), 3);
        draws.between(Purpose::Junk, 0, 0, u64::MAX);
    }

    #[test]
    fn appended_octets_are_as_many_as_asked_for() {
        let draws = RuleDraws::new(7, "junk").at(1, 0);
        for len in 0..40 {
            let mut octets = vec![1, 2];
            draws.append(Purpose::Junk, 0, len, &mut octets);
            assert_eq!(octets.len(), 2 + len);
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        draws.append(Purpose::Junk, 0, 16, &mut one);
        draws.append(Purpose::Junk, 1, 16, &mut other);
        assert_ne!(one, other);
    }
}

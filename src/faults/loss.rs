//! Which datagrams are lost.

use super::draws::{Draws, Purpose};
use super::network::{Burst, Loss};

/// How far a rule's loss has come, in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LossState {
    seen: u64,
    is_bad: bool,
}

/// What is drawn in one direction: the loss itself, and the step of the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct LossPurposes {
    pub(super) loss: Purpose,
    pub(super) step: Purpose,
}

impl Loss {
    /// Whether the datagram of `draws` is lost, the next one in `state`.
    pub(super) fn loses(
        &self,
        state: &mut LossState,
        draws: &Draws,
        purposes: LossPurposes,
    ) -> bool {
        state.seen = state.seen.saturating_add(1);
        match self {
            Self::Random(probability) => probability.happens(draws.bits(purposes.loss, 0)),
            Self::First(count) => state.seen <= *count,
            Self::Every(count) => state.seen.is_multiple_of((*count).max(1)),
            Self::Burst(burst) => {
                state.is_bad = burst.next(state.is_bad, draws.bits(purposes.step, 0));
                let loss = if state.is_bad {
                    burst.loss
                } else {
                    burst.loss_between
                };
                loss.happens(draws.bits(purposes.loss, 0))
            }
        }
    }
}

impl Burst {
    /// The state after the one given: bad or not.
    fn next(&self, is_bad: bool, bits: u64) -> bool {
        if is_bad {
            !self.end.happens(bits)
        } else {
            self.begin.happens(bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draws::RuleDraws;
    use super::super::value::Probability;
    use super::*;

    const PURPOSES: LossPurposes = LossPurposes {
        loss: Purpose::ReplyLoss,
        step: Purpose::ReplyBurst,
    };

    fn fate(loss: Loss, count: u64) -> Vec<bool> {
        let rule = RuleDraws::new(11, "loss");
        let mut state = LossState::default();
        (1..=count)
            .map(|number| loss.loses(&mut state, &rule.at(number, 0), PURPOSES))
            .collect()
    }

    fn share(of: u64, out_of: u64) -> Probability {
        Probability::new(of, out_of).expect("a fraction")
    }

    #[test]
    fn the_first_and_every_kth_are_exact() {
        assert_eq!(fate(Loss::First(2), 4), [true, true, false, false]);
        let third = [false, false, true, false, false, true, false];
        assert_eq!(fate(Loss::Every(3), 7), third);
        assert_eq!(fate(Loss::Every(1), 2), [true, true]);
    }

    #[test]
    fn random_loss_has_its_share() {
        let lost = fate(Loss::Random(share(1, 10)), 20_000);
        let count = lost.iter().filter(|is_lost| **is_lost).count();
        // The standard deviation is 42.
        assert!((1_800..2_200).contains(&count), "{count}");
        assert_eq!(fate(Loss::Random(Probability::NEVER), 3), [false; 3]);
        assert_eq!(fate(Loss::Random(Probability::ALWAYS), 3), [true; 3]);
    }

    #[test]
    fn bursts_have_their_length_and_their_share_of_the_time() {
        let burst = Burst {
            begin: share(1, 50),
            end: share(1, 5),
            loss: Probability::ALWAYS,
            loss_between: Probability::NEVER,
        };
        let lost = fate(Loss::Burst(burst), 100_000);
        let bursts: Vec<usize> = lost
            .chunk_by(|one, next| one == next)
            .filter(|run| run[0])
            .map(<[bool]>::len)
            .collect();
        let total: usize = bursts.iter().sum();
        // A burst lasts for 1 / end = 5 datagrams with a deviation of 4.5, and
        // begin / (begin + end) = 1/11 of all datagrams are in one.
        let mean = total as f64 / bursts.len() as f64;
        assert!((mean - 5.0).abs() < 0.4, "{mean}");
        assert!(total.abs_diff(100_000 / 11) < 900, "{total}");
        // Geometric: one in five ends after the first datagram.
        let ones = bursts.iter().filter(|len| **len == 1).count();
        assert!(ones.abs_diff(bursts.len() / 5) < 100, "{ones}");
    }

    #[test]
    fn a_burst_may_let_some_through_and_the_time_between_lose_some() {
        let burst = Burst {
            begin: share(1, 10),
            end: share(1, 10),
            loss: share(1, 2),
            loss_between: share(1, 100),
        };
        let lost = fate(Loss::Burst(burst), 40_000);
        let count = lost.iter().filter(|is_lost| **is_lost).count();
        // Half of the time a half, half of the time a hundredth: 10,200.
        assert!(count.abs_diff(10_200) < 600, "{count}");
    }
}

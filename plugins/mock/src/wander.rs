//! What noise a clock has.

use timeball_api::Delta;

/// The noise of a clock. Each part is a standard deviation, taken without its
/// sign, and none where it is 0.
///
/// All of it is a function of the seed and of the elapsed time: the same in
/// every run, with no end and no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wander {
    /// White phase noise: of each reading. Readings that lie two `interval`s
    /// apart have nothing to do with each other.
    pub white_phase: Delta,
    /// Flicker phase noise: of each reading. It reaches from `interval` to
    /// 65 536 times that.
    pub flicker_phase: Delta,
    /// Random-walk frequency noise: of the frequency after a day, in parts per
    /// billion; after four days it is twice that. The frequency begins at that
    /// of the clock and the phase where it stands.
    pub random_walk_frequency_ppb: i64,
    /// The finest step of the noise in elapsed time; what lies between is
    /// continuous. Less than 1 µs counts as 1 µs.
    pub interval: Delta,
}

impl Wander {
    /// No noise. The clock stays where it had wandered to.
    pub const NONE: Self = Self {
        white_phase: Delta::ZERO,
        flicker_phase: Delta::ZERO,
        random_walk_frequency_ppb: 0,
        interval: Delta::from_seconds(1),
    };
}

impl Default for Wander {
    fn default() -> Self {
        Self::NONE
    }
}

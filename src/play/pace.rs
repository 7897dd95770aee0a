//! The same scenario, faster or slower.

use crate::scenario::Scenario;
use thiserror::Error;
use timeball_mock::{Base, Ratio};

/// The fastest that mock time runs by the host's.
const FASTEST: i64 = 1_000_000;

/// Why a scenario does not run at another rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RateError {
    /// The host's clock does not move it.
    #[error("the scenario's time base is not `wall`, so it has no rate")]
    NotOnTheWall,
    /// Time would stand, run back, or run too fast for anybody to see.
    #[error("accepted is above 0, up to {FASTEST}")]
    OutOfRange,
}

impl Scenario {
    /// The same scenario, in which this much mock time passes in a second of
    /// the host's.
    ///
    /// # Errors
    /// [`RateError`]: the time base is not `wall`, or the rate is not above 0
    /// and up to 1 000 000.
    pub fn with_rate(mut self, rate: Ratio) -> Result<Self, RateError> {
        let numerator = rate.numerator();
        if numerator <= 0 || numerator > FASTEST.saturating_mul(rate.denominator()) {
            return Err(RateError::OutOfRange);
        }
        let clocks = self.endpoints.iter_mut().map(|it| &mut it.clock.time.base);
        for base in clocks.chain([&mut self.time.base]) {
            match base {
                Base::Wall { rate: own, .. } => *own = rate,
                Base::Manual | Base::PerRequest(_) => return Err(RateError::NotOnTheWall),
            }
        }
        Ok(self)
    }
}

//! What a source will say, for those who cannot ask it each time: a program in
//! the network driver, that is fed a few times a second.

use crate::quality::Quality;
use crate::source::Reading;
use crate::time::{Delta, Monotonic, Timestamp};
use std::num::NonZeroU32;

/// Parts per million million in one: the unit of [`Stretch::drift_ppt`].
const WHOLE: i128 = 1_000_000_000_000;

/// How a source goes on from one moment, for a few seconds at least, unless it is
/// moved or tended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// What holds now.
    pub now: Stretch,
    /// What holds from the next moment on at which time jumps or its quality
    /// changes, as at a leap second; `None` while nothing of that kind is known.
    pub next: Option<(Monotonic, Stretch)>,
}

/// A clock that runs straight: readings of all moments, from that of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The one moment.
    pub from: Monotonic,
    /// What the source says of that moment, or would if the stretch reached there;
    /// its reference timestamp may lie later.
    pub reading: Reading,
    /// How much faster it runs than the monotonic clock, in parts per million
    /// million: 1 ppm is 1 000 000. At most 500 ppm either way.
    pub drift_ppt: i64,
    /// In how many nanoseconds the root dispersion grows by one, rounded up;
    /// `None` if it stays.
    pub dispersion_grows_in: Option<NonZeroU32>,
}

impl Forecast {
    /// What the source says of the moment `at`, as far as this tells.
    #[must_use]
    pub fn read(&self, at: Monotonic) -> Reading {
        match self.next {
            Some((from, next)) if at >= from => next.read(at),
            _ => self.now.read(at),
        }
    }
}

impl Stretch {
    /// What the source says of the moment `at`, if that lies within the stretch:
    /// time to the nanosecond, rounded towards the past. The reference timestamp
    /// is not later than the time.
    #[must_use]
    pub fn read(&self, at: Monotonic) -> Reading {
        let elapsed = i128::from(at.as_nanos()) - i128::from(self.from.as_nanos());
        let drift = (elapsed * i128::from(self.drift_ppt)).div_euclid(WHOLE);
        let time = saturated(i128::from(self.reading.time.as_nanos()) + elapsed + drift);
        let time = Timestamp::from_nanos(time);
        let quality = self.reading.quality;
        let grown = self.dispersion_grows_in.map_or(Delta::ZERO, |nanos| {
            let since = u64::try_from(elapsed).unwrap_or(0);
            let grown = since.div_ceil(u64::from(nanos.get()));
            Delta::from_nanos(i64::try_from(grown).unwrap_or(i64::MAX))
        });
        Reading {
            time,
            quality: Quality {
                reference_timestamp: quality.reference_timestamp.map(|it| it.min(time)),
                root_dispersion: quality.root_dispersion + grown,
                ..quality
            },
        }
    }
}

fn saturated(nanos: i128) -> i64 {
    let in_range = nanos.clamp(i64::MIN.into(), i64::MAX.into());
    i64::try_from(in_range).expect("clamped to the range above")
}

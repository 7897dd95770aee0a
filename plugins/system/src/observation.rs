//! What was last seen of the kernel's clock state, as the readers get it.

use crate::leap::Leap;
use std::io;
use timeball_api::{Delta, HostInstant, KernelState, Monotonic, Timestamp};

/// By how much an error bound grows: 1 ns in 2000, the 500 ppm by which the
/// kernel lets its own grow every second.
pub(crate) const NANOS_PER_NANO_OF_ERROR: u64 = 2_000;

/// The kernel's clock state, as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observation {
    /// The moment.
    pub(crate) made: Monotonic,
    /// The host's UTC when the kernel last answered; `None` if it never did.
    pub(crate) checked: Option<Timestamp>,
    /// Whether something disciplines the clock.
    pub(crate) is_synchronised: bool,
    /// The kernel's bound on its error then; means nothing unless synchronised.
    pub(crate) maximum_error: Delta,
    /// The leap second that is coming or passing.
    pub(crate) leap: Leap,
}

impl Observation {
    /// The words that carry an observation to the readers.
    pub(crate) const WORDS: usize = 5;

    /// What there is before the first look.
    pub(crate) const NONE: Self = Self {
        made: Monotonic::from_nanos(0),
        checked: None,
        is_synchronised: false,
        maximum_error: Delta::ZERO,
        leap: Leap::None,
    };

    /// What the kernel's `answer` at the moment `now` means after `self` was
    /// seen. A refusal counts as a clock that is not synchronised.
    pub(crate) fn followed_by(self, now: HostInstant, answer: &io::Result<KernelState>) -> Self {
        match answer {
            Ok(state) => {
                let leap = Leap::seen(state.leap, now, self.leap);
                Self {
                    made: now.monotonic,
                    checked: Some(leap.made_at(now).realtime),
                    is_synchronised: state.synchronised,
                    maximum_error: state.maximum_error.max(Delta::ZERO),
                    leap,
                }
            }
            Err(_) => Self {
                made: now.monotonic,
                checked: self.checked,
                ..Self::NONE
            },
        }
    }

    /// The bound on the error of a synchronised clock at the moment `now`:
    /// what the kernel said, grown since by 500 ppm, rounded up.
    pub(crate) fn error_bound(&self, now: Monotonic) -> Delta {
        let since = u64::try_from((now - self.made).as_nanos()).unwrap_or(0);
        let grown = since.div_ceil(NANOS_PER_NANO_OF_ERROR);
        let grown = i64::try_from(grown).expect("less than 2^63 / 2000");
        self.maximum_error + Delta::from_nanos(grown)
    }

    pub(crate) fn to_words(self) -> [u64; Self::WORDS] {
        let (leap, leap_at) = match self.leap {
            Leap::None => (0, 0),
            Leap::Insert { at } => (LEAP_INSERT, at.as_nanos()),
            Leap::Delete { at } => (LEAP_DELETE, at.as_nanos()),
        };
        let mut flags = leap;
        if self.is_synchronised {
            flags |= SYNCHRONISED;
        }
        if self.checked.is_some() {
            flags |= CHECKED;
        }
        [
            flags,
            self.made.as_nanos().cast_unsigned(),
            self.checked.unwrap_or_default().as_nanos().cast_unsigned(),
            self.maximum_error.as_nanos().cast_unsigned(),
            leap_at.cast_unsigned(),
        ]
    }

    pub(crate) fn from_words([flags, made, checked, error, leap_at]: [u64; Self::WORDS]) -> Self {
        let at = Monotonic::from_nanos(leap_at.cast_signed());
        Self {
            made: Monotonic::from_nanos(made.cast_signed()),
            checked: (flags & CHECKED != 0).then(|| Timestamp::from_nanos(checked.cast_signed())),
            is_synchronised: flags & SYNCHRONISED != 0,
            maximum_error: Delta::from_nanos(error.cast_signed()),
            leap: match flags & (LEAP_INSERT | LEAP_DELETE) {
                LEAP_INSERT => Leap::Insert { at },
                LEAP_DELETE => Leap::Delete { at },
                _ => Leap::None,
            },
        }
    }
}

const SYNCHRONISED: u64 = 1;
const CHECKED: u64 = 2;
const LEAP_INSERT: u64 = 4;
const LEAP_DELETE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_survives_its_words() {
        let at = Monotonic::from_nanos(-3);
        for leap in [Leap::None, Leap::Insert { at }, Leap::Delete { at }] {
            for is_synchronised in [false, true] {
                for checked in [None, Some(Timestamp::MIN), Some(Timestamp::MAX)] {
                    let observation = Observation {
                        made: Monotonic::from_nanos(i64::MIN),
                        checked,
                        is_synchronised,
                        maximum_error: Delta::MAX,
                        leap,
                    };
                    assert_eq!(Observation::from_words(observation.to_words()), observation);
                }
            }
        }
    }
}

//! What a clock says of itself.

use crate::script::QualityChange;
use timeball_api::{Delta, LeapIndicator, Quality, Timestamp};

/// What a clock says of itself, true or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Face {
    /// Its leap indicator and its reference timestamp are in the fields below.
    quality: Quality,
    /// What the leap indicator is; `None` leaves it to the leap seconds.
    leap_indicator: Option<LeapIndicator>,
    reference: Reference,
    is_unsynchronised: bool,
}

/// What the reference timestamp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// This, or the time of the reading where that is earlier.
    Honest(Timestamp),
    /// This, to the letter.
    Stands(Option<Timestamp>),
    /// This long before the reading.
    Aged(Delta),
}

impl Face {
    /// `quality`, with `start` for a reference timestamp if it has none, and
    /// with the leap seconds' indicator if it has no other.
    pub(crate) fn new(quality: Quality, start: Timestamp) -> Self {
        let indicator = quality.leap_indicator;
        Self {
            leap_indicator: (indicator != LeapIndicator::None).then_some(indicator),
            reference: match quality.reference_timestamp {
                None => Reference::Honest(start),
                stands => Reference::Stands(stands),
            },
            quality,
            is_unsynchronised: false,
        }
    }

    /// `quality` to the letter.
    pub(crate) fn to_the_letter(quality: Quality) -> Self {
        Self {
            leap_indicator: Some(quality.leap_indicator),
            reference: Reference::Stands(quality.reference_timestamp),
            quality,
            is_unsynchronised: false,
        }
    }

    pub(crate) fn change(&mut self, change: QualityChange) {
        let quality = &mut self.quality;
        match change {
            QualityChange::LeapIndicator(indicator) => self.leap_indicator = indicator,
            QualityChange::Stratum(stratum) => quality.stratum = stratum,
            QualityChange::Precision(log2_s) => quality.precision_log2_s = log2_s,
            QualityChange::ReferenceId(id) => quality.reference_id = id,
            QualityChange::RootDelay(span) => quality.root_delay = span,
            QualityChange::RootDispersion(span) => quality.root_dispersion = span,
            QualityChange::ReferenceTimestamp(time) => self.reference = Reference::Stands(time),
            QualityChange::ReferenceAge(age) => self.reference = Reference::Aged(age),
            QualityChange::Unsynchronised => self.is_unsynchronised = true,
            QualityChange::Synchronised => self.is_unsynchronised = false,
        }
    }

    /// The quality of a reading that shows `time`, with this indicator of the
    /// leap seconds.
    pub(crate) fn quality(&self, time: Timestamp, of_leaps: LeapIndicator) -> Quality {
        let mut quality = Quality {
            leap_indicator: self.leap_indicator.unwrap_or(of_leaps),
            reference_timestamp: match self.reference {
                Reference::Honest(start) => Some(start.min(time)),
                Reference::Stands(stands) => stands,
                Reference::Aged(age) => Some(time - age),
            },
            ..self.quality
        };
        if self.is_unsynchronised {
            quality.leap_indicator = LeapIndicator::Unsynchronised;
            quality.stratum = Quality::UNSYNCHRONISED_STRATUM;
        }
        quality
    }
}

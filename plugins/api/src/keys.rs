//! Settings that several kinds of time source have in common: what they are
//! called, what they accept and what their values mean, decided once.
//!
//! A kind puts these constants among its own keys, with another default where
//! it wants one:
//!
//! ```
//! use timeball_api::keys;
//! use timeball_api::settings::{Default, Key};
//!
//! const KEYS: &[Key] = &[
//!     keys::STRATUM,
//!     Key { default: Default::Is("GPS"), ..keys::REFERENCE_ID },
//! ];
//! # assert_eq!(KEYS[1].name, "reference_id");
//! ```

use crate::quality::LeapIndicator;
use crate::settings::{Accepts, Default, Key, Values};
use crate::time::Delta;

/// The longest root delay or dispersion that the wire can carry, in whole
/// seconds. [`NtpShort`](crate::NtpShort) saturates just above it.
const LONGEST_BOUND_S: i64 = 65_535;

/// What a bound on an error accepts: any span that the wire can carry.
pub const BOUND: Accepts = Accepts::Duration {
    min: Delta::ZERO,
    max: Delta::from_seconds(LONGEST_BOUND_S),
};

/// `stratum`: 1 to 15, read with [`stratum`]. The default is that of a clock
/// nobody vouches for.
pub const STRATUM: Key = Key {
    name: "stratum",
    accepts: Accepts::Integer { min: 1, max: 15 },
    default: Default::Is("10"),
    help: "hops from a reference clock; clients prefer the lower one",
};

/// `reference_id`, read with [`Values::reference_id`].
pub const REFERENCE_ID: Key = Key {
    name: "reference_id",
    accepts: Accepts::ReferenceId,
    default: Default::Is("127.127.1.1"),
    help: "where the time comes from; 127.127.1.1 is a local clock",
};

/// `leap_indicator`: a word, read with [`leap_indicator`].
pub const LEAP_INDICATOR: Key = Key {
    name: "leap_indicator",
    accepts: Accepts::OneOf(&["none", "insert", "delete", "unsynchronised"]),
    default: Default::Absent("none"),
    help: "the warning of a leap second at the end of the day, or the alarm (0 to 3 on the wire)",
};

/// `root_dispersion`: seconds or a span with a unit, read with
/// [`Values::duration`].
pub const ROOT_DISPERSION: Key = Key {
    name: "root_dispersion",
    accepts: BOUND,
    default: Default::Is("10ms"),
    help: "bound on the error against the reference clock; seconds, or with a unit",
};

/// The value of [`STRATUM`].
///
/// # Panics
/// If the kind did not declare `stratum` with a default within 0 to 255.
#[must_use]
pub fn stratum(values: &Values) -> u8 {
    u8::try_from(values.integer(STRATUM.name)).expect("`stratum` was declared within 0 to 255")
}

/// The value of [`LEAP_INDICATOR`]; `None` where it is absent.
#[must_use]
pub fn leap_indicator(values: &Values) -> Option<LeapIndicator> {
    match values.find_text(LEAP_INDICATOR.name)?.as_str() {
        "none" => Some(LeapIndicator::None),
        "insert" => Some(LeapIndicator::InsertSecond),
        "delete" => Some(LeapIndicator::DeleteSecond),
        "unsynchronised" => Some(LeapIndicator::Unsynchronised),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Value;

    #[test]
    fn every_word_of_the_leap_indicator_means_its_place_in_the_list() {
        let Accepts::OneOf(words) = LEAP_INDICATOR.accepts else {
            panic!("a leap indicator is one of some words");
        };
        for (bits, word) in (0_u8..).zip(words) {
            let mut values = Values::default();
            assert_eq!(leap_indicator(&values), None);
            values.insert("leap_indicator", Value::Text((*word).to_owned()));
            let meant = leap_indicator(&values).map(LeapIndicator::to_bits);
            assert_eq!(meant, Some(bits), "{word}");
        }
    }
}

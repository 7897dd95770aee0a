//! The settings that say how good the mock's time is, one for each field of
//! [`Quality`], and how they are read.

use timeball_api::keys;
use timeball_api::settings::{Accepts, Default, Key, Values};
use timeball_api::{Delta, Quality};

pub(crate) const LEAP_INDICATOR: Key = Key {
    default: Default::Is("none"),
    ..keys::LEAP_INDICATOR
};

pub(crate) const STRATUM: Key = Key {
    accepts: Accepts::Integer { min: 1, max: 16 },
    default: Default::Is("1"),
    help: "hops from a reference clock; 16 is unsynchronised",
    ..keys::STRATUM
};

pub(crate) const PRECISION: Key = Key {
    name: "precision_log2_s",
    accepts: Accepts::Integer {
        min: i8::MIN as i64,
        max: i8::MAX as i64,
    },
    default: Default::Is("-29"),
    help: "how finely the clock can be read; seconds as a power of two",
};

pub(crate) const REFERENCE_ID: Key = Key {
    default: Default::Is("XTST"),
    help: "where the time comes from; XTST marks test time",
    ..keys::REFERENCE_ID
};

pub(crate) const REFERENCE_TIMESTAMP: Key = Key {
    name: "reference_timestamp",
    accepts: Accepts::Instant,
    default: Default::Absent("start, or the time of the reading where that is earlier"),
    help: "when the clock was last set; may lie in the future; 2036-02-07T06:28:16Z is zero on the wire",
};

pub(crate) const ROOT_DELAY: Key = Key {
    name: "root_delay",
    accepts: keys::BOUND,
    default: Default::Is("0"),
    help: "round trip to the reference clock; seconds, or with a unit",
};

pub(crate) const ROOT_DISPERSION: Key = Key {
    default: Default::Is("0"),
    ..keys::ROOT_DISPERSION
};

/// The quality that `values` ask for. Without a reference timestamp in them it
/// has none.
pub(crate) fn quality(values: &Values) -> Quality {
    let precision = values.integer(PRECISION.name);
    Quality {
        leap_indicator: keys::leap_indicator(values).unwrap_or_default(),
        stratum: keys::stratum(values),
        precision_log2_s: i8::try_from(precision).expect("declared within -128 to 127"),
        reference_id: values.reference_id(REFERENCE_ID.name),
        reference_timestamp: values.find_instant(REFERENCE_TIMESTAMP.name),
        root_delay: duration(values, ROOT_DELAY),
        root_dispersion: duration(values, ROOT_DISPERSION),
    }
}

fn duration(values: &Values, key: Key) -> Delta {
    values.duration(key.name)
}

//! The fixed-point formats in which NTP carries time. RFC 5905 section 6.

use crate::time::{Delta, Timestamp};

/// Seconds from 1900-01-01 (the NTP prime epoch) to 1970-01-01.
const UNIX_EPOCH_IN_NTP_SECONDS: i128 = 2_208_988_800;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A point of time as NTP writes it: 32 bits of seconds since 1900 and 32 bits
/// of fraction (steps of about 0.23 ns).
///
/// It wraps every 136 years (2036, 2172): it has [`since`](Self::since) and no
/// order. RFC 5905 section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTimestamp(u64);

impl NtpTimestamp {
    /// The value that means "unknown" or "never". RFC 5905 section 6.
    pub const ZERO: Self = Self(0);

    /// The timestamp of these 64 bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits, seconds in the upper half.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The timestamp in the order of the wire.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The eight octets in the order of the wire.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Whether this is the value that means "unknown".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// How long after `earlier` this is, taking the shorter way around the
    /// 136-year circle: exact while the two are less than 68 years apart.
    ///
    /// Rounded towards zero to whole nanoseconds.
    #[must_use]
    pub fn since(self, earlier: Self) -> Delta {
        let difference = i128::from(self.0.wrapping_sub(earlier.0) as i64);
        let nanos = difference * NANOS_PER_SECOND / (1 << 32);
        Delta::from_nanos(nanos as i64)
    }

    /// The point of UTC that these bits mean when it lies within 68 years of
    /// `pivot`: the era is not on the wire, so the reader has to know about
    /// when it is. Rounded to the nearest nanosecond.
    #[must_use]
    pub fn near(self, pivot: Timestamp) -> Timestamp {
        let base = Self::from(pivot);
        let difference = i128::from(self.0.wrapping_sub(base.0) as i64);
        let base_bits = ntp_units(pivot);
        let units = base_bits + difference;
        let nanos = (units * NANOS_PER_SECOND + (1 << 31)) >> 32;
        let since_1970 = nanos - UNIX_EPOCH_IN_NTP_SECONDS * NANOS_PER_SECOND;
        Timestamp::from_nanos(since_1970.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// The same point with every bit finer than `precision_log2_s` (seconds as
    /// a power of two, such as -25) taken from `entropy`.
    ///
    /// What lies below a clock's precision carries no time, and random bits
    /// there make the timestamp harder to guess. RFC 5905 section 6.
    #[must_use]
    pub const fn with_random_below(self, precision_log2_s: i8, entropy: u32) -> Self {
        let random_bits = 32 + precision_log2_s as i32;
        if random_bits <= 0 {
            return self;
        }
        let count = if random_bits > 32 { 32 } else { random_bits };
        let mask = ((1_u64 << count) - 1) & 0xffff_ffff;
        Self((self.0 & !mask) | (entropy as u64 & mask))
    }
}

/// `time` in units of 2^-32 s since 1900, not reduced to one era; rounded
/// towards the past.
fn ntp_units(time: Timestamp) -> i128 {
    let nanos = i128::from(time.as_nanos()) + UNIX_EPOCH_IN_NTP_SECONDS * NANOS_PER_SECOND;
    (nanos << 32).div_euclid(NANOS_PER_SECOND)
}

impl From<Timestamp> for NtpTimestamp {
    /// Drops the era. Rounds towards the past by less than 0.24 ns, so that
    /// [`NtpTimestamp::near`] gives back the same nanosecond.
    fn from(time: Timestamp) -> Self {
        let (seconds, nanos) = time.to_unix_parts();
        let seconds_of_era = seconds.wrapping_add(UNIX_EPOCH_IN_NTP_SECONDS as i64) as u32;
        let fraction = (u64::from(nanos) << 32) / NANOS_PER_SECOND as u64;
        Self((u64::from(seconds_of_era) << 32) | fraction)
    }
}

/// An error bound in NTP short format: unsigned 16.16 fixed-point seconds.
///
/// Spans 0 s to just under 65 536 s in steps of about 15.3 µs. A larger bound
/// saturates, a negative one becomes 0. RFC 5905 section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpShort(u32);

impl NtpShort {
    /// The bound of these 32 bits.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 32 bits, whole seconds in the upper half.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }
}

impl From<Delta> for NtpShort {
    /// Rounds up: on the wire a bound may grow but never shrink.
    fn from(bound: Delta) -> Self {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(0);
        let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let units = (seconds << 16) + (nanos << 16).div_ceil(1_000_000_000);
        Self(u32::try_from(units).unwrap_or(u32::MAX))
    }
}

impl From<NtpShort> for Delta {
    /// Rounds up to the nanosecond.
    fn from(bound: NtpShort) -> Self {
        let nanos = (u64::from(bound.0) * 1_000_000_000).div_ceil(1 << 16);
        Self::from_nanos(nanos as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_epoch_is_2208988800_seconds_into_era_0() {
        let epoch = NtpTimestamp::from(Timestamp::UNIX_EPOCH);
        assert_eq!(epoch.to_bits() >> 32, 2_208_988_800);
    }

    #[test]
    fn era_1_begins_at_zero_in_2036() {
        // RFC 5905 figure 4: 2036-02-07 06:28:16 UTC is era 1, second 0.
        let rollover = Timestamp::from_unix_seconds(2_085_978_496);
        assert_eq!(NtpTimestamp::from(rollover), NtpTimestamp::ZERO);
        assert_eq!(NtpTimestamp::ZERO.near(rollover), rollover);
        let before = rollover - Delta::from_nanos(1);
        let span = NtpTimestamp::from(rollover).since(NtpTimestamp::from(before));
        assert_eq!(span, Delta::from_nanos(1));
    }

    #[test]
    fn every_nanosecond_of_a_stretch_survives_the_wire() {
        for start in [0, 2_085_978_495_999_990_000, 6_380_945_791_999_990_000, -1] {
            for nanos in start..start + 20_000 {
                let time = Timestamp::from_nanos(nanos);
                let pivot = time + Delta::from_seconds(60 * 365 * 86_400);
                assert_eq!(NtpTimestamp::from(time).near(pivot), time);
            }
        }
    }

    #[test]
    fn a_bound_rounds_up_and_never_shrinks() {
        assert_eq!(NtpShort::from(Delta::from_nanos(1)).to_bits(), 1);
        assert_eq!(NtpShort::from(Delta::from_seconds(1)).to_bits(), 1 << 16);
        assert_eq!(NtpShort::from(Delta::from_seconds(-1)).to_bits(), 0);
        assert_eq!(NtpShort::from(Delta::MAX).to_bits(), u32::MAX);
        for nanos in (0..5_000_000_000_i64).step_by(999_983) {
            let bound = Delta::from_nanos(nanos);
            assert!(Delta::from(NtpShort::from(bound)) >= bound);
        }
    }

    #[test]
    fn random_bits_stay_below_the_precision() {
        let time = NtpTimestamp::from_bits(0x1234_5678_9abc_def0);
        assert_eq!(time.with_random_below(-32, u32::MAX), time);
        assert_eq!(time.with_random_below(-128, u32::MAX), time);
        assert_eq!(
            time.with_random_below(-25, 0).to_bits(),
            0x1234_5678_9abc_de80
        );
        assert_eq!(
            time.with_random_below(127, u32::MAX).to_bits(),
            0x1234_5678_ffff_ffff
        );
    }
}

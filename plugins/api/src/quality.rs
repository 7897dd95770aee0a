//! How good a reading is: what NTP puts beside a time.

use crate::time::{Delta, Timestamp};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The warning of a leap second, and the alarm of a clock that is not
/// synchronised. RFC 5905 section 7.3, figure 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum LeapIndicator {
    /// No warning.
    #[default]
    None = 0,
    /// The last minute of the day has 61 seconds.
    InsertSecond = 1,
    /// The last minute of the day has 59 seconds.
    DeleteSecond = 2,
    /// The clock is not synchronised.
    Unsynchronised = 3,
}

impl LeapIndicator {
    /// The indicator of the lower two bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::None,
            1 => Self::InsertSecond,
            2 => Self::DeleteSecond,
            _ => Self::Unsynchronised,
        }
    }

    /// The two bits of the wire, 0 to 3.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }
}

/// Where a server's time comes from: four octets, an IPv4 address above
/// stratum 1 and ASCII at stratum 0 and 1. RFC 5905 section 7.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReferenceId(pub [u8; 4]);

impl ReferenceId {
    /// Four zero octets: none known.
    pub const NONE: Self = Self([0; 4]);
    /// `XTST`, which marks test time; ids that begin with X are reserved for
    /// experiments. RFC 5905 section 7.3.
    pub const TEST: Self = Self(*b"XTST");
    /// 127.127.1.1, as the local clock has been named since ntpd.
    pub const LOCAL_CLOCK: Self = Self([127, 127, 1, 1]);
}

impl fmt::Display for ReferenceId {
    /// One to four printable ASCII characters as such, anything else as a
    /// dotted quad.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self
            .0
            .iter()
            .rposition(|&octet| octet != 0)
            .map_or(0, |last| last + 1);
        let text = &self.0[..len];
        if len > 0 && text.iter().all(u8::is_ascii_graphic) {
            text.iter()
                .try_for_each(|&octet| write!(f, "{}", char::from(octet)))
        } else {
            write!(f, "{}", Ipv4Addr::from(self.0))
        }
    }
}

impl fmt::Debug for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferenceId({self})")
    }
}

/// The text is neither 1 to 4 printable ASCII characters nor an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAReferenceId;

impl fmt::Display for NotAReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1 to 4 printable ASCII characters, or an IPv4 address")
    }
}

impl std::error::Error for NotAReferenceId {}

impl FromStr for ReferenceId {
    type Err = NotAReferenceId;

    /// # Errors
    /// [`NotAReferenceId`] for anything but 1 to 4 printable ASCII characters
    /// or a dotted quad.
    fn from_str(text: &str) -> Result<Self, NotAReferenceId> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self(address.octets()));
        }
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > 4 || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(NotAReferenceId);
        }
        let mut id = [0; 4];
        id[..bytes.len()].copy_from_slice(bytes);
        Ok(Self(id))
    }
}

/// What a server says of its clock beside the time. RFC 5905 section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// The warning of a leap second, or the alarm.
    pub leap_indicator: LeapIndicator,
    /// Hops from a reference clock: 1 (it has one) to 15; 16 and above mean
    /// unsynchronised.
    pub stratum: u8,
    /// How finely the clock can be read, in seconds as a power of two (-25 is
    /// about 30 ns).
    pub precision_log2_s: i8,
    /// Where the time comes from.
    pub reference_id: ReferenceId,
    /// When the clock was last set or checked; `None` if never. Not later than
    /// the reading it stands in.
    pub reference_timestamp: Option<Timestamp>,
    /// Round trip to the reference clock; not negative.
    pub root_delay: Delta,
    /// Bound on the error against the reference clock; not negative.
    pub root_dispersion: Delta,
}

impl Quality {
    /// The lowest stratum number that means "unsynchronised".
    pub const UNSYNCHRONISED_STRATUM: u8 = 16;

    /// Whether a client may use the time: no alarm, and a stratum of 1 to 15.
    #[must_use]
    pub const fn is_synchronised(&self) -> bool {
        !matches!(self.leap_indicator, LeapIndicator::Unsynchronised)
            && self.stratum >= 1
            && self.stratum < Self::UNSYNCHRONISED_STRATUM
    }
}

impl Default for Quality {
    /// A perfect clock of stratum 1, marked as test time, with a precision of
    /// 2^-29 s: the nanosecond in which [`Timestamp`] counts.
    fn default() -> Self {
        Self {
            leap_indicator: LeapIndicator::None,
            stratum: 1,
            precision_log2_s: -29,
            reference_id: ReferenceId::TEST,
            reference_timestamp: None,
            root_delay: Delta::ZERO,
            root_dispersion: Delta::ZERO,
        }
    }
}

//! Calendar text: a point of time written as a strftime format says, in a time
//! zone.
//!
//! # Why not chrono's own `DateTime::format`
//! It turns the zone's name into a `String` for every text, and nothing may be
//! allocated for a datagram. Here the format is taken apart once; a text is
//! then written run by run between the zone names, which are written by hand.
//!
//! # Far future
//! The zone data carries daylight saving time up to the end of 2099. Later
//! points take the rules of the latest year before 2100 that has the same
//! calendar (same weekdays, same length), so today's rules go on.

use chrono::format::{DelayedFormat, Fixed, Item, StrftimeItems};
use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta,
    TimeZone, Utc,
};
use chrono_tz::{OffsetName, Tz};
use std::fmt::{self, Write};
use timeball_api::Timestamp;

/// The most octets that a calendar text may have.
pub const MAX_LEN: usize = 512;

/// The first year for which the zone data has no rules of its own.
const FIRST_YEAR_WITHOUT_RULES: i32 = 2100;

/// Why a format cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A conversion that strftime does not have.
    #[error("`{0}` is not a conversion of strftime; `%%` stands for a percent sign")]
    UnknownConversion(String),
    /// A conversion that can be read but not written, such as `%#z`.
    #[error("`{0}` can be read but not written")]
    NotWritable(String),
    /// Nothing in the format depends on the time.
    #[error("the format has no conversion that tells a time, such as `%H:%M:%S`")]
    TellsNoTime,
    /// The text would be too long for a datagram of this protocol.
    #[error("the text would be longer than {MAX_LEN} octets")]
    TooLong,
    /// A line holds printable ASCII and nothing else (RFC 867).
    #[error("the line would hold {0:?}; it may only hold printable ASCII characters")]
    NotALineOfAscii(char),
}

/// A strftime format and a time zone, ready to write points of time.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarFormat {
    items: Vec<Item<'static>>,
    zone: Tz,
}

impl CalendarFormat {
    /// The format `format` (chrono's strftime) in the time zone `zone`.
    ///
    /// # Errors
    /// [`FormatError`] when a conversion is unknown, when none tells a time, or
    /// when the text can be longer than [`MAX_LEN`] octets.
    pub fn new(format: &str, zone: Tz) -> Result<Self, FormatError> {
        let items = StrftimeItems::new(format)
            .parse_to_owned()
            .map_err(|_| FormatError::UnknownConversion(conversion(format, is_unknown)))?;
        if items.iter().any(is_not_writable) {
            return Err(FormatError::NotWritable(conversion(
                format,
                is_not_writable,
            )));
        }
        if !items.iter().any(tells_time) {
            return Err(FormatError::TellsNoTime);
        }
        let calendar = Self { items, zone };
        calendar.for_each_shape(|text| text.map(|_| ()).ok_or(FormatError::TooLong))?;
        Ok(calendar)
    }

    /// Writes `time` to the front of `out` and returns how many octets that
    /// took; `None` when there is not enough room, with part of the text in
    /// `out`. Does not allocate.
    #[must_use]
    pub fn write(&self, time: Timestamp, out: &mut [u8]) -> Option<usize> {
        let mut room = Room { out, len: 0 };
        self.write_to(time, &mut room).ok()?;
        Some(room.len)
    }

    fn write_to(&self, time: Timestamp, room: &mut Room<'_>) -> fmt::Result {
        let utc = DateTime::from_timestamp_nanos(time.as_nanos());
        let offset = self.zone.offset_from_utc_datetime(&with_rules(utc));
        let local = utc.with_timezone(&offset.fix()).naive_local();
        let nameless = Nameless(offset.fix());
        for (index, run) in self.items.split(is_zone_name).enumerate() {
            if index > 0 {
                write_zone_name(&offset, room)?;
            }
            let (date, time) = (Some(local.date()), Some(local.time()));
            DelayedFormat::new_with_offset(date, time, &nameless, run.iter()).write_to(room)?;
        }
        Ok(())
    }

    /// Hands to `check` a text of every length that the format can have: each
    /// weekday in each month, with as many digits as there can be, and the
    /// ends of the range.
    pub(super) fn for_each_shape(
        &self,
        mut check: impl FnMut(Option<&[u8]>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let late = NaiveTime::from_hms_nano_opt(23, 59, 59, 123_456_789).unwrap_or_default();
        let days = (1..=12).flat_map(|month| {
            (15..=21).filter_map(move |day| NaiveDate::from_ymd_opt(2026, month, day))
        });
        let times = days
            .filter_map(|day| day.and_time(late).and_utc().timestamp_nanos_opt())
            .map(Timestamp::from_nanos)
            .chain([Timestamp::MIN, Timestamp::MAX]);
        for time in times {
            let mut out = [0; MAX_LEN];
            let len = self.write(time, &mut out);
            check(len.map(|len| &out[..len]))?;
        }
        Ok(())
    }
}

/// The moment whose offset from UTC holds at `utc`: itself, or one in a year
/// of the same calendar for which the zone data has rules.
fn with_rules(utc: DateTime<Utc>) -> NaiveDateTime {
    let moment = utc.naive_utc();
    let year = moment.year();
    if year < FIRST_YEAR_WITHOUT_RULES {
        return moment;
    }
    // In 28 years without a skipped leap year every calendar occurs.
    let same = ((FIRST_YEAR_WITHOUT_RULES - 28)..FIRST_YEAR_WITHOUT_RULES)
        .rev()
        .find(|&other| calendar_of(other) == calendar_of(year));
    let days = same.and_then(|same| Some(new_year(year)? - new_year(same)?));
    moment - days.unwrap_or(TimeDelta::zero())
}

/// The weekday of January 1, and whether there is a February 29.
fn calendar_of(year: i32) -> Option<(chrono::Weekday, bool)> {
    let first = new_year(year)?;
    Some((first.weekday(), first.leap_year()))
}

fn new_year(year: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, 1, 1)
}

/// Whether the text of this item depends on the time.
fn tells_time(item: &Item<'_>) -> bool {
    match item {
        Item::Numeric(..) => true,
        Item::Fixed(_) => !is_zone_name(item),
        _ => false,
    }
}

fn is_zone_name(item: &Item<'_>) -> bool {
    matches!(item, Item::Fixed(Fixed::TimezoneName))
}

/// The zone's abbreviation (`CET`), or its offset where it has none (`+0530`).
fn write_zone_name(offset: &<Tz as TimeZone>::Offset, room: &mut Room<'_>) -> fmt::Result {
    if let Some(abbreviation) = offset.abbreviation() {
        return room.write_str(abbreviation);
    }
    let seconds = offset.fix().local_minus_utc();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    write!(room, "{sign}{:02}", minutes / 60)?;
    match minutes % 60 {
        0 => Ok(()),
        rest => write!(room, "{rest:02}"),
    }
}

/// Whether this item is the sign of a conversion that chrono does not know.
const fn is_unknown(item: &Item<'_>) -> bool {
    matches!(item, Item::Error)
}

/// Whether this item is known but cannot be written, at whatever time.
fn is_not_writable(item: &Item<'_>) -> bool {
    if matches!(
        item,
        Item::Literal(_) | Item::OwnedLiteral(_) | Item::Space(_) | Item::OwnedSpace(_)
    ) {
        return false;
    }
    let mut out = [0; MAX_LEN];
    let mut room = Room {
        out: &mut out,
        len: 0,
    };
    let (date, time) = (Some(NaiveDate::default()), Some(NaiveTime::default()));
    let offset = Nameless(Utc.fix());
    let text = DelayedFormat::new_with_offset(date, time, &offset, [item].into_iter());
    text.write_to(&mut room).is_err()
}

/// The first conversion in `format` whose item is `wanted`, as it is written
/// there.
fn conversion(format: &str, wanted: fn(&Item<'_>) -> bool) -> String {
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        rest = &rest[start..];
        if StrftimeItems::new(rest)
            .next()
            .is_some_and(|item| wanted(&item))
        {
            break;
        }
        // A percent sign that is written out is two characters; inside of any
        // other conversion there is none.
        rest = rest.strip_prefix("%%").unwrap_or(&rest[1..]);
    }
    // It ends with the first character that is neither a flag nor a digit.
    let is_flag = |c: char| c.is_ascii_punctuation() || c.is_ascii_digit();
    let end = rest
        .char_indices()
        .skip(1)
        .find(|&(_, c)| !is_flag(c))
        .map_or(rest.len(), |(start, c)| start + c.len_utf8());
    rest[..end].to_owned()
}

/// An offset from UTC whose name is empty, so that chrono's copy of the name
/// needs no memory.
#[derive(Clone, Debug)]
struct Nameless(FixedOffset);

impl Offset for Nameless {
    fn fix(&self) -> FixedOffset {
        self.0
    }
}

impl fmt::Display for Nameless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Writes text into a slice; an error when it is full.
struct Room<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl fmt::Write for Room<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.out.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

//! The protocols, each as bytes in and bytes out, and both ends of each.
//!
//! A server is a [`Protocol`](timeball_api::Protocol): a pure function of a
//! request and two readings. A client is a request to send and a `parse` that
//! judges what came back.
//!
//! | module | what it speaks | server | client |
//! |---|---|---|---|
//! | [`name`] | what a protocol is called | | |
//! | [`text`] | `Send time`, answered with text | [`Text`] | [`text::REQUEST`], [`text::parse`] |
//! | [`daytime`] | RFC 867: a line of ASCII | [`Daytime`] | [`daytime::REQUEST`], [`daytime::parse`] |
//! | [`time`] | RFC 868: seconds since 1900 | [`Time`] | [`time::REQUEST`], [`time::parse`] |
//! | [`ntp`] | RFC 5905: NTP, versions 1 to 4 | [`Ntp`] | [`ntp::Header`] and a judge of replies |
//! | [`calendar`] | points of time as strftime text, for the first two | | |
//! | [`mod@line`] | what a line must be that is shown to people | | |

pub mod calendar;
pub mod daytime;
pub mod line;
pub mod name;
pub mod ntp;
pub mod text;
pub mod time;

pub use calendar::{CalendarFormat, FormatError};
pub use daytime::{Daytime, DaytimeFormat};
pub use name::ProtocolName;
pub use ntp::Ntp;
pub use text::Text;
pub use time::Time;

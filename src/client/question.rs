//! What to ask, and what a reply to it means. Pure.

use super::failure::Fault;
use super::measurement::{self, Measurement, SecondMeasurement};
use crate::api::{HostInstant, NtpTimestamp, Timestamp};
use crate::protocol::ntp::Header;
use crate::protocol::ntp::reply::{self, Oddity, Sent, Verdict};
use crate::protocol::{daytime, text, time};
use std::fmt;

/// What to ask, in which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// `Send time`: the time as text.
    Text,
    /// Daytime: a line of text. RFC 867.
    Daytime,
    /// Time: the second. RFC 868.
    Time,
    /// NTP. RFC 5905.
    Ntp(NtpVersion),
}

impl Question {
    /// NTP in the version that everybody speaks.
    pub const NTP: Self = Self::Ntp(NtpVersion::V4);

    /// The protocol's name, as the settings spell it.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Daytime => "daytime",
            Self::Time => "time",
            Self::Ntp(_) => "ntp",
        }
    }

    /// The port at which hosts answer it: the assigned one, or for text, which
    /// has none, that of the settings as they are shipped.
    #[must_use]
    pub const fn standard_port(self) -> u16 {
        match self {
            Self::Text => 8089,
            Self::Daytime => 13,
            Self::Time => 37,
            Self::Ntp(_) => 123,
        }
    }

    /// The port at which a server with the settings as they are shipped
    /// answers it: one that needs no privilege.
    #[must_use]
    pub const fn shipped_port(self) -> u16 {
        match self {
            Self::Text => 8089,
            Self::Daytime => 8013,
            Self::Time => 8037,
            Self::Ntp(_) => 8123,
        }
    }

    /// Whether its answers tell how far the clocks are apart.
    #[must_use]
    pub const fn tells_offset(self) -> bool {
        matches!(self, Self::Time | Self::Ntp(_))
    }

    /// The request, made with 64 random bits.
    pub(super) fn request(self, entropy: u64) -> Request {
        let sent = match self {
            Self::Ntp(NtpVersion(version)) => Sent {
                version,
                // Zero stands for unknown, and echoing it would prove nothing.
                transmit_timestamp: NtpTimestamp::from_bits(entropy.max(1)),
            },
            Self::Text => return Request::Plain(text::REQUEST, self),
            Self::Daytime => return Request::Plain(daytime::REQUEST, self),
            Self::Time => return Request::Plain(time::REQUEST, self),
        };
        Request::Ntp(sent.request(), sent)
    }
}

/// A version of NTP that is spoken here: 1 to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpVersion(u8);

impl NtpVersion {
    /// Version 4. RFC 5905.
    pub const V4: Self = Self(4);

    /// The version of this number; `None` outside 1 to 4.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            1..=4 => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number, 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for NtpVersion {
    fn default() -> Self {
        Self::V4
    }
}

impl fmt::Display for NtpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A line of text that is safe to show: of the text protocol or Daytime.
    Line(String),
    /// A second, of the Time protocol.
    Second(SecondMeasurement),
    /// An NTP reply.
    Ntp(NtpAnswer),
}

impl Answer {
    /// The figures of an NTP reply.
    #[must_use]
    pub const fn measurement(&self) -> Option<Measurement> {
        match self {
            Self::Ntp(answer) => Some(answer.measurement),
            _ => None,
        }
    }

    /// The figures of a reply of the Time protocol.
    #[must_use]
    pub const fn second_measurement(&self) -> Option<SecondMeasurement> {
        match self {
            Self::Second(second) => Some(*second),
            _ => None,
        }
    }
}

/// An NTP reply that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NtpAnswer {
    /// What the server said.
    pub header: Header,
    /// What that means for the host's clock.
    pub measurement: Measurement,
    /// The server's clock when it replied, in the era nearest the host's.
    pub transmit_time: Timestamp,
    /// When the server's clock was last set, if it says so.
    pub reference_time: Option<Timestamp>,
    /// What is odd about the reply.
    pub oddities: Vec<Oddity>,
}

/// A datagram to send, and what the reply to it will be judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing in it proves that a reply is meant for it.
    Plain(&'static [u8], Question),
    /// An NTP request.
    Ntp([u8; 48], Sent),
}

/// What a reply that is to be believed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Answer(Answer),
    Unsynchronised(Header),
    KissOfDeath(Header),
}

impl Request {
    /// The octets to send.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::Plain(octets, _) => octets,
            Self::Ntp(octets, _) => octets,
        }
    }

    /// What `payload` says in reply to this request, which `left` and was
    /// answered when the reply `arrived`.
    ///
    /// # Errors
    /// The rule that the reply breaks.
    pub(super) fn read(
        &self,
        payload: &[u8],
        left: HostInstant,
        arrived: HostInstant,
        precision_log2_s: i8,
    ) -> Result<Said, Fault> {
        let answer = match self {
            Self::Ntp(_, sent) => {
                return Ok(match reply::judge(payload, sent)? {
                    Verdict::Time(header) => {
                        let measurement = Measurement::of(left, &header, arrived, precision_log2_s);
                        let pivot = arrived.realtime;
                        Said::Answer(Answer::Ntp(NtpAnswer {
                            header,
                            measurement,
                            transmit_time: header.transmit_timestamp.near(pivot),
                            reference_time: measurement::utc(header.reference_timestamp, pivot),
                            oddities: reply::oddities(&header, payload.len()),
                        }))
                    }
                    Verdict::Unsynchronised(header) => Said::Unsynchronised(header),
                    Verdict::KissOfDeath(header) => Said::KissOfDeath(header),
                });
            }
            Self::Plain(_, Question::Time) => {
                let second = time::parse(payload, arrived.realtime)?;
                Answer::Second(SecondMeasurement::of(left, second, arrived))
            }
            Self::Plain(_, Question::Daytime) => Answer::Line(daytime::parse(payload)?.to_owned()),
            Self::Plain(..) => Answer::Line(text::parse(payload)?.to_owned()),
        };
        Ok(Said::Answer(answer))
    }
}

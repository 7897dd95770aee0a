//! What is sent, and whether a reply to it is right.

use super::outstanding::{NotWaiting, Outstanding, Ticket, Times};
use crate::api::{NtpTimestamp, Timestamp};
use crate::client::Question;
use crate::protocol::ntp::header::LEN;
use crate::protocol::ntp::reply::{Fault, Sent, Verdict, judge};
use crate::protocol::{daytime, text, time};
use serde::Serialize;
use std::collections::BTreeMap;

/// The rule that a reply broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It did not come from the address that was asked.
    Source,
    /// It has too many octets, too few, or not a whole number of words.
    Length,
    /// It is not in the form of its protocol: not a line of text.
    Form,
    /// NTP: not in the version of the request.
    Version,
    /// NTP: not in server mode.
    Mode,
    /// NTP: its origin timestamp is that of no request that was sent from the
    /// socket.
    OriginTimestamp,
    /// NTP: a timestamp that is zero, or the transmit timestamp before the
    /// receive timestamp.
    Timestamps,
    /// NTP: a kiss-o'-death; the server will not serve.
    KissOfDeath,
    /// The request had been answered before; where a reply does not say what
    /// it answers, no request was waiting.
    Duplicate,
}

impl Invalid {
    /// How many rules there are.
    const COUNT: usize = 9;

    const ALL: [Self; Self::COUNT] = [
        Self::Source,
        Self::Length,
        Self::Form,
        Self::Version,
        Self::Mode,
        Self::OriginTimestamp,
        Self::Timestamps,
        Self::KissOfDeath,
        Self::Duplicate,
    ];

    /// The name of the rule, for programs: it does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Length => "length",
            Self::Form => "form",
            Self::Version => "version",
            Self::Mode => "mode",
            Self::OriginTimestamp => "origin_timestamp",
            Self::Timestamps => "timestamps",
            Self::KissOfDeath => "kiss_of_death",
            Self::Duplicate => "duplicate",
        }
    }
}

impl From<Fault> for Invalid {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooShort { .. } | Fault::NotWholeWords { .. } => Self::Length,
            Fault::Version { .. } => Self::Version,
            Fault::Mode { .. } => Self::Mode,
            Fault::Origin { .. } => Self::OriginTimestamp,
            Fault::ZeroTransmit | Fault::ZeroReceive | Fault::TransmitBeforeReceive { .. } => {
                Self::Timestamps
            }
        }
    }
}

/// How many replies broke which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InvalidCounts([u64; Invalid::COUNT]);

impl InvalidCounts {
    /// Counts a reply.
    pub fn count(&mut self, invalid: Invalid) {
        self.0[invalid as usize] += 1;
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }

    /// How many broke this rule.
    #[must_use]
    pub fn of(&self, invalid: Invalid) -> u64 {
        self.0[invalid as usize]
    }

    /// How many broke any.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The rules that were broken, by name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<&'static str, u64> {
        let all = Invalid::ALL.into_iter();
        all.map(|invalid| (invalid.name(), self.of(invalid)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Serialize for InvalidCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_name().serialize(serializer)
    }
}

/// A reply that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    /// Of the request.
    pub(super) times: Times,
    /// NTP: whether the server says that it has no time to give.
    pub(super) is_unsynchronised: bool,
}

/// What is to be said of a reply that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is wrong.
    Invalid(Invalid),
    /// It answers a request that had been given up.
    Late,
}

/// What is sent, and whether a reply to it is right.
#[derive(Debug, Clone)]
pub(super) struct Script {
    question: Question,
    /// NTP: the request, whose transmit timestamp is written anew each time.
    request: [u8; LEN],
    /// NTP: what turns a ticket into a transmit timestamp that nobody can tell
    /// beforehand.
    key: u64,
}

impl Script {
    /// The script of a question; `key` is random.
    pub(super) fn new(question: Question, key: u64) -> Self {
        let request = match question {
            Question::Ntp(version) => {
                let version = version.number();
                let transmit_timestamp = NtpTimestamp::ZERO;
                Sent {
                    version,
                    transmit_timestamp,
                }
                .request()
            }
            Question::Text | Question::Daytime | Question::Time => [0; LEN],
        };
        Self {
            question,
            request,
            key,
        }
    }

    /// The request that has this ticket.
    pub(super) fn request(&mut self, ticket: Ticket) -> &[u8] {
        match self.question {
            Question::Text => text::REQUEST,
            Question::Daytime => daytime::REQUEST,
            Question::Time => time::REQUEST,
            Question::Ntp(_) => {
                let mark = disguise(ticket.to_bits() ^ self.key);
                self.request[LEN - 8..].copy_from_slice(&mark.to_be_bytes());
                &self.request
            }
        }
    }

    /// Whether `reply` is right, and which of the requests that wait it
    /// answers: that one waits no longer.
    ///
    /// A reply that is wrong leaves its request waiting, since the right one
    /// may still come. Only NTP's replies say what they answer; the others
    /// are taken for the answer to the oldest request of their socket.
    pub(super) fn check(
        &self,
        reply: &[u8],
        outstanding: &mut Outstanding,
    ) -> Result<Answered, Refused> {
        let is_right = match self.question {
            Question::Ntp(version) => {
                return self.check_ntp(reply, version.number(), outstanding);
            }
            Question::Text => text::parse(reply).map(drop).or(Err(Invalid::Form)),
            Question::Daytime => daytime::parse(reply).map(drop).or(Err(Invalid::Form)),
            Question::Time => time::parse(reply, Timestamp::UNIX_EPOCH)
                .map(drop)
                .or(Err(Invalid::Length)),
        };
        is_right.map_err(Refused::Invalid)?;
        let times = outstanding
            .take_oldest()
            .ok_or(Refused::Invalid(Invalid::Duplicate))?;
        Ok(Answered {
            times,
            is_unsynchronised: false,
        })
    }

    fn check_ntp(
        &self,
        reply: &[u8],
        version: u8,
        outstanding: &mut Outstanding,
    ) -> Result<Answered, Refused> {
        // Which request it claims to answer; whether that was sent is looked
        // up when the rest is right.
        let origin = reply.get(24..32).and_then(|octets| octets.first_chunk());
        let origin = u64::from_be_bytes(*origin.unwrap_or(&[0; 8]));
        let sent = Sent {
            version,
            transmit_timestamp: NtpTimestamp::from_bits(origin),
        };
        let verdict =
            judge(reply, &sent).map_err(|fault| Refused::Invalid(Invalid::from(fault)))?;
        if let Verdict::KissOfDeath(_) = verdict {
            return Err(Refused::Invalid(Invalid::KissOfDeath));
        }
        let ticket = Ticket::from_bits(uncover(origin) ^ self.key);
        let times = outstanding.take(ticket).map_err(|why| match why {
            NotWaiting::Unknown => Refused::Invalid(Invalid::OriginTimestamp),
            NotWaiting::Answered => Refused::Invalid(Invalid::Duplicate),
            NotWaiting::GivenUp => Refused::Late,
        })?;
        Ok(Answered {
            times,
            is_unsynchronised: matches!(verdict, Verdict::Unsynchronised(_)),
        })
    }
}

/// An odd number whose bits are well mixed: the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// What undoes a multiplication by it, modulo 2^64.
const INVERSE: u64 = inverse(FACTOR);

/// The inverse of an odd number modulo 2^64, by Newton's method: each step
/// doubles the bits that are right, of which three are to begin with.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < 64 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}

/// Turns neighbouring numbers into ones that have nothing in common, each into
/// one of its own, so that a transmit timestamp with a wrong bit is not that of
/// another request.
const fn disguise(bits: u64) -> u64 {
    let mixed = bits.wrapping_mul(FACTOR);
    (mixed ^ (mixed >> 32)).wrapping_mul(FACTOR)
}

/// What [`disguise`] was given.
const fn uncover(bits: u64) -> u64 {
    let mixed = bits.wrapping_mul(INVERSE);
    (mixed ^ (mixed >> 32)).wrapping_mul(INVERSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{LeapIndicator, Monotonic, ReferenceId};
    use crate::protocol::ntp::Header;
    use crate::protocol::ntp::header::mode;
    use proptest::prelude::*;

    fn times() -> Times {
        Times {
            due: Monotonic::from_nanos(1),
            sent: Monotonic::from_nanos(2),
        }
    }

    /// A script, a request that waits, and the right reply to it.
    fn asked() -> (Script, Outstanding, Header) {
        let mut script = Script::new(Question::NTP, 0xdead_beef_0123_4567);
        let mut outstanding = Outstanding::new(8);
        let ticket = outstanding.add(times()).unwrap();
        let request = script.request(ticket).first_chunk().copied().unwrap();
        let request = Header::decode(&request);
        assert_eq!((request.version, request.mode), (4, mode::CLIENT));
        let reply = Header {
            version: 4,
            mode: mode::SERVER,
            stratum: 2,
            origin_timestamp: request.transmit_timestamp,
            receive_timestamp: NtpTimestamp::from_bits(1 << 32),
            transmit_timestamp: NtpTimestamp::from_bits(2 << 32),
            ..Header::default()
        };
        (script, outstanding, reply)
    }

    #[test]
    fn each_rule_of_ntp_is_named_and_leaves_the_request_waiting() {
        type Change = fn(&mut Header);
        let changes: [(Invalid, Change); 8] = [
            (Invalid::Version, |reply| reply.version = 3),
            (Invalid::Mode, |reply| reply.mode = mode::CLIENT),
            (Invalid::OriginTimestamp, |reply| {
                reply.origin_timestamp = NtpTimestamp::ZERO;
            }),
            (Invalid::OriginTimestamp, |reply| {
                let bits = reply.origin_timestamp.to_bits();
                reply.origin_timestamp = NtpTimestamp::from_bits(bits ^ 2);
            }),
            (Invalid::Timestamps, |reply| {
                reply.transmit_timestamp = NtpTimestamp::ZERO;
            }),
            (Invalid::Timestamps, |reply| {
                reply.receive_timestamp = NtpTimestamp::ZERO;
            }),
            (Invalid::Timestamps, |reply| {
                reply.receive_timestamp = NtpTimestamp::from_bits(3 << 32);
            }),
            (Invalid::KissOfDeath, |reply| {
                reply.stratum = 0;
                reply.reference_id = ReferenceId(*b"RATE");
            }),
        ];
        for (expected, change) in changes {
            let (script, mut outstanding, mut reply) = asked();
            change(&mut reply);
            let found = script.check(&reply.encode(), &mut outstanding);
            assert_eq!(found, Err(Refused::Invalid(expected)));
            assert_eq!(outstanding.count(), 1, "{expected:?}");
        }
        let (script, mut outstanding, reply) = asked();
        for len in [0, 47, 49] {
            let mut octets = reply.encode().to_vec();
            octets.resize(len, 0);
            let found = script.check(&octets, &mut outstanding);
            assert_eq!(found, Err(Refused::Invalid(Invalid::Length)), "{len}");
        }
    }

    proptest! {
        #[test]
        fn a_disguise_can_be_taken_off(bits: u64) {
            prop_assert_eq!(uncover(disguise(bits)), bits);
        }
    }

    #[test]
    fn an_origin_timestamp_with_one_wrong_bit_is_that_of_no_request() {
        for key in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
            let mut script = Script::new(Question::NTP, key);
            let mut outstanding = Outstanding::new(64);
            let tickets: Vec<_> = (0..64).map(|_| outstanding.add(times()).unwrap()).collect();
            for ticket in tickets {
                let request = script.request(ticket).first_chunk().copied().unwrap();
                let mark = Header::decode(&request).transmit_timestamp.to_bits();
                for bit in 0..64 {
                    let (_, _, mut reply) = asked();
                    reply.origin_timestamp = NtpTimestamp::from_bits(mark ^ (1 << bit));
                    let found = script.check(&reply.encode(), &mut outstanding);
                    let expected = Refused::Invalid(Invalid::OriginTimestamp);
                    assert_eq!(found, Err(expected), "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_right_reply_counts_once_and_its_copy_is_a_duplicate() {
        let (script, mut outstanding, reply) = asked();
        let answered = script.check(&reply.encode(), &mut outstanding).unwrap();
        assert_eq!(answered.times, times());
        assert!(!answered.is_unsynchronised);
        let again = script.check(&reply.encode(), &mut outstanding);
        assert_eq!(again, Err(Refused::Invalid(Invalid::Duplicate)));
    }

    #[test]
    fn an_unsynchronised_server_has_answered() {
        let (script, mut outstanding, mut reply) = asked();
        reply.leap_indicator = LeapIndicator::Unsynchronised;
        let answered = script.check(&reply.encode(), &mut outstanding).unwrap();
        assert!(answered.is_unsynchronised);
    }

    #[test]
    fn the_other_protocols_are_checked_by_form_and_by_count() {
        let good: [(Question, &[u8]); 3] = [
            (Question::Text, b"2026-11-22 18:45:57.430034"),
            (
                Question::Daytime,
                b"Sunday, November 22, 2026 18:45:57-UTC\r\n",
            ),
            (Question::Time, &[0xed, 0, 0, 0]),
        ];
        let bad: [(Question, &[u8], Invalid); 4] = [
            (Question::Text, b"", Invalid::Form),
            (Question::Text, b"\x1b[2J", Invalid::Form),
            (Question::Daytime, b"\r\n", Invalid::Form),
            (Question::Time, b"12345", Invalid::Length),
        ];
        for (question, reply) in good {
            let mut outstanding = Outstanding::new(2);
            outstanding.add(times()).unwrap();
            let script = Script::new(question, 1);
            assert!(script.check(reply, &mut outstanding).is_ok());
            let again = script.check(reply, &mut outstanding);
            assert_eq!(again, Err(Refused::Invalid(Invalid::Duplicate)));
        }
        for (question, reply, expected) in bad {
            let mut outstanding = Outstanding::new(2);
            outstanding.add(times()).unwrap();
            let found = Script::new(question, 1).check(reply, &mut outstanding);
            assert_eq!(found, Err(Refused::Invalid(expected)));
            assert_eq!(outstanding.count(), 1);
        }
    }
}

//! The client's end of NTP: the request, and whether a reply may be believed.
//!
//! Pure: bytes and what was sent go in, a [`Verdict`] or a [`Fault`] comes out.
//! A fault means that nothing in the datagram is to be believed, whoever sent
//! it, and that the real reply may still come. A verdict is what the server
//! said, be it the time, that it has none, or that it wants to be left alone.
//! RFC 5905 sections 7.4, 8 and A.5.1; RFC 9109.

use super::header::{Header, LEN, mode};
use crate::api::{Delta, LeapIndicator, NtpShort, NtpTimestamp, Quality, ReferenceId};

/// The bound at which RFC 5905 stops to believe a server's own figures
/// (`MAXDISP`, section 7.2).
const MAXIMUM_DISPERSION: Delta = Delta::from_seconds(16);

/// What was sent, as far as the reply is judged by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The version of the request, 1 to 4.
    pub version: u8,
    /// The transmit timestamp of the request: 64 random bits that only who saw
    /// the request can know, and not the client's time. RFC 9109 section 3 and
    /// the data minimisation it follows.
    pub transmit_timestamp: NtpTimestamp,
}

impl Sent {
    /// The octets of the request: client mode, the version, the transmit
    /// timestamp, and zeros for everything that a server does not need to know.
    #[must_use]
    pub fn request(&self) -> [u8; LEN] {
        Header {
            version: self.version,
            mode: mode::CLIENT,
            transmit_timestamp: self.transmit_timestamp,
            ..Header::default()
        }
        .encode()
    }
}

/// What a server said that answered this very request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The time.
    Time(Header),
    /// That it has no time to give: leap indicator 3, stratum 0 without a kiss
    /// code, or stratum 16 and above. RFC 5905 section 7.3.
    Unsynchronised(Header),
    /// That it will not serve: stratum 0 with a kiss code as the reference id.
    /// RFC 5905 section 7.4.
    KissOfDeath(Header),
}

/// The rule that a datagram broke, so that nothing in it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Fewer octets than a header.
    #[error("{len} octets: a reply has at least 48 (RFC 5905 section 7.3)")]
    TooShort {
        /// Octets of the reply.
        len: usize,
    },
    /// Not a whole number of 32-bit words.
    #[error("{len} octets: a reply is a multiple of 4 long (RFC 7822 section 3)")]
    NotWholeWords {
        /// Octets of the reply.
        len: usize,
    },
    /// Another version than was asked in.
    #[error(
        "version {received} in reply to version {sent}: \
         a server copies the version (RFC 5905 section 9.2)"
    )]
    Version {
        /// The version of the reply.
        received: u8,
        /// The version of the request.
        sent: u8,
    },
    /// Not what a server sends to a client.
    #[error("mode {received}: a server replies in mode 4 (RFC 5905 section 3)")]
    Mode {
        /// The mode of the reply.
        received: u8,
    },
    /// Not the reply to this request: an old one, a copy of one, or a forgery.
    #[error(
        "origin timestamp {:016x}, sent was {:016x}: \
         not the reply to this request (RFC 5905 section 8)",
        .received.to_bits(), .sent.to_bits()
    )]
    Origin {
        /// The origin timestamp of the reply.
        received: NtpTimestamp,
        /// The transmit timestamp of the request.
        sent: NtpTimestamp,
    },
    /// No time of sending.
    #[error("the transmit timestamp is zero: it stands for unknown (RFC 5905 section A.5.1)")]
    ZeroTransmit,
    /// No time of arrival.
    #[error("the receive timestamp is zero: it stands for unknown (RFC 5905 section 8)")]
    ZeroReceive,
    /// Sent before it was asked for.
    #[error(
        "the transmit timestamp lies {} ns before the receive timestamp \
         (RFC 5905 section 8)", .by.as_nanos()
    )]
    TransmitBeforeReceive {
        /// How long before.
        by: Delta,
    },
}

impl Fault {
    /// The name of the rule, for programs: it does not change.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooShort { .. } | Self::NotWholeWords { .. } => "length",
            Self::Version { .. } => "version",
            Self::Mode { .. } => "mode",
            Self::Origin { .. } => "origin_timestamp",
            Self::ZeroTransmit => "zero_transmit_timestamp",
            Self::ZeroReceive => "zero_receive_timestamp",
            Self::TransmitBeforeReceive { .. } => "transmit_before_receive",
        }
    }
}

/// Something odd in a reply that may be believed all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Oddity {
    /// The server's own bound on its error is beyond use.
    #[error(
        "half the root delay and the root dispersion make {:.3} s: 16 s and more \
         are refused by clients (RFC 5905 section A.5.1.1)", .bound.as_seconds_f64()
    )]
    RootDistance {
        /// Half the root delay and the root dispersion.
        bound: Delta,
    },
    /// The server's clock was last set after it replied.
    #[error(
        "the reference timestamp lies {:.9} s after the transmit timestamp \
         (RFC 5905 section A.5.1.1)", .by.as_seconds_f64()
    )]
    ReferenceAfterTransmit {
        /// How long after.
        by: Delta,
    },
    /// No clock that serves time is read in steps of a second and more.
    #[error("a precision of 2^{log2_s} s (RFC 5905 section 7.3)")]
    Precision {
        /// The precision, in seconds as a power of two.
        log2_s: i8,
    },
    /// Octets behind the header that were not asked for.
    #[error("{len} octets behind the header, which nothing in the request asked for")]
    Trailer {
        /// Octets behind the header.
        len: usize,
    },
}

/// Says what a server's reply to the request `sent` means.
///
/// The rules are tried in the order of RFC 5905 section A.5.1, and what the
/// reply says of its server (a kiss-o'-death, no synchronisation) is looked at
/// only when the origin timestamp proves that it answers this request: anybody
/// can forge the rest. An unsynchronised server may leave its timestamps zero,
/// so these are looked at last.
///
/// # Errors
/// The first rule that the reply breaks.
pub fn judge(reply: &[u8], sent: &Sent) -> Result<Verdict, Fault> {
    let len = reply.len();
    let octets = reply.first_chunk::<LEN>().ok_or(Fault::TooShort { len })?;
    if !len.is_multiple_of(4) {
        return Err(Fault::NotWholeWords { len });
    }
    let header = Header::decode(octets);
    if header.version != sent.version {
        let (received, sent) = (header.version, sent.version);
        return Err(Fault::Version { received, sent });
    }
    if header.mode != mode::SERVER {
        return Err(Fault::Mode {
            received: header.mode,
        });
    }
    if header.origin_timestamp != sent.transmit_timestamp {
        let (received, sent) = (header.origin_timestamp, sent.transmit_timestamp);
        return Err(Fault::Origin { received, sent });
    }
    if kiss_code(&header).is_some() {
        return Ok(Verdict::KissOfDeath(header));
    }
    if header.leap_indicator == LeapIndicator::Unsynchronised
        || header.stratum == 0
        || header.stratum >= Quality::UNSYNCHRONISED_STRATUM
    {
        return Ok(Verdict::Unsynchronised(header));
    }
    if header.transmit_timestamp.is_zero() {
        return Err(Fault::ZeroTransmit);
    }
    if header.receive_timestamp.is_zero() {
        return Err(Fault::ZeroReceive);
    }
    let held = header.transmit_timestamp.since(header.receive_timestamp);
    if held < Delta::ZERO {
        return Err(Fault::TransmitBeforeReceive { by: -held });
    }
    Ok(Verdict::Time(header))
}

/// The kiss code of a header, if it has one: stratum 0 and a reference id of 1
/// to 4 printable ASCII characters, filled up with zeros. RFC 5905 section 7.4.
#[must_use]
pub fn kiss_code(header: &Header) -> Option<ReferenceId> {
    let id = header.reference_id.0;
    let len = id.iter().rposition(|&octet| octet != 0)? + 1;
    let is_code = header.stratum == 0 && id[..len].iter().all(u8::is_ascii_graphic);
    is_code.then_some(header.reference_id)
}

/// What a kiss code asks of the client, where it is a known one. RFC 5905
/// figure 13, RFC 8915 section 5.7.
#[must_use]
pub const fn kiss_meaning(code: ReferenceId) -> Option<&'static str> {
    Some(match &code.0 {
        b"RATE" => "asked too often; ask less often",
        b"DENY" => "access denied; do not ask again",
        b"RSTR" => "access restricted by policy; do not ask again",
        b"INIT" => "the server has not yet synchronised for the first time",
        b"STEP" => "the server's clock was stepped and has not yet settled",
        b"NTSN" => "the cookie was not accepted (RFC 8915)",
        b"AUTH" => "the server could not authenticate its own source",
        b"AUTO" => "the server's Autokey sequence failed",
        b"BCST" => "the server waits for a broadcast server",
        b"CRYP" => "authentication or identification failed",
        b"DROP" => "the server lost its remote source",
        b"MCST" => "the server waits for a multicast server",
        b"NKEY" => "no key found",
        _ => return None,
    })
}

/// Whether a kiss code forbids to go on asking at the same rate.
#[must_use]
pub const fn kiss_means_stop(code: ReferenceId) -> bool {
    matches!(&code.0, b"RATE" | b"DENY" | b"RSTR")
}

/// What is odd about a reply of `len` octets that carries the time.
#[must_use]
pub fn oddities(header: &Header, len: usize) -> Vec<Oddity> {
    let bound = half(header.root_delay) + header.root_dispersion.into();
    let reference_after = if header.reference_timestamp.is_zero() {
        Delta::ZERO
    } else {
        header.reference_timestamp.since(header.transmit_timestamp)
    };
    let log2_s = header.precision_log2_s;
    let found = [
        (bound >= MAXIMUM_DISPERSION).then_some(Oddity::RootDistance { bound }),
        (reference_after > Delta::ZERO).then_some(Oddity::ReferenceAfterTransmit {
            by: reference_after,
        }),
        (log2_s >= 0).then_some(Oddity::Precision { log2_s }),
        (len > LEN).then(|| Oddity::Trailer { len: len - LEN }),
    ];
    found.into_iter().flatten().collect()
}

fn half(bound: NtpShort) -> Delta {
    Delta::from_nanos(Delta::from(bound).as_nanos() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Sent = Sent {
        version: 4,
        transmit_timestamp: NtpTimestamp::from_bits(0x0123_4567_89ab_cdef),
    };

    /// A reply that breaks no rule.
    fn good() -> Header {
        Header {
            version: 4,
            mode: mode::SERVER,
            stratum: 2,
            precision_log2_s: -25,
            origin_timestamp: SENT.transmit_timestamp,
            reference_timestamp: NtpTimestamp::from_bits(0xe000_0000_0000_0000),
            receive_timestamp: NtpTimestamp::from_bits(0xe000_0001_0000_0000),
            transmit_timestamp: NtpTimestamp::from_bits(0xe000_0001_0000_1000),
            ..Header::default()
        }
    }

    fn judged(change: impl FnOnce(&mut Header)) -> Result<Verdict, Fault> {
        let mut header = good();
        change(&mut header);
        judge(&header.encode(), &SENT)
    }

    #[test]
    fn a_request_says_nothing_but_mode_version_and_random_bits() {
        let mut expected = [0; LEN];
        expected[0] = 0b00_100_011;
        expected[40..].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
        assert_eq!(SENT.request(), expected);
        let first = Sent { version: 1, ..SENT }.request();
        assert_eq!(first[0], 0b00_001_011);
    }

    #[test]
    fn of_all_first_octets_only_mode_4_in_our_version_is_believed() {
        for first in 0..=u8::MAX {
            let mut octets = good().encode();
            octets[0] = first;
            let verdict = judge(&octets, &SENT);
            let is_ours = first & 0b00_111_111 == 0b00_100_100;
            assert_eq!(
                verdict.is_ok(),
                is_ours,
                "first octet {first:08b}: {verdict:?}"
            );
            if is_ours {
                let alarm = first >> 6 == 3;
                assert_eq!(matches!(verdict, Ok(Verdict::Unsynchronised(_))), alarm);
            }
        }
    }

    #[test]
    fn a_changed_bit_of_the_origin_timestamp_is_a_fault() {
        for bit in 0..64 {
            let received = NtpTimestamp::from_bits(SENT.transmit_timestamp.to_bits() ^ (1 << bit));
            let sent = SENT.transmit_timestamp;
            let verdict = judged(|header| header.origin_timestamp = received);
            assert_eq!(verdict, Err(Fault::Origin { received, sent }));
        }
    }

    #[test]
    fn every_broken_rule_is_named() {
        assert_eq!(
            judged(|header| header.version = 3).unwrap_err().rule(),
            "version"
        );
        assert_eq!(judged(|header| header.mode = 5).unwrap_err().rule(), "mode");
        let zero = judged(|header| header.transmit_timestamp = NtpTimestamp::ZERO);
        assert_eq!(zero, Err(Fault::ZeroTransmit));
        let zero = judged(|header| header.receive_timestamp = NtpTimestamp::ZERO);
        assert_eq!(zero, Err(Fault::ZeroReceive));
        let late = judged(|header| {
            header.receive_timestamp = NtpTimestamp::from_bits(0xe000_0002_0000_1000);
        });
        assert_eq!(
            late,
            Err(Fault::TransmitBeforeReceive {
                by: Delta::from_seconds(1)
            })
        );
    }

    #[test]
    fn a_reply_that_spans_the_turn_of_an_era_is_believed() {
        let verdict = judged(|header| {
            header.reference_timestamp = NtpTimestamp::from_bits(0xffff_fff0_0000_0000);
            header.receive_timestamp = NtpTimestamp::from_bits(0xffff_ffff_ffff_0000);
            header.transmit_timestamp = NtpTimestamp::from_bits(0x0000_0000_0000_1000);
        });
        let Ok(Verdict::Time(header)) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(oddities(&header, LEN), []);
    }

    #[test]
    fn every_length_below_a_header_and_every_broken_word_is_a_fault() {
        let octets = [good().encode(), good().encode()].concat();
        for len in 0..octets.len() {
            let verdict = judge(&octets[..len], &SENT);
            match len {
                0..LEN => assert_eq!(verdict, Err(Fault::TooShort { len })),
                _ if len % 4 != 0 => assert_eq!(verdict, Err(Fault::NotWholeWords { len })),
                _ => assert_eq!(verdict, Ok(Verdict::Time(good()))),
            }
        }
    }

    #[test]
    fn a_kiss_is_believed_only_with_the_right_origin() {
        for code in [b"RATE", b"DENY", b"RSTR", b"XYZ\0"] {
            let kiss = |header: &mut Header| {
                header.stratum = 0;
                header.leap_indicator = LeapIndicator::Unsynchronised;
                header.reference_id = ReferenceId(*code);
                header.transmit_timestamp = NtpTimestamp::ZERO;
            };
            assert!(matches!(judged(kiss), Ok(Verdict::KissOfDeath(_))));
            let forged = judged(|header| {
                kiss(header);
                header.origin_timestamp = NtpTimestamp::ZERO;
            });
            assert_eq!(forged.unwrap_err().rule(), "origin_timestamp");
        }
    }

    #[test]
    fn stratum_0_without_a_code_and_16_and_above_are_unsynchronised() {
        for stratum in 0..=u8::MAX {
            let verdict = judged(|header| header.stratum = stratum);
            let has_time = (1..16).contains(&stratum);
            assert_eq!(
                matches!(verdict, Ok(Verdict::Time(_))),
                has_time,
                "stratum {stratum}"
            );
            assert_eq!(matches!(verdict, Ok(Verdict::Unsynchronised(_))), !has_time);
        }
        let split = judged(|header| {
            header.stratum = 0;
            header.reference_id = ReferenceId([b'R', 0, b'T', b'E']);
        });
        assert!(matches!(split, Ok(Verdict::Unsynchronised(_))));
    }

    #[test]
    fn an_unsynchronised_server_may_leave_every_timestamp_zero() {
        let verdict = judged(|header| {
            header.leap_indicator = LeapIndicator::Unsynchronised;
            header.stratum = 0;
            header.receive_timestamp = NtpTimestamp::ZERO;
            header.transmit_timestamp = NtpTimestamp::ZERO;
        });
        assert!(matches!(verdict, Ok(Verdict::Unsynchronised(_))));
    }

    #[test]
    fn absurd_figures_are_told_and_not_refused() {
        let mut header = good();
        assert_eq!(oddities(&header, LEN), []);
        header.root_delay = NtpShort::from_bits(u32::MAX);
        header.root_dispersion = NtpShort::from_bits(u32::MAX);
        header.precision_log2_s = 127;
        header.reference_timestamp = NtpTimestamp::from_bits(0xe000_0003_0000_1000);
        let told = oddities(&header, LEN + 20);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(
            told[1],
            Oddity::ReferenceAfterTransmit {
                by: Delta::from_seconds(2)
            }
        );
    }

    proptest! {
        #[test]
        fn no_reply_panics_and_no_forgery_is_believed(
            reply in proptest::collection::vec(any::<u8>(), 0..128)
        ) {
            prop_assert!(judge(&reply, &SENT).is_err());
        }

        #[test]
        fn no_header_panics(octets in any::<[u8; 40]>(), len in 48_usize..100) {
            let mut reply = vec![0; len];
            reply[1..24].copy_from_slice(&octets[1..24]);
            reply[0] = 0b00_100_100;
            reply[24..32].copy_from_slice(&SENT.transmit_timestamp.to_be_bytes());
            reply[32..48].copy_from_slice(&octets[24..40]);
            if let Ok(Verdict::Time(header)) = judge(&reply, &SENT) {
                for oddity in oddities(&header, len) {
                    prop_assert!(!oddity.to_string().is_empty());
                }
            }
        }
    }
}

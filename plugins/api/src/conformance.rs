//! Checks that every time source and every protocol must pass.
//!
//! They panic with a sentence that says what is wrong, so that a test of a new
//! source or protocol is one call.

use crate::host::HostInstant;
use crate::protocol::{Exchange, Outcome, Protocol};
use crate::quality::Quality;
use crate::source::{Reading, TimeSource};
use crate::time::{Delta, Timestamp};
use std::net::{Ipv4Addr, SocketAddr};

/// Reads `source` at and around the moment `at` and checks that it is a pure
/// function with a quality that can be sent.
///
/// # Panics
/// When the source breaks a rule of [`TimeSource`].
pub fn check_source(source: &dyn TimeSource, at: HostInstant) {
    let spans = [
        0,
        1,
        999,
        1_000_000,
        20_000_000,
        999_999_999,
        3_600_000_000_000,
    ];
    for span in spans.map(Delta::from_nanos) {
        for moment in [at.earlier_by(span), at.later_by(span)] {
            let Ok(reading) = source.read(moment) else {
                continue;
            };
            assert_eq!(
                Ok(reading),
                source.read(moment),
                "two readings of the same moment {moment:?} differ"
            );
            check_quality(&reading);
        }
    }
    let extremes = [Timestamp::MIN, Timestamp::MAX];
    for realtime in extremes {
        // Whatever it says, it must not panic.
        let _ = source.read(HostInstant { realtime, ..at });
    }
}

fn check_quality(Reading { time, quality }: &Reading) {
    assert!(
        quality.stratum >= 1,
        "stratum 0 stands for 'unspecified' on the wire only"
    );
    assert!(
        quality.stratum <= Quality::UNSYNCHRONISED_STRATUM,
        "stratum {} is above 16",
        quality.stratum
    );
    assert!(
        quality.root_delay >= Delta::ZERO,
        "the root delay is negative"
    );
    assert!(
        quality.root_dispersion >= Delta::ZERO,
        "the root dispersion is negative"
    );
    if let Some(reference) = quality.reference_timestamp {
        assert!(
            reference <= *time,
            "the reference timestamp lies in the future of the reading"
        );
    }
}

/// An exchange at `time` on a perfect clock, for tests.
#[must_use]
pub fn exchange_at(time: Timestamp) -> Exchange {
    let reading = Reading {
        time,
        quality: Quality::default(),
    };
    Exchange {
        receive: reading,
        transmit: reading,
        entropy: 0,
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
    }
}

/// Asks `protocol` with each of `requests` and checks that it is a pure
/// function that keeps to the room it is given.
///
/// # Panics
/// When the protocol breaks a rule of [`Protocol`].
pub fn check_protocol(protocol: &dyn Protocol, requests: &[&[u8]], exchange: &Exchange) {
    for request in requests {
        let mut first = [0xa5; 4096];
        let outcome = protocol.respond(request, exchange, &mut first);
        let mut second = [0x5a; 4096];
        assert_eq!(
            outcome,
            protocol.respond(request, exchange, &mut second),
            "two answers to the same request differ"
        );
        let Outcome::Reply { len } = outcome else {
            continue;
        };
        assert!(
            len <= first.len(),
            "a reply of {len} octets in a room of {}",
            first.len()
        );
        assert_eq!(
            first[..len],
            second[..len],
            "part of the reply was not written"
        );
        assert!(
            first[len..].iter().all(|&octet| octet == 0xa5),
            "octets were written behind the reply"
        );
        for room in 0..len {
            let outcome = protocol.respond(request, exchange, &mut first[..room]);
            assert!(
                matches!(outcome, Outcome::Drop(_)),
                "a reply of {len} octets cannot stand in a room of {room}: {outcome:?}"
            );
        }
    }
}

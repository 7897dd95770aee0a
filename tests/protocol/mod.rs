//! The protocols, seen from outside: bytes in, bytes out.

mod calendar;
mod daytime;
mod fuzz;
mod loops;
mod ntp;
mod ntp_quality;
mod text;
mod time;
mod vectors;

use chrono::DateTime;
use timeball::api::conformance::exchange_at;
use timeball::api::{Exchange, LeapIndicator, Outcome, Protocol, Quality, Timestamp};

/// The point of time that this RFC 3339 text means.
fn at(rfc3339: &str) -> Timestamp {
    let time = DateTime::parse_from_rfc3339(rfc3339).expect("the test's time is RFC 3339");
    Timestamp::from_nanos(time.timestamp_nanos_opt().expect("1677 to 2262"))
}

/// What `protocol` answers to `request`.
fn answer(
    protocol: &dyn Protocol,
    request: &[u8],
    exchange: &Exchange,
) -> Result<Vec<u8>, &'static str> {
    let mut reply = [0; 4096];
    match protocol.respond(request, exchange, &mut reply) {
        Outcome::Reply { len } => Ok(reply[..len].to_vec()),
        Outcome::Drop(reason) => Err(reason.name()),
    }
}

/// The text that `protocol` answers with at `time`.
fn text_at(protocol: &dyn Protocol, request: &[u8], time: &str) -> String {
    let reply = answer(protocol, request, &exchange_at(at(time))).expect("it is a question");
    String::from_utf8(reply).expect("it is text")
}

/// The ways in which a source can say that it is not synchronised.
fn unsynchronised() -> [Quality; 3] {
    let alarm = Quality {
        leap_indicator: LeapIndicator::Unsynchronised,
        ..Quality::default()
    };
    let stratum = |stratum| Quality {
        stratum,
        ..Quality::default()
    };
    [alarm, stratum(16), stratum(0)]
}

/// An exchange at `exchange`'s time with both readings of this quality.
fn with_quality(quality: Quality, mut exchange: Exchange) -> Exchange {
    exchange.receive.quality = quality;
    exchange.transmit.quality = quality;
    exchange
}

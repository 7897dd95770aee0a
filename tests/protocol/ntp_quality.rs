//! What the server says of its clock, and how its timestamps are filled.

use super::{answer, at, unsynchronised, with_quality};
use timeball::api::conformance::exchange_at;
use timeball::api::{
    Delta, Exchange, LeapIndicator, NtpTimestamp, Quality, ReferenceId, Timestamp,
};
use timeball::protocol::Ntp;
use timeball::protocol::ntp::WhenUnsynchronised;
use timeball::protocol::ntp::header::{self, Header};

const ORIGIN: NtpTimestamp = NtpTimestamp::from_bits(0x0123_4567_89ab_cdef);

fn ask(server: Ntp, exchange: &Exchange) -> Result<Header, &'static str> {
    let request = Header {
        version: 4,
        mode: 3,
        transmit_timestamp: ORIGIN,
        ..Header::default()
    };
    let reply = answer(&server, &request.encode(), exchange)?;
    let octets = reply.first_chunk().expect("a reply has 48 octets");
    Ok(Header::decode(octets))
}

fn when_unsynchronised(unsynchronised: WhenUnsynchronised) -> Ntp {
    Ntp {
        unsynchronised,
        ..Ntp::default()
    }
}

#[test]
fn an_unsynchronised_server_gives_the_alarm_and_no_kiss_code() {
    let time = at("2030-01-01T00:00:00Z");
    for quality in unsynchronised() {
        let exchange = with_quality(quality, exchange_at(time));
        let reply = ask(Ntp::default(), &exchange).expect("it answers");
        assert_eq!(reply.leap_indicator, LeapIndicator::Unsynchronised);
        assert_eq!(reply.stratum, 0);
        assert_eq!(reply.reference_id, ReferenceId::NONE);
        assert_eq!(reply.origin_timestamp, ORIGIN);
        assert_eq!(reply.receive_timestamp.near(time), time);
        assert_eq!(reply.transmit_timestamp.near(time), time);
    }
}

#[test]
fn an_unsynchronised_server_can_send_no_time_but_the_clients_own() {
    for mut quality in unsynchronised() {
        quality.reference_timestamp = Some(at("2029-12-31T00:00:00Z"));
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        let exchange = Exchange {
            entropy: u64::MAX,
            ..exchange
        };
        let reply =
            ask(when_unsynchronised(WhenUnsynchronised::Zero), &exchange).expect("it answers");
        assert_eq!(reply.leap_indicator, LeapIndicator::Unsynchronised);
        assert_eq!((reply.stratum, reply.reference_id), (0, ReferenceId::NONE));
        assert_eq!(reply.origin_timestamp, ORIGIN);
        assert!(reply.reference_timestamp.is_zero());
        assert!(reply.receive_timestamp.is_zero());
        assert!(reply.transmit_timestamp.is_zero());
    }
}

#[test]
fn an_unsynchronised_server_can_be_silent() {
    for quality in unsynchronised() {
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        let got = ask(when_unsynchronised(WhenUnsynchronised::Silent), &exchange);
        assert_eq!(got, Err("unsynchronised"));
    }
}

#[test]
fn a_synchronised_server_answers_the_same_whatever_it_would_do_without() {
    let exchange = exchange_at(at("2030-01-01T00:00:00Z"));
    let alarm = ask(Ntp::default(), &exchange).expect("it answers");
    for way in [WhenUnsynchronised::Zero, WhenUnsynchronised::Silent] {
        assert_eq!(ask(when_unsynchronised(way), &exchange), Ok(alarm));
    }
}

#[test]
fn a_leap_second_is_announced() {
    for leap_indicator in [LeapIndicator::InsertSecond, LeapIndicator::DeleteSecond] {
        let quality = Quality {
            leap_indicator,
            ..Quality::default()
        };
        let exchange = with_quality(quality, exchange_at(at("2016-12-31T12:00:00Z")));
        let reply = ask(Ntp::default(), &exchange).expect("it answers");
        assert_eq!((reply.leap_indicator, reply.stratum), (leap_indicator, 1));
    }
}

#[test]
fn every_stratum_from_1_to_15_is_sent_as_it_is() {
    for stratum in 1..=15 {
        let quality = Quality {
            stratum,
            ..Quality::default()
        };
        let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
        assert_eq!(
            ask(Ntp::default(), &exchange).expect("it answers").stratum,
            stratum
        );
    }
}

#[test]
fn random_bits_stand_below_the_precision_and_nowhere_else() {
    let time = at("2030-01-01T00:00:00.123456789Z");
    let quality = Quality {
        precision_log2_s: -20,
        ..Quality::default()
    };
    let exact = with_quality(quality, exchange_at(time));
    let plain = ask(Ntp::default(), &exact).expect("it answers");
    assert_eq!(plain.receive_timestamp, NtpTimestamp::from(time));
    assert_eq!(plain.transmit_timestamp, NtpTimestamp::from(time));
    let random = Exchange {
        entropy: 0xffff_f999_ffff_f111,
        ..exact
    };
    let random = ask(Ntp::default(), &random).expect("it answers");
    let bits = NtpTimestamp::from(time).to_bits() & !0xfff;
    assert_eq!(random.receive_timestamp.to_bits(), bits | 0x111);
    assert_eq!(random.transmit_timestamp.to_bits(), bits | 0x999);
}

#[test]
fn random_bits_never_let_a_reply_leave_before_its_request_came() {
    let quality = Quality {
        precision_log2_s: -20,
        reference_timestamp: Some(at("2030-01-01T00:00:00Z")),
        ..Quality::default()
    };
    let exchange = with_quality(quality, exchange_at(at("2030-01-01T00:00:00Z")));
    // The receive timestamp would get the greater bits.
    let exchange = Exchange {
        entropy: 0x0000_0111_0000_0999,
        ..exchange
    };
    let reply = ask(Ntp::default(), &exchange).expect("it answers");
    assert_eq!(reply.receive_timestamp.to_bits() & 0xfff, 0x111);
    assert_eq!(reply.transmit_timestamp.to_bits() & 0xfff, 0x999);
    assert!(reply.reference_timestamp.to_bits() <= reply.receive_timestamp.to_bits());
}

#[test]
fn a_source_that_steps_back_between_the_readings_does_not_show() {
    let mut exchange = exchange_at(at("2030-01-01T00:00:00Z"));
    exchange.transmit.time = at("2029-06-01T00:00:00Z");
    let reply = ask(Ntp::default(), &exchange).expect("it answers");
    assert_eq!(reply.transmit_timestamp, reply.receive_timestamp);
}

#[test]
fn a_source_that_steps_by_more_than_half_an_era_shows_both_times() {
    let mut exchange = exchange_at(at("1990-01-01T00:00:00Z"));
    exchange.transmit.time = at("2100-01-01T00:00:00Z");
    exchange.entropy = u64::MAX;
    let reply = ask(Ntp::default(), &exchange).expect("it answers");
    let seconds = |timestamp: NtpTimestamp, pivot| timestamp.near(pivot).to_unix_parts().0;
    for (timestamp, reading) in [
        (reply.receive_timestamp, exchange.receive),
        (reply.transmit_timestamp, exchange.transmit),
    ] {
        assert_eq!(
            seconds(timestamp, reading.time),
            reading.time.to_unix_parts().0
        );
    }
}

#[test]
fn the_reference_timestamp_is_zero_while_the_clock_was_never_set() {
    let reply = ask(Ntp::default(), &exchange_at(at("2030-01-01T00:00:00Z"))).expect("it answers");
    assert!(reply.reference_timestamp.is_zero());
}

#[test]
fn the_reference_timestamp_is_not_after_the_receive_timestamp() {
    let time = at("2030-01-01T00:00:00Z");
    let quality = Quality {
        reference_timestamp: Some(time + Delta::from_seconds(9)),
        ..Quality::default()
    };
    for entropy in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
        let exchange = with_quality(quality, exchange_at(time));
        let reply = ask(
            Ntp::default(),
            &Exchange {
                entropy,
                ..exchange
            },
        )
        .expect("it answers");
        assert!(reply.reference_timestamp.to_bits() <= reply.receive_timestamp.to_bits());
    }
}

#[test]
fn the_first_instant_of_an_era_is_not_sent_as_zero_which_means_unknown() {
    for seconds in [2_085_978_496, 6_380_945_792] {
        let time = Timestamp::from_unix_seconds(seconds);
        let reply = ask(Ntp::default(), &exchange_at(time)).expect("it answers");
        for timestamp in [reply.receive_timestamp, reply.transmit_timestamp] {
            assert!(!timestamp.is_zero());
            assert_eq!(timestamp.near(time), time);
        }
    }
}

#[test]
fn an_era_that_ends_between_the_readings_does_not_turn_them_round() {
    for seconds in [2_085_978_496, 6_380_945_792] {
        let mut exchange = exchange_at(Timestamp::from_unix_seconds(seconds));
        exchange.receive.time = exchange.receive.time - Delta::from_nanos(1);
        for entropy in [0, u64::MAX, 0xffff_ffff, !0xffff_ffff] {
            let reply = ask(
                Ntp::default(),
                &Exchange {
                    entropy,
                    ..exchange
                },
            )
            .expect("it answers");
            let span = reply.transmit_timestamp.since(reply.receive_timestamp);
            assert!(
                span >= Delta::ZERO && span < Delta::from_nanos(4),
                "{span:?}"
            );
        }
    }
}

#[test]
fn an_origin_of_zero_comes_back_as_zero() {
    let mut request = [0; header::LEN];
    request[0] = 0x23;
    let exchange = exchange_at(at("2030-01-01T00:00:00Z"));
    let reply = answer(&Ntp::default(), &request, &exchange).expect("it is a request");
    assert_eq!(reply[24..32], [0; 8]);
}

//! No server here answers what a server here sends, so no forged datagram can
//! set two of them talking.
//!
//! Daytime and Time answer whatever they get, by their RFCs, but what one of them
//! sends. An NTP reply, or a text, is answered by them, and that ends there: neither
//! answers a line or four octets.

use super::ntp::{all_settings, any_exchange, any_request};
use super::{answer, at, daytime, text};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use timeball::api::Protocol;
use timeball::api::conformance::exchange_at;
use timeball::protocol::text::{DEFAULT_FORMAT, REQUEST};
use timeball::protocol::{DaytimeFormat, Time};

/// Every protocol that looks at what it gets, as it can be set.
fn listening() -> Vec<Box<dyn Protocol>> {
    let mut all: Vec<Box<dyn Protocol>> = vec![Box::new(text::server(DEFAULT_FORMAT, Tz::UTC))];
    all.extend(
        all_settings()
            .into_iter()
            .map(|ntp| Box::new(ntp) as Box<dyn Protocol>),
    );
    all
}

/// Servers of all protocols in the zone `zone`.
fn speaking(zone: Tz) -> Vec<Box<dyn Protocol>> {
    let mut all = listening();
    all.push(Box::new(text::server(DEFAULT_FORMAT, zone)));
    all.push(Box::new(daytime::server(DaytimeFormat::Rfc867, zone)));
    all.push(Box::new(daytime::server(DaytimeFormat::Smtp, zone)));
    for format in lines_of_48_octets() {
        all.push(Box::new(daytime::server(
            DaytimeFormat::Strftime(format),
            zone,
        )));
    }
    all.push(Box::new(Time));
    all
}

/// Formats of every length from 40 to 60 octets whose first octet is that of an
/// NTP client: `#` of version 4, `S` of version 2, `c` of version 4 too.
fn lines_of_48_octets() -> Vec<String> {
    let padded = |first| move |len: usize| format!("{first}{}%H", "-".repeat(len - 5));
    ["#", "S", "c"]
        .into_iter()
        .flat_map(|first| (40..60).map(padded(first)))
        .collect()
}

#[test]
fn a_text_that_ntp_takes_for_a_request_starts_no_conversation() {
    let exchange = exchange_at(at("2026-09-30T23:59:59Z"));
    let mut taken = 0;
    for format in lines_of_48_octets() {
        let text = text::server(&format, Tz::UTC);
        let told = answer(&text, REQUEST, &exchange).expect("it is the question");
        for ntp in all_settings() {
            if let Ok(reply) = answer(&ntp, &told, &exchange) {
                taken += 1;
                assert_eq!(answer(&text, &reply, &exchange), Err("not_the_question"));
            }
        }
    }
    assert!(taken > 0, "no text was one that NTP takes for a request");
}

#[test]
fn daytime_and_time_answer_neither_themselves_nor_each_other_in_any_zone() {
    let exchange = exchange_at(at("2026-09-30T23:59:59.123456789Z"));
    for zone in TZ_VARIANTS {
        let mut all: Vec<Box<dyn Protocol>> = vec![
            Box::new(daytime::server(DaytimeFormat::Rfc867, zone)),
            Box::new(daytime::server(DaytimeFormat::Smtp, zone)),
            Box::new(daytime::server(DaytimeFormat::Strftime("%H".into()), zone)),
            Box::new(daytime::server(DaytimeFormat::Strftime("%S".into()), zone)),
            Box::new(Time),
        ];
        all.extend(lines_of_48_octets().into_iter().map(|format| {
            Box::new(daytime::server(DaytimeFormat::Strftime(format), zone)) as Box<dyn Protocol>
        }));
        for server in &all {
            let reply = answer(&**server, b"", &exchange).expect("it answers anything");
            for other in &all {
                assert_eq!(
                    answer(&**other, &reply, &exchange),
                    Err("not_the_question"),
                    "{zone}: {reply:?}"
                );
            }
        }
    }
}

#[test]
fn no_server_answers_a_line_in_any_zone() {
    let exchange = exchange_at(at("2026-09-30T23:59:59.123456789Z"));
    let listening = listening();
    for zone in TZ_VARIANTS {
        for server in speaking(zone) {
            let Ok(reply) = answer(&*server, REQUEST, &exchange) else {
                continue;
            };
            for other in &listening {
                assert!(
                    answer(&**other, &reply, &exchange).is_err(),
                    "{zone}: {reply:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_server_never_answers_a_servers_reply(
        request in prop_oneof![any_request(), Just(REQUEST.to_vec())], exchange in any_exchange(),
    ) {
        for server in speaking(Tz::Europe__Berlin) {
            let Ok(reply) = answer(&*server, &request, &exchange) else {
                continue;
            };
            for other in listening() {
                prop_assert!(answer(&*other, &reply, &exchange).is_err());
            }
        }
    }
}

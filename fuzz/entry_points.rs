//! What the fuzz targets run: one plain function a codec, which takes any
//! octets and panics when a rule is broken.
//!
//! `fuzz_targets/` hands them to libFuzzer; `tests/protocol/fuzz.rs` runs the
//! same functions on random and mutated inputs under `cargo test`.

use std::sync::LazyLock;
use timeball::api::conformance::exchange_at;
use timeball::api::{
    Delta, Exchange, LeapIndicator, Outcome, Protocol, Quality, ReferenceId, Timestamp,
};
use timeball::protocol::ntp::header::{self, Header};
use timeball::protocol::ntp::reply::{Sent, Verdict, judge, kiss_code, oddities};
use timeball::protocol::ntp::{Symmetric, Trailer, WhenUnsynchronised};
use timeball::protocol::{CalendarFormat, Daytime, DaytimeFormat, Ntp, Text, Time};
use timeball::protocol::{daytime as daytime_client, text as text_client, time as time_client};

/// Octets at the front of the input of a server: they make up the exchange,
/// and the request follows.
pub const CONTROL_LEN: usize = 40;

/// The room for a reply; what stands behind the reply is checked.
const ROOM: usize = 600;
const UNTOUCHED: u8 = 0xa5;

/// Takes an exchange and a byte of settings from the front of `data`.
fn split(data: &[u8]) -> Option<(Exchange, u8, &[u8])> {
    let (control, request) = data.split_first_chunk::<CONTROL_LEN>()?;
    let number = |at: usize| {
        let mut octets = [0; 8];
        octets.copy_from_slice(&control[at..at + 8]);
        i64::from_le_bytes(octets)
    };
    let [settings, leap, stratum, precision, .., port] = control[32..] else {
        return None;
    };
    let quality = Quality {
        leap_indicator: LeapIndicator::from_bits(leap & leap >> 2),
        stratum: stratum % 18,
        precision_log2_s: precision as i8,
        reference_id: ReferenceId([settings, leap, stratum, precision]),
        reference_timestamp: (leap & 0x80 != 0).then(|| Timestamp::from_nanos(number(16))),
        root_delay: Delta::from_nanos(number(16)),
        root_dispersion: Delta::from_nanos(number(24)),
    };
    let mut exchange = exchange_at(Timestamp::from_nanos(number(0)));
    exchange.transmit.time += Delta::from_nanos(number(8) >> 28);
    exchange.receive.quality = quality;
    exchange.transmit.quality = quality;
    exchange.entropy = if stratum & 0x80 == 0 {
        number(24) as u64
    } else {
        0
    };
    exchange.peer.set_port(u16::from(port));
    Some((exchange, settings, request))
}

/// The reply of `protocol`, after checks that hold for all of them.
fn reply<'a>(
    protocol: &dyn Protocol,
    request: &[u8],
    exchange: &Exchange,
    room: &'a mut [u8; ROOM],
) -> Option<&'a [u8]> {
    *room = [UNTOUCHED; ROOM];
    let Outcome::Reply { len } = protocol.respond(request, exchange, room) else {
        return None;
    };
    assert!(room[len..].iter().all(|&octet| octet == UNTOUCHED));
    Some(&room[..len])
}

/// An NTP server and any request.
pub fn ntp_request(data: &[u8]) {
    let Some((exchange, settings, request)) = split(data) else {
        return;
    };
    let server = Ntp {
        symmetric: [Symmetric::Drop, Symmetric::Reply][usize::from(settings & 1)],
        unsynchronised: match settings >> 1 & 3 {
            0 => WhenUnsynchronised::Zero,
            1 => WhenUnsynchronised::Silent,
            _ => WhenUnsynchronised::Alarm,
        },
        crypto_nak: settings & 8 != 0,
    };
    let mut room = [0; ROOM];
    let Some(reply) = reply(&server, request, &exchange, &mut room) else {
        return;
    };
    assert!(reply.len() <= request.len());
    assert!(reply.len() == header::LEN || (server.crypto_nak && reply.len() == header::LEN + 4));
    let asked = Header::decode(
        request
            .first_chunk()
            .expect("a request that is answered has a header"),
    );
    let said = Header::decode(reply.first_chunk().expect("a reply has a header"));
    assert_eq!(said.version, asked.version);
    assert_eq!(said.origin_timestamp, asked.transmit_timestamp);
    assert_eq!(said.poll_log2_s, asked.poll_log2_s);
    assert_eq!(said.mode, if asked.mode == 1 { 2 } else { 4 });
    let turnaround = said
        .transmit_timestamp
        .to_bits()
        .wrapping_sub(said.receive_timestamp.to_bits());
    let span = exchange.transmit.time - exchange.receive.time;
    if span < Delta::from_seconds(1 << 30) {
        assert!(turnaround as i64 >= 0, "it left before it came");
    }
    let quality = &exchange.transmit.quality;
    if quality.is_synchronised() {
        assert_eq!(said.stratum, quality.stratum);
        assert!(!said.transmit_timestamp.is_zero());
    } else {
        assert_eq!((said.stratum, said.reference_id), (0, ReferenceId::NONE));
        assert_eq!(said.leap_indicator, LeapIndicator::Unsynchronised);
    }
    let mut room = [0; ROOM];
    let answer = self::reply(&server, reply, &exchange, &mut room);
    assert!(answer.is_none(), "a reply was answered");
}

/// The header both ways, and what stands behind it.
pub fn ntp_header(data: &[u8]) {
    if let Some((octets, behind)) = data.split_first_chunk() {
        let header = Header::decode(octets);
        assert_eq!(&header.encode(), octets);
        for version in 0..=7 {
            match Trailer::recognise(version, behind) {
                Some(Trailer::None) => assert!(behind.is_empty() || version >= 4),
                Some(Trailer::CryptoNak) => assert!(behind.ends_with(&[0; 4])),
                Some(Trailer::Mac { .. }) => assert!(behind.len() >= 12),
                None => assert!(!behind.is_empty()),
            }
        }
    }
}

/// A client of NTP and any reply. The first octet chooses the version, and
/// whether the reply is to a request that the client sent.
pub fn ntp_reply(data: &[u8]) {
    let Some((&first, reply)) = data.split_first() else {
        return;
    };
    let asked_for = reply
        .first_chunk()
        .map(|octets| Header::decode(octets).origin_timestamp);
    let sent = Sent {
        version: first & 0b111,
        transmit_timestamp: match first & 0x80 {
            0 => timeball::api::NtpTimestamp::from_bits(0x0123_4567_89ab_cdef),
            _ => asked_for.unwrap_or_default(),
        },
    };
    let verdict = match judge(reply, &sent) {
        Ok(verdict) => verdict,
        Err(fault) => {
            assert!(!fault.rule().is_empty() && !fault.to_string().is_empty());
            return;
        }
    };
    let (Verdict::Time(said) | Verdict::Unsynchronised(said) | Verdict::KissOfDeath(said)) =
        verdict;
    assert_eq!((said.version, said.mode), (sent.version, 4));
    assert_eq!(said.origin_timestamp, sent.transmit_timestamp);
    assert_eq!(
        matches!(verdict, Verdict::KissOfDeath(_)),
        kiss_code(&said).is_some()
    );
    if let Verdict::Time(said) = verdict {
        assert!((1..16).contains(&said.stratum));
        assert_ne!(said.leap_indicator, LeapIndicator::Unsynchronised);
        assert!(!said.receive_timestamp.is_zero() && !said.transmit_timestamp.is_zero());
    }
    for oddity in oddities(&said, reply.len()) {
        assert!(!oddity.to_string().is_empty());
    }
}

/// A text server and any request; a client of it and any reply.
pub fn text(data: &[u8]) {
    static SERVER: LazyLock<Text> = LazyLock::new(|| {
        let format = CalendarFormat::new(text_client::DEFAULT_FORMAT, chrono_tz::Europe::London);
        Text::new(format.expect("the default format is one"))
    });
    shows_a_line(text_client::parse(data).ok());
    let Some((exchange, _, request)) = split(data) else {
        return;
    };
    let mut room = [0; ROOM];
    let Some(reply) = reply(&*SERVER, request, &exchange, &mut room) else {
        return;
    };
    assert!(request.trim_ascii().eq_ignore_ascii_case(b"send time"));
    assert!(exchange.transmit.quality.is_synchronised());
    let line = text_client::parse(reply).expect("a client reads what the server says");
    shows_a_line(Some(line));
    let mut room = [0; ROOM];
    let answer = self::reply(&*SERVER, reply, &exchange, &mut room);
    assert!(answer.is_none(), "a reply was answered");
}

/// Daytime servers and any request; a client of theirs and any reply.
pub fn daytime(data: &[u8]) {
    static SERVERS: LazyLock<[Daytime; 3]> = LazyLock::new(|| {
        [
            DaytimeFormat::Rfc867,
            DaytimeFormat::Smtp,
            DaytimeFormat::Strftime("%+ %Z".to_owned()),
        ]
        .map(|format| {
            let server = Daytime::new(format, chrono_tz::America::St_Johns);
            server.expect("the formats are lines of ASCII")
        })
    });
    shows_a_line(daytime_client::parse(data).ok());
    let Some((exchange, settings, request)) = split(data) else {
        return;
    };
    let server = &SERVERS[usize::from(settings) % SERVERS.len()];
    let mut room = [0; ROOM];
    let reply = reply(server, request, &exchange, &mut room);
    assert_eq!(reply.is_some(), is_answered(request, &exchange));
    if let Some(reply) = reply {
        assert!(!is_answered(reply, &exchange), "a reply would be answered");
        let line = reply.strip_suffix(b"\r\n").expect("a line ends with CR LF");
        assert!(
            line.iter()
                .all(|&octet| octet == b' ' || octet.is_ascii_graphic())
        );
        assert_eq!(daytime_client::parse(reply).map(str::as_bytes), Ok(line));
    }
}

/// A Time server and any request; a client of it and any reply.
pub fn time(data: &[u8]) {
    let _ = time_client::parse(data, Timestamp::UNIX_EPOCH);
    let Some((exchange, _, request)) = split(data) else {
        return;
    };
    let pivot = exchange.receive.time;
    if let Ok(time) = time_client::parse(request, pivot) {
        let span = (time - pivot).abs();
        assert!(span <= Delta::from_seconds((1 << 31) + 1), "{span:?}");
    }
    let mut room = [0; ROOM];
    let reply = reply(&Time, request, &exchange, &mut room);
    assert_eq!(reply.is_some(), is_answered(request, &exchange));
    if let Some(reply) = reply {
        assert!(!is_answered(reply, &exchange), "a reply would be answered");
        let time = exchange.transmit.time;
        let read = time_client::parse(reply, time).expect("a client reads what the server says");
        let (seconds, _) = time.to_unix_parts();
        assert_eq!(read, Timestamp::from_unix_seconds(seconds));
    }
}

/// Whether Daytime and Time answer this: whatever is neither four octets nor a line.
fn is_answered(request: &[u8], exchange: &Exchange) -> bool {
    let is_a_line = request.len() > 2 && request.ends_with(b"\r\n");
    exchange.transmit.quality.is_synchronised() && request.len() != 4 && !is_a_line
}

fn shows_a_line(line: Option<&str>) {
    if let Some(line) = line {
        assert!(!line.is_empty() && !line.chars().any(char::is_control));
    }
}

//! The same requests through the program and through the server's own code: what
//! comes back is the same, octet by octet, but for the moment.
//!
//! On the one side a server as it is: the program, and behind it a service on the
//! same table of clients, which gets what the program passes on. On the other a
//! service alone, with a table of its own.

use crate::frames::{Checksum, Frame, SERVER_HARDWARE, folded};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use timeball::admission::ceiling::Ceiling;
use timeball::admission::limiter::{Limiter, Rate};
use timeball::admission::networks::Networks;
use timeball::admission::{Admission, Gate, Limits, OnDeny, OnRate, Share};
use timeball::api::{
    Datagram, Delta, DropReason, Forecast, HostClock, HostInstant, LeapIndicator, NtpTimestamp,
    Outcome, Quality, Reading, ReferenceId, Source, Stretch, TimeSource, Timestamp, Unavailable,
};
use timeball::host::OsClock;
use timeball::protocol::ntp::{Header, Ntp};
use timeball::service::Service;
use timeball::xdp::{Accelerator, Clients, Interface, Listener, VALID};

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;
const SERVER: &str = "192.0.2.1:123";
const SERVER_V6: &str = "[2001:db8::1]:123";
const ALL: Share = Share::of_millionths(1_000_000);
const NONE: Share = Share::of_millionths(0);

/// A clock that runs straight, and says so.
#[derive(Clone, Copy)]
pub struct Straight(pub Forecast);

impl TimeSource for Straight {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        Ok(self.0.read(at.monotonic))
    }

    fn forecast(&self, _: HostInstant) -> Option<Forecast> {
        Some(self.0)
    }
}

/// Straight on from the present moment, which it says is 2030.
pub fn stretch(now: HostInstant) -> Stretch {
    Stretch {
        from: now.monotonic,
        reading: Reading {
            time: Timestamp::from_nanos(1_893_456_000_123_456_789),
            quality: Quality {
                leap_indicator: LeapIndicator::InsertSecond,
                stratum: 3,
                precision_log2_s: -25,
                reference_id: ReferenceId(*b"GPS\0"),
                reference_timestamp: Some(Timestamp::from_nanos(1_893_455_990_000_000_000)),
                root_delay: Delta::from_micros(1_234),
                root_dispersion: Delta::from_micros(5_678),
            },
        },
        drift_ppt: -12_345_678,
        dispersion_grows_in: None,
    }
}

pub fn source(forecast: Forecast) -> Source {
    Source::new(Straight(forecast), Arc::new(OsClock))
}

pub fn interface() -> Interface {
    Interface {
        name: "none".to_owned(),
        index: 7,
        hardware_address: SERVER_HARDWARE,
        is_loopback: false,
        is_device: true,
        addresses: ["192.0.2.1", "2001:db8::1"]
            .map(|it| it.parse().unwrap())
            .into(),
    }
}

/// Random words that are the same each time.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

fn gate(on_deny: OnDeny, limiter: Limiter, leak: Share, kiss: Share) -> Gate {
    let networks = |texts: &[&str]| -> Vec<ipnet::IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    Gate {
        networks: Arc::new(Networks::new(
            &networks(&["0.0.0.0/0", "::/0", "203.0.113.77/32"]),
            &networks(&["203.0.113.0/24", "2001:db8:bad::/48", "198.51.100.128/25"]),
        )),
        on_deny,
        limits: Some(Arc::new(Limits {
            limiter,
            on_rate: OnRate {
                leak,
                kiss,
                poll: 6,
                spares_loopback: true,
            },
            ceiling: Ceiling::new(1_000),
        })),
        limits_clients: true,
    }
}

/// So slow that no token comes back while a test runs.
const RATE: Rate = Rate {
    per_second: 0.001,
    burst: 12,
    ipv4_prefix: 28,
    ipv6_prefix: 60,
};
const KEY: (u64, u64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
const CLIENTS: usize = 65_536;

/// A request as it is meant, and whether the program has to answer it itself.
struct Asked {
    frame: Vec<u8>,
    /// What reaches the socket, if anything does.
    delivered: Option<(SocketAddr, Vec<u8>)>,
    is_plain: bool,
}

/// A request: most often plain, else odd or broken in one way or two.
fn ask(chance: &mut Chance) -> Asked {
    let is_v6 = chance.below(2) == 0;
    let number = chance.below(40) as u16;
    let from_ip: IpAddr = if is_v6 {
        let network = chance.one_of(&["2001:db8:1", "2001:db8:bad", "fe80:0:0", "2a00:1:2"]);
        format!("{network}:{:x}::{number:x}", chance.below(64))
            .parse()
            .unwrap()
    } else {
        let network = chance.one_of(&["203.0.113", "198.51.100", "10.1.2", "192.0.2"]);
        format!("{network}.{}", 2 + chance.below(250))
            .parse()
            .unwrap()
    };
    let port = chance.one_of(&[123, 40_000, 1_024, 53, 65_535, 64]);
    let from = SocketAddr::new(from_ip, port);
    let to: SocketAddr = if is_v6 { SERVER_V6 } else { SERVER }.parse().unwrap();
    let mut payload = vec![0; 48];
    payload.fill_with(|| chance.next() as u8);
    payload[0] = (chance.below(4) as u8) << 6 | (1 + chance.below(4) as u8) << 3 | 3;
    let mut frame = Frame::new(from, to, &payload);
    frame.class = chance.next() as u8;
    frame.hops = 1 + chance.below(255) as u8;
    let mut is_plain = true;
    let mut is_delivered = true;
    frame.checksum = match chance.below(8) {
        0 => Checksum::Absent,
        1 => Checksum::PseudoHeader,
        2 => Checksum::Wrong,
        _ => Checksum::Whole,
    };
    if frame.checksum == Checksum::Wrong || (frame.checksum == Checksum::Absent && is_v6) {
        (is_plain, is_delivered) = (false, false);
    }
    let spoil = chance.below(64);
    match spoil {
        // Every version and mode.
        0..=3 => {
            frame.payload[0] = chance.next() as u8;
            let (version, mode) = ((frame.payload[0] >> 3) & 7, frame.payload[0] & 7);
            is_plain &= (1..=4).contains(&version) && mode == 3;
        }
        // Every length.
        4 | 5 => {
            let len = chance.below(100) as usize;
            frame.payload.resize(len, 0x5a);
            is_plain &= len == 48;
        }
        6 => {
            frame
                .payload
                .resize(chance.one_of(&[1_200, 1_400, 3_000]), 0);
            is_plain = false;
        }
        7 => {
            frame.fragment = chance.one_of(&[0x2000, 0x0001, 0x6000, 0x1fff, 0x8000, 0x3fff]);
            (is_plain, is_delivered) = (is_plain && is_v6, is_delivered && is_v6);
        }
        8 if !is_v6 => {
            frame.options = vec![1; 4 * (1 + chance.below(10) as usize)];
            is_plain = false;
        }
        9 => {
            frame
                .to
                .set_port(chance.one_of(&[122, 124, 31_488, 0, 323]));
            (is_plain, is_delivered) = (false, false);
        }
        10 => {
            let others: &[&str] = if is_v6 {
                &["2001:db8::2", "ff02::1", "::1", "::ffff:192.0.2.1"]
            } else {
                &[
                    "192.0.2.2",
                    "192.0.2.255",
                    "255.255.255.255",
                    "224.0.1.1",
                    "1.2.0.192",
                ]
            };
            frame.to.set_ip(chance.one_of(others).parse().unwrap());
            (is_plain, is_delivered) = (false, false);
        }
        11 | 12 => {
            frame.from.set_port(chance.one_of(&[0, 7, 13, 17, 19, 37]));
            is_plain = false;
        }
        13 => {
            let martians: &[&str] = if is_v6 {
                &["::", "::1", "ff02::1", "::ffff:10.0.0.1", "2001:db8::1"]
            } else {
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "127.0.0.1",
                    "224.0.0.1",
                    "255.255.255.255",
                    "192.0.2.1",
                ]
            };
            frame.from.set_ip(chance.one_of(martians).parse().unwrap());
            (is_plain, is_delivered) = (false, false);
        }
        14 => frame.fragment = 0,
        _ => {}
    }
    let mut octets = frame.octets();
    let mut is_frame_whole = false;
    match spoil {
        // VLAN tags: 802.1Q, 802.1ad, both.
        15 => drop(octets.splice(12..12, [0x81, 0x00, 0x00, 0x05])),
        16 => drop(octets.splice(12..12, [0x88, 0xa8, 0x20, 0x05])),
        17 => drop(octets.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6])),
        // Octets behind the packet, which the kernel cuts off.
        18 => octets.extend(vec![0; 1 + chance.below(20) as usize]),
        19 => octets.truncate(octets.len() - 1 - chance.below(20) as usize),
        // To a group, to another host, from a group.
        20 => octets[..6].copy_from_slice(&[0xff; 6]),
        21 => octets[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]),
        22 => octets[5] ^= 1,
        23 => octets[6] |= 1,
        // IP lengths that do not agree with the frame, a wrong IP checksum, another
        // protocol or version.
        24 => octets[if is_v6 { 19 } else { 17 }] ^= 4,
        25 if !is_v6 => octets[24] ^= 0x10,
        26 => octets[if is_v6 { 20 } else { 23 }] = 6,
        27 => octets[14] ^= 0x10,
        28 => octets[if is_v6 { 59 } else { 39 }] ^= 4,
        // Extension headers of IPv6: hop by hop, routing, fragment.
        29 if is_v6 => {
            octets[20] = chance.one_of(&[0, 43, 44]);
            octets[19] += 8;
            octets.splice(54..54, [17, 0, 0, 0, 0, 0, 0, 0]);
        }
        30 => octets[12] ^= 0x86,
        _ => is_frame_whole = true,
    }
    if !is_frame_whole {
        (is_plain, is_delivered) = (false, false);
    }
    Asked {
        frame: octets,
        delivered: is_delivered.then(|| (frame.from, frame.payload.clone())),
        is_plain,
    }
}

/// What a service makes of a datagram; the reply if there is one.
pub fn served(
    service: &mut Service,
    from: SocketAddr,
    payload: &[u8],
) -> Result<Vec<u8>, DropReason> {
    let datagram = Datagram {
        payload,
        is_truncated: false,
        peer: from,
        local: None,
        arrived: None,
    };
    let mut reply = [0; 4096];
    let now = service.now();
    match service
        .serve(&datagram, now, Delta::ZERO, &mut reply)
        .outcome
    {
        Outcome::Reply { len } => Ok(reply[..len].to_vec()),
        Outcome::Drop(reason) => Err(reason),
    }
}

/// The reply without what tells the moment, which is checked against two moments
/// that it lies between, and with that the order of its timestamps.
#[track_caller]
fn without_moment(reply: &[u8], earliest: Timestamp, latest: Timestamp) -> Vec<u8> {
    let header = Header::decode(reply.first_chunk().expect("48 octets"));
    let slack = Delta::from_nanos(60); // random bits below 2^-25 s, both ways
    for timestamp in [header.receive_timestamp, header.transmit_timestamp] {
        let time = timestamp.near(earliest);
        let is_between = earliest - slack <= time && time <= latest + slack;
        assert!(is_between, "{earliest:?} {time:?} {latest:?}");
    }
    let between = header.transmit_timestamp.since(header.receive_timestamp);
    assert!(between >= Delta::ZERO);
    let blank = Header {
        receive_timestamp: NtpTimestamp::ZERO,
        transmit_timestamp: NtpTimestamp::ZERO,
        ..header
    };
    [&blank.encode()[..], &reply[48..]].concat()
}

/// Checks that a frame is the answer to another one, as the kernel would send it.
#[track_caller]
fn assert_is_answer(asked: &[u8], answer: &[u8]) {
    assert_eq!(answer.len(), asked.len());
    assert_eq!(answer[..6], asked[6..12]);
    assert_eq!(answer[6..12], asked[..6]);
    assert_eq!(answer[12..14], asked[12..14]);
    if answer[12] == 0x08 {
        assert_eq!(answer[14..24], [0x45, 0, 0, 76, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(folded(&answer[14..34]), 0xffff, "the IP checksum");
        assert_eq!(answer[26..30], asked[30..34]);
        assert_eq!(answer[30..34], asked[26..30]);
        assert_udp(&answer[26..34], &asked[34..], &answer[34..]);
    } else {
        assert_eq!(answer[14..22], [0x60, 0, 0, 0, 0, 56, 17, 64]);
        assert_eq!(answer[22..38], asked[38..54]);
        assert_eq!(answer[38..54], asked[22..38]);
        assert_udp(&answer[22..54], &asked[54..], &answer[54..]);
    }
}

#[track_caller]
fn assert_udp(addresses: &[u8], asked: &[u8], answer: &[u8]) {
    assert_eq!(answer[..2], asked[2..4]);
    assert_eq!(answer[2..4], asked[..2]);
    assert_eq!(answer[4..6], [0, 56]);
    assert_ne!(answer[6..8], [0, 0], "the checksum is there");
    let whole = [addresses, &[0, 17, 0, 56], answer].concat();
    assert_eq!(folded(&whole), 0xffff, "the UDP checksum");
}

/// What was seen in a run.
#[derive(Debug, Default)]
struct Seen {
    replies: u64,
    kisses: u64,
    denied: u64,
    limited: u64,
    passed: u64,
}

fn run(seed: u64, count: usize, on_deny: OnDeny, leak: Share, kiss: Share) -> Seen {
    let now = OsClock.now();
    let forecast = Forecast {
        now: stretch(now),
        next: None,
    };
    let source = source(forecast);
    let clients = Clients::new(CLIENTS).unwrap();
    let shared = Limiter::on(RATE, clients.memory(), KEY);
    let own = Limiter::new(RATE, CLIENTS, KEY);
    let admission =
        |limiter| Admission::for_checked_requests().with_gate(gate(on_deny, limiter, leak, kiss));
    let behind_admission = admission(shared);
    let ntp = Ntp::default();
    let service = |admission| Service::new(Arc::new(Ntp::default()), source.clone(), admission);
    let mut behind = service(behind_admission.clone());
    let mut alone = service(admission(own));
    let mut chance = Chance(seed);
    let mut accelerator = Accelerator::load(interface(), &clients).unwrap();
    let listener = |address: &str| {
        Some(Listener {
            address: address.parse().unwrap(),
            ntp,
            source: &source,
            admission: &behind_admission,
        })
    };
    let listeners = [listener(SERVER), listener(SERVER_V6)];
    let outcomes = accelerator.serve(&listeners, now, || chance.next());
    assert_eq!(outcomes, [Some(Ok(())), Some(Ok(()))]);
    let mut seen = Seen::default();
    for number in 0..count {
        let asked = ask(&mut chance);
        let mut room = vec![0; asked.frame.len() + 64];
        let (before, run, after) = loop {
            let before = OsClock.now();
            accelerator.feed(before);
            let run = accelerator.test_run(&asked.frame, 1, &mut room).unwrap();
            let after = OsClock.now();
            // A machine that stands still for half a second in between makes it pass on
            // everything, which changes nothing.
            let is_fed = after.monotonic - before.monotonic < VALID;
            if is_fed || run.returned != XDP_PASS {
                break (before, run, after);
            }
        };
        let answer = &room[..run.len];
        let told = |at: HostInstant| forecast.read(at.monotonic).time;
        // As a server without the program has it.
        let expected = asked
            .delivered
            .as_ref()
            .map(|(from, payload)| served(&mut alone, *from, payload));
        let expected_after = OsClock.now();
        let what = format!("seed {seed}, request {number}: {:x?}", asked.frame);
        match run.returned {
            XDP_TX => {
                assert!(asked.is_plain, "{what}");
                assert_is_answer(&asked.frame, answer);
                let reply = &answer[answer.len() - 48..];
                let reply = without_moment(reply, told(before), told(after));
                let expected = expected.expect("delivered").expect("a reply");
                let expected = without_moment(&expected, told(before), told(expected_after));
                assert_eq!(reply, expected, "{what}");
                if reply[1] == 0 {
                    seen.kisses += 1;
                } else {
                    seen.replies += 1;
                }
            }
            XDP_DROP => {
                assert!(asked.is_plain, "{what}");
                match expected.expect("delivered").expect_err("no reply") {
                    DropReason::Denied => seen.denied += 1,
                    DropReason::RateLimited => seen.limited += 1,
                    other => panic!("{other:?}: {what}"),
                }
            }
            XDP_PASS => {
                assert_eq!(answer, asked.frame, "what is passed on is as it came");
                seen.passed += 1;
                let Some((from, payload)) = &asked.delivered else {
                    continue;
                };
                let reply = served(&mut behind, *from, payload);
                // A plain request is passed on for one reason only.
                let is_denied = reply.as_ref().is_ok_and(|it| it[12..16] == *b"DENY")
                    || reply == Err(DropReason::Denied);
                assert!(
                    !asked.is_plain || (is_denied && on_deny == OnDeny::Kiss),
                    "{what}"
                );
                let now = OsClock.now();
                let blank = |reply: Result<Vec<u8>, DropReason>| {
                    reply.map(|reply| without_moment(&reply, told(before), told(now)))
                };
                assert_eq!(blank(reply), blank(expected.expect("delivered")), "{what}");
            }
            other => panic!("{other}: {what}"),
        }
    }
    let counts = [0, 1].map(|place| accelerator.counts(place));
    let sum = |of: fn(&timeball::xdp::Counts) -> u64| counts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|it| it.replies), seen.replies);
    assert_eq!(sum(|it| it.kisses), seen.kisses);
    assert_eq!(sum(|it| it.denied), seen.denied);
    assert_eq!(sum(|it| it.rate_limited), seen.limited);
    assert!(counts.iter().all(|it| it.replies > 0), "{counts:?}");
    seen
}

#[test]
fn ten_thousand_requests_get_the_same_answers_as_from_the_sockets() {
    let seen = run(1, 10_000, OnDeny::Silent, NONE, NONE);
    assert!(seen.replies > 500, "{seen:?}");
    assert!(seen.denied > 1_000, "{seen:?}");
    assert!(seen.limited > 500, "{seen:?}");
    assert!(seen.passed > 2_000, "{seen:?}");
}

#[test]
fn what_is_too_much_leaks_as_from_the_sockets() {
    let seen = run(2, 4_000, OnDeny::Silent, ALL, NONE);
    assert!(seen.replies > 800 && seen.limited == 0, "{seen:?}");
}

#[test]
fn what_is_too_much_gets_the_same_kiss_as_from_the_sockets() {
    let seen = run(3, 4_000, OnDeny::Silent, NONE, ALL);
    assert!(seen.kisses > 300 && seen.limited == 0, "{seen:?}");
}

#[test]
fn a_kiss_for_those_who_are_not_let_in_comes_from_the_socket() {
    let seen = run(4, 4_000, OnDeny::Kiss, NONE, NONE);
    assert!(seen.denied == 0 && seen.replies > 300, "{seen:?}");
}

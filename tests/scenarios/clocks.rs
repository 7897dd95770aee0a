//! The clocks that come of a scenario, in virtual time.

use super::{accepted, seconds};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use timeball::api::{
    Delta, HostClock, HostInstant, LeapIndicator, Monotonic, Reading, ReferenceId, Timestamp,
};
use timeball::protocol::DaytimeFormat;
use timeball::scenario::Scenario;
use timeball::settings::ProtocolSettings;
use timeball_mock::{Base, MockClock, Ratio, Starts};

/// A host whose clocks a test moves, in nanoseconds since 1970.
pub(super) struct Moved(AtomicI64);

impl Moved {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl HostClock for Moved {
    fn now(&self) -> HostInstant {
        let nanos = self.0.load(Ordering::Relaxed);
        HostInstant {
            realtime: Timestamp::from_nanos(nanos),
            monotonic: Monotonic::from_nanos(nanos),
            request: None,
        }
    }
}

/// The host, and its clock as a scenario takes it.
pub(super) fn host() -> (Arc<Moved>, Arc<dyn HostClock>) {
    let hand = Arc::new(Moved(AtomicI64::new(1_000_000_000)));
    (Arc::clone(&hand), hand)
}

/// What the clock says to a request that is answered.
fn served(clock: &MockClock) -> Reading {
    let source = clock.source();
    let reading = source.time.read(source.clock.now()).unwrap();
    source.clock.replied();
    reading
}

#[test]
fn the_leap_second_of_2016_happens() {
    let (hand, host) = host();
    let clock = &Scenario::builtin("leap-2016").unwrap().clocks(&host)[0];
    let mut seen = Vec::new();
    for _ in 0..14 {
        let Reading { time, quality } = served(clock);
        seen.push((
            time - seconds("2016-12-31T23:59:50Z"),
            quality.leap_indicator,
        ));
        hand.advance(1);
    }
    let expected: Vec<(Delta, LeapIndicator)> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12]
        .into_iter()
        .map(|second| {
            let leap_indicator = match second {
                0..10 => LeapIndicator::InsertSecond,
                _ => LeapIndicator::None,
            };
            (Delta::from_seconds(second), leap_indicator)
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn endpoints_share_the_common_clock_and_own_theirs() {
    let scenario = accepted(
        r#"
        [time]
        base = "per-request"
        [clock]
        stratum = 2
        [[endpoints]]
        name = "a"
        [[endpoints]]
        name = "own"
        [endpoints.clock]
        stratum = 3
        [[endpoints]]
        name = "b"
        "#,
    );
    let [a, own, b] = scenario.clocks(&host().1).try_into().unwrap();
    assert_eq!(served(&a).quality.stratum, 2);
    assert_eq!((a.served(), own.served(), b.served()), (1, 0, 1));
    assert_eq!(served(&own).quality.stratum, 3);
    assert_eq!(b.now() - own.now(), Delta::ZERO);
    assert_eq!(
        served(&b).time - scenario.time.start,
        Delta::from_seconds(1)
    );
    assert_eq!(a.served(), 2);
}

#[test]
fn the_first_request_of_any_endpoint_starts_the_time_of_all() {
    let scenario = accepted(
        r#"
        [[endpoints]]
        name = "good"
        [[endpoints]]
        name = "false"
        [[endpoints.clock.events]]
        step = "10s"
        "#,
    );
    let (hand, host) = host();
    let [good, falseticker] = scenario.clocks(&host).try_into().unwrap();
    hand.advance(5);
    assert_eq!(served(&good).time, scenario.time.start);
    hand.advance(2);
    // Its own first request comes two seconds late, and it is still ten off.
    assert_eq!(
        served(&falseticker).time - scenario.time.start,
        Delta::from_seconds(12)
    );
    assert_eq!(
        served(&good).time - scenario.time.start,
        Delta::from_seconds(2)
    );
}

#[test]
fn clocks_that_start_together_know_when_a_request_arrived() {
    let scenario =
        accepted("[[endpoints]]\nname = \"a\"\n[[endpoints]]\nname = \"b\"\n[endpoints.clock]");
    let (hand, host) = host();
    let [first, second] = scenario.clocks(&host).try_into().unwrap();
    hand.advance(5);
    served(&first);
    hand.advance(3);
    let source = second.source();
    // One that had waited since before the start came with it.
    for (waited, elapsed) in [(0, 3), (1, 2), (3, 0), (4, 0)] {
        let now = source.clock.now();
        let stamp = now.realtime - Delta::from_seconds(waited);
        let arrived = source.clock.arrival(stamp, now);
        let told = source.time.read(arrived).unwrap().time;
        assert_eq!(
            told - scenario.time.start,
            Delta::from_seconds(elapsed),
            "{waited}"
        );
    }
}

#[test]
fn a_seed_decides_the_noise_and_each_clock_has_its_own() {
    let text = r#"
        [time]
        base = "manual"
        [clock]
        events = [{ wander = { white_phase = "1ms" } }]
        [[endpoints]]
        name = "a"
        [[endpoints]]
        name = "b"
        [endpoints.clock]
        events = [{ wander = { white_phase = "1ms" } }]
        "#;
    let first = |seed: u64| -> Vec<Timestamp> {
        let mut scenario = accepted(text);
        scenario.seed = seed;
        scenario
            .clocks(&host().1)
            .iter()
            .map(MockClock::now)
            .collect()
    };
    assert_eq!(first(7), first(7));
    assert_ne!(first(7)[0], first(8)[0]);
    assert_ne!(first(7)[0], first(7)[1]);
}

#[test]
fn what_the_file_leaves_out_has_its_default() {
    let scenario = accepted("");
    assert_eq!(scenario.seed, 1);
    assert_eq!((scenario.duration, scenario.requests), (None, None));
    assert_eq!(scenario.time.start, seconds("2030-01-01T00:00:00Z"));
    assert_eq!(
        scenario.time.base,
        Base::Wall {
            rate: Ratio::ONE,
            starts: Starts::FirstRequest
        }
    );
    let [endpoint] = scenario.endpoints.as_slice() else {
        panic!("{:?}", scenario.endpoints);
    };
    assert_eq!(endpoint.name, "ntp");
    assert_eq!(endpoint.address, "127.0.0.1:0".parse().unwrap());
    assert_eq!(endpoint.protocol, ProtocolSettings::Ntp(Default::default()));
    assert_eq!(endpoint.clock.events, []);
    assert_eq!(endpoint.clock.quality.reference_id, ReferenceId::TEST);
    assert_eq!(endpoint.upstream, None);
}

#[test]
fn protocols_have_the_settings_of_the_settings_file() {
    let scenario = accepted(
        r#"
        [[endpoints]]
        protocol = "text"
        format = "%H"
        timezone = "Asia/Tokyo"
        [[endpoints]]
        protocol = "daytime"
        format = "smtp"
        [[endpoints]]
        protocol = "time"
        upstream = "[2001:db8::1]:3737"
        [[endpoints]]
        name = "other-ntp"
        unsynchronised = "silent"
        crypto_nak = true
        upstream = "time.example.net"
        "#,
    );
    let protocols: Vec<&ProtocolSettings> =
        scenario.endpoints.iter().map(|it| &it.protocol).collect();
    assert_eq!(
        *protocols[0],
        ProtocolSettings::Text {
            format: "%H".to_owned(),
            timezone: chrono_tz::Asia::Tokyo
        }
    );
    // Not that of the host, so that the bytes are the same everywhere.
    assert_eq!(
        *protocols[1],
        ProtocolSettings::Daytime {
            format: DaytimeFormat::Smtp,
            timezone: chrono_tz::UTC
        }
    );
    let ProtocolSettings::Ntp(ntp) = protocols[3] else {
        panic!("{protocols:?}");
    };
    assert!(ntp.crypto_nak);
    let upstreams: Vec<Option<String>> = scenario
        .endpoints
        .iter()
        .map(|endpoint| endpoint.upstream.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(upstreams[2].as_deref(), Some("[2001:db8::1]:3737"));
    assert_eq!(upstreams[3].as_deref(), Some("time.example.net:123"));
}

//! What the parts cost, without a socket: codecs, sources, admission, one
//! request through the service, and a batch through the actors.
//!
//!     cargo bench --bench micro
//!
//! Divide a batch's figure by 64 for one datagram. For what a reply costs in
//! all, kernel included, see docs/performance.md.

use divan::{Bencher, black_box};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use timeball::admission::ceiling::Ceiling;
use timeball::admission::limiter::{Limiter, Rate};
use timeball::admission::networks::{Networks, PRIVATE};
use timeball::admission::{Admission, Gate, Limits, OnDeny, OnRate, Share};
use timeball::api::conformance::exchange_at;
use timeball::api::{
    Datagram, Delta, HostClock, Monotonic, NtpTimestamp, Outcome, Protocol, Source, Timestamp,
};
use timeball::host::{OsClock, this_host};
use timeball::metrics::{Counters, Sampler};
use timeball::protocol::calendar::CalendarFormat;
use timeball::protocol::daytime::{Daytime, DaytimeFormat};
use timeball::protocol::ntp::{Header, Ntp};
use timeball::protocol::text::{DEFAULT_FORMAT, Text};
use timeball::protocol::time::Time;
use timeball::scenario::Scenario;
use timeball::service::Service;
use timeball::simulate::{Received, Request, Simulation, VirtualClient};
use timeball::transport::memory::MemoryNetwork;
use timeball::{Server, Settings};

fn main() {
    divan::main();
}

const NOON: Timestamp = Timestamp::from_unix_seconds(1_798_718_400);

fn ntp_request() -> [u8; 48] {
    let mut request = [0; 48];
    request[0] = 0x23;
    request[40..].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
    request
}

fn protocols() -> Vec<(&'static str, Box<dyn Protocol>, Vec<u8>)> {
    let text = CalendarFormat::new(DEFAULT_FORMAT, chrono_tz::Europe::Paris).expect("a format");
    let daytime = Daytime::new(DaytimeFormat::Rfc867, chrono_tz::Europe::Paris).expect("a format");
    vec![
        ("ntp", Box::new(Ntp::default()), ntp_request().to_vec()),
        ("text", Box::new(Text::new(text)), b"Send time".to_vec()),
        ("daytime", Box::new(daytime), Vec::new()),
        ("time", Box::new(Time), Vec::new()),
    ]
}

#[divan::bench(args = ["ntp", "text", "daytime", "time"])]
fn codec(bencher: Bencher<'_, '_>, name: &str) {
    let (_, protocol, request) = protocols()
        .into_iter()
        .find(|(known, ..)| *known == name)
        .expect("it is in the list");
    let exchange = exchange_at(NOON);
    let mut reply = [0; 514];
    bencher.bench_local(|| protocol.respond(black_box(&request), black_box(&exchange), &mut reply));
}

#[divan::bench]
fn header_decode_and_encode(bencher: Bencher<'_, '_>) {
    let request = ntp_request();
    bencher.bench_local(|| Header::decode(black_box(&request)).encode());
}

#[divan::bench]
fn ntp_timestamp_from_time() -> NtpTimestamp {
    NtpTimestamp::from(black_box(NOON))
}

#[divan::bench]
fn clock_now(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| OsClock.now());
}

#[divan::bench]
fn clock_again(bencher: Bencher<'_, '_>) {
    let mut base = OsClock.now();
    bencher.bench_local(|| {
        base = OsClock.again(base);
        base
    });
}

/// A source of this kind with its defaults.
fn source(kind: &str) -> Source {
    let settings = Settings::from_toml(&format!(
        "listeners = [{{ protocol = 'time', address = '127.0.0.1:0', source = 'it' }}]
         sources.it.kind = '{kind}'"
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    let it = &settings.sources["it"];
    let built = timeball::sources::build(it.kind, &it.values, &this_host());
    built
        .unwrap_or_else(|problem| panic!("{problem:?}"))
        .built
        .source
}

#[divan::bench(args = ["system", "monotonic-offset", "mock"])]
fn source_read(bencher: Bencher<'_, '_>, kind: &str) {
    let source = source(kind);
    let now = source.clock.now();
    bencher.bench_local(|| source.time.read(black_box(now)));
}

/// What a listener asks of every request, by its port alone, with the lists, and
/// with the table of clients too, each request from another of a million.
#[divan::bench(args = ["ports", "lists", "clients"])]
fn admission(bencher: Bencher<'_, '_>, asked: &str) {
    let mut admission = Admission::for_checked_requests();
    let own: Vec<_> = PRIVATE
        .split(", ")
        .map(|net| net.parse().unwrap())
        .collect();
    let limits = || Limits {
        limiter: Limiter::new(Rate::default(), 65_536, (1, 2)),
        on_rate: OnRate {
            leak: Share::of_millionths(250_000),
            kiss: Share::of_millionths(250_000),
            poll: 3,
            spares_loopback: true,
        },
        ceiling: Ceiling::new(10_000),
    };
    if asked != "ports" {
        admission = admission.with_gate(Gate {
            networks: Arc::new(Networks::new(&own, &[])),
            on_deny: OnDeny::Silent,
            limits: (asked == "clients").then(limits).map(Arc::new),
            limits_clients: true,
        });
    }
    let (mut client, mut now) = (0_u32, Monotonic::from_nanos(1 << 40));
    bencher.bench_local(|| {
        client = client.wrapping_add(7_919) % 1_000_000;
        now = now + Delta::from_nanos(1_000);
        let peer = SocketAddr::from(((0x0a00_0000_u32 | client).to_be_bytes(), 40_000));
        admission.admit(black_box(peer), now, || client)
    });
}

/// What counting costs a request: its outcome, its latency, and its client, one of
/// a million, which is looked at where it comes alone and now and then in a batch.
#[divan::bench(args = ["outcome", "latency", "client alone", "client in a batch"])]
fn counting(bencher: Bencher<'_, '_>, what: &str) {
    let (counters, mut sampler) = (Counters::default(), Sampler::new(7));
    match what {
        "outcome" => bencher.bench_local(|| counters.record(black_box(Outcome::Reply { len: 48 }))),
        "latency" => {
            bencher.bench_local(|| counters.record_latency(black_box(Delta::from_nanos(9_876))));
        }
        _ => {
            let (mut client, is_alone) = (0_u32, what == "client alone");
            bencher.bench_local(|| {
                client = client.wrapping_add(7_919) % 1_000_000;
                let weight = sampler.weight(black_box(is_alone));
                if weight > 0 {
                    counters.record_client(Ipv4Addr::from_bits(client).into(), weight);
                }
            });
        }
    }
}

#[divan::bench]
fn service_of_one_ntp_request(bencher: Bencher<'_, '_>) {
    let admission = Admission::for_checked_requests();
    let mut service = Service::new(Arc::new(Ntp::default()), source("system"), admission);
    let request = ntp_request();
    let now = service.now();
    let datagram = Datagram {
        payload: &request,
        is_truncated: false,
        peer: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        local: None,
        arrived: Some(now.realtime),
    };
    let mut reply = [0; 64];
    bencher.bench_local(|| {
        let now = service.again(now);
        service.serve(black_box(&datagram), now, Delta::ZERO, &mut reply)
    });
}

#[divan::bench]
fn batch_of_64_through_the_actors(bencher: Bencher<'_, '_>) {
    let settings = Settings::from_toml(
        "threads = 1
         max_queue_delay = 0
         listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'it' }]
         sources.it.kind = 'monotonic-offset'",
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let network = MemoryNetwork::new();
    let given = network.clone();
    let server = Server::new(settings)
        .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let request = ntp_request();
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    bencher.bench_local(|| {
        for _ in 0..64 {
            network.ask(peer, &request, None);
        }
        for _ in 0..64 {
            assert!(
                network.reply(Duration::from_secs(5)).is_some(),
                "every request is answered"
            );
        }
    });
    drop(server);
}

/// A client that asks each 16 s, and listens to nobody.
struct Poller {
    asked: i64,
}

impl VirtualClient for Poller {
    fn next(&self) -> Option<Delta> {
        Some(Delta::from_seconds(16) * self.asked)
    }

    fn send(&mut self, _: Delta) -> Request {
        self.asked += 1;
        Request {
            endpoint: 0,
            port: 40_000,
            octets: ntp_request().to_vec(),
        }
    }

    fn receive(&mut self, _: &Received<'_>) {}
}

/// A day of 64 clients: 345,600 requests through clock, rules and judge.
#[divan::bench(sample_count = 10)]
fn simulated_day() {
    let scenario = Scenario::from_toml(
        "name = 'day'\ndescription = 'A day with noise, loss and delay'\n\
         [[clock.events]]\nwander = { white_phase = '100us', random_walk_ppm = 1 }\n\
         [[rules]]\nlose = { reply = 0.01 }\ndelay = { request = '5ms', reply = '5ms' }\n\
         [[expect]]\nrequests = { at_most = 4, within = '10s' }\n",
        "day.toml",
    );
    let mut simulation = Simulation::new(scenario.expect("it is right"));
    for client in 0..64 {
        simulation = simulation.client([192, 0, 2, client].into(), Poller { asked: 0 });
    }
    let day = Delta::from_seconds(86_400) - Delta::from_nanos(1);
    let simulated = simulation.run(day).expect("the protocol has no format");
    assert_eq!(simulated.requests, 345_600);
}

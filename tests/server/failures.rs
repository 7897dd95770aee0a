//! What must not end a server: receive errors, panics, hostile datagrams,
//! sources without time.

use crate::support::{PATIENCE, ask, mark_of, ntp_request, settings, wait_for};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use timeball::api::{
    DropReason, HostClock, HostInstant, LeapIndicator, Quality, Reading, Source, TimeSource,
    Unavailable,
};
use timeball::host::OsClock;
use timeball::transport::memory::MemoryNetwork;
use timeball::transport::{Batch, Outbox, SendReport, Transport};
use timeball::{RunningServer, Server};

fn one(protocol: &str, more: &str) -> timeball::Settings {
    settings(&format!(
        "max_queue_delay = 0\nthreads = 1\n[sources.it]\nkind = 'monotonic-offset'\n\
         [[listeners]]\nprotocol = '{protocol}'\naddress = '127.0.0.1:0'\nsource = 'it'\n{more}\n"
    ))
}

/// A server whose one listener has a network in memory.
fn in_memory(protocol: &str) -> (RunningServer, MemoryNetwork) {
    let network = MemoryNetwork::new();
    let given = network.clone();
    let server = Server::new(one(protocol, ""))
        .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
        .start()
        .unwrap();
    (server, network)
}

#[test]
fn each_of_a_deep_batch_is_answered_once_and_in_order() {
    let network = MemoryNetwork::new();
    for mark in 1..=50 {
        network.ask(peer(40_000), &ntp_request(mark), None);
    }
    let given = network.clone();
    let server = Server::new(one("ntp", ""))
        .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
        .start()
        .unwrap();
    for mark in 1..=50 {
        assert_eq!(mark_of(&network.reply(PATIENCE).unwrap().payload), mark);
    }
    let totals = server.stop();
    assert_eq!((totals.received, totals.replied), (50, 50), "{totals}");
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 7], port))
}

#[test]
fn a_listener_outlives_every_receive_error() {
    let (server, network) = in_memory("ntp");
    for number in [
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::ECONNREFUSED,
        libc::EIO,
        libc::EINTR,
        libc::EBADF,
    ] {
        network.fail(io::Error::from_raw_os_error(number));
    }
    network.ask(peer(40_000), &ntp_request(5), None);
    let reply = network
        .reply(PATIENCE)
        .expect("the listener is still there");
    assert_eq!((mark_of(&reply.payload), reply.peer), (5, peer(40_000)));
    let totals = server.stop();
    assert_eq!((totals.receive_errors, totals.replied), (6, 1), "{totals}");
}

#[test]
fn an_error_in_the_middle_of_a_stream_costs_no_datagram() {
    let (server, network) = in_memory("time");
    for number in 0..10 {
        network.ask(peer(40_000 + number), b"", None);
        network.fail(io::ErrorKind::ConnectionReset.into());
    }
    for number in 0..10 {
        assert_eq!(network.reply(PATIENCE).unwrap().peer, peer(40_000 + number));
    }
    assert_eq!(server.stop().replied, 10);
}

/// A network that takes no reply: no room in the send buffer (ENOBUFS), no route.
struct Full(MemoryNetwork);

impl Transport for Full {
    fn poll_recv(&mut self, context: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.0.poll_recv(context, batch)
    }

    fn recv_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        self.0.recv_rest(batch)
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(TakesNothing)
    }
}

struct TakesNothing;

impl Outbox for TakesNothing {
    fn send(&self, batch: &mut Batch) -> SendReport {
        SendReport {
            sent: 0,
            failed: batch.replies(),
        }
    }
}

#[test]
fn replies_that_the_kernel_does_not_take_are_counted_and_not_tried_again() {
    let network = MemoryNetwork::new();
    let given = network.clone();
    let server = Server::new(one("ntp", ""))
        .with_transport(Arc::new(move |_, _| Box::new(Full(given.clone()))))
        .start()
        .unwrap();
    for mark in 1..=1_000 {
        network.ask(peer(40_000), &ntp_request(mark), None);
    }
    wait_for("the last", || {
        (server.totals().send_failed == 1_000).then_some(())
    });
    let totals = server.stop();
    assert_eq!((totals.received, totals.replied), (1_000, 0), "{totals}");
    assert!(network.reply(Duration::ZERO).is_none());
}

#[test]
fn text_daytime_and_time_do_not_answer_ports_at_which_services_answer() {
    for protocol in ["text", "daytime", "time"] {
        let (server, network) = in_memory(protocol);
        let own = server.address(0).port();
        for port in [0, 7, 13, 17, 19, 37, 123, own] {
            network.ask(peer(port), b"Send time", None);
        }
        network.ask(peer(40_000), b"Send time", None);
        let reply = network.reply(PATIENCE).expect("an honest port is answered");
        assert_eq!(reply.peer, peer(40_000), "{protocol}");
        let totals = server.stop();
        assert_eq!(
            totals.dropped_for(DropReason::ReflectionPort { port: 0 }),
            8,
            "{protocol}"
        );
        assert_eq!(totals.replied, 1, "{protocol}");
    }
}

#[test]
fn ntp_answers_port_123_and_its_own_but_no_service_that_answers_anything() {
    let (server, network) = in_memory("ntp");
    for port in [0, 7, 13, 17, 19, 37] {
        network.ask(peer(port), &ntp_request(1), None);
    }
    network.ask(peer(123), &ntp_request(2), None);
    assert_eq!(network.reply(PATIENCE).unwrap().peer, peer(123));
    let totals = server.stop();
    assert_eq!(
        totals.dropped_for(DropReason::ReflectionPort { port: 0 }),
        6,
        "{totals}"
    );
}

#[test]
fn two_servers_never_answer_one_another() {
    // Whatever any of them says is fed to all of them.
    for protocol in ["text", "daytime", "time", "ntp"] {
        let (asked, first) = in_memory(protocol);
        first.ask(peer(40_000), b"Send time", None);
        first.ask(peer(40_000), &ntp_request(3), None);
        let said = first.reply(PATIENCE).unwrap().payload;
        for other in ["text", "ntp"] {
            let (server, second) = in_memory(other);
            second.ask(peer(50_000), &said, None);
            second.ask(peer(50_001), b"Send time", None);
            second.ask(peer(50_001), &ntp_request(4), None);
            let reply = second.reply(PATIENCE).unwrap();
            assert_eq!(
                reply.peer,
                peer(50_001),
                "{other} answered what {protocol} said"
            );
            drop(server);
        }
        drop(asked);
    }
}

/// Panics whenever it is asked about an even number of requests.
struct Explosive(std::sync::atomic::AtomicU64);

impl TimeSource for Explosive {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(count != 0, "this panic is part of the test");
        Ok(Reading {
            time: at.realtime,
            quality: Quality::default(),
        })
    }
}

#[test]
fn a_panic_in_a_handler_costs_one_datagram_and_is_counted() {
    for more in ["", "responder_threads = 1"] {
        let source = Source::new(Explosive(0.into()), Arc::new(OsClock));
        let server = Server::new(one("ntp", more))
            .with_source("it", source)
            .start()
            .unwrap();
        let client = crate::support::client_of(server.address(0));
        for mark in 1..=3 {
            client
                .send_to(&ntp_request(mark), server.address(0))
                .unwrap();
        }
        for mark in 2..=3 {
            assert_eq!(mark_of(&crate::support::receive(&client).0), mark, "{more}");
        }
        let totals = server.stop();
        assert_eq!(
            (totals.dropped_for(DropReason::Panic), totals.replied),
            (1, 2),
            "{totals}"
        );
    }
}

/// A clock that panics the first time it is read.
struct ExplosiveClock(std::sync::atomic::AtomicBool);

impl HostClock for ExplosiveClock {
    fn now(&self) -> HostInstant {
        let is_first = !self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!is_first, "this panic is part of the test");
        OsClock.now()
    }
}

#[test]
fn a_panic_of_a_clock_costs_its_batch_and_not_the_responder() {
    let clock = Arc::new(ExplosiveClock(false.into()));
    let source = Source::new(Says(Ok(Quality::default())), clock);
    let server = Server::new(one("ntp", "")).with_source("it", source);
    let server = server.start().unwrap();
    let client = crate::support::client_of(server.address(0));
    client.send_to(&ntp_request(1), server.address(0)).unwrap();
    wait_for("the panic", || {
        (server.totals().dropped_for(DropReason::Panic) > 0).then_some(())
    });
    assert_eq!(mark_of(&ask(server.address(0), &ntp_request(2))), 2);
    assert_eq!(server.stop().replied, 1);
}

/// A source that says what the test has it say.
struct Says(Result<Quality, Unavailable>);

impl TimeSource for Says {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        self.0.map(|quality| Reading {
            time: at.realtime,
            quality,
        })
    }
}

fn totals_of_one_request(
    protocol: &str,
    says: Result<Quality, Unavailable>,
) -> timeball::metrics::Totals {
    let network = MemoryNetwork::new();
    let given = network.clone();
    let server = Server::new(one(protocol, ""))
        .with_source("it", Source::new(Says(says), Arc::new(OsClock)))
        .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
        .start()
        .unwrap();
    let request: &[u8] = if protocol == "ntp" {
        &ntp_request(1)
    } else {
        b"Send time"
    };
    network.ask(peer(40_000), request, None);
    // A stop answers what has been received.
    server.stop()
}

#[test]
fn a_source_without_time_is_silence_in_every_protocol() {
    for protocol in ["text", "daytime", "time", "ntp"] {
        let totals = totals_of_one_request(protocol, Err(Unavailable("a test")));
        assert_eq!(
            totals.dropped_for(DropReason::Unavailable),
            1,
            "{protocol}: {totals}"
        );
        assert_eq!(totals.replied, 0, "{protocol}");
    }
}

#[test]
fn an_unsynchronised_source_is_silence_where_the_protocol_cannot_say_so() {
    let quality = Quality {
        leap_indicator: LeapIndicator::Unsynchronised,
        ..Quality::default()
    };
    for protocol in ["text", "daytime", "time"] {
        let totals = totals_of_one_request(protocol, Ok(quality));
        assert_eq!(
            totals.dropped_for(DropReason::Unsynchronised),
            1,
            "{protocol}: {totals}"
        );
    }
    assert_eq!(totals_of_one_request("ntp", Ok(quality)).replied, 1);
}

#[test]
fn datagrams_of_every_length_cost_a_counter_and_nothing_else() {
    let server = Server::new(one("text", "")).start().unwrap();
    let client = crate::support::client_of(server.address(0));
    for len in [0, 1, 47, 48, 255, 256, 257, 1_472, 9_000, 65_507] {
        client.send_to(&vec![b'x'; len], server.address(0)).unwrap();
    }
    assert_eq!(ask(server.address(0), b"Send time").len(), 26);
    let totals = server.stop();
    assert_eq!((totals.received, totals.replied), (11, 1), "{totals}");
    assert_eq!(totals.dropped_for(DropReason::Truncated), 4, "{totals}");
}

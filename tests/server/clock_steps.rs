//! The host's clock is stepped while the server serves.

use crate::support::{PATIENCE, ntp_header, ntp_request, settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use timeball::api::{
    Delta, DropReason, Host, HostClock, HostInstant, Monotonic, NtpTimestamp, Timestamp,
};
use timeball::host::this_host;
use timeball::transport::memory::MemoryNetwork;
use timeball::{RunningServer, Server};

/// A host whose clocks stand still until a test moves them.
#[derive(Default)]
struct Clocks {
    elapsed: AtomicI64,
    stepped: AtomicI64,
}

impl Clocks {
    fn passes(&self, span: Delta) {
        self.elapsed.fetch_add(span.as_nanos(), Ordering::SeqCst);
    }

    fn steps(&self, by: Delta) {
        self.stepped.fetch_add(by.as_nanos(), Ordering::SeqCst);
    }
}

/// When the host's clock starts.
const START: Timestamp = Timestamp::from_unix_seconds(1_900_000_000);

impl HostClock for Clocks {
    fn now(&self) -> HostInstant {
        let elapsed = self.elapsed.load(Ordering::SeqCst);
        let stepped = self.stepped.load(Ordering::SeqCst);
        HostInstant {
            realtime: START + Delta::from_nanos(elapsed + stepped),
            monotonic: Monotonic::from_nanos(1_000_000_000 + elapsed),
            request: None,
        }
    }
}

/// A server whose clocks and network a test has in its hands.
struct Bench {
    clocks: Arc<Clocks>,
    network: MemoryNetwork,
    server: RunningServer,
}

impl Bench {
    fn new(kind: &str) -> Self {
        let clocks = Arc::new(Clocks::default());
        let network = MemoryNetwork::new();
        let given = network.clone();
        let settings = settings(&format!(
            "threads = 1\nmax_queue_delay = '50ms'\nsources.it.kind = '{kind}'\n[[listeners]]\n\
             protocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n"
        ));
        let host = Host {
            clock: clocks.clone(),
            ..this_host()
        };
        let server = Server::new(settings)
            .with_host(host)
            .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            clocks,
            network,
            server,
        }
    }

    /// A request that the kernel stamps with `stamp`; what it is told.
    fn asks(&self, stamp: Timestamp) -> NtpTimestamp {
        let peer = SocketAddr::from(([127, 0, 0, 7], 40_000));
        self.network.ask(peer, &ntp_request(1), Some(stamp));
        let reply = self.network.reply(PATIENCE).expect("it is answered");
        ntp_header(&reply.payload).transmit_timestamp
    }
}

/// To 100 µs: a transmit timestamp allows for the sending, and these clocks stand still.
#[track_caller]
fn assert_tells(told: NtpTimestamp, expected: Timestamp) {
    let off = told.since(expected.into());
    assert!(off.as_nanos().abs() < 100_000, "{off:?}");
}

#[test]
fn a_step_reaches_the_clients_of_the_system_clock_and_not_those_of_the_monotonic_one() {
    let day = Delta::from_seconds(86_400);
    for (kind, follows) in [("system", true), ("monotonic-offset", false)] {
        let bench = Bench::new(kind);
        let start = bench.asks(bench.clocks.now().realtime);
        assert_tells(start, START);
        let (mut stepped, mut elapsed) = (Delta::ZERO, Delta::ZERO);
        for by in [
            day,
            Delta::ZERO - day,
            Delta::ZERO - day,
            Delta::from_millis(5),
        ] {
            bench.clocks.steps(by);
            bench.clocks.passes(Delta::from_seconds(2));
            stepped = stepped + by;
            elapsed = elapsed + Delta::from_seconds(2);
            let told = bench.asks(bench.clocks.now().realtime);
            let shown = if follows { stepped } else { Delta::ZERO };
            assert_tells(told, START + elapsed + shown);
        }
        assert_eq!(bench.server.stop().replied, 5);
    }
}

#[test]
fn what_waited_while_the_clock_was_stepped_is_late_or_just_came_and_the_next_is_as_ever() {
    let bench = Bench::new("monotonic-offset");
    // Stamped before the clock was put back: it seems to come from the future.
    let stamp = bench.clocks.now().realtime;
    bench.clocks.steps(Delta::from_seconds(-3_600));
    assert_tells(bench.asks(stamp), START);

    // Before it was put on: it seems to have waited for two hours.
    let stamp = bench.clocks.now().realtime;
    bench.clocks.steps(Delta::from_seconds(7_200));
    let peer = SocketAddr::from(([127, 0, 0, 7], 40_000));
    bench.network.ask(peer, &ntp_request(1), Some(stamp));
    assert_tells(bench.asks(bench.clocks.now().realtime), START);
    let totals = bench.server.stop();
    assert_eq!((totals.received, totals.replied), (3, 2), "{totals}");
    assert_eq!(totals.dropped_for(DropReason::Late), 1, "{totals}");
}

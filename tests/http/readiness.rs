//! Whether the server is alive, and whether clients should be sent to it.

use super::{HONEST, http, metrics, sample, status};
use crate::support::gate::Gate;
use crate::support::web::get;
use crate::support::{ask, ntp_request, serve, settings, wait_for};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use timeball::Server;
use timeball::admission::limiter::LimiterState;
use timeball::api::{HostClock, HostInstant, Quality, Reading, Source, TimeSource, Unavailable};
use timeball::host::OsClock;
use timeball::http::{BoundHttp, Observed, ObservedListener, ObservedSource};
use timeball::server::{ReloadError, Reloaded};
use tokio::sync::oneshot;

/// The status code of `path`, and the JSON.
fn told(http: SocketAddr, path: &str) -> (u16, Value) {
    let reply = get(http, path);
    (reply.status, reply.json())
}

const READY: &str = r#"{"ready": true, "reasons": [], "hints": []}"#;
const HEALTHY: &str = r#"{"healthy": true, "reasons": []}"#;

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_server_that_serves_is_ready_and_healthy() {
    let server = serve(HONEST);
    assert_eq!(told(http(&server), "/readyz"), (200, value(READY)));
    assert_eq!(told(http(&server), "/healthz"), (200, value(HEALTHY)));
    assert_eq!(sample(&metrics(&server), "timeball_ready", &[]), 1.0);
}

/// Has time, has none, or panics, as the test wants.
#[derive(Default)]
struct Fickle {
    is_gone: AtomicBool,
    panics: AtomicBool,
}

struct Given(Arc<Fickle>);

impl TimeSource for Given {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        assert!(!self.0.panics.load(Ordering::Relaxed), "part of the test");
        if self.0.is_gone.load(Ordering::Relaxed) {
            return Err(Unavailable("no fix"));
        }
        let (time, quality) = (at.realtime, Quality::default());
        Ok(Reading { time, quality })
    }
}

#[test]
fn without_a_reading_of_every_source_a_server_is_not_ready_and_still_healthy() {
    let fickle = Arc::<Fickle>::default();
    let source = Source::new(Given(Arc::clone(&fickle)), Arc::new(OsClock));
    let server = Server::new(settings(HONEST)).with_source("wall", source);
    let server = server.start().unwrap();
    let is_told = |reason: &str| {
        let unready = json!({"ready": false, "reasons": [reason], "hints": []});
        assert_eq!(told(http(&server), "/readyz"), (503, unready.clone()));
        assert_eq!(told(http(&server), "/healthz"), (200, value(HEALTHY)));
        let status = status(&server);
        assert_eq!(status["readiness"], unready);
        let expected = json!({
            "name": "wall", "kind": "given", "test_time": false, "available": false,
            "error": reason.strip_prefix("source wall: "),
        });
        assert_eq!(status["sources"], json!([expected]));
        let page = metrics(&server);
        assert_eq!(sample(&page, "timeball_ready", &[]), 0.0);
        let wall = ["source=\"wall\""];
        assert_eq!(sample(&page, "timeball_source_available", &wall), 0.0);
        assert!(!page.contains("timeball_source_stratum{"), "{page}");
    };
    assert_eq!(told(http(&server), "/readyz").0, 200);
    fickle.is_gone.store(true, Ordering::Relaxed);
    is_told("source wall: no fix");
    fickle.panics.store(true, Ordering::Relaxed);
    is_told("source wall: the reading panicked");
    fickle.panics.store(false, Ordering::Relaxed);
    fickle.is_gone.store(false, Ordering::Relaxed);
    assert_eq!(told(http(&server), "/readyz"), (200, value(READY)));
}

#[test]
fn a_source_that_blocks_holds_up_nobody_who_asks_over_http() {
    let gate = Gate::new();
    let two = format!("{HONEST}sources.spare.kind = 'system'\n").replace(
        "}]",
        "}, { protocol = 'ntp', address = '127.0.0.1:0', source = 'spare' }]",
    );
    let server = Server::new(settings(&two))
        .with_source("wall", gate.source().blocking())
        .start()
        .unwrap();
    gate.hold(1);
    let (code, readiness) = told(http(&server), "/readyz");
    assert_eq!(code, 503);
    assert_eq!(
        readiness["reasons"],
        json!(["source wall: no reading within 500ms"])
    );
    // One thread waits for it, however often it is asked for.
    for _ in 0..3 {
        assert_eq!(told(http(&server), "/readyz").0, 503);
    }
    assert_eq!(told(http(&server), "/healthz").0, 200);
    ask(server.address(1), &ntp_request(1));
    gate.open();
    wait_for("a reading", || {
        (told(http(&server), "/readyz").0 == 200).then_some(())
    });
}

/// A server that is not what it should be.
#[derive(Default)]
struct Ill {
    listeners: Vec<ObservedListener>,
    is_tended: bool,
}

impl Observed for Ill {
    fn started(&self) -> HostInstant {
        OsClock.now()
    }

    fn listeners(&self) -> Vec<ObservedListener> {
        self.listeners.clone()
    }

    fn sources(&self) -> Vec<ObservedSource> {
        Vec::new()
    }

    fn limiter(&self) -> Option<LimiterState> {
        None
    }

    fn clients(&self) -> BTreeMap<IpAddr, u64> {
        BTreeMap::new()
    }

    fn reload(&self) -> BoxFuture<'static, Result<Reloaded, ReloadError>> {
        Box::pin(async { Err(ReloadError::NoFile) })
    }

    fn is_tended(&self) -> bool {
        self.is_tended
    }
}

/// What is told of `ill`, on a thread that ends with this.
struct Told {
    http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Told {
    fn of(ill: Ill) -> Self {
        let (ready, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let tell = move || {
            actix_rt::System::new().block_on(async move {
                let bound = BoundHttp::bind(([127, 0, 0, 1], 0).into(), None, None).unwrap();
                let http = bound.serve(Arc::new(ill)).unwrap();
                ready.send(http.address()).unwrap();
                let _ = stopped.await;
                http.stop().await;
            });
        };
        Self {
            thread: Some(thread::spawn(tell)),
            http: address.recv().unwrap(),
            stop: Some(stop),
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_server_whose_sources_nobody_tends_is_not_healthy() {
    let told_of = Told::of(Ill::default());
    let (code, health) = told(told_of.http, "/healthz");
    assert_eq!(code, 503);
    assert_eq!(
        health,
        json!({"healthy": false, "reasons": ["nobody has tended the sources for 30 s"]})
    );
    let well = Told::of(Ill {
        is_tended: true,
        ..Ill::default()
    });
    assert_eq!(told(well.http, "/healthz").0, 200);
}

#[test]
fn a_server_whose_listener_is_not_bound_is_not_ready() {
    let server = serve(HONEST);
    let mut listeners = vec![ObservedListener {
        listener: server.listeners()[0].clone(),
        is_bound: false,
        totals: server.totals(),
        latencies: timeball::metrics::Latencies::default(),
    }];
    let reason = format!("listener 0 (ntp {}): it is not bound", server.address(0));
    let told_of = Told::of(Ill {
        listeners: listeners.clone(),
        is_tended: true,
    });
    let (code, readiness) = told(told_of.http, "/readyz");
    assert_eq!((code, &readiness["reasons"]), (503, &json!([reason])));
    assert_eq!(told(told_of.http, "/healthz").0, 200);
    let page = get(told_of.http, "/metrics").body;
    assert_eq!(sample(&page, "timeball_listener_bound", &[]), 0.0);
    // Two at one address, on different network interfaces, are one for Prometheus.
    listeners[0].is_bound = true;
    listeners[0].totals.received = 3;
    listeners.push(listeners[0].clone());
    let two = Told::of(Ill {
        listeners,
        is_tended: true,
    });
    let page = get(two.http, "/metrics").body;
    assert_eq!(sample(&page, "timeball_received_total", &[]), 6.0);
    assert_eq!(told(two.http, "/status").1["limiter"], Value::Null);
}

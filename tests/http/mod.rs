//! Metrics, health and status over HTTP, as whoever asks sees them.

mod attacks;
mod doors;
mod events;
mod figures;
mod losses;
mod page;
mod readiness;
mod reload;
mod started;

use crate::support::wait_for;
use crate::support::web::get;
use serde_json::Value;
use std::net::SocketAddr;
use timeball::RunningServer;

/// One NTP listener on the host's clock, and HTTP, on ports that the kernel
/// chooses.
const HONEST: &str = "
http.address = '127.0.0.1:0'
sources.wall.kind = 'system'
listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' }]
";

fn http(server: &RunningServer) -> SocketAddr {
    server.http().expect("the settings have http")
}

fn status(server: &RunningServer) -> Value {
    let reply = get(http(server), "/status");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn metrics(server: &RunningServer) -> String {
    let reply = get(http(server), "/metrics");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// The one sample of `page` whose name is `name` and whose labels hold all of
/// `labels`.
#[track_caller]
fn sample(page: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |series: &str| {
        let (its_name, its_labels) = series.split_once('{').unwrap_or((series, ""));
        its_name == name && labels.iter().all(|label| its_labels.contains(label))
    };
    let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
    let found: Vec<_> = samples.filter(|(series, _)| is_it(series)).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].1.parse().expect("a number")
}

/// Waits until `/status` shows what `look` wants.
fn wait_for_status(server: &RunningServer, what: &str, look: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(status(server)).filter(&look))
}

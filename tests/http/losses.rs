//! What an overloaded server loses: a counter for each way, and a hint.

use super::{http, metrics, sample, status};
use crate::support::gate::Gate;
use crate::support::web::get;
use crate::support::{client_of, mark_of, ntp_request, receive, settings, wait_for};
use serde_json::Value;
use timeball::{RunningServer, Server};

/// Waits until the sample of `name` with `label` is at least 1, and says what it is
/// then.
fn wait_for_loss(server: &RunningServer, name: &str, label: &str) -> f64 {
    wait_for(name, || {
        let lost = sample(&metrics(server), name, &[label]);
        (lost > 0.0).then_some(lost)
    })
}

/// The one hint of a server that is ready all the same.
#[track_caller]
fn hint(server: &RunningServer) -> String {
    let reply = get(http(server), "/readyz");
    assert_eq!(reply.status, 200, "{reply:?}");
    let readiness = reply.json();
    assert_eq!(readiness["ready"], true, "{readiness}");
    assert_eq!(readiness["reasons"].as_array().map(Vec::len), Some(0));
    assert_eq!(status(server)["readiness"], readiness);
    match readiness["hints"].as_array().map(Vec::as_slice) {
        Some([Value::String(hint)]) => hint.clone(),
        other => panic!("one hint: {other:?}"),
    }
}

#[test]
fn what_waited_too_long_is_counted_as_late() {
    // Every request waits longer than a nanosecond.
    let server = crate::support::serve(
        "http.address = '127.0.0.1:0'\nmax_queue_delay = '1ns'\n\
         sources.wall.kind = 'system'\n\
         listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' }]\n",
    );
    let ntp = server.address(0);
    let client = client_of(ntp);
    for mark in 1..=5 {
        client.send_to(&ntp_request(mark), ntp).unwrap();
    }
    wait_for("the fifth", || {
        let status = status(&server);
        (status["listeners"][0]["dropped"]["late"] == 5).then_some(())
    });
    let late = wait_for_loss(&server, "timeball_dropped_total", "reason=\"late\"");
    assert_eq!(late, 5.0);
    assert_eq!(
        hint(&server),
        format!(
            "listener 0 (ntp {ntp}): 5 requests were dropped in the last minute since they had \
             waited longer than max_queue_delay"
        )
    );
}

#[test]
fn what_the_kernel_dropped_is_a_counter_of_its_own() {
    let gate = Gate::new();
    // One shard, which the source of the second listener holds.
    let settings = settings(
        "threads = 1\nmax_queue_delay = 0\nhttp.address = '127.0.0.1:0'\n\
         [sources.wall]\nkind = 'system'\n[sources.held]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n\
         receive_buffer = 4096\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'held'\n",
    );
    let server = Server::new(settings).with_source("held", gate.source());
    let server = server.start().unwrap();
    let (ntp, held) = (server.address(0), server.address(1));
    gate.hold(1);
    let holder = client_of(held);
    holder.send_to(&ntp_request(1), held).unwrap();
    gate.wait_until_held(1);
    let client = client_of(ntp);
    for mark in 1..=500 {
        client.send_to(&ntp_request(mark), ntp).unwrap();
    }
    // Nobody has received any; it is told all the same.
    let label = format!("listener=\"{ntp}\"");
    let dropped = wait_for_loss(&server, "timeball_kernel_drops_total", &label);
    assert_eq!(
        sample(&metrics(&server), "timeball_received_total", &[&label]),
        0.0
    );
    assert_eq!(
        hint(&server),
        format!(
            "listener 0 (ntp {ntp}): the kernel dropped {dropped} datagrams in the last minute \
             since its receive buffer was full"
        )
    );
    gate.open();
    let totals = server.stop();
    assert_eq!(totals.kernel_drops as f64, dropped);
    assert_eq!(totals.received - 1 + totals.kernel_drops, 500, "{totals}");
}

#[test]
fn what_no_responder_had_time_for_is_counted_as_overload() {
    let gate = Gate::new();
    let settings = settings(
        "threads = 1\nbatch = 1\nmax_queue_delay = 0\nhttp.address = '127.0.0.1:0'\n\
         [sources.held]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'held'\n\
         responder_threads = 1\n",
    );
    let server = Server::new(settings).with_source("held", gate.source());
    let server = server.start().unwrap();
    let ntp = server.address(0);
    let client = client_of(ntp);
    gate.hold(1);
    client.send_to(&ntp_request(1), ntp).unwrap();
    gate.wait_until_held(1);
    for mark in 2..=400 {
        client.send_to(&ntp_request(mark), ntp).unwrap();
    }
    let overload = wait_for("what does not fit", || {
        let dropped = status(&server)["listeners"][0]["dropped"]["overload"].as_f64();
        // The mailbox holds 128, and the responder has one.
        dropped.filter(|&dropped| dropped >= 271.0)
    });
    let label = "reason=\"overload\"";
    let counted = sample(&metrics(&server), "timeball_dropped_total", &[label]);
    assert_eq!(counted, overload);
    assert_eq!(
        hint(&server),
        format!(
            "listener 0 (ntp {ntp}): {overload} requests were dropped in the last minute since \
             every responder was busy"
        )
    );
    gate.open();
    assert_eq!(mark_of(&receive(&client).0), 1);
}

//! Receive timestamps are the kernel's, and what waited too long is dropped.

use crate::support::gate::Gate;
use crate::support::{client_of, mark_of, ntp_header, ntp_request, receive, settings};
use timeball::api::{Delta, DropReason, HostClock, NtpTimestamp};
use timeball::host::OsClock;
use timeball::{RunningServer, Server};

/// An honest NTP listener that shares its one thread with a gated one.
fn server(gate: &Gate, max_queue_delay: &str) -> RunningServer {
    let settings = settings(&format!(
        "threads = 1\nmax_queue_delay = '{max_queue_delay}'\n\
         [sources.wall]\nkind = 'system'\n[sources.slow]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'slow'\n"
    ));
    Server::new(settings)
        .with_source("slow", gate.source())
        .start()
        .unwrap()
}

/// Holds the shard, sends a request to the honest listener, waits for `wait` by
/// the host's clock, and lets go. Returns the client and the moment of letting
/// go.
fn ask_while_held(
    server: &RunningServer,
    gate: &Gate,
    wait: Delta,
) -> (std::net::UdpSocket, NtpTimestamp) {
    let holder = client_of(server.address(1));
    gate.hold(1);
    holder.send_to(&ntp_request(1), server.address(1)).unwrap();
    gate.wait_until_held(1);
    let client = client_of(server.address(0));
    client.send_to(&ntp_request(2), server.address(0)).unwrap();
    let sent = OsClock.now();
    let mut now = sent;
    while now.monotonic - sent.monotonic < wait {
        std::hint::spin_loop();
        now = OsClock.now();
    }
    gate.open();
    receive(&holder);
    (client, now.realtime.into())
}

#[test]
fn the_receive_timestamp_is_when_the_kernel_got_it_and_not_when_the_actor_woke() {
    let gate = Gate::new();
    let server = server(&gate, "0");
    let (client, let_go) = ask_while_held(&server, &gate, Delta::from_millis(30));
    let reply = ntp_header(&receive(&client).0);
    let waited = let_go.since(reply.receive_timestamp);
    assert!(
        waited >= Delta::from_millis(29),
        "stamped {waited:?} before the shard could read it"
    );
    assert!(
        reply.transmit_timestamp.since(let_go) >= Delta::ZERO,
        "sent after it was let go"
    );
}

#[test]
fn a_request_that_waited_longer_than_max_queue_delay_is_dropped_and_counted() {
    let gate = Gate::new();
    // Long enough that a busy machine does not make the next one late as well.
    let server = server(&gate, "1s");
    let (client, _) = ask_while_held(&server, &gate, Delta::from_millis(1_010));
    client.send_to(&ntp_request(3), server.address(0)).unwrap();
    assert_eq!(
        mark_of(&receive(&client).0),
        3,
        "the late one has no answer, the next one has"
    );
    assert_eq!(server.stop().dropped_for(DropReason::Late), 1);
}

#[test]
fn what_the_kernel_dropped_is_counted_at_once() {
    let gate = Gate::new();
    let settings = settings(
        "threads = 1\nmax_queue_delay = 0\n[sources.slow]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'slow'\nreceive_buffer = 4096\n",
    );
    let server = Server::new(settings)
        .with_source("slow", gate.source())
        .start()
        .unwrap();
    let address = server.address(0);
    gate.hold(1);
    let client = client_of(address);
    client.send_to(&ntp_request(1), address).unwrap();
    gate.wait_until_held(1);
    // A buffer of 4 KiB holds a handful; on loopback the rest is dropped in the
    // send call itself, so the number is exact.
    for mark in 2..=300 {
        client.send_to(&ntp_request(mark), address).unwrap();
    }
    // Nothing has been received since that could have told of it.
    let dropped = server.totals().kernel_drops;
    assert!(dropped > 100, "{dropped}");
    gate.open();
    let totals = server.stop();
    assert_eq!(totals.kernel_drops, dropped, "nothing is counted twice");
    assert_eq!(totals.received + totals.kernel_drops, 300, "{totals}");
    assert_eq!(totals.replied, totals.received, "{totals}");
}

//! A source that blocks stops nobody but those who wait for it.

use crate::support::gate::Gate;
use crate::support::{PATIENCE, ask, client_of, mark_of, ntp_request, receive, settings};
use std::pin::pin;
use std::time::Duration;
use timeball::api::DropReason;
use timeball::{RunningServer, Server};
use tokio::time::timeout;

/// A fast NTP listener, and one on `slow` with the settings `more`, all on one
/// shard.
fn server(gate: &Gate, may_block: bool, more: &str) -> RunningServer {
    let settings = settings(&format!(
        "threads = 1\nmax_queue_delay = 0\n\
         [sources.fast]\nkind = 'monotonic-offset'\n\
         [sources.slow]\nkind = 'monotonic-offset'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'fast'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'slow'\n{more}\n"
    ));
    let source = if may_block {
        gate.source().blocking()
    } else {
        gate.source()
    };
    Server::new(settings)
        .with_source("slow", source)
        .start()
        .unwrap()
}

#[test]
fn a_source_that_may_block_does_not_stop_the_other_listeners_of_its_shard() {
    let gate = Gate::new();
    let server = server(&gate, true, "");
    gate.hold(1);
    let waiting = client_of(server.address(1));
    waiting.send_to(&ntp_request(1), server.address(1)).unwrap();
    gate.wait_until_held(1);
    for mark in 100..200 {
        assert_eq!(mark_of(&ask(server.address(0), &ntp_request(mark))), mark);
    }
    gate.open();
    assert_eq!(mark_of(&receive(&waiting).0), 1);
}

#[test]
fn with_threads_a_blocked_request_does_not_stop_the_other_clients_of_its_source() {
    let gate = Gate::new();
    let server = server(&gate, false, "responder_threads = 3");
    gate.hold(2);
    let first = client_of(server.address(1));
    first.send_to(&ntp_request(1), server.address(1)).unwrap();
    gate.wait_until_held(1);
    let second = client_of(server.address(1));
    second.send_to(&ntp_request(2), server.address(1)).unwrap();
    gate.wait_until_held(2);
    // Two of three threads are held. The third serves everybody else.
    for mark in 100..200 {
        assert_eq!(mark_of(&ask(server.address(1), &ntp_request(mark))), mark);
        assert_eq!(mark_of(&ask(server.address(0), &ntp_request(mark))), mark);
    }
    gate.open();
    assert_eq!(mark_of(&receive(&first).0), 1);
    assert_eq!(mark_of(&receive(&second).0), 2);
}

#[test]
fn full_mailboxes_are_counted_and_survived() {
    let gate = Gate::new();
    let server = server(&gate, false, "responder_threads = 1");
    gate.hold(1);
    let slow = server.address(1);
    let client = client_of(slow);
    client.send_to(&ntp_request(1), slow).unwrap();
    gate.wait_until_held(1);
    // One batch is in work and a few fit into the mailbox; the rest is dropped
    // at once instead of being answered late. Each request is given the time to
    // become a batch of its own by a round trip on the same shard.
    let mut mark = 1;
    while server.totals_of(1).dropped_for(DropReason::Overload) < 10 {
        mark += 1;
        client.send_to(&ntp_request(mark), slow).unwrap();
        ask(server.address(0), &ntp_request(0));
        assert!(mark < 1_000, "nothing is dropped");
    }
    gate.open();
    let answered = receive(&client).0;
    assert_eq!(
        mark_of(&answered),
        1,
        "what was accepted is answered, in order"
    );
    // The listener serves on.
    while mark_of(&receive_marked(&client, slow, u64::MAX)) != u64::MAX {}
    let totals = server.stop();
    let overload = totals.dropped_for(DropReason::Overload);
    assert!(overload >= 10, "{totals}");
    assert_eq!(totals.received, totals.replied + overload, "{totals}");
}

/// Asks with `mark` and returns the next reply, which may be an earlier one's.
fn receive_marked(client: &std::net::UdpSocket, to: std::net::SocketAddr, mark: u64) -> Vec<u8> {
    client.send_to(&ntp_request(mark), to).unwrap();
    receive(client).0
}

#[test]
fn a_thread_that_hangs_has_no_pulse_until_it_goes_on() {
    let gate = Gate::new();
    let server = Server::new(settings(
        "threads = 1\nmax_queue_delay = 0\n[sources.slow]\nkind = 'monotonic-offset'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'slow'\n",
    ))
    .with_source("slow", gate.source());
    actix_rt::System::new().block_on(async {
        let server = server.launch().await.unwrap();
        server.pulse().await;
        let slow = server.listeners()[0].address;
        gate.hold(1);
        let client = client_of(slow);
        client.send_to(&ntp_request(1), slow).unwrap();
        gate.wait_until_held(1);
        // However long one waits: it comes once the thread goes on, and not before.
        {
            let mut pulse = pin!(server.pulse());
            let early = timeout(Duration::from_millis(50), &mut pulse).await;
            assert!(early.is_err(), "it hangs, and has a pulse");
            gate.open();
            timeout(PATIENCE, pulse).await.expect("a pulse");
        }
        assert_eq!(mark_of(&receive(&client).0), 1);
        server.stop().await;
    });
}

#[test]
fn what_was_received_is_answered_before_the_server_stops() {
    let gate = Gate::new();
    let server = server(&gate, false, "");
    let slow = server.address(1);
    gate.hold(1);
    let clients: Vec<_> = (0..20).map(|_| client_of(slow)).collect();
    clients[0].send_to(&ntp_request(1), slow).unwrap();
    gate.wait_until_held(1);
    // The shard is held: these wait in the socket when the stop is asked for.
    for (mark, client) in clients.iter().enumerate().skip(1) {
        client.send_to(&ntp_request(mark as u64 + 1), slow).unwrap();
    }
    let stopping = std::thread::spawn(move || server.stop());
    gate.open();
    for (mark, client) in clients.iter().enumerate() {
        assert_eq!(mark_of(&receive(client).0), mark as u64 + 1);
    }
    let totals = stopping.join().unwrap();
    assert_eq!((totals.received, totals.replied), (20, 20), "{totals}");
}

//! Many clients at once.

use crate::support::gate::Gate;
use crate::support::{PATIENCE, client_of, mark_of, ntp_request, receive, serve, settings};
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, socket_recv_buffer_size,
};
use std::collections::HashSet;
use timeball::Server;

/// The four protocols on the honest clock of this host. However busy the machine
/// is, nothing is dropped for having waited.
pub const FOUR: &str = "
max_queue_delay = 0
[sources.wall]
kind = 'system'

[[listeners]]
protocol = 'text'
address = '127.0.0.1:0'
source = 'wall'
timezone = 'UTC'

[[listeners]]
protocol = 'daytime'
address = '127.0.0.1:0'
source = 'wall'

[[listeners]]
protocol = 'time'
address = '127.0.0.1:0'
source = 'wall'

[[listeners]]
protocol = 'ntp'
address = '127.0.0.1:0'
source = 'wall'
";

#[test]
fn each_of_500_clients_at_once_gets_its_own_answer() {
    let server = serve(FOUR);
    let ntp = server.address(3);
    let clients: Vec<_> = (0..500).map(|_| client_of(ntp)).collect();
    // Every request is under way before any reply is read.
    for (mark, client) in clients.iter().enumerate() {
        client
            .send_to(&ntp_request(0xc0ff_ee00 + mark as u64), ntp)
            .unwrap();
    }
    for (mark, client) in clients.iter().enumerate() {
        let (reply, from) = receive(client);
        assert_eq!(from, ntp);
        assert_eq!(
            mark_of(&reply),
            0xc0ff_ee00 + mark as u64,
            "client {mark} got another's answer"
        );
    }
    let totals = server.stop();
    assert_eq!(
        (totals.received, totals.replied, totals.kernel_drops),
        (500, 500, 0),
        "{totals}"
    );
}

#[test]
fn a_burst_of_500_requests_from_one_client_is_answered_whole() {
    let server = serve(FOUR);
    let ntp = server.address(3);
    let client = client_of(ntp);
    // One client must read as it goes, for its own receive buffer is small.
    let mut marks = HashSet::new();
    for round in 0..10 {
        for mark in 0..50 {
            client
                .send_to(&ntp_request(round * 50 + mark + 1), ntp)
                .unwrap();
        }
        for _ in 0..50 {
            assert!(
                marks.insert(mark_of(&receive(&client).0)),
                "an answer came twice"
            );
        }
    }
    assert_eq!(marks.len(), 500);
}

/// Whether the kernel grants this process a receive buffer of `octets`. Asked
/// without the library, which is not to be its own witness.
fn is_granted(octets: usize) -> bool {
    let socket = client_of(([127, 0, 0, 1], 0).into());
    // Refused without CAP_NET_ADMIN; then the host's limit holds.
    let _ = set_socket_recv_buffer_size_force(&socket, octets)
        .or_else(|_| set_socket_recv_buffer_size(&socket, octets));
    // The kernel says the double of what it grants.
    socket_recv_buffer_size(&socket).unwrap() / 2 >= octets
}

#[test]
fn a_burst_of_1000_requests_while_nobody_reads_is_answered_whole() {
    const CLIENTS: u64 = 10;
    const EACH: u64 = 100;
    let gate = Gate::new();
    // The receive buffer as it is shipped, and one shard, which the source of the
    // second listener holds.
    let settings = settings(
        "threads = 1\nmax_queue_delay = 0\n\
         [sources.wall]\nkind = 'system'\n[sources.held]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'held'\n",
    );
    let asked_for = settings.listeners[0].receive_buffer;
    let server = Server::new(settings).with_source("held", gate.source());
    let server = server.start().unwrap();
    let (ntp, held) = (server.address(0), server.address(1));
    gate.hold(1);
    let holder = client_of(held);
    holder.send_to(&ntp_request(1), held).unwrap();
    gate.wait_until_held(1);

    // Several, so that the replies have room in the buffers of those who asked.
    let clients: Vec<_> = (0..CLIENTS).map(|_| client_of(ntp)).collect();
    for (number, client) in (0..).zip(&clients) {
        for mark in 1..=EACH {
            let request = ntp_request(number * EACH + mark);
            client.send_to(&request, ntp).unwrap();
        }
    }
    assert_eq!(server.totals_of(0).received, 0, "nobody has read any");
    gate.open();
    // A stop answers what has been received.
    let totals = server.stop();

    let lost = totals.kernel_drops;
    assert_eq!(totals.replied - 1 + lost, CLIENTS * EACH, "{totals}");
    if !is_granted(asked_for) {
        // The log says so, and what to do.
        return;
    }
    assert_eq!(lost, 0, "{totals}");
    for (number, client) in (0..).zip(&clients) {
        let marks: HashSet<_> = (0..EACH).map(|_| mark_of(&receive(client).0)).collect();
        let expected = (1..=EACH).map(|mark| number * EACH + mark).collect();
        assert_eq!(marks, expected, "client {number}");
    }
}

#[test]
fn clients_of_four_protocols_are_served_side_by_side() {
    let server = serve(FOUR);
    let questions: [&[u8]; 4] = [b"Send time", b"", b"", &ntp_request(1)];
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let address = server.address(number % 4);
            let client = client_of(address);
            client.send_to(questions[number % 4], address).unwrap();
            (number % 4, client)
        })
        .collect();
    for (protocol, client) in clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (reply, _) = receive(&client);
        match protocol {
            0 => assert_eq!(reply.len(), "2021-06-11 18:45:57.430034".len()),
            1 => assert!(reply.ends_with(b"\r\n")),
            2 => assert_eq!(reply.len(), 4),
            _ => assert_eq!(mark_of(&reply), 1),
        }
    }
    assert_eq!(server.stop().replied, 100);
}

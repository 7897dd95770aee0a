//! Two million datagrams of no meaning, and of nearly a meaning.

use crate::support::{client_of, mark_of, ntp_request};
use crate::watched::{Watched, counted};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use rustix::process::Signal;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const FLOOD: u64 = 2_000_000;
/// Between two honest requests at each listener.
const AT_ONCE: usize = 64;
/// The largest payload over loopback.
const LARGEST: usize = 65_507;

/// An honest request of each protocol, in the order of the listeners.
fn honest(protocol: usize, mark: u64) -> Vec<u8> {
    match protocol {
        0 => b"Send time".to_vec(),
        1 | 2 => Vec::new(),
        _ => ntp_request(mark).to_vec(),
    }
}

/// A datagram that an enemy sends: noise of any length, or an honest request with
/// some of its bits turned, its end cut off, or something behind it.
fn hostile(chance: &mut SmallRng, protocol: usize, into: &mut Vec<u8>) {
    into.clear();
    match chance.random_range(0..8) {
        0..3 => {
            into.resize(chance.random_range(0..=128), 0);
            chance.fill_bytes(into);
        }
        3 if chance.random_ratio(1, 64) => {
            into.resize(chance.random_range(1_400..=LARGEST), 0x23);
        }
        kind => {
            into.extend(honest(protocol, chance.next_u64()));
            match kind {
                3 => into.truncate(chance.random_range(0..=into.len())),
                4 => into.resize(into.len() + chance.random_range(1..=1_452), 0),
                _ => {
                    for _ in 0..chance.random_range(1..=8) {
                        if let Some(octet) = chance.random_range(0..=into.len()).checked_sub(1) {
                            into[octet] ^= 1 << chance.random_range(0..8);
                        }
                    }
                }
            }
        }
    }
}

/// Sends without waiting; replies to the enemy are thrown away unread.
fn enemies(count: usize) -> Vec<UdpSocket> {
    let enemy = |_| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    (0..count).map(enemy).collect()
}

/// Whether an honest client is answered, in a time in which it would ask again.
fn is_answered(client: &UdpSocket, server: SocketAddr, protocol: usize, mark: u64) -> bool {
    client
        .send_to(&honest(protocol, mark), server)
        .expect("a send");
    let mut reply = [0; 1024];
    loop {
        match client.recv_from(&mut reply) {
            // An answer that came too late for the request before.
            Ok((len, _)) if protocol == 3 && mark_of(&reply[..len]) != mark => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

#[test]
fn two_million_hostile_datagrams_cost_counters_and_honest_clients_are_answered() {
    let watched = Watched::start("");
    let mut chance = SmallRng::seed_from_u64(5);
    let enemies = enemies(16);
    let honest = watched.addresses.iter().map(|&address| {
        let client = client_of(address);
        client
            .set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a time-out");
        client
    });
    let honest: Vec<_> = honest.collect();
    let (mut sent, mut asked, mut answered) = (0, 0_u64, 0_u64);
    let mut payload = Vec::new();
    let mut resident = None;
    while sent < FLOOD {
        for (protocol, &address) in watched.addresses.iter().enumerate() {
            for _ in 0..AT_ONCE {
                hostile(&mut chance, protocol, &mut payload);
                let enemy = &enemies[chance.random_range(0..enemies.len())];
                // What the kernel does not take was sent by nobody.
                sent += u64::from(enemy.send_to(&payload, address).is_ok());
            }
            asked += 1;
            answered += u64::from(is_answered(&honest[protocol], address, protocol, asked));
        }
        if sent > FLOOD / 10 {
            resident.get_or_insert_with(|| watched.resident_kib());
        }
    }
    assert!(
        answered * 100 >= asked * 99,
        "{answered} of {asked} are answered"
    );
    let (before, after) = (resident.expect("a tenth is sent"), watched.resident_kib());
    assert!(
        after <= before + 512,
        "resident memory: {before} KiB, then {after} KiB"
    );
    let (status, _, log) = watched.server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert_eq!(counted(&log, "panic"), 0, "{log:?}");
    let (received, kernel) = (counted(&log, "received"), counted(&log, "kernel_drops"));
    assert_eq!(received + kernel, sent + asked, "each is counted: {log:?}");
    assert!(log.len() < 20, "no datagram has a line of its own: {log:?}");
}

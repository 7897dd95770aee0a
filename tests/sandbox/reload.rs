//! A confined server whose settings are read anew: they name a port that only root, or
//! whoever has CAP_NET_BIND_SERVICE, may bind; or the time zone of the host.

use crate::support::process::Serve;
use crate::support::{ask, mark_of, ntp_request};
use rustix::process::Signal;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

/// Its sandbox, one listener at any port, and more of them.
fn settings(keeps_low_ports: bool, more: &str) -> String {
    format!(
        "max_queue_delay = 0\nsandbox.required = true\n\
         sandbox.reload_low_ports = {keeps_low_ports}\nsources.wall.kind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n{more}"
    )
}

/// Whether there are ports on this host that not everybody may bind: a container often has
/// none, and then nothing is refused.
fn are_reserved() -> bool {
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    first_free.trim().parse::<u16>().unwrap() > LOW + 2
}

/// The first port of these tests.
const LOW: u16 = 900;

/// A low port at an address of loopback that is this test's alone: its process has a number
/// that no other has.
fn low(test: u8) -> SocketAddr {
    let [_, upper, middle, lower] = std::process::id().to_be_bytes();
    let port = LOW + u16::from(test);
    SocketAddr::from((Ipv4Addr::new(127, 128 | upper, middle, lower), port))
}

fn listener_at(address: SocketAddr) -> String {
    format!("[[listeners]]\nprotocol = 'ntp'\naddress = '{address}'\nsource = 'wall'\n")
}

fn reload(server: &Serve, toml: &str) {
    server.rewrite(toml);
    server.signal(Signal::HUP);
}

/// Asks where the server listened from the beginning.
#[track_caller]
fn serves(server: &Serve) {
    let first = server.listeners()[0].address;
    assert_eq!(mark_of(&ask(first, &ntp_request(7))), 7);
}

/// Refused with its reason, and everything is as it was.
#[track_caller]
fn is_refused(server: &mut Serve, address: SocketAddr) {
    let line = server.wait_for_log("not reloaded, and nothing has changed");
    for part in [
        &*format!("listeners[1].address = \"{address}\""),
        "CAP_NET_BIND_SERVICE",
        "sandbox.reload_low_ports = true",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    serves(server);
}

#[test]
fn a_low_port_that_comes_with_a_reload_is_refused_with_its_reason() {
    if !are_reserved() {
        return;
    }
    let address = low(1);
    let mut server = Serve::start(&settings(false, ""), &[]);
    serves(&server);
    reload(&server, &settings(false, &listener_at(address)));
    is_refused(&mut server, address);
    // The same change without it is made.
    let high = "[[listeners]]\nprotocol = 'time'\naddress = '127.0.0.1:0'\nsource = 'wall'\n";
    reload(&server, &settings(false, high));
    server.wait_for_log("listeners_added=1");
    let (status, _, log) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn a_low_port_is_taken_by_a_reload_where_the_capability_is_kept_for_it() {
    let address = low(2);
    let mut server = Serve::start(&settings(true, ""), &[]);
    serves(&server);
    reload(&server, &settings(true, &listener_at(address)));
    // Nobody but root has a capability to keep.
    if rustix::process::geteuid().is_root() || !are_reserved() {
        server.wait_for_log("listeners_added=1");
        assert_eq!(mark_of(&ask(address, &ntp_request(9))), 9);
        serves(&server);
    } else {
        is_refused(&mut server, address);
    }
    let (status, _, log) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn a_reload_may_name_the_hosts_time_zone() {
    let mut server = Serve::start(&settings(false, ""), &[]);
    serves(&server);
    let local = "[[listeners]]\nprotocol = 'daytime'\naddress = '127.0.0.1:0'\n\
                 source = 'wall'\ntimezone = 'local'\n";
    reload(&server, &settings(false, local));
    server.wait_for_log("listeners_added=1");
    serves(&server);
    let (status, _, log) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log:?}");
}

//! Where replies come from, and what can be bound.

use crate::support::{PATIENCE, ask, mark_of, ntp_request, receive, serve, settings};
use std::net::{SocketAddr, UdpSocket};
use timeball::{Server, StartError};

/// An NTP server on `address`.
fn ntp_on(address: &str, more: &str) -> String {
    format!(
        "max_queue_delay = 0\n\
         listeners = [{{ protocol = 'ntp', address = '{address}', source = 'lab', {more} }}]\n\
         [sources.lab]\nkind = 'monotonic-offset'\n"
    )
}

/// Asks `to` and expects the answer from exactly there.
fn is_answered_from(to: SocketAddr, client: &str) {
    let socket = UdpSocket::bind(client).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .send_to(&ntp_request(u64::from(to.port())), to)
        .unwrap();
    let (reply, from) = receive(&socket);
    assert_eq!(from, to, "the reply comes from the address that was asked");
    assert_eq!(mark_of(&reply), u64::from(to.port()));
}

#[test]
fn a_wildcard_server_answers_from_the_address_it_was_asked_at() {
    let server = serve(&ntp_on("0.0.0.0:0", ""));
    let port = server.address(0).port();
    for address in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 1, 2, 3]] {
        is_answered_from(SocketAddr::from((address, port)), "127.0.0.1:0");
    }
}

#[test]
fn a_dual_stack_server_answers_both_families_from_the_address_it_was_asked_at() {
    let server = serve(&ntp_on("[::]:0", ""));
    let port = server.address(0).port();
    is_answered_from(format!("[::1]:{port}").parse().unwrap(), "[::1]:0");
    is_answered_from(format!("127.0.0.1:{port}").parse().unwrap(), "127.0.0.1:0");
    is_answered_from(format!("127.0.0.2:{port}").parse().unwrap(), "127.0.0.1:0");
}

#[test]
fn a_wildcard_server_answers_a_broadcast_from_an_address_of_its_own() {
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let server = serve(&ntp_on(wildcard, ""));
        let port = server.address(0).port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_broadcast(true).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let everybody = SocketAddr::from(([127, 255, 255, 255], port));
        client.send_to(&ntp_request(9), everybody).unwrap();
        let (reply, from) = receive(&client);
        assert_eq!(from, SocketAddr::from(([127, 0, 0, 1], port)), "{wildcard}");
        assert_eq!(mark_of(&reply), 9);
    }
}

#[test]
fn a_server_on_one_ipv6_address_answers() {
    let server = serve(&ntp_on("[::1]:0", ""));
    is_answered_from(server.address(0), "[::1]:0");
}

#[test]
fn an_address_that_is_not_up_is_bound_with_freebind_and_refused_without() {
    // 192.0.2.0/24 is for documentation (RFC 5737): no host has it.
    let server = serve(&ntp_on("192.0.2.1:0", "freebind = true"));
    assert_ne!(server.address(0).port(), 0);
    let v6 = serve(&ntp_on("[2001:db8::1]:0", "freebind = true"));
    assert_ne!(v6.address(0).port(), 0);

    let refused = Server::new(settings(&ntp_on("192.0.2.1:0", ""))).start();
    let Err(error @ StartError::Bind { listener: 0, .. }) = refused.map(drop) else {
        panic!("an address that no interface has was bound");
    };
    let text = error.to_string();
    assert!(text.contains("ntp on 192.0.2.1:0"), "{text}");
    assert!(text.contains("freebind = true"), "{text}");
}

#[test]
fn a_listener_on_a_device_answers_there() {
    let server = serve(&ntp_on("127.0.0.1:0", "interface = 'lo'"));
    is_answered_from(server.address(0), "127.0.0.1:0");
}

#[test]
fn a_device_that_is_not_there_is_an_error_that_names_the_listener() {
    let refused = Server::new(settings(&ntp_on("127.0.0.1:0", "interface = 'nosuch0'"))).start();
    let error = refused
        .map(drop)
        .expect_err("there is no such device")
        .to_string();
    assert!(
        error.starts_with("listeners[0] (ntp on 127.0.0.1:0)"),
        "{error}"
    );
    assert!(error.contains("no such `interface`"), "{error}");
}

#[test]
fn a_link_local_address_without_its_device_is_refused_with_the_remedy() {
    let refused = Server::new(settings(&ntp_on("[fe80::1]:0", ""))).start();
    let error = refused
        .map(drop)
        .expect_err("no device is named")
        .to_string();
    assert!(error.contains("needs `interface`"), "{error}");
}

#[test]
fn an_address_is_refused_to_a_second_server_and_to_a_wildcard_beside_it() {
    let first = serve(&ntp_on("127.0.0.1:0", ""));
    let port = first.address(0).port();
    for address in [
        format!("127.0.0.1:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::]:{port}"),
    ] {
        let refused = Server::new(settings(&ntp_on(&address, ""))).start();
        let error = refused
            .map(drop)
            .expect_err("the address is taken")
            .to_string();
        assert!(error.contains(&format!("ntp on {address}")), "{error}");
        assert!(error.contains("another timeball"), "{error}");
    }
    is_answered_from(first.address(0), "127.0.0.1:0");
}

#[test]
fn an_address_is_free_again_once_its_server_has_stopped() {
    // An address that no other test binds, so that none takes the port meanwhile.
    let first = serve(&ntp_on("127.77.0.1:0", ""));
    let address = first.address(0);
    first.stop();
    let second = serve(&ntp_on(&address.to_string(), ""));
    assert_eq!(mark_of(&ask(second.address(0), &ntp_request(7))), 7);
}

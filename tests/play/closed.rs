//! Endpoints at whose port nobody is: the kernel says so (ICMP).

use super::{ask, play, scenario, simulated};
use crate::support::{client_of, mark_of, ntp_request, receive};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use timeball::play::{LoadError, Play};
use timeball::scenario::Scenario;

/// What a client is told that asks `server` from a socket connected to it.
fn refusal(server: SocketAddr) -> ErrorKind {
    let client = client_of(server);
    client.connect(server).unwrap();
    client.send(&ntp_request(1)).unwrap();
    loop {
        match client
            .recv(&mut [0; 64])
            .expect_err("nobody answers")
            .kind()
        {
            // A child process of another test has ended.
            ErrorKind::Interrupted => {}
            kind => return kind,
        }
    }
}

#[test]
fn a_closed_port_is_refused_each_time_while_another_is_served() {
    let stage = play("endpoints = [{ name = 'gone', closed = true }, { name = 'live' }]");
    for n in 0..3 {
        assert_eq!(refusal(stage.address(0)), ErrorKind::ConnectionRefused);
        let client = client_of(stage.address(1));
        client.send_to(&ntp_request(n), stage.address(1)).unwrap();
        assert_eq!(mark_of(&receive(&client).0), n);
    }
    let finished = stage.finish();
    assert_eq!(finished.records.len(), 6, "what was refused is not seen");
    assert!(finished.records.iter().all(|it| it.endpoint == 1));
}

#[test]
fn a_closed_port_stays_taken_until_the_end() {
    let stage = play("endpoints = [{ closed = true, address = '127.0.0.67:0' }]");
    let address = stage.address(0);
    assert_eq!(refusal(address), ErrorKind::ConnectionRefused);
    let error = UdpSocket::bind(address).expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(stage.handle().status().endpoints[0].address, address);
}

#[test]
fn a_port_is_closed_on_ipv6_and_on_every_address_of_a_wildcard() {
    let toml = "endpoints = [
        { name = 'six', closed = true, address = '[::1]:0' },
        { name = 'any', closed = true, address = '0.0.0.0:0' },
        { name = 'both', closed = true, address = '[::]:0' },
    ]";
    let stage = Play::new(scenario(toml)).serve_test_time().start().unwrap();
    let at = |endpoint: usize, ip: &str| {
        SocketAddr::new(ip.parse().unwrap(), stage.address(endpoint).port())
    };
    for server in [
        at(0, "::1"),
        at(1, "127.0.0.1"),
        at(1, "127.0.0.5"),
        at(2, "::1"),
        at(2, "127.0.0.1"),
        at(2, "127.0.0.5"),
    ] {
        assert_eq!(refusal(server), ErrorKind::ConnectionRefused, "{server}");
    }
}

#[test]
fn a_scenario_that_is_loaded_closes_and_opens_nothing() {
    let stage = play("endpoints = [{ closed = true }]");
    let error = stage.handle().load(scenario("")).unwrap_err();
    assert!(matches!(error, LoadError::Endpoint { .. }), "{error}");
    assert_eq!(refusal(stage.address(0)), ErrorKind::ConnectionRefused);

    let stage = play("");
    let closed = scenario("endpoints = [{ closed = true }]");
    assert!(stage.handle().load(closed).is_err());
    let client = client_of(stage.address(0));
    assert_eq!(mark_of(&ask(&stage, &client, &ntp_request(5)).0), 5);
}

#[test]
fn in_virtual_time_nobody_sees_the_requests_either() {
    assert_eq!(simulated("endpoints = [{ closed = true }]", 5), []);
    assert_eq!(simulated("endpoints = [{ closed = false }]", 5).len(), 12);
}

#[test]
fn the_built_in_scenario_refuses_on_sockets() {
    let scenario = Scenario::builtin("closed-port").unwrap();
    assert!(
        scenario
            .summary()
            .contains("gone (ntp) on 127.0.0.1:0, closed\n")
    );
    let stage = Play::new(scenario).start().unwrap();
    assert_eq!(refusal(stage.address(0)), ErrorKind::ConnectionRefused);
    let client = client_of(stage.address(1));
    client.send_to(&ntp_request(1), stage.address(1)).unwrap();
    assert_eq!(receive(&client).1, stage.address(1));
}

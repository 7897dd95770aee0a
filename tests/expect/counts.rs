//! How often a client asks, and with what header.

use super::scene::Scene;
use std::net::IpAddr;
use timeball::protocol::ProtocolName;

#[test]
fn a_client_that_never_asks_fails_to_ask_at_least_once() {
    let scene = Scene::new("requests = { at_least = 1 }");
    scene.fails(60_000, None, "0 requests came");
}

#[test]
fn at_least_counts_all_clients_together() {
    let mut scene = Scene::new("requests = { at_least = 3 }");
    scene.ask(0);
    scene.ask_as(1, |record, _| {
        record.peer.set_ip(IpAddr::from([127, 0, 0, 2]))
    });
    scene.fails(10, None, "2 requests came");
    scene.ask_as(2, |record, _| record.endpoint = 1);
    scene.holds(10);
}

#[test]
fn what_a_server_sends_is_no_request() {
    let mut scene = Scene::new("requests = { at_least = 1, at_most = 1 }");
    scene.ask(0);
    scene.reply(1);
    scene.reply(2);
    scene.holds(10);
}

#[test]
fn one_request_too_many_in_a_window_fails() {
    let mut scene = Scene::new("requests = { at_most = 3, within = \"10s\" }");
    for at_ms in [0, 4_000, 9_999] {
        scene.ask(at_ms);
    }
    scene.holds(9_999);
    // The window that begins with the first ends before this one.
    scene.ask(10_000);
    scene.holds(10_000);
    scene.ask(13_999);
    scene.fails(
        14_000,
        5,
        "with request 5 127.0.0.1 asked 4 times in 9.999 s",
    );
    scene.ask(13_999);
    scene.fails(
        14_000,
        5,
        "with request 5 127.0.0.1 asked 4 times in 9.999 s; and once more",
    );
}

#[test]
fn a_window_is_filled_by_one_client_at_one_endpoint() {
    let mut scene = Scene::new("requests = { at_most = 1, within = 10 }");
    scene.ask(0);
    scene.ask_as(1, |record, _| {
        record.peer.set_ip(IpAddr::from([127, 0, 0, 2]))
    });
    scene.ask_as(2, |record, _| record.endpoint = 1);
    scene.holds(3);
    scene.ask(3);
    scene.fails(4, 4, "with request 4 127.0.0.1 asked 2 times in 0.003 s");
}

#[test]
fn at_most_counts_the_whole_run_without_a_window() {
    let mut scene = Scene::new("requests = { at_most = 2 }");
    scene.ask(0);
    scene.ask(1_000_000);
    scene.holds(2_000_000);
    scene.ask(3_000_000);
    scene.fails(3_000_000, 3, "request 3 is number 3 from 127.0.0.1");
}

#[test]
fn an_upper_bound_is_not_met_by_a_client_that_never_asks() {
    for requests in [
        "{ at_most = 4 }",
        "{ at_most = 0 }",
        "{ at_most = 0, within = 1 }",
    ] {
        Scene::new(&format!("requests = {requests}")).is_not_tested(1_000, "no client asked");
    }
}

#[test]
fn none_at_all_is_met_by_a_client_that_asks_elsewhere() {
    for within in ["", ", within = \"1s\""] {
        let mut scene = Scene::new(&format!(
            "requests = {{ at_most = 0{within} }}\nendpoint = \"two\""
        ));
        scene.ask(0);
        scene.holds(10);
        scene.ask_as(10, |record, _| record.endpoint = 1);
        assert_eq!(scene.finish(20).record, Some(2));
    }
}

#[test]
fn only_the_chosen_requests_are_counted() {
    let mut scene = Scene::new(
        "requests = { at_least = 1, at_most = 1 }\nendpoint = \"two\"\nclient = \"10.1.0.0/16\"\n\
         from = \"10s\"\nuntil = \"20s\"\nrules = [\"slow\", \"lossy\"]",
    );
    let mut ask = |at_ms, endpoint, client: [u8; 4], rule: &str| {
        scene.ask_as(at_ms, |record, _| {
            record.endpoint = endpoint;
            record.peer.set_ip(client.into());
            record.rules = vec!["other".into(), rule.into()];
        });
        scene.finish(at_ms).why
    };
    assert_eq!(ask(15_000, 0, [10, 1, 2, 3], "slow"), "0 requests came");
    assert_eq!(ask(15_000, 1, [10, 2, 2, 3], "slow"), "0 requests came");
    assert_eq!(ask(9_999, 1, [10, 1, 2, 3], "slow"), "0 requests came");
    assert_eq!(ask(20_000, 1, [10, 1, 2, 3], "slow"), "0 requests came");
    assert_eq!(ask(15_000, 1, [10, 1, 2, 3], "fast"), "0 requests came");
    assert_eq!(ask(10_000, 1, [10, 1, 2, 3], "lossy"), "1 request came");
    assert_eq!(
        ask(19_999, 1, [10, 1, 2, 3], "slow"),
        "request 7 is number 2 from 10.1.2.3"
    );
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_the_same_client() {
    let mut scene = Scene::new("requests = { at_most = 1 }\nclient = \"127.0.0.1\"");
    scene.ask(0);
    scene.ask_as(1, |record, _| {
        record.peer.set_ip("::ffff:127.0.0.1".parse().unwrap())
    });
    scene.fails(2, 2, "request 2 is number 2 from 127.0.0.1");
}

#[test]
fn requests_of_every_protocol_are_counted() {
    let mut scene = Scene::new("requests = { at_most = 3 }");
    for (at_ms, protocol) in [
        (0, ProtocolName::Text),
        (1, ProtocolName::Daytime),
        (2, ProtocolName::Time),
    ] {
        scene.ask_as(at_ms, |record, _| {
            record.protocol = protocol;
            record.octets = b"?".to_vec();
        });
    }
    scene.holds(10);
    scene.ask(3);
    scene.fails(10, 4, "request 4 is number 4 from 127.0.0.1");
}

#[test]
fn more_clients_than_are_watched_do_not_pass() {
    let mut scene = Scene::new("requests = { at_most = 1 }");
    for client in 0..timeball::expect::MAX_CLIENTS as u32 {
        scene.ask_as(0, |record, _| record.peer.set_ip(IpAddr::V4(client.into())));
    }
    scene.holds(10);
    scene.ask_as(0, |record, _| {
        record.peer.set_ip(IpAddr::V4(u32::MAX.into()))
    });
    scene.is_not_tested(
        10,
        "there were more than 1024 clients: limit it with `client`",
    );
}

#[test]
fn a_header_is_judged_by_version_and_mode() {
    let expectation = "header = { versions = [3, 4], modes = [3] }";
    let mut good = Scene::new(expectation);
    good.is_not_tested(0, "no request came to look at");
    good.ask(0);
    good.ask_as(1, |_, header| header.version = 3);
    good.holds(10);

    let mut old = Scene::new(expectation);
    old.ask_as(0, |_, header| header.version = 2);
    old.fails(10, 1, "request 1 has version 2");

    let mut peer = Scene::new(expectation);
    peer.ask(0);
    peer.ask_as(1, |_, header| header.mode = 1);
    peer.fails(10, 2, "request 2 has mode 1");

    let mut short = Scene::new(expectation);
    short.ask_as(0, |record, _| record.octets = vec![0x23; 47]);
    short.fails(10, 1, "request 1 has 47 octets, and no header");

    let mut early = Scene::new(&format!("{expectation}\nfrom = \"1s\""));
    early.ask_as(999, |_, header| header.version = 2);
    early.is_not_tested(2_000, "no request came to look at");

    let mut text = Scene::new(expectation);
    text.ask_as(0, |record, _| record.protocol = ProtocolName::Text);
    text.is_not_tested(10, "no request came to look at");
}

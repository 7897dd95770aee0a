//! What may be done to a run while it is served.

use super::{ask, play, scenario};
use crate::support::{PATIENCE, client_of, mark_of, ntp_header, ntp_request, receive};
use std::net::UdpSocket;
use timeball::api::{Delta, Timestamp};
use timeball::expect::Outcome;
use timeball::faults::Rule;
use timeball::play::{LoadError, Play};

fn rule(toml: &str) -> Rule {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn rules_come_and_go() {
    let stage = play("time.base = 'manual'");
    let handle = stage.handle();
    let client = client_of(stage.address(0));
    let stratum = |n| ask(&stage, &client, &ntp_request(n)).0[1];
    assert_eq!(stratum(1), 1);
    let added = handle.add_rule(rule("name = 'kiss'\nkiss = { code = 'DENY' }"));
    assert_eq!(&*added.unwrap(), "kiss");
    assert_eq!(stratum(2), 0);
    assert_eq!(handle.status().rules, [("kiss".to_owned(), 1)]);
    assert!(
        handle
            .add_rule(rule("name = 'kiss'\nhonest = true"))
            .is_err()
    );
    assert!(handle.remove_rule("kiss"));
    assert!(!handle.remove_rule("kiss"));
    assert_eq!(stratum(3), 1);
}

#[test]
fn a_rule_that_is_added_or_loaded_keeps_within_the_fence() {
    let stage = play("time.base = 'manual'");
    let handle = stage.handle();
    for address in ["198.51.100.7", "::1", "0.0.0.0", "224.0.1.1"] {
        let toml = format!("reply_from = '{address}'");
        let problems = handle.add_rule(rule(&toml)).unwrap_err();
        assert_eq!(problems[0].key, "reply_from", "{problems:?}");
        assert_eq!(problems[0].value, format!("\"{address}\""));
    }
    let public = scenario("rules = [{ name = 'away', reply_from = '198.51.100.7' }]");
    let error = handle.load(public).unwrap_err();
    assert!(matches!(error, LoadError::ReplyOutOfBounds(_)), "{error}");
    assert_eq!(handle.status().rules, []);
    handle.add_rule(rule("reply_from = '127.0.0.2'")).unwrap();
}

#[test]
fn the_status_says_where_everything_stands() {
    let stage = play(
        "seed = 7\ntime = { base = 'manual', start = '2016-12-31T23:59:50Z' }\n\
         [[clock.events]]\nname = 'jump'\nelapsed = '10s'\nstep = '1h'\n\
         [[endpoints]]\nname = 'good'\n",
    );
    let client = client_of(stage.address(0));
    ask(&stage, &client, &ntp_request(1));
    let handle = stage.handle();
    let clock = handle.clock_of("good").unwrap();
    assert!(handle.clock_of("bad").is_none());
    assert!(handle.clock(1).is_none());
    clock.advance(Delta::from_seconds(15));
    let status = handle.status();
    assert_eq!((status.mode, status.seed, status.requests), ("test", 7, 1));
    assert_eq!(status.scenario, "it");
    assert!(!status.is_over);
    let [endpoint] = &status.endpoints[..] else {
        panic!("there is one endpoint")
    };
    assert_eq!((endpoint.name.as_str(), endpoint.protocol), ("good", "ntp"));
    assert_eq!(endpoint.address, stage.address(0));
    assert_eq!(endpoint.elapsed, Delta::from_seconds(15));
    let time = Timestamp::from_unix_seconds(1_483_228_790 + 15 + 3_600);
    assert_eq!(endpoint.time, time);
    assert_eq!(endpoint.phase.as_deref(), Some("jump"));
    assert_eq!(endpoint.served, 1);
    handle.stop();
    assert!(handle.status().is_over);
}

#[test]
fn a_verdict_can_be_had_at_any_time() {
    let stage = play("time.base = 'manual'\nexpect = [{ requests = { at_most = 2 } }]");
    let client = client_of(stage.address(0));
    let outcome = || stage.verdict().expectations[0].outcome;
    assert_eq!(outcome(), Outcome::NotTested);
    for n in 0..2 {
        ask(&stage, &client, &ntp_request(n));
    }
    assert_eq!(outcome(), Outcome::Held);
    ask(&stage, &client, &ntp_request(2));
    assert_eq!(outcome(), Outcome::Failed);
    assert!(!stage.finish().verdict.passes());
}

#[test]
fn a_scenario_takes_the_place_of_another_on_the_same_sockets() {
    let stage = play(
        "time.base = 'manual'\nrules = [{ name = 'late', delay = { reply = '20ms' } }]\n\
         expect = [{ requests = { at_most = 0 } }]",
    );
    let handle = stage.handle();
    let client = client_of(stage.address(0));
    // Its reply is delayed when the other scenario takes over, and forgotten.
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    while handle.status().requests == 0 {
        std::thread::yield_now();
    }
    handle
        .load(scenario(
            "time = { base = 'per-request', start = '2000-01-01T00:00:00Z' }\n\
             clock.stratum = 3\nexpect = [{ requests = { at_least = 2 } }]",
        ))
        .unwrap();
    let y2k = Timestamp::from_unix_seconds(946_684_800);
    for n in 0..2 {
        let (reply, _) = ask(&stage, &client, &ntp_request(100 + n));
        assert_eq!(mark_of(&reply), 100 + n);
        let header = ntp_header(&reply);
        let time = y2k + Delta::from_seconds(n as i64);
        assert_eq!(header.transmit_timestamp, time.into());
        assert_eq!(header.stratum, 3);
    }
    assert_eq!(handle.status().requests, 2, "requests are counted anew");
    assert_eq!(handle.status().rules, []);
    assert_eq!(stage.clock(0).served(), 2);
    let finished = stage.finish();
    assert!(finished.verdict.passes());
    let numbers: Vec<_> = finished.records.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 1, 2, 2], "and so are the records");
}

#[test]
fn the_clocks_of_a_loaded_scenario_start_together_with_its_first_request() {
    let toml = "time = { base = 'wall', rate = 1000, starts = 'first-request' }\n\
                endpoints = [{ name = 'a' }, { name = 'b', clock = { stratum = 2 } }]";
    let stage = play(toml);
    let client = client_of(stage.address(0));
    ask(&stage, &client, &ntp_request(1));
    stage.handle().load(scenario(toml)).unwrap();
    let elapsed = || [0, 1].map(|endpoint| stage.clock(endpoint).elapsed());
    assert_eq!(elapsed(), [Delta::ZERO; 2], "nobody has asked the new one");
    ask(&stage, &client, &ntp_request(2));
    // One is looked at between two looks at the other, which it must not leave.
    let (before, between, after) = (
        stage.clock(0).elapsed(),
        stage.clock(1).elapsed(),
        stage.clock(0).elapsed(),
    );
    assert!(Delta::ZERO < before && before <= between && between <= after);
}

#[test]
fn a_scenario_that_does_not_fit_the_sockets_is_refused_and_the_old_one_served_on() {
    let stage = play("time.base = 'manual'\nclock.stratum = 5");
    let handle = stage.handle();
    let two = scenario("endpoints = [{ name = 'a' }, { name = 'b' }]");
    let error = handle.load(two).unwrap_err();
    assert_eq!(
        error,
        LoadError::Count {
            wanted: 2,
            served: 1
        }
    );
    let other = scenario("endpoints = [{ protocol = 'time' }]");
    assert!(matches!(
        handle.load(other),
        Err(LoadError::Protocol { .. })
    ));
    let others = scenario("endpoints = [{ unsynchronised = 'silent' }]");
    assert!(matches!(
        handle.load(others),
        Err(LoadError::Protocol { .. })
    ));
    let client = client_of(stage.address(0));
    assert_eq!(ask(&stage, &client, &ntp_request(1)).0[1], 5);
}

#[test]
fn a_handle_may_outlive_its_stage() {
    // No other test binds this address, or finds the port free that is given up.
    let play = Play::new(scenario("time.base = 'manual'"));
    let stage = play
        .listen("127.0.0.66:0".parse().unwrap())
        .start()
        .unwrap();
    let handle = stage.handle();
    let address = stage.address(0);
    let client = client_of(address);
    ask(&stage, &client, &ntp_request(1));
    drop(stage);
    assert_eq!(handle.status().requests, 1);
    // The address is free again, once no child of another test is on its way
    // from fork to exec with a copy of the socket.
    let patience = std::iter::repeat_n(PATIENCE / 2_000, 2_000);
    let again = patience
        .map(std::thread::sleep)
        .find_map(|()| UdpSocket::bind(address).ok());
    let again = again.expect("the handle keeps no socket");
    client.send_to(b"hello", address).unwrap();
    again.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(receive(&again).0, b"hello");
}

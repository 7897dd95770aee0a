//! What has an end, whatever comes.

use super::{A, Run, client, from, honest_to, request};
use std::net::Ipv4Addr;
use timeball::api::Delta;
use timeball::faults::{Engine, Ticket};

#[test]
fn one_reply_becomes_64_datagrams_at_most() {
    let mut toml = String::new();
    for _ in 0..20 {
        toml.push_str(
            "[[rules]]\nalso = true\nduplicate.reply = 16\nunsolicited = { mode = 4, count = 16 }\n",
        );
    }
    let mut run = Run::new(&toml);
    let departures = run.exchange(client());
    assert_eq!(departures.len(), Engine::MOST_DEPARTURES);
    assert_eq!(departures[0].octets, honest_to(1).encode());
}

#[test]
fn the_reply_itself_is_not_crowded_out() {
    let rule = "[[rules]]\nalso = true\nreplay = \"before\"\n";
    let mut run = Run::new(&rule.repeat(100));
    run.exchange(client());
    let departures = run.exchange(client());
    assert_eq!(departures.len(), Engine::MOST_DEPARTURES);
    assert_eq!(departures[63].octets, honest_to(2).encode());
}

#[test]
fn a_request_arrives_17_times_at_most() {
    let rule = "[[rules]]\nalso = true\nduplicate.request = 16\n";
    let mut run = Run::new(&rule.repeat(3));
    let arrivals = run.arrivals(A, client());
    assert_eq!(arrivals.copies.len(), Engine::MOST_ARRIVALS);
}

#[test]
fn a_flood_of_clients_changes_nothing_for_those_who_were_there() {
    let mut run = Run::of("request = 3\nset = { stratum = 9 }");
    run.exchange(client());
    for number in 0..10_000 {
        let peer = Ipv4Addr::from_bits(0x0a00_0000 + number).to_string();
        run.exchange(from(&peer));
    }
    assert!(!run.is_hit(A, client()), "this is its second request");
    assert!(run.is_hit(A, client()), "this is its third");
}

#[test]
fn a_reply_beyond_what_can_be_held_leaves_at_once() {
    let mut run = Run::of("hold = \"next-request\"");
    for number in 0..Engine::MOST_HELD as u32 {
        let peer = Ipv4Addr::from_bits(0x0a00_0000 + number).to_string();
        assert_eq!(run.exchange(from(&peer)), []);
    }
    let departures = run.exchange(client());
    assert_eq!(departures.len(), 1);
    assert_eq!(departures[0].octets, honest_to(257).encode());
}

#[test]
fn a_reply_to_a_forgotten_or_unknown_request_leaves_as_it_is() {
    let mut run = Run::of("junk = 4");
    let octets = request(1).encode();
    let ask = run.ask(A, client(), &octets);
    let first = run.engine.request(&ask).ticket;
    for _ in 0..4_095 {
        run.engine.request(&ask);
    }
    let reply = honest_to(1).encode();
    let len = |run: &mut Run, ticket| {
        let departures = run.engine.reply(ticket, &ask, Some(&reply));
        departures[0].octets.len()
    };
    assert_eq!(len(&mut run, first), 52);
    run.engine.request(&ask);
    assert_eq!(len(&mut run, first), 48);
    assert_eq!(len(&mut run, Ticket(0)), 48);
    assert_eq!(len(&mut run, Ticket(u64::MAX)), 48);
}

#[test]
fn a_reply_that_is_longer_than_a_datagram_is_cut_off() {
    let mut run = Run::new("");
    let reply = vec![7; 70_000];
    let departures = run.exchange_octets(super::TEXT, client(), b"", &reply);
    assert_eq!(departures[0].octets.len(), 65_507);
}

#[test]
fn an_endpoint_that_does_not_exist_is_no_endpoint() {
    let mut run = Run::new(
        "[[rules]]\nset = { stratum = 9 }\n[[rules]]\nendpoint = \"a\"\njunk = 1\n\
         [[rules]]\ndelay.reply = 1",
    );
    for endpoint in [5, 6, usize::MAX] {
        let departures = run.exchange_of(endpoint, client(), &request(1));
        assert_eq!(departures[0].octets.len(), 48);
        assert_eq!(departures[0].after, Delta::from_seconds(1));
        assert_eq!(*departures[0].rules[0], *"rule-3");
    }
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    let mut run = Run::of(
        "kiss = { code = \"RATE\", pardon = 1 }\nblackhole = 1\ndelay.reply = 3600\n\
         set = { origin_timestamp = \"-9223372036.854775808s\" }",
    );
    for at in [Delta::MIN, Delta::MAX, Delta::ZERO, Delta::MIN] {
        run.at = at;
        run.elapsed = at;
        run.exchange(client());
    }
}

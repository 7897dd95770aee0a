//! Whatever the rules, the requests and the replies: no panic, and nothing
//! beyond its end.

use super::endpoints;
use super::written::rule;
use proptest::prelude::*;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use timeball::api::Delta;
use timeball::faults::{Ask, Engine, Rule, Ticket, check_rules};
use timeball::transcript::{Change, Control, Entry, Opening, Reader, Witness, Writer};

/// A request with its reply, if there is one.
#[derive(Debug, Clone)]
struct Step {
    endpoint: usize,
    peer: SocketAddr,
    request: Vec<u8>,
    reply: Option<Vec<u8>>,
    at: i64,
    elapsed: i64,
    ticket: Option<u64>,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 48),
        2 => prop::collection::vec(any::<u8>(), 0..100),
        1 => (0_usize..70_000).prop_map(|len| vec![b'\n'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let peer = (0_u32..6, any::<u16>()).prop_map(|(host, port)| {
        let address = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + host));
        SocketAddr::new(address, port)
    });
    let times = (any::<i64>(), any::<i64>());
    let ticket = prop::option::weighted(0.1, any::<u64>());
    (
        0_usize..7,
        peer,
        payload(),
        prop::option::weighted(0.9, payload()),
        times,
        ticket,
    )
        .prop_map(
            |(endpoint, peer, request, reply, (at, elapsed), ticket)| Step {
                endpoint,
                peer,
                request,
                reply,
                at,
                elapsed,
                ticket,
            },
        )
}

/// The rules that are rules at all, and pass their check.
fn accepted(written: Vec<Value>) -> Vec<Rule> {
    let rules = written
        .into_iter()
        .filter_map(|it| serde_json::from_value::<Rule>(it).ok());
    let endpoints = endpoints();
    rules
        .filter(|rule| check_rules(std::slice::from_ref(rule), &endpoints).is_empty())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_rules_and_no_datagrams_lead_to_a_panic_or_beyond_an_end(
        seed: u64,
        written in prop::collection::vec(rule(), 1..12),
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let engine = Engine::new(seed, accepted(written), endpoints());
        let mut engine = engine.expect("each rule is right, and none has a name");
        let most = Engine::MOST_DEPARTURES + Engine::MOST_HELD;
        for step in steps {
            let ask = Ask {
                endpoint: step.endpoint,
                peer: step.peer,
                octets: &step.request,
                at: Delta::from_nanos(step.at),
                elapsed: Delta::from_nanos(step.elapsed),
            };
            let arrivals = engine.request(&ask);
            prop_assert!(arrivals.copies.len() <= Engine::MOST_ARRIVALS);
            prop_assert!(arrivals.copies.iter().all(|delay| *delay >= Delta::ZERO));
            prop_assert!(arrivals.departures.len() <= Engine::MOST_HELD);
            let ticket = step.ticket.map_or(arrivals.ticket, Ticket);
            for _ in 0..2 {
                let departures = engine.reply(ticket, &ask, step.reply.as_deref());
                prop_assert!(departures.len() <= most);
                for departure in departures {
                    prop_assert!(departure.after >= Delta::ZERO);
                    prop_assert!(departure.octets.len() <= 65_507);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_rule_comes_back_from_its_line_of_a_transcript(
        written in prop::collection::vec(rule(), 1..12),
    ) {
        let rules = accepted(written);
        let mut writer = Writer::new(Vec::new(), &Opening::new("it", 1, Vec::new(), ""))?;
        for rule in &rules {
            let what = Control::AddFault(Box::new(rule.clone()));
            writer.changed(&Change { at: Delta::ZERO, what });
        }
        let text = writer.finish()?;
        let reader = Reader::new(text.as_slice())?;
        let read: Vec<Rule> = reader
            .map(|entry| match entry.unwrap() {
                Entry::Change(Change { what: Control::AddFault(rule), .. }) => *rule,
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(read, rules);
    }
}

#[test]
fn the_rules_of_the_property_are_rules() {
    // Else the property would try nothing.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let written: Vec<Value> = (0..2_000)
        .map(|_| rule().new_tree(&mut runner).expect("a rule").current())
        .collect();
    let kinds = |key: &str| {
        let of_kind = written.iter().filter(|it| it.get(key).is_some()).cloned();
        accepted(of_kind.collect()).len()
    };
    for key in [
        "kiss",
        "interleaved",
        "set",
        "extension",
        "mac",
        "replace",
        "truncate",
        "pad",
        "junk",
        "flip_bits",
        "delay",
        "lose",
        "blackhole",
        "duplicate",
        "hold",
        "reply_from",
        "unsolicited",
        "replay",
        "arrival",
        "request",
        "during",
        "probability",
        "also",
    ] {
        assert!(kinds(key) > 10, "{key}: {}", kinds(key));
    }
}

//! The same seed gives the same octets and delays; another seed others.

use super::{A, B, Run, from};
use timeball::api::Delta;
use timeball::faults::{Arrivals, Departure};

/// Everything that is drawn, in one file.
const EVERYTHING: &str = r#"
    [[rules]]
    name = "shaky line"
    also = true
    delay.request.normal = { mean = "10ms", deviation = "3ms" }
    delay.reply.pareto = { minimum = "1ms", shape = 1.5 }
    lose.request = 0.1
    lose.reply.burst = { begin = 0.1, end = 0.3, loss = 0.8 }
    duplicate.reply = { copies = 1, flip_bits = 2 }

    [[rules]]
    name = "odd packets"
    also = true
    probability = "1/3"
    set = { origin_timestamp = "random", receive_timestamp = "random" }
    extension = { type = 1, count = 2 }
    mac = { len = 20 }
    junk = { from = 1, to = 9 }
    flip_bits = { count = { from = 1, to = 5 } }

    [[rules]]
    name = "more"
    probability = 0.5
    truncate = { from = 40, to = 90 }
    unsolicited = { mode = 4 }
"#;

fn play(seed: u64, toml: &str) -> Vec<(Arrivals, Vec<Departure>)> {
    let mut run = Run::seeded(seed, toml);
    (0..200_u64)
        .map(|step| {
            run.at = Delta::from_millis(step as i64 * 10);
            let peer = from(["127.0.0.1", "127.0.0.2", "::1"][step as usize % 3]);
            let endpoint = [A, B][step as usize % 2];
            let asked = super::request(step).encode();
            let ask = run.ask(endpoint, peer, &asked);
            let arrivals = run.engine.request(&ask);
            let reply = super::honest_to(step).encode();
            let departures = run.engine.reply(arrivals.ticket, &ask, Some(&reply));
            (arrivals, departures)
        })
        .collect()
}

#[test]
fn a_run_is_the_same_again() {
    assert_eq!(play(7, EVERYTHING), play(7, EVERYTHING));
}

#[test]
fn another_seed_gives_another_run() {
    let (one, other) = (play(7, EVERYTHING), play(8, EVERYTHING));
    let same = one.iter().zip(&other).filter(|(one, other)| one == other);
    // Each request has a drawn delay of its own.
    assert!(same.count() < 20);
}

#[test]
fn another_rule_changes_nothing_in_what_a_named_rule_draws() {
    let alone = "[[rules]]\nname = \"junk\"\njunk = 8\n";
    let beside = format!("[[rules]]\nname = \"other\"\nalso = true\njunk = 8\n{alone}");
    let (alone, beside) = (play(7, alone), play(7, &beside));
    for (alone, beside) in alone.iter().zip(&beside) {
        let (alone, beside) = (&alone.1[0].octets, &beside.1[0].octets);
        assert_eq!(alone[48..56], beside[56..64]);
        assert_ne!(beside[48..56], beside[56..64]);
    }
}

#[test]
fn neither_time_changes_what_is_drawn() {
    let mut one = Run::seeded(3, EVERYTHING);
    let mut other = Run::seeded(3, EVERYTHING);
    other.at = Delta::from_seconds(1_000);
    other.elapsed = Delta::from_seconds(-5);
    for _ in 0..50 {
        let peer = from("127.0.0.1");
        assert_eq!(one.exchange(peer), other.exchange(peer));
    }
}

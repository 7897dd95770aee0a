//! The built-in scenarios judge their clients: a good one passes each of them,
//! and each expectation is failed by a bad one that it is there for.

use super::client::Check::{Kiss, Mode, Origin, Source, Version, ZeroOrigin};
use super::client::{Client, Flaw};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use timeball::expect::{Outcome, Verdict};
use timeball::scenario::{Scenario, library};
use timeball::simulate::Simulation;

use Flaw::{
    AsksForEachDatagram, BelievesPoll, ClockAsTransmit, DiesOf, Gullible, Hurries, HurriesFrom,
    ObeysEveryKiss, PortOfNtp, Skips, StopsAt, StopsAtBadReply, UpgradesForGood,
};

/// By scenario, for each of its expectations in turn, the clients that fail it.
const BAD: &[(&str, &[&[Flaw]])] = &[
    ("asymmetric-delay", &[&[StopsAt(1)], &[Hurries]]),
    (
        "bit-flips",
        &[&[Skips(Origin), StopsAtBadReply], &[Hurries]],
    ),
    ("blackhole", &[&[Hurries], &[StopsAt(33)]]),
    ("bogus-origin", &[&[Skips(Origin), StopsAtBadReply]]),
    ("closed-port", &[&[StopsAt(1)], &[Hurries]]),
    ("dead-and-live", &[&[StopsAt(1)], &[Hurries]]),
    ("drift", &[&[StopsAt(299)], &[Hurries]]),
    ("dst-change", &[&[StopsAt(10)], &[Hurries]]),
    ("duplicates", &[&[Skips(Origin)], &[Hurries]]),
    ("era-2036", &[&[StopsAt(10)]]),
    ("era-pivot-2104", &[&[StopsAt(10)], &[Hurries]]),
    ("extension-fields", &[&[StopsAt(60)], &[Hurries]]),
    (
        "falseticker",
        &[&[StopsAt(29)], &[StopsAt(29)], &[StopsAt(29)]],
    ),
    ("fast-60x", &[&[HurriesFrom(20)], &[StopsAt(59)]]),
    ("freeze", &[&[StopsAt(79)], &[Hurries]]),
    ("frozen-transmit", &[&[Gullible, StopsAtBadReply]]),
    (
        "gps-week-2019",
        &[&[StopsAt(9)], &[StopsAt(9)], &[StopsAt(9)]],
    ),
    ("gps-week-2038", &[&[StopsAt(9)], &[HurriesFrom(10)]]),
    ("interleaved", &[&[StopsAt(179)], &[Hurries]]),
    ("jitter", &[&[StopsAt(1)], &[Hurries]]),
    ("kod-codes", &[&[ObeysEveryKiss], &[Hurries]]),
    ("kod-deny", &[&[Skips(Kiss)]]),
    ("kod-rate", &[&[Skips(Kiss)], &[Hurries]]),
    ("kod-sometimes", &[&[Skips(Kiss)], &[Hurries]]),
    (
        "kod-wrong-origin",
        &[&[Skips(Origin)], &[Skips(ZeroOrigin)]],
    ),
    ("late-reply", &[&[Skips(Origin)], &[Hurries]]),
    ("leap-2012", &[&[StopsAt(10)], &[HurriesFrom(10)]]),
    ("leap-2016", &[&[StopsAt(1)], &[StopsAt(10)]]),
    ("leap-alarm", &[&[StopsAt(10)], &[Hurries]]),
    ("leap-delete", &[&[StopsAt(9)]]),
    ("leap-not-announced", &[&[StopsAt(10)], &[HurriesFrom(10)]]),
    ("leap-not-applied", &[&[StopsAt(10)], &[HurriesFrom(10)]]),
    ("leap-not-cleared", &[&[StopsAt(10)], &[StopsAt(70)]]),
    (
        "leap-one-of-four",
        &[&[StopsAt(10)], &[StopsAt(10)], &[StopsAt(10)]],
    ),
    ("leap-wrong-month", &[&[StopsAt(10)], &[HurriesFrom(10)]]),
    ("loss-burst", &[&[StopsAt(31)], &[Hurries]]),
    ("loss-first", &[&[StopsAt(17)], &[Hurries]]),
    ("loss-random", &[&[StopsAt(31)], &[Hurries]]),
    ("mac-trailers", &[&[StopsAt(60)], &[Hurries]]),
    ("majority-false", &[&[StopsAt(29)], &[StopsAt(29)]]),
    ("oversized", &[&[StopsAt(30)], &[Hurries]]),
    ("per-client", &[&[Skips(Kiss)], &[Hurries]]),
    ("poll-absurd", &[&[BelievesPoll], &[Hurries]]),
    (
        "precision-absurd",
        &[
            &[DiesOf(|header| header.precision_log2_s == 127)],
            &[Hurries],
        ],
    ),
    (
        "predictable-transmit",
        &[&[ClockAsTransmit], &[PortOfNtp], &[Flaw::Mode(1)]],
    ),
    (
        "receive-after-transmit",
        &[
            &[DiesOf(|header| {
                header.transmit_timestamp.to_bits() < header.receive_timestamp.to_bits()
            })],
            &[Hurries],
        ],
    ),
    (
        "reference-loop",
        &[
            &[DiesOf(|header| header.reference_id.0 == [127, 0, 0, 1])],
            &[Hurries],
        ],
    ),
    (
        "reference-timestamp",
        &[
            &[DiesOf(|header| {
                header.transmit_timestamp.to_bits() < header.reference_timestamp.to_bits()
            })],
            &[Hurries],
        ],
    ),
    ("replay", &[&[StopsAtBadReply], &[Hurries]]),
    ("replayed-origin", &[&[Skips(Origin), StopsAtBadReply]]),
    ("reply-from-elsewhere", &[&[Skips(Source), StopsAtBadReply]]),
    (
        "root-distance",
        &[
            &[DiesOf(|header| {
                header.root_dispersion.to_bits() == 20 << 16
            })],
            &[Hurries],
        ],
    ),
    ("sawtooth", &[&[StopsAt(299)], &[Hurries]]),
    ("smear-cosine", &[&[StopsAt(59)], &[Hurries]]),
    ("smear-linear", &[&[StopsAt(59)], &[Hurries]]),
    (
        "smear-one-of-four",
        &[&[StopsAt(10)], &[StopsAt(10)], &[StopsAt(10)]],
    ),
    ("smear-quadratic", &[&[StopsAt(59)], &[Hurries]]),
    (
        "step",
        &[&[StopsAt(29)], &[StopsAt(59)], &[HurriesFrom(30)]],
    ),
    (
        "stratum-changes",
        &[&[DiesOf(|header| header.stratum == 0)], &[Hurries]],
    ),
    ("suspend-gap", &[&[StopsAt(29)], &[StopsAt(89)]]),
    ("symmetric-delay", &[&[StopsAt(1)], &[Hurries]]),
    ("text-odd", &[&[StopsAtBadReply], &[Hurries]]),
    ("truncated", &[&[StopsAtBadReply], &[Hurries]]),
    ("unix-2038", &[&[StopsAt(10)], &[HurriesFrom(10)]]),
    ("unsolicited", &[&[Gullible], &[AsksForEachDatagram]]),
    (
        "unsynchronised",
        &[&[DiesOf(|header| header.stratum == 0)], &[Hurries]],
    ),
    (
        "usno-2012",
        &[&[StopsAt(29)], &[StopsAt(29)], &[StopsAt(89)]],
    ),
    ("v5-offer", &[&[UpgradesForGood], &[StopsAt(179)]]),
    ("wander", &[&[StopsAt(59)], &[Hurries]]),
    (
        "wrong-mode",
        &[&[Skips(Mode), StopsAtBadReply], &[Flaw::Mode(1)]],
    ),
    (
        "wrong-version",
        &[&[Skips(Version), StopsAtBadReply], &[Flaw::Version(5)]],
    ),
    ("zero-origin", &[&[Skips(ZeroOrigin), StopsAtBadReply]]),
    ("zero-timestamps", &[&[StopsAtBadReply], &[Hurries]]),
];

/// The addresses from which clients ask; several where that is what it is about.
pub fn addresses(scenario: &Scenario) -> Vec<IpAddr> {
    let last: &[u8] = match scenario.name.as_str() {
        "per-client" => &[1, 2, 3, 9],
        _ => &[1],
    };
    let address = |last: &u8| Ipv4Addr::new(127, 0, 0, *last).into();
    last.iter().map(address).collect()
}

/// A simulation of `scenario` with clients that have this flaw.
pub fn simulation(scenario: &Scenario, flaw: Option<Flaw>) -> Simulation {
    let mut simulation = Simulation::new(scenario.clone());
    for (address, seed) in addresses(scenario).into_iter().zip(1..) {
        let client = Client::new(scenario, seed, flaw);
        let client = match scenario.name.as_str() {
            "interleaved" | "frozen-transmit" => client.interleaved(),
            _ => client,
        };
        simulation = simulation.client(address, client);
    }
    simulation
}

fn verdict(scenario: &Scenario, flaw: Option<Flaw>) -> Verdict {
    let duration = scenario.duration.expect("built-in scenarios end");
    let simulated = simulation(scenario, flaw).run(duration);
    simulated.expect("its formats were checked").verdict
}

#[test]
fn a_good_client_passes_every_built_in_scenario() {
    for built_in in library() {
        let scenario = built_in.scenario().unwrap();
        let verdict = verdict(&scenario, None);
        let is_held = |it: &timeball::expect::Finding| it.outcome == Outcome::Held;
        assert!(
            verdict.expectations.iter().all(is_held),
            "{}\n{verdict}",
            built_in.name
        );
    }
}

#[test]
fn a_bad_client_fails_every_expectation_of_every_built_in_scenario() {
    let names: Vec<&str> = library().iter().map(|built_in| built_in.name).collect();
    let listed: Vec<&str> = BAD.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, names);
    let mut passed = String::new();
    for (name, bad) in BAD {
        let scenario = Scenario::builtin(name).unwrap();
        assert_eq!(bad.len(), scenario.expectations.len(), "{name}");
        for (index, flaws) in bad.iter().enumerate() {
            assert!(
                !flaws.is_empty(),
                "{name}: nobody fails expectation {index}"
            );
            for flaw in *flaws {
                let verdict = verdict(&scenario, Some(*flaw));
                if verdict.expectations[index].outcome != Outcome::Failed {
                    writeln!(passed, "{name}, with the flaw {flaw:?}\n{verdict}").unwrap();
                }
            }
        }
    }
    assert!(passed.is_empty(), "{passed}");
}

//! Runs that control changed, made again from their transcripts.

use super::command::Folder;
use super::{ask, scenario};
use crate::support::process::timeball;
use crate::support::running::run;
use crate::support::{client_of, ntp_request};
use std::io::{self, Write};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use timeball::api::{Delta, Host, Timestamp};
use timeball::faults::Rule;
use timeball::host::this_host;
use timeball::play::replay::{ReplayError, Replayed, replay};
use timeball::play::{Play, Stage, StageHandle};
use timeball::scenario::Scenario;
use timeball::transcript::{Control, Direction, Entry, Motion, Opening, Reader, Writer};

/// Moved by hand; two clocks, events by time and by number, chance.
const BY_HAND: &str = "
time.base = 'manual'
endpoints = [
    { name = 'common' },
    { name = 'own', clock.events = [{ elapsed = '30s', stratum = 7 }] },
    { name = 'common-too' },
]
clock.events = [
    { name = 'ahead', elapsed = '20s', step = '1h' },
    { name = 'later', elapsed = '1h', stratum = 4 },
]
[[rules]]
name = 'chance'
probability = 0.5
also = true
set = { poll = 17 }
[[rules]]
name = 'for a while'
during = { from = '25s', to = '2m' }
set = { precision = -3 }
";

/// On the wall, with requests that are on their way while things change.
const ON_THE_WALL: &str = "
requests = 400
time = { base = 'wall', rate = 100 }
endpoints = [{ name = 'a' }, { name = 'b', clock.stratum = 2 }]
clock.events = [{ wander = { white_phase = '1ms' } }]
[[rules]]
also = true
delay = { request = { exponential = { mean = '500us' } }, reply = '200us' }
[[rules]]
probability = 0.3
duplicate = { request = 1 }
";

/// A transcript that can be looked at while it is written.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Write for Transcript {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transcript {
    fn entries(&self) -> Vec<Entry> {
        let text = self.0.lock().unwrap();
        let reader = Reader::new(text.as_slice()).unwrap();
        reader.map(Result::unwrap).collect()
    }
}

/// What stands in the transcript of `toml` behind the first line, when `test`
/// has driven it.
pub(super) fn driven(toml: &str, test: impl FnOnce(&Stage)) -> Vec<Entry> {
    driven_in(scenario(toml), test)
}

/// The same of a scenario.
pub(super) fn driven_in(scenario: Scenario, test: impl FnOnce(&Stage)) -> Vec<Entry> {
    driven_on(this_host(), scenario, test)
}

/// The same on these clocks.
pub(super) fn driven_on(host: Host, scenario: Scenario, test: impl FnOnce(&Stage)) -> Vec<Entry> {
    let names = scenario.endpoints.iter().map(|it| it.name.clone());
    let opening = Opening::new("it", scenario.seed, names.collect(), &scenario.text);
    let transcript = Transcript::default();
    let writer = Writer::new(transcript.clone(), &opening).unwrap();
    let play = Play::new(scenario).with_host(host).witness(writer);
    let stage = play.start().unwrap();
    test(&stage);
    let _ = stage.finish();
    transcript.entries()
}

fn replayed(toml: &str, entries: &[Entry]) -> Replayed {
    replay(&scenario(toml), entries.to_vec()).unwrap()
}

#[track_caller]
pub(super) fn assert_clean(toml: &str, entries: &[Entry]) {
    let replayed = replayed(toml, entries);
    if let Some(difference) = replayed.difference {
        panic!("{difference}");
    }
    let count = |direction| {
        let records = entries.iter().filter_map(Entry::datagram);
        records.filter(|it| it.direction == direction).count() as u64
    };
    assert_eq!(
        (replayed.requests, replayed.replies),
        (count(Direction::In), count(Direction::Out))
    );
}

fn rule(toml: &str) -> Rule {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

/// Does one thing of each kind to a run by hand, and has `ask` ask in between.
fn drive(handle: &StageHandle, mut ask: impl FnMut()) {
    let seconds = Delta::from_seconds;
    let mut then = |clock, motion| {
        ask();
        handle.move_clocks(clock, motion).unwrap()
    };
    then(None, Motion::Advance(seconds(10)));
    then(Some("own"), Motion::Step(seconds(-5)));
    let event = then(None, Motion::Next).expect("an event is ahead");
    assert_eq!(event.name.as_deref(), Some("ahead"));
    then(None, Motion::Set(Timestamp::from_unix_seconds(1 << 31)));
    then(None, Motion::Pause);
    then(Some("common"), Motion::Advance(seconds(7)));
    then(None, Motion::Resume);
    ask();
    let kiss = rule("probability = '1/2'\nkiss = { code = 'RATE', pardon = '1s' }");
    let name = handle.add_rule(kiss).unwrap();
    (0..8).for_each(|_| ask());
    assert!(handle.remove_rule("chance"));
    (0..4).for_each(|_| ask());
    assert!(handle.remove_rule(&name));
    ask();
}

/// What `drive` leaves behind on the sockets.
fn driven_by_hand() -> Vec<Entry> {
    driven(BY_HAND, |stage| {
        let client = client_of(stage.address(0));
        let mut number = 0;
        drive(&stage.handle(), || {
            for endpoint in 0..3 {
                number += 1;
                let request = ntp_request(number);
                client.send_to(&request, stage.address(endpoint)).unwrap();
                crate::support::receive(&client);
            }
        });
    })
}

#[test]
fn a_run_that_was_driven_by_hand_comes_out_the_same_to_the_octet() {
    let entries = driven_by_hand();
    let changes = entries.iter().filter(|entry| entry.datagram().is_none());
    assert_eq!(changes.count(), 10);
    assert_clean(BY_HAND, &entries);
}

#[test]
fn no_change_can_be_left_out_or_come_elsewhere() {
    let entries = driven_by_hand();
    for (place, entry) in entries.iter().enumerate() {
        let Entry::Change(change) = entry else {
            continue;
        };
        // To pause changes nothing where nothing moves by itself.
        let Control::Clocks { motion, .. } = &change.what else {
            continue;
        };
        if matches!(motion, Motion::Pause | Motion::Resume) {
            continue;
        }
        let mut without = entries.clone();
        without.remove(place);
        assert_ne!(replayed(BY_HAND, &without).difference, None, "{change:?}");
        let mut later = without;
        // Behind the next request and its reply on each endpoint.
        later.insert(place + 6, entry.clone());
        assert_ne!(replayed(BY_HAND, &later).difference, None, "{change:?}");
    }
}

#[test]
fn one_octet_that_was_changed_is_found_in_a_controlled_run_too() {
    let mut entries = driven_by_hand();
    for place in 0..entries.len() {
        let Entry::Datagram(record) = &mut entries[place] else {
            continue;
        };
        if record.direction == Direction::In {
            continue;
        }
        let octet = 7 * place % record.octets.len();
        record.octets[octet] ^= 1;
        let number = record.number;
        let difference = replayed(BY_HAND, &entries).difference;
        assert_eq!(difference.map(|it| it.number()), Some(number));
        let Entry::Datagram(record) = &mut entries[place] else {
            unreachable!("it was one")
        };
        record.octets[octet] ^= 1;
    }
}

#[test]
fn changes_keep_their_place_among_requests_that_come_at_any_moment() {
    let rate = |text: &str| Motion::Rate(text.parse().unwrap());
    let entries = driven(ON_THE_WALL, |stage| {
        let handle = stage.handle();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let client = client_of(stage.address(0));
                for n in 0..400 {
                    let to = stage.address(n as usize % 2);
                    client.send_to(&ntp_request(n), to).unwrap();
                }
            });
            let mut round = 0;
            while !handle.is_over() {
                round += 1;
                let motions = [
                    (None, Motion::Pause),
                    (Some("a"), Motion::Advance(Delta::from_millis(250))),
                    (None, Motion::Resume),
                    (None, rate("1000/3")),
                    (Some("b"), Motion::Step(Delta::from_millis(-20))),
                    (None, rate("-2")),
                ];
                for (clock, motion) in motions {
                    handle.move_clocks(clock, motion).unwrap();
                }
                let name = format!("round {round}");
                let added = format!("name = '{name}'\nalso = true\nset = {{ poll = 9 }}");
                handle.add_rule(rule(&added)).unwrap();
                assert!(handle.remove_rule(&name));
            }
        });
    });
    let changes = entries.iter().filter(|entry| entry.datagram().is_none());
    assert!(changes.count() >= 8);
    let replayed = replayed(ON_THE_WALL, &entries);
    if let Some(difference) = replayed.difference {
        panic!("{difference}");
    }
    assert_eq!(replayed.requests, 400);
    assert!(replayed.replies > 300, "{}", replayed.replies);
}

#[test]
fn a_scenario_that_was_loaded_is_played_again_from_its_line() {
    let entries = driven("time.base = 'manual'", |stage| {
        let client = client_of(stage.address(0));
        ask(stage, &client, &ntp_request(1));
        let second = "seed = 3\ntime = { base = 'per-request', start = '2036-02-07T06:28:14Z' }\n\
                      endpoints = [{ name = 'other' }]\n\
                      rules = [{ probability = 0.5, kiss = { code = 'RATE' } }]";
        for toml in [second, "time = { base = 'wall', rate = '1/3' }"] {
            stage.handle().load(scenario(toml)).unwrap();
            for n in 0..9 {
                ask(stage, &client, &ntp_request(n));
            }
        }
        let pause = stage.handle().move_clocks(None, Motion::Pause);
        pause.unwrap();
        ask(stage, &client, &ntp_request(9));
    });
    assert_clean("time.base = 'manual'", &entries);

    // One octet in the second scenario, which counts its requests anew.
    let mut damaged = entries.clone();
    let is_load = |entry: &Entry| matches!(entry, Entry::Change(it) if it.at > Delta::ZERO);
    let load = damaged.iter().position(is_load).unwrap();
    let Entry::Datagram(record) = &mut damaged[load + 2] else {
        panic!("a request and its reply follow")
    };
    record.octets[1] ^= 1;
    let replayed = replayed("time.base = 'manual'", &damaged);
    assert_eq!(replayed.loaded.as_deref(), Some("it"));
    assert_eq!(replayed.difference.map(|it| it.number()), Some(1));
}

#[test]
fn what_another_scenario_cannot_do_again_is_told_with_its_place() {
    let entries = driven_by_hand();
    let refused = |toml: &str| {
        let scenario = scenario(&format!("time.base = 'manual'\n{toml}"));
        match replay(&scenario, entries.clone()) {
            Err(ReplayError::Entry { place, problem }) => (entries[place].clone(), problem),
            other => panic!("{other:?}"),
        }
    };
    let (entry, problem) = refused("endpoints = [{ name = 'a' }, { name = 'b' }, { name = 'c' }]");
    assert!(problem.starts_with("clock = \"own\": "), "{problem}");
    assert!(entry.datagram().is_none());
    let (entry, problem) = refused("");
    assert_eq!(
        problem,
        "endpoint: the scenario has 1, and this is number 2"
    );
    assert_eq!(entry.datagram().unwrap().endpoint, 1);
}

fn ctl(folder: &Folder, arguments: &[&str]) {
    let output = run(timeball()
        .args(["ctl", "--ports-file"])
        .arg(folder.file("ports.json"))
        .args(arguments));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
}

fn replay_file(file: &Path) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = run(timeball().arg("replay").arg(file));
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn what_ctl_did_to_a_run_is_in_its_transcript() {
    let folder = Folder::with(
        "name = 'it'\ndescription = 'A test'\ntime.base = 'manual'\n\
         clock.events = [{ name = 'later', elapsed = '1h', stratum = 4 }]",
    );
    let file = folder.file("transcript.jsonl");
    let rule = folder.file("rule.toml");
    std::fs::write(&rule, "name = 'kiss'\nkiss = { code = 'DENY' }\n").unwrap();
    let other = folder.file("other.toml");
    let text = "name = 'other'\ndescription = 'A test'\ntime.base = 'per-request'\n";
    std::fs::write(&other, text).unwrap();
    let playing = folder.start(&[
        "--control",
        "127.0.0.1:0",
        "--transcript",
        file.to_str().unwrap(),
    ]);
    for arguments in [
        &["advance", "10s"][..],
        &["set", "2036-02-07T06:28:06Z"],
        &["step", "-1s"],
        &["next"],
        &["pause"],
        &["resume"],
        &["fault", "add", rule.to_str().unwrap()],
        &["fault", "remove", "kiss"],
        &["load", other.to_str().unwrap()],
        &["set", "2038-01-19T03:14:07Z"],
    ] {
        ctl(&folder, arguments);
        playing.ask(2);
    }
    ctl(&folder, &["stop"]);
    playing.end();
    let whole = std::fs::read_to_string(&file).unwrap();
    assert_eq!(whole.matches("{\"control\":").count(), 10, "{whole}");
    let (code, said) = replay_file(&file);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.ends_with("the same: requests 20, replies 20\n"),
        "{said}"
    );

    let damage = |from: &str, to: &str| {
        assert!(whole.contains(from), "{whole}");
        std::fs::write(&file, whole.replacen(from, to, 1)).unwrap();
        replay_file(&file)
    };
    let (code, said) = damage("\"by\":10.", "\"by\":11.");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("request 1 differs"), "{said}");
    let (code, said) = damage("\"by\":10.000000000", "\"by\":\"10s\"");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("transcript.jsonl: line 2: by = "), "{said}");
    let (code, said) = damage("\"name\":\"kiss\"}\n", "\"name\":\"hug\"}\n");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("line 37: name = \"hug\": there is no such fault"),
        "{said}"
    );
    let (code, said) = damage("other'\\ndescription", "other'\\nseed = -1\\ndescription");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("line 42: ") && said.contains("seed"),
        "{said}"
    );
}

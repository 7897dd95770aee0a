//! Control of a scenario that is played.

use super::ctl::{failed, text};
use super::{get, post};
use crate::support::process::timeball;
use crate::support::running::run;
use crate::support::{ask, ntp_header, ntp_request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Output;
use timeball::control::status::ListenerStatus;
use timeball::control::{BoundControl, Controllable};
use timeball::play::Play;
use timeball::protocol::ntp::header::Header;
use timeball_mock::MockClock;

/// A good server and one that lies from the tenth second on; both wait for
/// control.
const POOL: &str = "
name = 'pool'
description = 'One of two lies'
seed = 7
time = { base = 'manual', start = '2030-01-01T00:00:00Z' }
endpoints = [
    { name = 'good' },
    { name = 'liar', clock.events = [
        { name = 'the lie', elapsed = '10s', step = '1h' },
        { elapsed = '20s', stratum = 3 },
    ] },
]
rules = [{ name = 'late', endpoint = 'good', request = { from = 100 }, truncate = 47 }]

[[expect]]
name = 'asks twice at most'
requests = { at_most = 2 }
";

/// A scenario that is played, and its control.
pub struct Played {
    pub control: SocketAddr,
    endpoints: Vec<SocketAddr>,
}

impl Played {
    /// What a client gets from the endpoint.
    fn served(&self, endpoint: usize) -> Header {
        ntp_header(&ask(self.endpoints[endpoint], &ntp_request(1)))
    }

    fn status(&self) -> Value {
        get(self.control, "/status").done()
    }

    /// Of each clock: what it shows, without the date.
    #[track_caller]
    fn moved(&self, path: &str, body: &str) -> Vec<String> {
        let answer = post(self.control, path, body).done();
        let clocks = answer["clocks"].as_array().unwrap().iter();
        clocks
            .map(|clock| {
                let time = clock["time"].as_str().unwrap();
                let (_, time) = time.split_once('T').unwrap();
                format!("{} {}", clock["name"].as_str().unwrap(), &time[..8])
            })
            .collect()
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.control);
        run(timeball().args(["ctl", "--url", &url]).args(arguments))
    }

    /// What ctl prints when all is well.
    #[track_caller]
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    }
}

/// Plays `scenario` while `test` controls it.
pub fn play(scenario: &str, test: impl FnOnce(Played) + Send + 'static) {
    actix_rt::System::new().block_on(async {
        let stage = Play::from_toml(scenario).unwrap_or_else(|errors| panic!("{errors}"));
        let stage = stage.launch().await.expect("loopback has free ports");
        let bound = BoundControl::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None, None).unwrap();
        let control = bound.serve(stage.controlled()).unwrap();
        let played = Played {
            control: control.address(),
            endpoints: stage.listeners().iter().map(|it| it.address).collect(),
        };
        let done = tokio::task::spawn_blocking(move || test(played)).await;
        control.stop().await;
        stage.finish().await;
        done.expect("the test is well");
    });
}

#[test]
fn the_status_names_scenario_clocks_listeners_and_faults() {
    play(POOL, |pool| {
        pool.served(1);
        let status = pool.status();
        assert_eq!(status["mode"], "test");
        let scenario = json!({ "name": "pool", "seed": 7, "requests": 1, "is_over": false });
        assert_eq!(status["scenario"], scenario);
        let names = |list: &Value, key: &str| -> Vec<Value> {
            let list = list.as_array().unwrap().iter();
            list.map(|one| one[key].clone()).collect()
        };
        assert_eq!(names(&status["clocks"], "name"), ["good", "liar"]);
        assert_eq!(names(&status["clocks"], "served"), [0, 1]);
        assert_eq!(names(&status["listeners"], "source"), ["good", "liar"]);
        assert_eq!(status["faults"], json!([{ "name": "late", "applied": 0 }]));
        let told = pool.told(&["status"]);
        assert!(
            told.contains("scenario pool  seed 7  requests 1\n"),
            "{told}"
        );
        assert!(told.contains("\nfault late  applied 0\n"), "{told}");
    });
}

#[test]
fn a_verb_without_a_name_moves_the_whole_pool() {
    play(POOL, |pool| {
        let both = pool.moved("/advance", r#"{"by": "5s"}"#);
        assert_eq!(both, ["good 00:00:05", "liar 00:00:05"]);
        let one = pool.moved("/step", r#"{"by": "-1s", "clock": "good"}"#);
        assert_eq!(one, ["good 00:00:04"]);
        post(pool.control, "/pause", r#"{"clock": "bad"}"#).refused(404);
    });
}

#[test]
fn a_clock_that_endpoints_share_is_moved_once() {
    let shared = "name = 'shared'\ndescription = 'Two endpoints with one clock, and one apart'
time = { base = 'manual', start = '2030-01-01T00:00:00Z' }
endpoints = [{ name = 'a' }, { name = 'b' }, { name = 'own', clock.stratum = 2 }]
clock.events = [
    { name = 'first', request = 5, stratum = 5 },
    { name = 'second', request = 6, stratum = 6 },
]";
    play(shared, |it| {
        for (path, body, time) in [
            ("/advance", r#"{"by": "10s"}"#, "00:00:10"),
            ("/step", r#"{"by": "1h"}"#, "01:00:10"),
            ("/set", r#"{"time": "2030-01-01T12:00:00Z"}"#, "12:00:00"),
        ] {
            let all = ["a", "b", "own"].map(|name| format!("{name} {time}"));
            assert_eq!(it.moved(path, body), all, "{path}");
        }
        let one = it.moved("/advance", r#"{"by": "1s", "clock": "b"}"#);
        assert_eq!(one, ["b 12:00:01"]);
        assert_eq!(it.status()["clocks"][0]["elapsed_ns"], 11_000_000_000_i64);

        let answer = post(it.control, "/next", "{}").done();
        assert_eq!(answer["event"], "first", "and not the one behind it");
        assert_eq!(it.served(0).stratum, 5);
        it.moved("/pause", "{}");
        it.moved("/resume", "{}");
        assert_eq!(it.status()["clocks"][1]["paused"], false);
    });
}

#[test]
fn next_takes_the_whole_pool_to_the_next_event_of_any_clock() {
    play(POOL, |pool| {
        let answer = post(pool.control, "/next", "{}").done();
        assert_eq!(answer["event"], "the lie");
        assert_eq!(answer["clocks"][1]["phase"], "the lie");
        let elapsed = |clock: usize| answer["clocks"][clock]["elapsed_ns"].clone();
        assert_eq!(
            (elapsed(0), elapsed(1)),
            (json!(10_000_000_000_i64), elapsed(0))
        );
        let hour = pool
            .served(1)
            .transmit_timestamp
            .since(pool.served(0).transmit_timestamp);
        assert_eq!(hour, timeball::api::Delta::from_seconds(3_600));

        assert!(pool.told(&["next"]).starts_with("event stratum = 3\n"));
        assert_eq!((pool.served(0).stratum, pool.served(1).stratum), (1, 3));
        post(pool.control, "/next", "{}").refused(409);
    });
}

#[test]
fn a_clock_ahead_of_the_next_event_stays_where_it_is() {
    play(POOL, |pool| {
        pool.moved("/advance", r#"{"by": "1m", "clock": "good"}"#);
        let both = pool.moved("/next", "{}");
        assert_eq!(both, ["good 00:01:00", "liar 01:00:10"]);
    });
}

#[test]
fn an_event_by_requests_comes_when_no_other_is_left() {
    let scenario = "name = 'it'\ndescription = 'it'\ntime.base = 'manual'\n\
                    clock.events = [{ name = 'tenth', request = 10, stratum = 9 }]";
    play(scenario, |it| {
        assert_eq!(it.served(0).stratum, 1);
        let answer = post(it.control, "/next", "{}").done();
        assert_eq!(
            (&answer["event"], &answer["clocks"][0]["served"]),
            (&json!("tenth"), &json!(1))
        );
        assert_eq!(it.served(0).stratum, 9);
    });
}

#[test]
fn a_fault_is_added_before_the_others_and_removed_again() {
    play(POOL, |pool| {
        assert_eq!(pool.served(0).stratum, 1);
        let kiss = r#"{"name": "kiss", "kiss": {"code": "DENY"}, "probability": 1.0}"#;
        let answer = post(pool.control, "/fault/add", kiss).done();
        let (kiss_0, late) = (
            json!({"name": "kiss", "applied": 0}),
            json!({"name": "late", "applied": 0}),
        );
        assert_eq!(answer["faults"], json!([kiss_0, late]));

        let kissed = pool.served(0);
        assert_eq!(
            (kissed.stratum, kissed.reference_id.to_string()),
            (0, "DENY".to_owned())
        );
        assert_eq!(pool.status()["faults"][0]["applied"], 1);

        let answer = post(pool.control, "/fault/remove", r#"{"name": "kiss"}"#).done();
        assert_eq!(answer["faults"], json!([late]));
        assert_eq!(pool.served(0).stratum, 1);
        let error = post(pool.control, "/fault/remove", r#"{"name": "kiss"}"#).refused(404);
        assert_eq!(
            (&error["key"], &error["accepted"]),
            (&json!("name"), &json!("`late`"))
        );
    });
}

#[test]
fn a_rule_is_refused_as_it_would_be_in_a_scenario() {
    play(POOL, |pool| {
        for (rule, key, value, said) in [
            (r#"{"kis": {}}"#, json!("kis"), Value::Null, "unknown key"),
            (
                r#"{"kiss": {"code": "RATE", "pol": 1}}"#,
                json!("kiss.pol"),
                Value::Null,
                "did you mean `poll`?",
            ),
            (
                r#"{"truncate": "short"}"#,
                json!("truncate"),
                json!("short"),
                "accepted: ",
            ),
            (
                r#"{"truncate": -1}"#,
                json!("truncate"),
                json!(-1),
                "accepted: ",
            ),
            (
                r#"{"endpoint": "nobody", "honest": true}"#,
                json!("endpoint"),
                json!("nobody"),
                "liar",
            ),
            (
                r#"{"name": "late", "honest": true}"#,
                json!("name"),
                json!("late"),
                "late",
            ),
            (r#"{}"#, json!("honest"), Value::Null, "honest: missing"),
            (r#"{"kiss": null}"#, Value::Null, Value::Null, "the rule"),
        ] {
            let error = post(pool.control, "/fault/add", rule).refused(422);
            assert_eq!(
                (&error["key"], &error["value"]),
                (&key, &value),
                "{rule}: {error}"
            );
            assert!(
                error["error"].as_str().unwrap().contains(said),
                "{rule}: {error}"
            );
            assert!(
                !error["error"].as_str().unwrap().contains("<text>"),
                "{rule}: {error}"
            );
        }
        let error = post(pool.control, "/fault/add", r#"{"truncate": -1, "pd": -1}"#).refused(422);
        assert_eq!(error["more"].as_array().unwrap().len(), 1, "{error}");
        assert_eq!(pool.status()["faults"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn ctl_adds_the_rules_of_a_file_in_their_order() {
    play(POOL, |pool| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        let path = file.to_str().unwrap();
        std::fs::write(
            &file,
            "[[rules]]\nname = 'first'\nhonest = true\n\
             [[rules]]\nname = 'second'\nkiss = { code = 'RATE' }\n",
        )
        .unwrap();
        let told = pool.told(&["fault", "add", path]);
        assert_eq!(
            told,
            "fault first  applied 0\nfault second  applied 0\nfault late  applied 0\n"
        );
        let told = pool.told(&["fault", "remove", "first"]);
        assert_eq!(told, "fault second  applied 0\nfault late  applied 0\n");

        std::fs::write(&file, "name = 'alone'\ntruncate = 47\n").unwrap();
        assert!(
            pool.told(&["fault", "add", path])
                .starts_with("fault alone  applied 0\n")
        );
        std::fs::write(&file, "name = 'bad'\ntruncate = -1\npd = -1\n").unwrap();
        let said = failed(&pool.ctl(&["fault", "add", path]), 1);
        assert_eq!(said.lines().count(), 2, "{said}");
        std::fs::write(&file, "rules = 3\n").unwrap();
        failed(&pool.ctl(&["fault", "add", path]), 2);
        std::fs::write(&file, "rules = []\n").unwrap();
        assert!(failed(&pool.ctl(&["fault", "add", path]), 2).contains("no rule"));
    });
}

#[test]
fn a_scenario_takes_the_place_of_another() {
    let small = "name = 'small'\ndescription = 'it'\ntime.base = 'manual'";
    play(small, |it| {
        it.served(0);
        let other = "name = 'other'\ndescription = 'it'\nseed = 9\n\
                     time = { base = 'manual', start = '2036-02-07T06:28:16Z' }\n\
                     clock.stratum = 5";
        let body = json!({ "text": other }).to_string();
        let status = post(it.control, "/load", &body).done();
        let scenario = json!({ "name": "other", "seed": 9, "requests": 0, "is_over": false });
        assert_eq!(status["scenario"], scenario);
        assert_eq!(
            status["clocks"][0]["time"],
            "2036-02-07T06:28:16.000000000Z"
        );
        assert_eq!(it.served(0).stratum, 5);

        let status = post(it.control, "/load", r#"{"name": "kod-rate"}"#).done();
        assert_eq!(status["scenario"]["name"], "kod-rate");
        assert_eq!(status["faults"][0]["name"], "kiss");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("other.toml");
        std::fs::write(&file, other).unwrap();
        let told = it.told(&["load", file.to_str().unwrap()]);
        assert!(
            told.contains("scenario other  seed 9  requests 0\n"),
            "{told}"
        );
        let told = it.told(&["load", "leap-2016"]);
        assert!(told.contains("scenario leap-2016"), "{told}");
    });
}

#[test]
fn a_scenario_that_does_not_fit_leaves_the_present_one() {
    play(POOL, |pool| {
        let wrong = json!({ "text": "name = 'x'\nsede = 1\nseed = -1\ndescription = 'x'" });
        let error = post(pool.control, "/load", &wrong.to_string()).refused(422);
        assert_eq!(
            error["error"],
            "<text>:2: sede: unknown key; did you mean `seed`?"
        );
        assert_eq!(error["more"][0]["key"], "seed");
        assert_eq!(error["more"][0]["value"], -1);

        let alone = json!({ "text": "name = 'x'\ndescription = 'x'" });
        let error = post(pool.control, "/load", &alone.to_string()).refused(409);
        assert!(
            error["error"].as_str().unwrap().contains("2 are served"),
            "{error}"
        );

        let error = post(pool.control, "/load", r#"{"name": "leap-2O16"}"#).refused(404);
        assert!(
            error["error"].as_str().unwrap().contains("leap-2016"),
            "{error}"
        );
        let error = post(pool.control, "/load", "{}").refused(422);
        assert_eq!(error["accepted"], "`name` or `text`");
        post(
            pool.control,
            "/load",
            r#"{"name": "leap-2016", "text": ""}"#,
        )
        .refused(422);
        assert_eq!(pool.status()["scenario"]["name"], "pool");
    });
}

#[test]
fn the_verdict_is_the_one_so_far_and_the_exit_code_tells_it() {
    play(POOL, |pool| {
        pool.served(0);
        let verdict = get(pool.control, "/verdict").done();
        assert_eq!(verdict["passes"], true, "{verdict}");
        assert_eq!(verdict["expectations"][0]["name"], "asks twice at most");
        assert!(pool.told(&["verdict"]).contains("PASSED"));
        pool.served(0);
        pool.served(0);
        let output = pool.ctl(&["verdict"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stdout).contains("FAILED      asks twice at most"),
            "{output:?}"
        );
        let output = pool.ctl(&["--json", "verdict"]);
        assert_eq!(output.status.code(), Some(1));
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict["expectations"][0]["outcome"], "failed");
    });
}

#[test]
fn stop_ends_the_run_and_tells_the_verdict() {
    play(POOL, |pool| {
        pool.served(0);
        assert!(pool.told(&["stop"]).contains("PASSED"));
        assert_eq!(pool.status()["scenario"]["is_over"], true);
        assert!(pool.told(&["status"]).contains("requests 1  over\n"));
    });
}

/// A server that tells on which thread it is asked.
struct Witness(std::sync::mpsc::Sender<String>);

impl Controllable for Witness {
    fn clocks(&self) -> Vec<(String, MockClock)> {
        let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        self.0.send(name).unwrap();
        Vec::new()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        Vec::new()
    }
}

#[test]
fn no_shard_is_asked_for_control() {
    let (sender, asked) = std::sync::mpsc::channel();
    actix_rt::System::new().block_on(async {
        // Beside the shards of a server that serves.
        let served = Play::from_toml(POOL).unwrap().launch().await.unwrap();
        let bound = BoundControl::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None, None).unwrap();
        let control = bound.serve(std::sync::Arc::new(Witness(sender))).unwrap();
        let address = control.address();
        let status = tokio::task::spawn_blocking(move || get(address, "/status").done());
        assert_eq!(status.await.unwrap()["mode"], "real");
        control.stop().await;
        served.finish().await;
    });
    let thread = asked.recv().unwrap();
    assert!(!thread.starts_with("shard-"), "{thread}");
}

//! Whether a client comes back after trouble.

use super::scene::{ENDPOINTS, START, Scene, expectation, ms};
use std::net::IpAddr;
use timeball::api::Delta;
use timeball::expect::{Judge, Outcome};
use timeball::protocol::ProtocolName;
use timeball::transcript::{Control, Direction, Record, Witness};

const BLACKHOLE: &str = "recovery = { within = \"10s\" }\nrules = [\"blackhole\"]";
const UNTIL: &str = "recovery = { within = \"10s\" }\nuntil = \"40s\"";

fn lost(scene: &mut Scene, at_ms: i64) {
    scene.ask_as(at_ms, |record, _| record.rules.push("blackhole".into()));
}

#[test]
fn a_client_that_asks_soon_after_the_last_lost_request_recovers() {
    let mut scene = Scene::new(BLACKHOLE);
    scene.ask(0);
    scene.is_not_tested(0, "no client asked during the trouble");
    lost(&mut scene, 1_000);
    lost(&mut scene, 30_000);
    scene.is_not_tested(30_000, "the run ended before");
    scene.ask(40_000);
    scene.holds(40_000);
}

#[test]
fn a_client_that_comes_back_too_late_does_not_recover() {
    let mut scene = Scene::new(BLACKHOLE);
    lost(&mut scene, 1_000);
    scene.ask(11_001);
    scene.fails(20_000, 2, "request 2 came 10.001 s after request 1");
}

#[test]
fn after_a_black_hole_the_time_counts_from_its_end() {
    let rules = "rules = [{ name = 'blackhole', request = { from = 2 }, blackhole = '60s' }]";
    let scene = || {
        let mut scene = Scene::with_rules(BLACKHOLE, rules);
        scene.ask(0);
        // It begins with a request of another client, and ends 61 s after the start.
        scene.ask_as(1_000, |record, _| {
            record.peer.set_ip(IpAddr::from([127, 0, 0, 2]));
            record.rules.push("blackhole".into());
        });
        lost(&mut scene, 30_000);
        scene.ask_as(61_000, |record, _| {
            record.peer.set_ip(IpAddr::from([127, 0, 0, 2]));
        });
        scene
    };
    let mut good = scene();
    good.ask(71_000);
    good.holds(71_000);
    assert_eq!(
        good.finish(71_000).what,
        "after `blackhole` let go, a request comes within 10 s"
    );

    let mut late = scene();
    late.ask(71_001);
    late.fails(
        80_000,
        5,
        "request 5 came 10.001 s after the trouble was over",
    );

    let gone = scene();
    gone.holds(71_000);
    gone.fails(
        71_001,
        3,
        "127.0.0.1 did not ask again after request 3, up to the end of the run 41.001 s later",
    );
}

#[test]
fn after_a_window_of_a_rule_the_time_counts_from_its_end() {
    let rules = "rules = [{ name = 'blackhole', during = { to = '40s' }, \
                 lose = { request = { every = 1 } } }]";
    let scene = || {
        let mut scene = Scene::with_rules(BLACKHOLE, rules);
        lost(&mut scene, 1_000);
        scene
    };
    scene().is_not_tested(50_000, "the run ended before");
    let mut good = scene();
    good.ask(50_000);
    good.holds(50_000);
    let mut late = scene();
    late.ask(50_001);
    late.fails(
        60_000,
        2,
        "request 2 came 10.001 s after the trouble was over",
    );
}

#[test]
fn what_control_removes_is_over_then() {
    let rules = "rules = [{ name = 'blackhole', lose = { request = 0.5 } }]";
    let mut scene = Scene::with_rules(BLACKHOLE, rules);
    assert_eq!(
        scene.finish(0).what,
        "after a request that `blackhole` touched, one that is left alone comes within 10 s"
    );
    lost(&mut scene, 1_000);
    scene.change(30_000, Control::RemoveFault("another".to_owned()));
    scene.change(40_000, Control::RemoveFault("blackhole".to_owned()));
    scene.ask(50_000);
    scene.holds(50_000);

    let added = toml::from_str("name = 'blackhole'\nblackhole = '5s'").unwrap();
    scene.change(60_000, Control::AddFault(Box::new(added)));
    lost(&mut scene, 61_000);
    scene.ask(76_001);
    scene.fails(
        80_000,
        4,
        "request 4 came 10.001 s after the trouble was over",
    );
}

#[test]
fn a_client_that_gives_up_does_not_recover() {
    let mut scene = Scene::new(BLACKHOLE);
    lost(&mut scene, 1_000);
    scene.is_not_tested(11_000, "the run ended before");
    scene.fails(
        11_001,
        1,
        "127.0.0.1 did not ask again after request 1, up to the end of the run 10.001 s later",
    );
}

#[test]
fn each_client_has_to_recover() {
    let mut scene = Scene::new(BLACKHOLE);
    lost(&mut scene, 1_000);
    scene.ask_as(1_000, |record, _| {
        record.peer.set_ip(IpAddr::from([127, 0, 0, 2]));
        record.rules.push("blackhole".into());
    });
    scene.ask(2_000);
    scene.holds(5_000);
    scene.fails(
        30_000,
        2,
        "127.0.0.2 did not ask again after request 2, up to the end of the run 29 s later",
    );
}

#[test]
fn a_window_that_ends_is_trouble_too() {
    let mut scene = Scene::new(UNTIL);
    scene.ask(1_000);
    scene.ask(39_999);
    scene.is_not_tested(50_000, "the run ended before");
    scene.ask(50_000);
    scene.holds(50_000);

    // The moment at which it ends is not trouble any more.
    let mut at_once = Scene::new(UNTIL);
    at_once.ask(1_000);
    at_once.ask(40_000);
    at_once.holds(40_000);

    let mut late = Scene::new(UNTIL);
    late.ask(1_000);
    late.ask(50_001);
    late.fails(
        60_000,
        2,
        "request 2 came 10.001 s after the trouble was over",
    );

    let mut gone = Scene::new(UNTIL);
    gone.ask(1_000);
    gone.is_not_tested(50_000, "the run ended before");
    gone.fails(
        50_001,
        1,
        "127.0.0.1 did not ask again after request 1, up to the end of the run 49.001 s later",
    );
}

#[test]
fn what_the_rules_touch_outside_of_the_window_is_no_trouble() {
    let mut scene = Scene::new(&format!("{BLACKHOLE}\nfrom = \"10s\"\nuntil = \"20s\""));
    lost(&mut scene, 9_999);
    lost(&mut scene, 20_000);
    scene.is_not_tested(60_000, "no client asked during the trouble");
    lost(&mut scene, 19_999);
    // Neither trouble nor the end of it.
    lost(&mut scene, 20_000);
    scene.is_not_tested(20_000, "the run ended before");
    scene.ask(29_999);
    scene.holds(29_999);
}

#[test]
fn a_client_that_came_only_afterwards_shows_nothing() {
    let mut scene = Scene::new(UNTIL);
    scene.ask(40_000);
    scene.ask(90_000);
    scene.is_not_tested(100_000, "no client asked during the trouble");
    Scene::new(UNTIL).is_not_tested(100_000, "no client asked during the trouble");
}

/// A request at this host time, when so much mock time has elapsed.
fn request(number: u64, at: Delta, elapsed: Delta) -> Record {
    Record {
        direction: Direction::In,
        number,
        at,
        made: None,
        elapsed,
        time: START + elapsed,
        endpoint: 1,
        protocol: ProtocolName::Text,
        peer: ([127, 0, 0, 1], 40_000).into(),
        local: ([127, 0, 0, 1], 8089).into(),
        octets: b"Send time".to_vec(),
        rules: Vec::new(),
    }
}

#[test]
fn the_end_of_a_window_is_found_on_a_clock_that_runs_at_another_rate() {
    // At 60 x, mock time reaches an hour after a minute of the host's.
    let toml = "recovery = { within = \"10s\" }\nuntil = \"1h\"";
    let at_rate = |millis: i64| (ms(millis), ms(60 * millis));
    let end = |judge: &Judge, millis| {
        let (at, elapsed) = at_rate(millis);
        judge.finish(at, &[Delta::ZERO, elapsed]).expectations[0].outcome
    };
    for (second_ms, outcome) in [(70_000, Outcome::Held), (70_001, Outcome::Failed)] {
        let mut judge = Judge::new(&[expectation(toml)], &ENDPOINTS).unwrap();
        let (at, elapsed) = at_rate(10_000);
        judge.saw(&request(1, at, elapsed));
        assert_eq!(end(&judge, 70_000), Outcome::NotTested);
        assert_eq!(end(&judge, 70_001), Outcome::Failed);
        let (at, elapsed) = at_rate(second_ms);
        judge.saw(&request(2, at, elapsed));
        assert_eq!(end(&judge, 80_000), outcome);
    }
}

//! Against the server itself: every protocol, both loops.

use crate::server::burst::FOUR;
use crate::support::{PATIENCE, serve, wait_for};
use std::net::SocketAddr;
use timeball::RunningServer;
use timeball::api::Delta;
use timeball::client::Question;
use timeball::load::{LoadError, Pace, Plan, PlanError, Report, Usage, Watch, plot, ramp, run};

/// The questions, in the order of the listeners of [`FOUR`].
const QUESTIONS: [Question; 4] = [
    Question::Text,
    Question::Daytime,
    Question::Time,
    Question::NTP,
];

/// The four protocols, on a server that drops no request for having waited: a
/// busy machine is no reason to lose one.
fn server() -> RunningServer {
    serve(FOUR)
}

/// So many requests, however long it takes.
pub fn plan(target: SocketAddr, question: Question, pace: Pace, requests: u64) -> Plan {
    let patience = Delta::from(PATIENCE);
    Plan {
        pace,
        requests: Some(requests),
        duration: patience,
        timeout: patience,
        ..Plan::new(target, question)
    }
}

/// Carries out a plan, which must be possible.
pub fn measure(plan: &Plan) -> Report {
    run(plan, &Watch::new()).unwrap_or_else(|error| panic!("{error}"))
}

fn assert_all_valid(report: &Report, requests: u64) {
    let counts = (report.sent, report.valid, report.invalid, report.lost);
    assert_eq!(counts, (requests, requests, 0, 0), "{report:?}");
    assert!(!report.interrupted);
    assert!(report.replies_per_second > 0.0);
    assert_eq!(report.latencies.count(), requests);
    let latency = report.latency_us.unwrap();
    let rising = [
        latency.min,
        latency.p50,
        latency.p90,
        latency.p99,
        latency.p99_9,
        latency.max,
    ];
    assert!(rising.is_sorted() && latency.min > 0.0, "{rising:?}");
}

#[test]
fn every_reply_of_every_protocol_is_valid_in_a_closed_loop() {
    let server = server();
    for (listener, question) in QUESTIONS.into_iter().enumerate() {
        for window in [1, 5, 128] {
            let pace = Pace::Window(window);
            let report = measure(&plan(server.address(listener), question, pace, 1_000));
            assert_all_valid(&report, 1_000);
            assert_eq!((report.kind, report.window), ("closed", Some(window)));
        }
    }
    assert_eq!(server.stop().replied, 4 * 3 * 1_000);
}

#[test]
fn every_reply_of_every_protocol_is_valid_in_an_open_loop() {
    let server = server();
    for (listener, question) in QUESTIONS.into_iter().enumerate() {
        let pace = Pace::Rate(10_000);
        let report = measure(&plan(server.address(listener), question, pace, 1_000));
        assert_all_valid(&report, 1_000);
        assert_eq!((report.kind, report.rate), ("open", Some(10_000)));
        assert_eq!(report.generator.unsent, 0);
    }
    assert_eq!(server.stop().replied, 4 * 1_000);
}

#[test]
fn threads_sockets_and_addresses_share_the_requests() {
    let server = server();
    for pace in [Pace::Window(64), Pace::Rate(20_000)] {
        let plan = Plan {
            sockets: 5,
            addresses: 300,
            threads: 3,
            cpus: Vec::new(),
            ..plan(server.address(3), Question::NTP, pace, 2_003)
        };
        assert_all_valid(&measure(&plan), 2_003);
    }
}

#[test]
fn ipv6_is_asked_too() {
    let server = serve(
        "listeners = [{ protocol = 'ntp', address = '[::1]:0', source = 'wall' }]\n\
         max_queue_delay = '0'\n[sources.wall]\nkind = 'monotonic-offset'\n",
    );
    let pace = Pace::Window(16);
    let report = measure(&plan(server.address(0), Question::NTP, pace, 500));
    assert_all_valid(&report, 500);
}

#[test]
fn a_measurement_that_is_stopped_reports_what_it_has() {
    let server = server();
    let watch = Watch::new();
    let plan = plan(server.address(3), Question::NTP, Pace::Window(8), u64::MAX);
    let report = std::thread::scope(|scope| {
        let measurement = scope.spawn(|| run(&plan, &watch));
        wait_for("the 100th reply", || (watch.valid() >= 100).then_some(()));
        watch.stop();
        measurement.join().unwrap().unwrap()
    });
    assert!(report.interrupted);
    assert!(report.valid >= 100);
    assert_eq!(report.sent, report.valid + report.lost + report.unfinished);
    assert_eq!(report.invalid, 0);
}

#[test]
fn the_usage_of_a_process_is_that_of_the_replies() {
    let server = server();
    let plan = Plan {
        server: vec![std::process::id()],
        ..plan(server.address(3), Question::NTP, Pace::Window(32), 2_000)
    };
    let before = Usage::of(&plan.server).unwrap();
    let usage = measure(&plan).server.unwrap();
    let after = Usage::of(&plan.server).unwrap();
    let between = (after.cpu_time - before.cpu_time).as_nanos() as f64;
    let used = usage.cpu_ns_per_reply.unwrap() * 2_000.0;
    assert!(used > 0.0 && used <= between + 1_000.0, "{used} {between}");
    assert!(usage.resident_kib > 0 && usage.peak_resident_kib >= usage.resident_kib);
}

#[test]
fn a_process_that_is_not_there_is_bad_usage() {
    let plan = Plan {
        server: vec![u32::MAX],
        ..Plan::new("127.0.0.1:9".parse().unwrap(), Question::NTP)
    };
    let error = run(&plan, &Watch::new()).unwrap_err();
    assert!(matches!(error, LoadError::Process { process, .. } if process == u32::MAX));
    assert!(error.is_about_usage());
}

#[test]
fn nothing_is_sent_to_an_address_of_somebody_else() {
    // TEST-NET-1 of RFC 5737: nobody's, and no packet goes there.
    let plan = Plan::new("192.0.2.1:123".parse().unwrap(), Question::NTP);
    let watch = Watch::new();
    let error = run(&plan, &watch).unwrap_err();
    assert!(matches!(error, LoadError::Plan(PlanError::NotYours(_))));
    assert_eq!(watch.sent(), 0);
}

#[test]
fn a_ramp_ends_and_its_best_step_is_its_report() {
    let server = server();
    let plan = Plan {
        pace: Pace::Rate(500),
        duration: Delta::from_millis(10),
        timeout: Delta::from_millis(200),
        ..Plan::new(server.address(3), Question::NTP)
    };
    let mut told = Vec::new();
    let (found, report) = ramp(&plan, &Watch::new(), |step| told.push(*step)).unwrap();
    assert_eq!(told, found.steps);
    assert!((1..=32).contains(&found.steps.len()));
    let best = found.steps.iter().filter(|step| step.good);
    let best = best.map(|step| step.rate).max();
    assert_eq!(found.highest_rate, best);
    if best.is_some() {
        assert_eq!(report.rate, best);
    }
}

#[test]
fn the_plot_is_a_whole_svg_document() {
    let server = server();
    let pace = Pace::Window(4);
    let report = measure(&plan(server.address(3), Question::NTP, pace, 500));
    let bars = assert_well_formed(&plot::svg(&report));
    assert!(bars >= 2, "the background and a bar at least");
    let nothing = Report {
        latencies: Default::default(),
        latency_us: None,
        ..report
    };
    assert_eq!(assert_well_formed(&plot::svg(&nothing)), 1);
}

/// Checks that every element of an SVG document is closed in its turn, with its
/// attributes in quotes, and returns how many rectangles there are.
pub fn assert_well_formed(svg: &str) -> usize {
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    let mut open = Vec::new();
    let mut rectangles = 0;
    let mut rest = svg;
    while let Some((text, tail)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{text}");
        assert!(!open.is_empty() || text.trim().is_empty(), "{text}");
        let (tag, tail) = tail.split_once('>').expect("a tag ends");
        rest = tail;
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        rectangles += usize::from(name == "rect");
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    rectangles
}

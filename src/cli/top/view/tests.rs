use super::*;
use crate::cli::top::client::read;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

/// A look at a server in its `second`-th second, in which each request but one in
/// ten was answered.
fn look(second: u64, change: impl FnOnce(&mut Value)) -> Status {
    let listener = |number: u64, protocol: &str, address: &str, per_second: u64| {
        let received = per_second * second;
        json!({
            "number": number, "protocol": protocol, "address": address, "source": "wall",
            "test_time": false, "received": received, "replied": received - received / 10,
            "kissed": {"rate": 0, "deny": 0},
            "dropped": {"too_short": received / 10, "late": 0},
            "send_failed": 0, "receive_errors": 0, "kernel_drops": 0,
            "latency": {
                "upper_bounds_s": [0.000_001, 0.000_002, 0.000_004],
                "counts": [0, 3 * second, second, 0], "count": 4 * second,
                "sum_s": 0.000_008 * second as f64,
            },
        })
    };
    let mut status = json!({
        "mode": "live", "version": "0.1.0", "pid": 7, "started": "2026-11-29T05:40:00.000000000Z",
        "uptime_s": second, "now": "2026-11-29T05:40:12.468456789Z",
        "readiness": {"ready": true, "reasons": [], "hints": []},
        "listeners": [
            listener(0, "text", "127.0.0.1:8089", 20),
            listener(1, "ntp", "[2001:db8::1]:123", 1_500),
        ],
        "sources": [{
            "name": "wall", "kind": "system", "test_time": false, "available": true, "error": null,
            "time": "2026-11-29T05:40:12.468456789Z", "offset_s": 0.0, "leap_indicator": "none",
            "stratum": 10, "precision_log2_s": -25, "reference_id": "127.127.1.1",
            "reference_timestamp": null, "root_delay_s": 0.0, "root_dispersion_s": 0.01,
            "synchronised": true,
        }],
        "limiter": null,
        "top_clients": [{"client": "192.0.2.1", "requests": 12_345}],
    });
    change(&mut status);
    read(&status.to_string()).unwrap()
}

/// A server that was looked at three times.
fn view(change: impl Fn(&mut Value)) -> View {
    let mut past = Past::default();
    for second in 1..=3 {
        past.note(&look(second, |_| {}));
    }
    View {
        url: "http://127.0.0.1:8088".to_owned(),
        past,
        status: look(3, change),
        lost: None,
    }
}

/// The lines of a screen of this size.
fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = (0..height).map(|y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    });
    lines.collect()
}

/// What is drawn is what the file of that name in `tests/screens/` has.
#[track_caller]
fn compare(view: &View, width: u16, height: u16, name: &str) {
    let file = format!("{}/tests/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = drawn(view, width, height);
    let is_same = expected.lines().eq(lines.iter().map(String::as_str));
    assert!(is_same, "not as {file} has it:\n{}\n", lines.join("\n"));
}

#[test]
fn a_screen_of_usual_size_shows_all_of_it() {
    compare(&view(|_| {}), 80, 24, "80x24");
}

#[test]
fn a_narrow_screen_shows_what_matters_most() {
    compare(&view(|_| {}), 40, 12, "40x12");
}

#[test]
fn a_large_screen_has_three_columns_and_all_columns_of_the_tables() {
    compare(&view(|_| {}), 200, 50, "200x50");
}

#[test]
fn what_is_wrong_stands_below_the_head() {
    let wrong = |status: &mut Value| {
        status["mode"] = "test".into();
        status["readiness"] = json!({
            "ready": false, "reasons": ["source wall: no fix"],
            "hints": ["listener 1 (ntp [2001:db8::1]:123): the kernel dropped 12 datagrams in the \
                       last minute since its receive buffer was full"],
        });
        status["sources"] = json!([{
            "name": "wall", "kind": "system", "test_time": true, "available": false,
            "error": "no fix",
        }]);
    };
    compare(&view(wrong), 80, 24, "wrong");
}

#[test]
fn a_lost_connection_is_told_and_the_last_look_stays() {
    let mut view = view(|_| {});
    view.lost = Some("http://127.0.0.1:8088: io: Connection refused".to_owned());
    let lines = drawn(&view, 80, 24);
    assert!(lines[0].ends_with("connection lost"), "{lines:?}");
    assert_eq!(lines[1], "http://127.0.0.1:8088: io: Connection refused");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("ntp [2001:db8::1]:123"))
    );
}

#[test]
fn no_screen_is_too_small_and_nothing_that_a_server_says_steers_the_terminal() {
    let wild = |status: &mut Value| {
        status["version"] = "\u{1b}]0;title\u{7}".into();
        status["sources"][0]["name"] = "\u{1b}[2J\r\nname".into();
        status["listeners"][0]["protocol"] = "\u{202e}text".into();
        status["readiness"]["hints"] = json!(["\u{1b}[31m".repeat(200)]);
    };
    for view in [view(|_| {}), view(wild)] {
        for width in (0..=120).step_by(3) {
            for height in [0, 1, 2, 3, 5, 8, 13, 21, 34] {
                let lines = drawn(&view, width, height).concat();
                assert!(!lines.contains(|c: char| c.is_control() || c == '\u{202e}'));
            }
        }
    }
}

#[test]
fn a_server_that_was_started_anew_has_no_past() {
    let mut past = view(|_| {}).past;
    let mut anew = look(1, |status| status["pid"] = 8.into());
    assert_eq!(past.of_protocol("ntp"), Some(1_500.0));
    assert_eq!(past.of_all(), [1_520, 1_520]);
    past.note(&anew);
    assert_eq!(past.of_protocol("ntp"), None);
    assert_eq!(past.of_all(), [0; 0]);
    // A listener that begins anew has no rate until the next look.
    anew.uptime_s = 2.0;
    anew.listeners[1].received = 0;
    past.note(&anew);
    assert_eq!(past.of_listener(&anew.listeners[0]), Some(0.0));
    assert_eq!(past.of_listener(&anew.listeners[1]), None);
}

//! The dashboard and the alert rules ask for metrics that there are.

use crate::support::serve;
use crate::support::web::get;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use timeball::api::DropReason;

fn file(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every name of a metric of timeball's in `text`.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let words = words.filter(|word| word.starts_with("timeball_"));
    words.map(str::to_owned).collect()
}

/// The names of all samples that a server gives.
fn served() -> BTreeSet<String> {
    let server = serve(
        "http.address = '127.0.0.1:0'\nsources.wall.kind = 'system'\n\
         listeners = [{ protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' }]\n",
    );
    let page = get(server.http().expect("the settings have it"), "/metrics").body;
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.flat_map(names).collect()
}

/// All texts under the key `key`, however deep.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(values) => {
            found.extend(values.get(key).and_then(Value::as_str));
            values.values().for_each(|value| texts(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

/// What stands between quotation marks behind `label` and `=` in `text`.
fn values<'a>(text: &'a str, label: &str) -> Vec<&'a str> {
    let start = format!("{label}=\"");
    let parts = text.split(&start).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_are_served() {
    let served = served();
    let dashboard: Value = serde_json::from_str(&file("grafana.json")).unwrap();
    let mut expressions = Vec::new();
    texts(&dashboard, "expr", &mut expressions);
    assert!(expressions.len() > 20, "{expressions:?}");
    let alerts = file("alerts.yml");
    for (place, text) in [
        ("grafana.json", expressions.join("\n")),
        ("alerts.yml", alerts),
    ] {
        let asked = names(&text);
        assert!(asked.len() > 5, "{place}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&served).collect();
        assert_eq!(unknown, [""; 0], "{place} asks for what is not served");
        for reason in values(&text, "reason") {
            assert!(DropReason::NAMES.contains(&reason), "{place}: {reason}");
        }
        for code in values(&text, "code") {
            assert!(["RATE", "DENY"].contains(&code), "{place}: {code}");
        }
    }
}

#[test]
fn every_counter_and_gauge_of_a_source_or_listener_is_on_the_dashboard() {
    // It never changes while a server runs.
    let left_out = ["timeball_limiter_octets"];
    let text = file("grafana.json");
    let asked = names(&text);
    let missing: Vec<_> = served().difference(&asked).cloned().collect();
    assert_eq!(missing, left_out);
}

#[test]
fn every_panel_of_the_dashboard_says_what_it_shows_and_asks_the_chosen_data_source() {
    let dashboard: Value = serde_json::from_str(&file("grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "no number is given twice");
}

//! The page about monitoring: what it says is what is served.

use super::{HONEST, metrics, status};
use crate::support::serve;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use timeball::api::DropReason;

const PAGE: &str = include_str!("../../docs/monitoring.md");

/// A metric: its type, its labels and what it means.
type Metric = (String, BTreeSet<String>, String);

/// The cells of each row of a table of the page whose first cell is in
/// back-quotes.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn on_the_page() -> BTreeMap<String, Metric> {
    let metrics = rows().into_iter().filter_map(|row| match row[..] {
        [name, kind, labels, help] => {
            let labels = labels.split(", ").filter(|label| !label.is_empty());
            let labels = labels.map(|label| label.trim_matches('`').to_owned());
            let metric = (kind.to_owned(), labels.collect(), help.to_owned());
            Some((name.trim_matches('`').to_owned(), metric))
        }
        _ => None,
    });
    metrics.collect()
}

/// The metrics of what Prometheus is given, which must be well-formed.
fn served(page: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut name = String::new();
    let mut series = BTreeSet::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (its_name, help) = help.split_once(' ').expect("there is a help");
            name = its_name.to_owned();
            let metric = (String::new(), BTreeSet::new(), help.to_owned());
            assert!(
                metrics.insert(name.clone(), metric).is_none(),
                "{name} comes twice"
            );
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let kind = kind.strip_prefix(&format!("{name} ")).expect("of the same");
            metrics.get_mut(&name).unwrap().0 = kind.to_owned();
        } else {
            let (it, value) = line.rsplit_once(' ').expect("there is a value");
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            assert!(series.insert(it), "{it} comes twice");
            let (its_name, labels) = it.split_once('{').unwrap_or((it, ""));
            let suffix = its_name
                .strip_prefix(&name)
                .expect("it stands under its name");
            let metric = metrics.get_mut(&name).unwrap();
            match &*metric.0 {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix)),
                "counter" => assert_eq!((suffix, name.ends_with("_total")), ("", true)),
                _ => assert_eq!((suffix, name.ends_with("_total")), ("", false)),
            }
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            metric.1.extend(labels.filter(|label| label != "le"));
        }
    }
    metrics
}

#[test]
fn the_page_has_every_metric_that_is_served_and_no_other() {
    let server = serve(HONEST);
    assert_eq!(on_the_page(), served(&metrics(&server)));
}

#[test]
fn the_page_has_every_reason_for_which_a_request_is_dropped() {
    let (_, behind) = PAGE.split_once("| reason | what it was |").unwrap();
    let rows = behind
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let reasons: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(reasons, {
        let mut known = DropReason::NAMES.to_vec();
        known.sort_by_key(|name| reasons.iter().position(|reason| reason == name));
        known
    });
}

#[test]
fn every_metric_that_the_page_asks_for_is_one() {
    let known = on_the_page();
    let words = PAGE.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let mut count = 0;
    for word in words.filter(|word| word.starts_with("timeball_")) {
        let word = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(known.contains_key(word), "{word}");
        count += 1;
    }
    assert!(count > 2 * known.len() / 2, "{count}");
}

/// The names of everything in `value`, with the path that leads there.
fn keys(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if !path.ends_with("dropped") => {
            for (key, value) in object {
                let path = format!("{path}.{key}");
                keys(value, &path, all);
                all.insert(path);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, path, all)),
        _ => {}
    }
}

#[test]
fn the_status_has_the_keys_that_the_page_shows() {
    let server = serve(HONEST);
    crate::support::ask(server.address(0), &crate::support::ntp_request(1));
    let shown = PAGE.split("```json\n").last().unwrap();
    let shown: Value = serde_json::from_str(shown.split("```").next().unwrap()).unwrap();
    let [on_page, served] = [shown, status(&server)].map(|status| {
        let mut all = BTreeSet::new();
        keys(&status, "", &mut all);
        all
    });
    assert_eq!(on_page, served);
}

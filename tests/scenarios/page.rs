//! The page on scenarios says what is so: its examples are right, its tables
//! have every key and every row, its pictures are those that are drawn.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use timeball::api::Delta;
use timeball::play::plot::svg;
use timeball::scenario::{Scenario, library};

/// A file that has a key too many in each of its tables.
const UNKNOWN: &str = r#"
name = "unknown"
description = "An unknown key in each table"
zzz = 1
[time]
zzz = 1
[clock]
zzz = 1
[[clock.events]]
zzz = 1
wander = { zzz = 1 }
leap = { zzz = 1 }
smear = { zzz = 1 }
[[endpoints]]
zzz = 1
[[rules]]
zzz = 1
arrival = { zzz = 1 }
request = { zzz = 1 }
during = { zzz = 1 }
kiss = { zzz = 1 }
interleaved = { zzz = 1 }
set = { zzz = 1 }
extension = { zzz = 1 }
mac = { zzz = 1 }
pad = { zzz = 1 }
flip_bits = { zzz = 1 }
delay = { request = { normal = { zzz = 1 } }, reply = { exponential = { zzz = 1 } } }
lose = { request = { burst = { zzz = 1 } } }
duplicate = { reply = { zzz = 1 } }
unsolicited = { zzz = 1 }
[[rules]]
delay = { request = { pareto = { zzz = 1 } }, reply = { zzz = 1 } }
lose = { request = { zzz = 1 } }
[[expect]]
zzz = 1
requests = { zzz = 1 }
back_off = { zzz = 1 }
silence = { zzz = 1 }
source_ports = { zzz = 1 }
transmit_timestamps = { zzz = 1 }
recovery = { zzz = 1 }
rejection = { zzz = 1 }
header = { zzz = 1 }
"#;

/// Each table of the file, by the start of its paths, and its heading.
const SECTIONS: [(&str, &str); 7] = [
    ("time.", "### `[time]`"),
    ("clock.events.", "### `[[clock.events]]`"),
    ("clock.", "### `[clock]`"),
    ("endpoints.", "### `[[endpoints]]`"),
    ("rules.", "### `[[rules]]`"),
    ("expect.", "### `[[expect]]`"),
    ("", "## The file"),
];

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md");
    fs::read_to_string(page).unwrap()
}

/// What stands between a heading and the next one.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, behind) = page
        .split_once(&format!("{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    behind.split("\n#").next().unwrap()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The keys in the first column of the tables of a section.
fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let rows = section(page, heading)
        .lines()
        .filter(|line| line.starts_with("| `"));
    let first = |row: &str| {
        row.trim_start_matches("| ")
            .split(" |")
            .next()
            .map(str::to_owned)
    };
    rows.filter_map(first)
        .flat_map(|column| quoted(&column).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// A path without its indices, and without the directions of the network.
fn plain(path: &str) -> String {
    let parts = path.split('.').map(|part| part.split('[').next().unwrap());
    let mut plain: Vec<&str> = Vec::new();
    for part in parts {
        let is_direction = ["request", "reply"].contains(&part)
            && matches!(plain.last(), Some(&("delay" | "lose" | "duplicate")));
        if !is_direction {
            plain.push(part);
        }
    }
    plain.join(".")
}

/// Every key that is accepted, by its path from the top of the file.
fn accepted() -> BTreeSet<String> {
    let errors = Scenario::from_toml(UNKNOWN, "f").unwrap_err().to_string();
    let mut all = BTreeSet::new();
    for line in errors.lines() {
        // `f:3: time.zzz: unknown key; accepted: ...`, or of a table of one key
        // `f:3: rules[0].delay.reply = {...}: refused; accepted: ...`
        let Some((place, keys)) = line.split_once("; accepted: ") else {
            continue;
        };
        let path = place.split(' ').nth(1).unwrap();
        let table = match path.strip_suffix("zzz:") {
            Some(table) => plain(table.trim_end_matches('.')),
            None if place.contains("{...}") => plain(path),
            None => continue,
        };
        for key in quoted(keys) {
            let dot = if table.is_empty() { "" } else { "." };
            all.insert(format!("{table}{dot}{key}"));
        }
    }
    all
}

#[test]
fn every_key_stands_in_its_table_and_nothing_else_does() {
    let page = page();
    let mut missing = accepted();
    assert!(missing.len() > 150, "{missing:#?}");
    let tables: BTreeSet<String> = missing
        .iter()
        .filter_map(|key| Some(key.rsplit_once('.')?.0.to_owned()))
        .collect();
    for (start, heading) in SECTIONS {
        for key in documented(&page, heading) {
            let path = format!("{start}{key}");
            let is_known = missing.remove(&path) || tables.contains(&path);
            assert!(is_known, "{heading} has `{key}`, which is no key");
        }
    }
    // A table stands there by its keys; a direction is told in the text.
    missing.retain(|key| !tables.contains(key));
    missing.retain(|key| !key.starts_with("rules.duplicate.re"));
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn the_rows_name_the_scenarios_that_cover_them() {
    let page = page();
    let rows = section(&page, "## The 47 rows");
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| row"))
        .map(|line| line.split(" | ").collect())
        .collect();
    assert_eq!(rows.len(), 47);
    for (row, number) in rows.iter().zip(1_u8..) {
        assert_eq!(row[0], format!("| {number}"));
        let covering: Vec<&str> = library()
            .iter()
            .filter(|built_in| built_in.scenario().unwrap().covers.contains(&number))
            .map(|built_in| built_in.name)
            .collect();
        let named: Vec<&str> = quoted(row[2]).collect();
        assert_eq!(named, covering, "row {number}");
        assert!(
            !named.is_empty() || row[2].contains("waits for"),
            "{number}"
        );
    }
}

/// The scenarios that stand on the page.
fn examples(page: &str) -> Vec<Scenario> {
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .map(|text| Scenario::from_toml(text, "docs/scenarios.md"))
        .map(|scenario| scenario.unwrap_or_else(|errors| panic!("{errors}")))
        .collect()
}

#[test]
fn the_pictures_are_those_that_are_drawn() {
    let page = page();
    let [_, _, smears] = examples(&page).try_into().expect("three scenarios");
    let built_in = |name| Scenario::builtin(name).unwrap();
    let minutes = |count: i64| Some(Delta::from_seconds(60 * count));
    for (scenario, span) in [
        (built_in("leap-2016"), None),
        (smears, None),
        (built_in("drift"), minutes(15)),
        (built_in("sawtooth"), minutes(6)),
        (built_in("step"), None),
        (built_in("wander"), None),
    ] {
        let name = &scenario.name;
        let picture = format!("img/{name}.svg");
        assert!(page.contains(&format!("]({picture})")), "{picture}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(picture);
        let is_drawn = fs::read_to_string(&path).unwrap() == svg(&scenario, span);
        assert!(
            is_drawn,
            "{name}: `timeball play {name} --plot` draws another picture"
        );
    }
}

#[test]
fn the_tutorial_fails_and_passes_as_it_says() {
    use super::client::{Client, Flaw};
    use timeball::simulate::Simulation;
    let [busy, _, _] = examples(&page()).try_into().expect("three scenarios");
    for (flaw, is_good) in [(Some(Flaw::Hurries), false), (None, true)] {
        let simulated = Simulation::new(busy.clone())
            .client([127, 0, 0, 1].into(), Client::new(&busy, 1, flaw))
            .run(Delta::from_seconds(300))
            .unwrap();
        assert_eq!(simulated.verdict.passes(), is_good, "{}", simulated.verdict);
    }
}

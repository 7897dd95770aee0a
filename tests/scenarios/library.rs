//! The scenarios that are built in.

use super::files;
use std::collections::BTreeSet;
use std::fs;
use timeball::scenario::{Scenario, library};

#[test]
fn every_file_of_the_folder_is_built_in_and_nothing_else() {
    let in_the_folder: Vec<(String, String)> = files("scenarios")
        .into_iter()
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    let built_in: Vec<(String, String)> = library()
        .iter()
        .map(|scenario| (scenario.name.to_owned(), scenario.text.to_owned()))
        .collect();
    assert_eq!(built_in, in_the_folder);
}

#[test]
fn every_built_in_scenario_is_right_and_complete() {
    for built_in in library() {
        let name = built_in.name;
        let scenario = Scenario::builtin(name).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(scenario.name, name);
        assert_eq!(scenario.text, built_in.text);
        assert!(
            built_in.text.starts_with("# "),
            "{name}: no comment says what it is for"
        );
        assert!(!scenario.expectations.is_empty(), "{name} expects nothing");
        let rows: Vec<u8> = scenario
            .covers
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(scenario.covers, rows, "{name}: rows in order, each once");
        assert!(!rows.is_empty(), "{name} covers no row");
        // It judges its client by what it names.
        let _ = scenario.engine();
    }
}

/// Network time security, symmetric keys, Roughtime.
const ROWS_OF_PROTOCOLS_TO_COME: [u8; 3] = [42, 43, 44];

#[test]
fn every_row_is_covered_but_those_of_protocols_to_come() {
    let covered: BTreeSet<u8> = library()
        .iter()
        .flat_map(|built_in| built_in.scenario().unwrap().covers)
        .collect();
    let missing: Vec<u8> = (1..=47).filter(|row| !covered.contains(row)).collect();
    assert_eq!(missing, ROWS_OF_PROTOCOLS_TO_COME);
}

#[test]
fn a_row_is_one_of_47() {
    for (row, is_right) in [(0, false), (1, true), (47, true), (48, false)] {
        assert_eq!(
            super::read(&format!("covers = [{row}]")).is_ok(),
            is_right,
            "{row}"
        );
    }
}

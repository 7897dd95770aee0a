//! The page about control: what it says to ask is answered.

use super::stage::{Played, play};
use super::{get, post};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../docs/control.md");

/// A scenario in which everything that the page asks for can be done.
const ALL: &str = "
name = 'all'
description = 'A test'
time.base = 'wall'
clock.events = [{ elapsed = '1h', step = '1s' }]
";

/// The requests of the table: a path, and a body if there is one.
fn requests() -> Vec<(&'static str, Option<&'static str>)> {
    let commands = PAGE.split("`curl $url").skip(1);
    commands
        .map(|command| {
            let (command, _) = command.split_once('`').expect("the back-quote ends");
            match command.split_once(" --json '") {
                Some((path, body)) => (path, Some(body.trim_end_matches('\''))),
                None => (command, None),
            }
        })
        .collect()
}

#[test]
fn every_request_of_the_page_is_answered() {
    play(ALL, |all: Played| {
        for (path, body) in requests() {
            match body {
                Some(body) => post(all.control, path, body).done(),
                None => get(all.control, path).done(),
            };
        }
    });
}

#[test]
fn the_page_has_every_path_that_there_is() {
    play(ALL, |all: Played| {
        let refused = get(all.control, "/").refused(404);
        let accepted = refused["accepted"].as_str().unwrap();
        let there_are: BTreeSet<&str> = accepted
            .split('`')
            .filter(|word| word.starts_with('/'))
            .collect();
        let on_the_page: BTreeSet<&str> = requests().into_iter().map(|(path, _)| path).collect();
        assert_eq!(on_the_page, there_are);
    });
}

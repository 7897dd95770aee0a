//! docs/sandbox.md says what is allowed.

use std::collections::BTreeMap;
use timeball::sandbox::calls::allowed;

#[test]
fn the_page_has_every_call_that_is_allowed_with_its_bounds_and_no_other() {
    let page = include_str!("../../docs/sandbox.md");
    let table = page
        .split_once("| call | why | how |\n|---|---|---|\n")
        .expect("the page has the table of calls")
        .1;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut written: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, _why, only] = cells[..] else {
            panic!("{row}");
        };
        let only = (only != "as it is").then_some(only);
        for name in names.split(", ") {
            let before = written.insert(name.trim_matches('`'), only);
            assert_eq!(before, None, "{name} stands there twice");
        }
    }
    // Those of x86-64 alone stand there too.
    if cfg!(target_arch = "x86_64") {
        assert_eq!(written, allowed().collect());
    }
}

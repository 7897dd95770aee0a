//! Files with one thing wrong, each with what is said of it in its first line;
//! and files with several.

use super::{LEAST, errors, files};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::process::Command;
use timeball::scenario::{Scenario, library};

/// The folder of the files with one error each.
const BAD: &str = "tests/scenarios/bad";

/// What the first line says that is said of the file, behind its name.
fn expected(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let first = text.lines().next().unwrap();
    let said = first.strip_prefix("# expected: ");
    said.unwrap_or_else(|| panic!("{}: {first}", file.display()))
        .to_owned()
}

#[test]
fn each_bad_scenario_gets_its_error_and_no_other() {
    let bad = files(BAD);
    assert!(bad.len() >= 30, "{}", bad.len());
    for (name, path) in bad {
        let errors = Scenario::load(&path).expect_err(&name).to_string();
        let file = path.display();
        assert_eq!(errors, format!("{file}:{}", expected(&path)));
    }
}

#[test]
fn the_program_says_the_same_and_exits_2() {
    for (name, path) in files(BAD) {
        let output = Command::new(env!("CARGO_BIN_EXE_timeball"))
            .args(["play", "--check", &format!("{name}.toml")])
            .current_dir(path.parent().unwrap())
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("{name}.toml:{}\n", expected(&path)));
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = r#"name = "Several"
seed = "1"
[time]
base = "wal"
rate = "fast"
[clock]
stratum = -1
[[clock.events]]
elapsed = "1s"
[[clock.events]]
elapsed = "-1s"
step = "1s"
[[clock.events]]
at = "2029-01-01T00:00:00Z"
step = "1s"
freeze = true
[[endpoints]]
protocol = "text"
symmetric = "drop"
timezone = "local"
address = "localhost:123"
[[rules]]
kiss = {}
[[rules]]
kiss = { code = "RATE", pol = 6 }
[[expect]]
requests = { at_most = "few" }
"#;
    let said = errors(text);
    let places: Vec<&str> = said
        .iter()
        .map(|error| {
            let end = error.find(" = ").or_else(|| error.rfind(": ")).unwrap();
            error[..end].trim_end_matches(": unknown key")
        })
        .collect();
    assert_eq!(
        places,
        [
            "s.toml:1: description: missing; accepted",
            "s.toml:1: name",
            "s.toml:2: seed",
            "s.toml:4: time.base",
            "s.toml:5: time.rate",
            "s.toml:7: clock.stratum",
            "s.toml:8: clock.events[0]",
            "s.toml:11: clock.events[1].elapsed",
            "s.toml:14: clock.events[2].at",
            "s.toml:16: clock.events[2].freeze",
            "s.toml:19: endpoints[0].symmetric",
            "s.toml:20: endpoints[0].timezone",
            "s.toml:21: endpoints[0].address",
            "s.toml:23: rules[0].kiss.code: missing; accepted",
            "s.toml:25: rules[1].kiss.pol",
            "s.toml:27: expect[0].requests.at_most",
        ],
        "{said:#?}"
    );
}

#[test]
fn lists_that_would_cost_too_much_are_refused() {
    let step = "[[clock.events]]\nelapsed = '1s'\nstep = '1s'\n";
    let leap = "[[clock.events]]\nleap = { kind = 'insert', at = '2031-01-01T00:00:00Z' }\n";
    let smear = "[[clock.events]]\nsmear = { shape = 'linear', kind = 'insert', \
                 at = '2031-01-01T00:00:00Z', before = '12h', after = '12h' }\n";
    let expect = "[[expect]]\nrequests = { at_most = 1 }\n";
    for (one, accepted, key, refused) in [
        (
            step,
            1_024,
            "clock.events",
            "1025 events: too many; accepted: at most 1024 for a clock",
        ),
        (
            leap,
            64,
            "clock.events",
            "65 leap seconds and smears: too many; accepted: at most 64 for a clock",
        ),
        (
            smear,
            64,
            "clock.events",
            "65 leap seconds and smears: too many; accepted: at most 64 for a clock",
        ),
        (
            expect,
            256,
            "expect",
            "257 expectations: too many; accepted: at most 256",
        ),
    ] {
        let scenario = format!("{LEAST}{}", one.repeat(accepted));
        Scenario::from_toml(&scenario, "it").unwrap_or_else(|errors| panic!("{errors}"));
        let said = errors(&format!("{scenario}{one}"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with(&format!("{key} = {refused}")), "{said:?}");
    }
    let own = leap.replace("clock.events", "endpoints.clock.events");
    let said = errors(&format!("{LEAST}[[endpoints]]\n{}", own.repeat(65)));
    assert!(
        said[0].contains("endpoints[0].clock.events = 65 leap"),
        "{said:?}"
    );
}

#[test]
fn what_follows_from_another_error_is_not_told() {
    // The endpoint that a rule and the expectation name is there, but wrong, and
    // so is the rule that the expectation names.
    let text = format!(
        "{LEAST}[[endpoints]]\nname = \"a\"\nprotocol = \"sntp\"\n\
         [[rules]]\nname = \"kiss\"\nkiss = {{ code = 5 }}\n\
         [[rules]]\nendpoint = \"a\"\nkiss = {{ code = \"RATE\" }}\n\
         [[expect]]\nendpoint = \"a\"\nrules = [\"kiss\"]\nrejection = {{}}\n"
    );
    let said = errors(&text);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("s.toml:5: endpoints[0].protocol = \"sntp\": "));
    assert!(said[1].starts_with("s.toml:8: rules[0].kiss.code = 5: "));

    // The rule has this name, but for the quotation marks.
    let text = format!(
        "{LEAST}[[rules]]\nname = 7\nkiss = {{ code = \"RATE\" }}\n\
         [[expect]]\nrules = [\"7\"]\nrejection = {{}}\n"
    );
    assert_eq!(
        errors(&text),
        ["s.toml:4: rules[0].name = 7: refused; accepted: text"]
    );
}

#[test]
fn a_file_that_is_no_text_or_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("octets.toml");
    fs::write(&file, b"name = \"\xff\"\n").unwrap();
    let said = Scenario::load(&file).unwrap_err().to_string();
    assert!(
        said.ends_with("octets.toml:1: not UTF-8: octet 0xff at offset 8"),
        "{said}"
    );

    let said = Scenario::load(&folder.path().join("none.toml")).unwrap_err();
    let said = said.to_string();
    assert!(
        said.ends_with("there is no such file; `timeball play --list` lists the built-in ones"),
        "{said}"
    );

    let said = Scenario::load(folder.path()).unwrap_err().to_string();
    assert!(
        said.ends_with("the scenario file itself is to be named"),
        "{said}"
    );
}

/// What is put in the place of a value.
const VALUES: &[&str] = &[
    "-1",
    "0",
    "9223372036854775807",
    "1e308",
    "nan",
    "-inf",
    "true",
    "\"\"",
    "\"-1s\"",
    "\"9999d\"",
    "\"\\u0000\"",
    "[]",
    "[[]]",
    "{}",
    "{ from = 1 }",
    "1979-05-27",
    "2262-04-11T23:47:16Z",
];

proptest! {
    #[test]
    fn a_changed_value_gives_an_answer_with_a_line_of_the_file(
        scenario in prop::sample::select(library()),
        line in any::<prop::sample::Index>(),
        value in prop::sample::select(VALUES),
    ) {
        let mut lines: Vec<String> = scenario.text.lines().map(str::to_owned).collect();
        let keys: Vec<usize> = (0..lines.len())
            .filter(|index| !lines[*index].starts_with('#') && lines[*index].contains(" = "))
            .collect();
        let changed = keys[line.index(keys.len())];
        let (key, _) = lines[changed].split_once(" = ").unwrap();
        lines[changed] = format!("{key} = {value}");
        if let Err(errors) = Scenario::from_toml(&lines.join("\n"), "s.toml") {
            for error in errors.iter() {
                let origin = error.origin().to_string();
                let line = origin.strip_prefix("s.toml:").and_then(|line| line.parse().ok());
                prop_assert!(line.is_some_and(|line: usize| (1..=lines.len()).contains(&line)), "{error}");
            }
        }
    }
}

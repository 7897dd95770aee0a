//! The lines that say what control changed.

use super::{opening, request};
use timeball::api::{Delta, Timestamp};
use timeball::faults::Rule;
use timeball::transcript::{
    Change, Control, Entry, Motion, Opening, Reader, Record, Witness, Writer,
};

/// Control moves the clock of an endpoint, or all of them.
fn moved(clock: Option<&str>, motion: Motion) -> Control {
    let clock = clock.map(str::to_owned);
    Control::Clocks { clock, motion }
}

fn rule(toml: &str) -> Box<Rule> {
    Box::new(toml::from_str(toml).unwrap_or_else(|error| panic!("{error}")))
}

/// The lines behind the first of a transcript of these changes, a second apart.
fn lines(changes: &[Control]) -> String {
    let mut writer = Writer::new(Vec::new(), &opening()).unwrap();
    for (second, what) in (1..).zip(changes) {
        let at = Delta::from_seconds(second);
        let what = what.clone();
        writer.changed(&Change { at, what });
    }
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    text.split_once('\n').unwrap().1.to_owned()
}

/// What a transcript with these lines behind the first has.
fn read(lines: &str) -> Vec<Entry> {
    let first = Writer::new(Vec::new(), &opening()).unwrap();
    let first = String::from_utf8(first.finish().unwrap()).unwrap();
    let text = first + lines;
    let entries = Reader::new(text.as_bytes()).unwrap().collect();
    let entries: Result<Vec<_>, _> = entries;
    entries.unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with this line, which is the third.
fn wrong(line: &str) -> String {
    let mut writer = Writer::new(Vec::new(), &opening()).unwrap();
    writer.saw(&request());
    let text = String::from_utf8(writer.finish().unwrap()).unwrap() + line + "\n";
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(reader.next().is_none(), "nothing is read behind it");
    error
}

#[test]
fn each_change_has_its_line() {
    let y2038 = Timestamp::from_unix_seconds(1 << 31);
    let cases = [
        (
            moved(None, Motion::Advance(Delta::from_millis(1_500))),
            r#"{"control":"advance","at":1.000000000,"by":1.500000000}"#,
        ),
        (
            moved(Some("two"), Motion::Step(Delta::from_nanos(-1))),
            r#"{"control":"step","at":1.000000000,"clock":"two","by":-0.000000001}"#,
        ),
        (
            moved(None, Motion::Set(y2038)),
            r#"{"control":"set","at":1.000000000,"time":"2038-01-19T03:14:08.000000000Z"}"#,
        ),
        (
            moved(None, Motion::Rate("-1/3".parse().unwrap())),
            r#"{"control":"rate","at":1.000000000,"rate":"-1/3"}"#,
        ),
        (
            moved(None, Motion::Pause),
            r#"{"control":"pause","at":1.000000000}"#,
        ),
        (
            moved(Some("one"), Motion::Resume),
            r#"{"control":"resume","at":1.000000000,"clock":"one"}"#,
        ),
        (
            moved(None, Motion::Next),
            r#"{"control":"next","at":1.000000000}"#,
        ),
        (
            Control::AddFault(rule("name = 'k'\nrequest = 6\nkiss = { code = 'RATE' }")),
            r#"{"control":"fault add","at":1.000000000,"rule":{"kiss":{"code":"RATE"},"name":"k","request":{"every":1,"from":6,"of":"client","to":6}}}"#,
        ),
        (
            Control::RemoveFault("k".to_owned()),
            r#"{"control":"fault remove","at":1.000000000,"name":"k"}"#,
        ),
        (
            Control::Load(Box::new(Opening {
                rate: Some("60".parse().unwrap()),
                ..Opening::new("new", 9, vec!["a".to_owned()], "name = 'new'\n")
            })),
            r#"{"control":"load","at":1.000000000,"name":"new","seed":9,"rate":"60","endpoints":["a"],"scenario":"name = 'new'\n"}"#,
        ),
    ];
    for (what, line) in cases {
        let text = lines(std::slice::from_ref(&what));
        assert_eq!(text, format!("{line}\n"));
        let at = Delta::from_seconds(1);
        assert_eq!(read(&text), [Entry::Change(Change { at, what })]);
    }
}

#[test]
fn behind_a_load_the_endpoints_have_the_names_of_the_other_scenario() {
    let names = vec!["three".to_owned()];
    let load = Change {
        at: Delta::ZERO,
        what: Control::Load(Box::new(Opening::new("new", 1, names, ""))),
    };
    let mut writer = Writer::new(Vec::new(), &opening()).unwrap();
    let second = Record {
        endpoint: 1,
        ..request()
    };
    writer.saw(&second);
    writer.changed(&load);
    writer.saw(&request());
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert!(text.contains(r#""endpoint":"two""#) && text.contains(r#""endpoint":"three""#));
    let read: Result<Vec<_>, _> = Reader::new(text.as_bytes()).unwrap().collect();
    let expected = [second.into(), Entry::Change(load), request().into()];
    assert_eq!(read.unwrap(), expected);
}

#[test]
fn what_is_wrong_with_a_change_is_told_with_its_line_and_key() {
    for (line, problem) in [
        (r#"{"control":"advance","at":1}"#, "line 3: by: missing"),
        (
            r#"{"control":"advance","at":1,"by":"1s"}"#,
            "line 3: by = \"1s\": not a number of seconds with nine decimals at most",
        ),
        (
            r#"{"control":"advance","at":-1,"by":1}"#,
            "line 3: at = -1: not a number of seconds from 0, with nine decimals at most",
        ),
        (
            r#"{"control":"pause","at":1,"clock":"six"}"#,
            "line 3: clock = \"six\": no endpoint has this name",
        ),
        (
            r#"{"control":"pause","at":1,"by":1}"#,
            "line 3: by: has no meaning beside this `control`",
        ),
        (
            r#"{"control":"set","at":1,"time":"noon"}"#,
            "line 3: time = \"noon\": not a point of time in RFC 3339, 1677 to 2262",
        ),
        (
            r#"{"control":"load","at":1,"name":"x","seed":1,"endpoints":[]}"#,
            "line 3: scenario: missing",
        ),
    ] {
        assert_eq!(wrong(line), problem, "{line}");
    }
    for (line, part) in [
        (r#"{"control":"dance","at":1}"#, "unknown variant `dance`"),
        (
            r#"{"control":"pause","at":1,"for":2}"#,
            "unknown field `for`",
        ),
        (r#"{"control":"pause"}"#, "missing field `at`"),
        (
            r#"{"control":"rate","at":1,"rate":"fast"}"#,
            "a number such as 60",
        ),
        (
            r#"{"control":"fault add","at":1,"rule":{"kis":{}}}"#,
            "unknown field `kis`",
        ),
        (r#"{"control":"pause","at":1"#, "EOF"),
    ] {
        let said = wrong(line);
        assert!(said.starts_with("line 3: column "), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

//! What a verdict looks like.

use super::scene::{ENDPOINTS, expectation};
use timeball::api::Delta;
use timeball::expect::{Finding, Judge, Outcome, Verdict};

fn finding(name: &str, outcome: Outcome, optional: bool) -> Finding {
    Finding {
        name: name.to_owned(),
        what: format!("{name} is so"),
        outcome,
        optional,
        why: "it was seen".to_owned(),
        record: (outcome == Outcome::Failed).then_some(7),
    }
}

fn verdict() -> Verdict {
    Verdict {
        expectations: vec![
            finding("asks", Outcome::Held, false),
            finding("backs off", Outcome::Failed, false),
            finding("stays silent", Outcome::NotTested, false),
            finding("hides", Outcome::NotTested, true),
        ],
    }
}

#[test]
fn a_run_passes_if_all_holds_or_may_go_untested() {
    let passes = |outcome, optional| {
        Verdict {
            expectations: vec![
                finding("asks", Outcome::Held, false),
                finding("other", outcome, optional),
            ],
        }
        .passes()
    };
    assert!(passes(Outcome::Held, false));
    assert!(passes(Outcome::NotTested, true));
    assert!(!passes(Outcome::NotTested, false));
    assert!(!passes(Outcome::Failed, true));
}

#[test]
fn a_verdict_is_a_table_for_people() {
    assert_eq!(
        verdict().to_string(),
        "held        asks          it was seen\n\
         FAILED      backs off     it was seen\n\
         \u{20}                         expected: backs off is so\n\
         NOT TESTED  stays silent  it was seen\n\
         \u{20}                         expected: stays silent is so\n\
         not tested  hides         it was seen\n\
         \u{20}                         expected: hides is so\n\
         FAILED: 1 held, 1 failed, 2 not tested"
    );
    let nothing = Verdict {
        expectations: Vec::new(),
    };
    assert_eq!(
        nothing.to_string(),
        "PASSED: 0 held, 0 failed, 0 not tested"
    );
}

#[test]
fn a_verdict_is_json_for_programs() {
    let json = serde_json::to_value(verdict()).unwrap();
    assert_eq!(json["passes"], false);
    assert_eq!(
        json["expectations"][1],
        serde_json::json!({
            "name": "backs off",
            "what": "backs off is so",
            "outcome": "failed",
            "optional": false,
            "why": "it was seen",
            "record": 7,
        })
    );
    assert_eq!(json["expectations"][2]["outcome"], "not-tested");
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict());
}

fn junit(verdict: &Verdict, name: &str) -> String {
    let mut xml = Vec::new();
    verdict
        .write_junit(&mut xml, name, Delta::from_millis(61_234))
        .unwrap();
    String::from_utf8(xml).unwrap()
}

#[test]
fn a_verdict_is_junit_for_continuous_integration() {
    assert_eq!(
        junit(&verdict(), "kod-rate"),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="timeball" tests="4" failures="2" errors="0" skipped="1" time="61.234">
  <testsuite name="kod-rate" tests="4" failures="2" errors="0" skipped="1" time="61.234">
    <testcase classname="kod-rate" name="asks"/>
    <testcase classname="kod-rate" name="backs off">
      <failure type="failed" message="it was seen">expected: backs off is so
seen: it was seen</failure>
    </testcase>
    <testcase classname="kod-rate" name="stays silent">
      <failure type="not-tested" message="it was seen">expected: stays silent is so
seen: it was seen</failure>
    </testcase>
    <testcase classname="kod-rate" name="hides">
      <skipped message="it was seen"/>
    </testcase>
  </testsuite>
</testsuites>
"#
    );
}

#[test]
fn names_cannot_break_the_xml() {
    let verdict = Verdict {
        expectations: vec![finding(
            "<a & \"b\">\u{0}\u{1b}\u{ffff}",
            Outcome::Failed,
            false,
        )],
    };
    let xml = junit(&verdict, "a\"<b>");
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) if tag.name().as_ref() == "testcase" => {
                for attribute in tag.attributes() {
                    names.push(
                        attribute
                            .unwrap()
                            .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                            .unwrap()
                            .into_owned(),
                    );
                }
            }
            _ => {}
        }
    }
    assert_eq!(names, ["a\"<b>", "<a & \"b\">\u{fffd}\u{fffd}\u{fffd}"]);
}

#[test]
fn an_expectation_without_a_name_is_called_by_its_kind() {
    let expectations = ["back_off = {}", "name = \"so\"\nback_off = {}"].map(expectation);
    let judge = Judge::new(&expectations, &ENDPOINTS).unwrap();
    let names: Vec<_> = judge
        .finish(Delta::ZERO, &[])
        .expectations
        .into_iter()
        .map(|finding| finding.name)
        .collect();
    assert_eq!(names, ["back_off", "so"]);
}

#[test]
fn every_kind_says_what_it_expects() {
    for (toml, what) in [
        (
            "requests = { at_least = 1, at_most = 4, within = \"10s\" }",
            "at least 1 request in all, at most 4 requests from a client in any 10 s",
        ),
        (
            "requests = { at_most = 1 }",
            "at most 1 request from a client",
        ),
        (
            "back_off = {}",
            "after RATE the next request keeps a distance of 2^poll s at least",
        ),
        (
            "back_off = { poll = 4, requests = 2 }",
            "after RATE the next 2 requests keep a distance of 16 s at least",
        ),
        (
            "silence = { lasting = \"30s\" }",
            "no request in the 30 s after DENY or RSTR",
        ),
        (
            "source_ports = {}",
            "8 requests come from 6 ports at least, in no sequence",
        ),
        (
            "transmit_timestamps = { unpredictable = \"low-bits\" }",
            "in 8 requests the low bits of transmit timestamps cannot be guessed",
        ),
        (
            "recovery = { within = \"5s\" }\nrules = [\"a\", \"b\"]",
            "after a request that `a` or `b` touched, one that is left alone comes within 5 s",
        ),
        (
            "recovery = { within = \"5s\" }\nuntil = \"1m\"",
            "once 60 s of mock time have elapsed, a request comes within 5 s",
        ),
        (
            "rejection = { asks_again_within = \"5s\" }\nendpoint = \"one\"",
            "no bad reply is taken for a good one, and asked again within 5 s",
        ),
        (
            "header = { versions = [3, 4], modes = [3] }",
            "requests have version 3 or 4 and mode 3",
        ),
    ] {
        let judge = Judge::new(&[expectation(toml)], &ENDPOINTS).unwrap();
        assert_eq!(judge.finish(Delta::ZERO, &[]).expectations[0].what, what);
    }
}

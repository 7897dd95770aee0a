//! A verdict as JUnit XML, which continuous integration reads.

use super::verdict::{Finding, Outcome, Verdict};
use crate::api::Delta;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io::{self, Write};

impl Verdict {
    /// Writes the verdict on a run of the scenario `name` that took `took`: a
    /// test suite with a test case for each expectation. One that failed, or was
    /// not tested though it has to be, is a failure (of type `failed` or
    /// `not-tested`); an optional one that was not tested is skipped.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_junit(&self, out: impl Write, name: &str, took: Delta) -> io::Result<()> {
        let count = |is: fn(&&Finding) -> bool| self.expectations.iter().filter(is).count();
        let tests = self.expectations.len().to_string();
        let failures = count(|one| !one.passes()).to_string();
        let skipped = count(|one| is_skipped(one)).to_string();
        let time = format!("{:.3}", took.as_seconds_f64());
        let name = clean(name);
        let sums = [
            ("tests", tests.as_str()),
            ("failures", &failures),
            ("errors", "0"),
            ("skipped", &skipped),
            ("time", &time),
        ];
        let mut xml = Writer::new_with_indent(out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites")
            .with_attribute(("name", "timeball"))
            .with_attributes(sums)
            .write_inner_content(|xml| {
                xml.create_element("testsuite")
                    .with_attribute(("name", name.as_str()))
                    .with_attributes(sums)
                    .write_inner_content(|xml| {
                        self.expectations
                            .iter()
                            .try_for_each(|finding| test_case(xml, &name, finding))
                    })?;
                Ok(())
            })?;
        xml.into_inner().write_all(b"\n")
    }
}

fn test_case<W: Write>(xml: &mut Writer<W>, class: &str, finding: &Finding) -> io::Result<()> {
    let name = clean(&finding.name);
    let why = clean(&finding.why);
    let case = xml
        .create_element("testcase")
        .with_attributes([("classname", class), ("name", &name)]);
    if is_skipped(finding) {
        case.write_inner_content(|xml| {
            let skipped = xml.create_element("skipped");
            skipped
                .with_attribute(("message", why.as_str()))
                .write_empty()?;
            Ok(())
        })?;
    } else if finding.passes() {
        case.write_empty()?;
    } else {
        let kind = match finding.outcome {
            Outcome::NotTested => "not-tested",
            _ => "failed",
        };
        let text = clean(&format!(
            "expected: {}\nseen: {}",
            finding.what, finding.why
        ));
        case.write_inner_content(|xml| {
            xml.create_element("failure")
                .with_attributes([("type", kind), ("message", &why)])
                .write_text_content(BytesText::new(&text))?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Whether the run passes though nothing was seen.
const fn is_skipped(finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::NotTested) && finding.passes()
}

/// The text without characters that XML has not, however they are escaped.
fn clean(text: &str) -> String {
    let is_known = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars()
        .map(|character| {
            if is_known(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

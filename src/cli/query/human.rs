//! The answers as lines for people.

use super::{Plan, Show, comparison_of, notes};
use chrono::DateTime;
use std::io::{self, Write};
use timeball::api::{Delta, LeapIndicator, ReferenceId, Timestamp};
use timeball::client::{Answer, Comparison, NtpAnswer, Outcome, Query, Question, Report, Standing};

/// Writes results to one stream and what went wrong to another.
pub(super) struct Human<Out, Errors> {
    out: Out,
    errors: Errors,
    /// Whether a line has to say whom it is about.
    several: bool,
}

impl<Out: Write, Errors: Write> Human<Out, Errors> {
    pub(super) fn new(out: Out, errors: Errors, plan: &Plan) -> Self {
        Self {
            out,
            errors,
            several: plan.queries.len() > 1,
        }
    }

    fn complain(&mut self, about: &Query, text: &str) {
        // Where stderr is closed the exit code still says it.
        let _ = writeln!(self.errors, "{}: {text}", about.target);
    }
}

impl<Out: Write, Errors: Write> Show for Human<Out, Errors> {
    fn sample(&mut self, query: &Query, _number: u32, outcome: &Outcome) -> io::Result<()> {
        let target = &query.target;
        match outcome {
            Err(failure) => self.complain(query, &failure.said_of(target)),
            Ok(sample) => {
                let line = match &sample.answer {
                    Answer::Line(line) if query.question == Question::Text => {
                        format!("The system time is: {line}")
                    }
                    Answer::Line(line) => line.clone(),
                    Answer::Second(second) => format!(
                        "{} UTC  offset {} s +- {} s  delay {} s",
                        utc(second.time, "%Y-%m-%d %H:%M:%S"),
                        signed_seconds(second.offset),
                        seconds(second.uncertainty),
                        seconds(second.delay),
                    ),
                    Answer::Ntp(answer) => ntp(answer),
                    _ => format!("{:?}", sample.answer),
                };
                if self.several || matches!(query.question, Question::Ntp(_)) {
                    writeln!(self.out, "{target}: {line}")?;
                } else {
                    writeln!(self.out, "{line}")?;
                }
            }
        }
        for note in notes(outcome) {
            self.complain(query, &format!("note: {note}"));
        }
        Ok(())
    }

    fn summary(&mut self, query: &Query, report: &Report) -> io::Result<()> {
        let answered = report.answered().count();
        let asked = report.outcomes.len();
        write!(self.out, "{}: {answered} of {asked} samples", query.target)?;
        let Some(summary) = report.summary() else {
            return writeln!(self.out);
        };
        writeln!(
            self.out,
            ": best offset {} s (delay {} s), min {} s, mean {} s, max {} s, jitter {} s",
            signed_seconds(summary.best.offset),
            seconds(summary.best.delay),
            signed_seconds(summary.offset_min),
            signed_seconds(summary.offset_mean),
            signed_seconds(summary.offset_max),
            seconds(summary.jitter),
        )
    }

    fn comparison(&mut self, queries: &[Query], reports: &[Report]) -> io::Result<()> {
        let comparison = comparison_of(reports);
        let head = ["server", "offset", "+-", "verdict"].map(str::to_owned);
        let mut rows = vec![head];
        for ((query, report), standing) in queries.iter().zip(reports).zip(&comparison.standings) {
            let (offset, distance) = match report.interval() {
                Some(interval) => (
                    format!("{} s", signed_seconds(interval.offset)),
                    format!("{} s", seconds(interval.distance)),
                ),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let verdict = match standing {
                Standing::Silent => match report.failures().next() {
                    Some(failure) => failure.rule().replace('_', " "),
                    None => "no answer".to_owned(),
                },
                Standing::Outlier => "OUTLIER".to_owned(),
                other => standing_name(*other).to_owned(),
            };
            rows.push([query.target.to_string(), offset, distance, verdict]);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let (name, offset, distance) = (width(0), width(1), width(2));
        for [a, b, c, d] in &rows {
            writeln!(self.out, "{a:name$}  {b:>offset$}  {c:>distance$}  {d}")?;
        }
        writeln!(self.out, "{}", conclusion(&comparison, queries))
    }

    fn above(&mut self, query: &Query, report: &Report, limit: Delta) -> io::Result<()> {
        let offset = report
            .interval()
            .map_or(Delta::ZERO, |interval| interval.offset);
        let text = format!(
            "the offset of {} s is above the --max-offset of {} s",
            signed_seconds(offset),
            seconds(limit)
        );
        self.complain(query, &text);
        Ok(())
    }
}

/// One sentence that says what the comparison found.
fn conclusion(comparison: &Comparison, queries: &[Query]) -> String {
    let agreeing = comparison.count(Standing::Agrees);
    let outliers: Vec<_> = queries
        .iter()
        .zip(&comparison.standings)
        .filter(|(_, standing)| **standing == Standing::Outlier)
        .map(|(query, _)| query.target.to_string())
        .collect();
    let told = queries.len() - comparison.count(Standing::Silent);
    if comparison.common.is_none() {
        return match told {
            0 => "No server told an offset.".to_owned(),
            1 => "One server told an offset: there is nothing to compare it with.".to_owned(),
            _ => {
                format!("The {told} servers contradict one another; no majority says who is wrong.")
            }
        };
    }
    match outliers.as_slice() {
        [] => format!("All {agreeing} servers that told an offset agree."),
        [one] => format!("{agreeing} of {told} servers agree; the outlier is {one}."),
        more => format!(
            "{agreeing} of {told} servers agree; the outliers are {}.",
            more.join(", ")
        ),
    }
}

/// The name of a standing, as JSON has it too.
pub(super) const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Agrees => "agrees",
        Standing::Outlier => "outlier",
        Standing::Undecided => "undecided",
        Standing::Alone => "alone",
        Standing::Silent => "silent",
    }
}

/// The figures of an NTP reply in one line.
fn ntp(answer: &NtpAnswer) -> String {
    let NtpAnswer {
        header,
        measurement,
        ..
    } = answer;
    format!(
        "offset {} s  delay {} s  dispersion {} s  root distance {} s  stratum {}  leap {}  \
         reference {}  precision 2^{} s  version {}",
        signed_seconds(measurement.offset),
        seconds(measurement.delay),
        seconds(measurement.dispersion),
        seconds(measurement.root_distance()),
        header.stratum,
        leap_name(header.leap_indicator),
        reference_id(header.reference_id, header.stratum),
        header.precision_log2_s,
        header.version,
    )
}

/// The warning in a word.
const fn leap_name(leap_indicator: LeapIndicator) -> &'static str {
    match leap_indicator {
        LeapIndicator::None => "none",
        LeapIndicator::InsertSecond => "insert",
        LeapIndicator::DeleteSecond => "delete",
        LeapIndicator::Unsynchronised => "unsynchronised",
    }
}

/// The reference id as its stratum writes it: ASCII up to 1, and an address
/// above, even if its octets happen to be letters. RFC 5905 section 7.3.
pub(super) fn reference_id(id: ReferenceId, stratum: u8) -> String {
    if stratum > 1 && id != ReferenceId::TEST {
        std::net::Ipv4Addr::from(id.0).to_string()
    } else {
        id.to_string()
    }
}

/// A point of UTC in a format of chrono's.
pub(super) fn utc(time: Timestamp, format: &str) -> String {
    DateTime::from_timestamp_nanos(time.as_nanos())
        .format(format)
        .to_string()
}

/// A span in seconds with nine decimals, exact.
pub(super) fn seconds(span: Delta) -> String {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    let nanos = span.as_nanos().unsigned_abs();
    let sign = if span < Delta::ZERO { "-" } else { "" };
    format!(
        "{sign}{}.{:09}",
        nanos / NANOS_PER_SECOND,
        nanos % NANOS_PER_SECOND
    )
}

/// The same, with a sign in any case.
pub(super) fn signed_seconds(span: Delta) -> String {
    let sign = if span < Delta::ZERO { "" } else { "+" };
    format!("{sign}{}", seconds(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_to_the_nanosecond() {
        assert_eq!(seconds(Delta::from_nanos(1_500_000_001)), "1.500000001");
        assert_eq!(signed_seconds(Delta::from_nanos(-1)), "-0.000000001");
        assert_eq!(signed_seconds(Delta::ZERO), "+0.000000000");
        assert_eq!(seconds(Delta::MIN), "-9223372036.854775808");
    }

    #[test]
    fn a_reference_id_above_stratum_1_is_an_address_even_if_it_spells_a_word() {
        assert_eq!(reference_id(ReferenceId(*b"GPS\0"), 1), "GPS");
        assert_eq!(reference_id(ReferenceId(*b"PHC1"), 2), "80.72.67.49");
        assert_eq!(reference_id(ReferenceId::TEST, 2), "XTST");
    }
}

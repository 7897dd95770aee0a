//! The answers as JSON, one object a line, for programs.
//!
//! The schema is documented in `docs/query.md` and grows only by new keys.

use super::human::{reference_id, standing_name, utc};
use super::{Show, comparison_of, notes};
use serde::Serialize;
use std::io::{self, Write};
use timeball::api::{Delta, Timestamp};
use timeball::client::{Answer, Failure, Outcome, Query, Report, Standing};
use timeball::protocol::ntp::Header;

/// Writes everything, failures included, to one stream.
pub(super) struct Json<Out> {
    out: Out,
}

impl<Out: Write> Json<Out> {
    pub(super) const fn new(out: Out) -> Self {
        Self { out }
    }

    fn line(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.out.write_all(&line)
    }
}

/// A line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Record {
    Sample(Box<SampleRecord>),
    Summary(SummaryRecord),
    Comparison(ComparisonRecord),
    MaxOffsetExceeded(MaxOffsetRecord),
}

/// What came of one question. A key is left out where it does not apply.
#[derive(Debug, Default, Serialize)]
struct SampleRecord {
    server: String,
    protocol: &'static str,
    sample: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_uncertainty_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispersion_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_distance_ns: Option<i64>,
    #[serde(flatten)]
    header: Option<HeaderRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored_datagrams: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorRecord>,
}

/// What an NTP server says of itself.
#[derive(Debug, Serialize)]
struct HeaderRecord {
    version: u8,
    leap_indicator: u8,
    stratum: u8,
    poll_log2_s: i8,
    precision_log2_s: i8,
    root_delay_ns: i64,
    root_dispersion_ns: i64,
    reference_id: String,
}

#[derive(Debug, Serialize)]
struct ErrorRecord {
    rule: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kiss_code: Option<String>,
}

#[derive(Debug, Serialize)]
struct SummaryRecord {
    server: String,
    protocol: &'static str,
    asked: usize,
    answered: usize,
    #[serde(flatten)]
    offsets: Option<OffsetsRecord>,
}

#[derive(Debug, Serialize)]
struct OffsetsRecord {
    best_offset_ns: i64,
    best_delay_ns: i64,
    offset_min_ns: i64,
    offset_mean_ns: i64,
    offset_max_ns: i64,
    delay_mean_ns: i64,
    jitter_ns: i64,
}

#[derive(Debug, Serialize)]
struct ComparisonRecord {
    protocol: &'static str,
    has_majority: bool,
    outliers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_lower_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_upper_ns: Option<i64>,
    servers: Vec<StandingRecord>,
}

#[derive(Debug, Serialize)]
struct StandingRecord {
    server: String,
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_ns: Option<i64>,
}

#[derive(Debug, Serialize)]
struct MaxOffsetRecord {
    server: String,
    max_offset_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_ns: Option<i64>,
}

impl From<&Header> for HeaderRecord {
    fn from(header: &Header) -> Self {
        Self {
            version: header.version,
            leap_indicator: header.leap_indicator.to_bits(),
            stratum: header.stratum,
            poll_log2_s: header.poll_log2_s,
            precision_log2_s: header.precision_log2_s,
            root_delay_ns: Delta::from(header.root_delay).as_nanos(),
            root_dispersion_ns: Delta::from(header.root_dispersion).as_nanos(),
            reference_id: reference_id(header.reference_id, header.stratum),
        }
    }
}

impl From<&Failure> for ErrorRecord {
    fn from(failure: &Failure) -> Self {
        let kiss_code = match failure {
            Failure::KissOfDeath { code, .. } => Some(code.to_string()),
            _ => None,
        };
        Self {
            rule: failure.rule(),
            text: failure.to_string(),
            kiss_code,
        }
    }
}

/// A point of UTC in RFC 3339, to the nanosecond.
fn rfc3339(time: Timestamp) -> String {
    utc(time, "%Y-%m-%dT%H:%M:%S%.9fZ")
}

fn sample_record(query: &Query, number: u32, outcome: &Outcome) -> SampleRecord {
    let mut record = SampleRecord {
        server: query.target.to_string(),
        protocol: query.question.protocol(),
        sample: number,
        notes: notes(outcome),
        ..SampleRecord::default()
    };
    let sample = match outcome {
        Ok(sample) => sample,
        Err(failure) => {
            record.address = failure.address().map(|address| address.to_string());
            record.header = failure.header().map(HeaderRecord::from);
            if let Failure::Invalid { count, .. } = failure {
                record.ignored_datagrams = Some(*count);
            }
            record.error = Some(failure.into());
            return record;
        }
    };
    record.address = Some(sample.address.to_string());
    record.ignored_datagrams = (sample.ignored.count > 0).then_some(sample.ignored.count);
    match &sample.answer {
        Answer::Line(line) => record.text = Some(line.clone()),
        Answer::Second(second) => {
            record.time = Some(rfc3339(second.time));
            record.offset_ns = Some(second.offset.as_nanos());
            record.offset_uncertainty_ns = Some(second.uncertainty.as_nanos());
            record.delay_ns = Some(second.delay.as_nanos());
        }
        Answer::Ntp(answer) => {
            let measurement = answer.measurement;
            record.time = Some(rfc3339(answer.transmit_time));
            record.offset_ns = Some(measurement.offset.as_nanos());
            record.delay_ns = Some(measurement.delay.as_nanos());
            record.dispersion_ns = Some(measurement.dispersion.as_nanos());
            record.root_distance_ns = Some(measurement.root_distance().as_nanos());
            record.header = Some((&answer.header).into());
            record.reference_time = answer.reference_time.map(rfc3339);
        }
        _ => {}
    }
    record
}

impl<Out: Write> Show for Json<Out> {
    fn sample(&mut self, query: &Query, number: u32, outcome: &Outcome) -> io::Result<()> {
        let record = sample_record(query, number, outcome);
        self.line(&Record::Sample(Box::new(record)))
    }

    fn summary(&mut self, query: &Query, report: &Report) -> io::Result<()> {
        let offsets = report.summary().map(|summary| OffsetsRecord {
            best_offset_ns: summary.best.offset.as_nanos(),
            best_delay_ns: summary.best.delay.as_nanos(),
            offset_min_ns: summary.offset_min.as_nanos(),
            offset_mean_ns: summary.offset_mean.as_nanos(),
            offset_max_ns: summary.offset_max.as_nanos(),
            delay_mean_ns: summary.delay_mean.as_nanos(),
            jitter_ns: summary.jitter.as_nanos(),
        });
        self.line(&Record::Summary(SummaryRecord {
            server: query.target.to_string(),
            protocol: query.question.protocol(),
            asked: report.outcomes.len(),
            answered: report.answered().count(),
            offsets,
        }))
    }

    fn comparison(&mut self, queries: &[Query], reports: &[Report]) -> io::Result<()> {
        let comparison = comparison_of(reports);
        let rows = || queries.iter().zip(&comparison.standings);
        let outliers = rows().filter(|(_, standing)| **standing == Standing::Outlier);
        let servers = rows().zip(reports).map(|((query, standing), report)| {
            let interval = report.interval();
            StandingRecord {
                server: query.target.to_string(),
                standing: standing_name(*standing),
                offset_ns: interval.map(|interval| interval.offset.as_nanos()),
                distance_ns: interval.map(|interval| interval.distance.as_nanos()),
            }
        });
        let record = ComparisonRecord {
            protocol: queries
                .first()
                .map_or("", |query| query.question.protocol()),
            has_majority: comparison.common.is_some(),
            outliers: outliers
                .map(|(query, _)| query.target.to_string())
                .collect(),
            common_lower_ns: comparison.common.map(|(lower, _)| lower.as_nanos()),
            common_upper_ns: comparison.common.map(|(_, upper)| upper.as_nanos()),
            servers: servers.collect(),
        };
        self.line(&Record::Comparison(record))
    }

    fn above(&mut self, query: &Query, report: &Report, limit: Delta) -> io::Result<()> {
        self.line(&Record::MaxOffsetExceeded(MaxOffsetRecord {
            server: query.target.to_string(),
            max_offset_ns: limit.as_nanos(),
            offset_ns: report.interval().map(|interval| interval.offset.as_nanos()),
        }))
    }
}

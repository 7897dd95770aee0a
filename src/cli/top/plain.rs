//! One look as plain text.

use super::figures::{
    buckets, dropped, grouped, lasted, latency, latency_line, outcomes, readable, root_distance,
};
use timeball::http::status::{Mode, Status};

/// The look as lines.
pub(super) fn text(url: &str, status: &Status) -> String {
    let mut lines = vec![format!(
        "timeball {} at {url}  process {}  up {}  {}  {}",
        status.version,
        status.pid,
        lasted(status.uptime_s),
        match status.mode {
            Mode::Test => "TEST TIME",
            Mode::Live => "live",
        },
        if status.readiness.ready {
            "ready"
        } else {
            "NOT READY"
        },
    )];
    let readiness = &status.readiness;
    lines.extend(readiness.reasons.iter().map(|it| format!("reason: {it}")));
    lines.extend(readiness.hints.iter().map(|it| format!("hint: {it}")));
    lines.push(String::new());
    lines.extend(table(
        &[
            "source",
            "kind",
            "time",
            "leap",
            "stratum",
            "distance",
            "reference",
        ],
        "lllrrrl",
        sources(status),
    ));
    lines.push(String::new());
    lines.extend(table(
        &[
            "protocol",
            "address",
            "source",
            "received",
            "replied",
            "dropped",
            "kernel drops",
        ],
        "lllrrrr",
        listeners(status),
    ));
    lines.push(String::new());
    let counts = |all: Vec<(String, u64)>| {
        let rows = all
            .into_iter()
            .map(|(name, count)| vec![name, grouped(count)]);
        rows.collect()
    };
    lines.extend(table(&["outcome", "count"], "lr", counts(outcomes(status))));
    if let Some(latency) = latency(status) {
        lines.push(String::new());
        lines.push(format!("latency  {}", latency_line(&latency)));
        lines.extend(table(
            &["up to", "replies"],
            "rr",
            counts(buckets(&latency)),
        ));
    }
    if !status.top_clients.is_empty() {
        lines.push(String::new());
        let clients = status.top_clients.iter();
        let clients = clients.map(|it| vec![it.client.to_string(), grouped(it.requests)]);
        lines.extend(table(
            &["client", "requests, about"],
            "lr",
            clients.collect(),
        ));
    }
    lines.join("\n") + "\n"
}

fn sources(status: &Status) -> Vec<Vec<String>> {
    let rows = status.sources.iter().map(|source| {
        let mut row = vec![source.name.clone(), source.kind.clone()];
        match &source.reading {
            Some(reading) => row.extend([
                readable(&reading.time),
                reading.leap_indicator.clone(),
                reading.stratum.to_string(),
                root_distance(reading),
                reading.reference_id.clone(),
            ]),
            None => row.push(match &source.error {
                Some(error) => format!("no reading: {error}"),
                None => "no reading".to_owned(),
            }),
        }
        row
    });
    rows.collect()
}

fn listeners(status: &Status) -> Vec<Vec<String>> {
    let rows = status.listeners.iter().map(|it| {
        vec![
            it.protocol.clone(),
            it.address.to_string(),
            it.source.clone(),
            grouped(it.received),
            grouped(it.replied),
            grouped(dropped(it)),
            grouped(it.kernel_drops),
        ]
    });
    rows.collect()
}

/// Columns that stand below one another; `sides` has `l` or `r` for each.
fn table(heads: &[&str], sides: &str, rows: Vec<Vec<String>>) -> Vec<String> {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(rows).collect();
    let width = |column: usize| {
        // The last cell of a row that is cut short may run on.
        let cells = rows.iter().filter(|row| row.len() == rows[0].len());
        cells.map(|row| row[column].chars().count()).max()
    };
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for ((column, cell), side) in row.iter().enumerate().zip(sides.chars()) {
            let width = width(column).unwrap_or(0);
            match side {
                'r' => line.push_str(&format!("{cell:>width$}  ")),
                _ => line.push_str(&format!("{cell:<width$}  ")),
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

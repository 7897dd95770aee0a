//! What was found, for people.

use super::Found;
use std::fmt;
use timeball::load::{Limit, Percentiles, Ramp, Report, ServerUsage, Step};

/// Rows of the histogram.
const ROWS: usize = 16;
/// Columns of its longest row.
const COLUMNS: u64 = 48;

/// A table with a histogram below it.
pub struct Table<'a>(pub &'a Found);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { report, ramp } = self.0;
        write_head(f, report)?;
        write_counts(f, report)?;
        row(
            f,
            "replies/s",
            &grouped(report.replies_per_second.round() as u64),
        )?;
        if let Some(latency) = &report.latency_us {
            row(f, "latency", &percentiles(latency))?;
        }
        if let Some(server) = &report.server {
            row(f, "server", &usage(server))?;
        }
        write_generator(f, report)?;
        if let Some(ramp) = ramp {
            row(f, "highest rate", &highest(ramp))?;
        }
        write_histogram(f, report)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "{name:<13} {value}")
}

fn write_head(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let pace = match (report.rate, report.window) {
        (Some(rate), _) => format!("open loop, {} requests/s", grouped(rate)),
        (_, window) => format!("closed loop, {} in flight", window.unwrap_or(0)),
    };
    let from = match report.addresses {
        1 => String::new(),
        count => format!(", {count} addresses"),
    };
    let threads = match report.threads {
        1 => String::new(),
        count => format!(", {count} threads"),
    };
    let stopped = if report.interrupted { ", stopped" } else { "" };
    writeln!(
        f,
        "{} {}: {pace}, {} sockets{from}{threads}, {:.1} s{stopped}\n",
        report.protocol, report.target, report.sockets, report.seconds
    )
}

fn write_counts(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    row(f, "sent", &grouped(report.sent))?;
    row(f, "valid", &grouped(report.valid))?;
    let rules: Vec<String> = report
        .invalid_by_rule
        .by_name()
        .into_iter()
        .map(|(name, count)| format!("{name} {}", grouped(count)))
        .collect();
    let rules = match rules.is_empty() {
        true => String::new(),
        false => format!(" ({})", rules.join(", ")),
    };
    row(f, "invalid", &(grouped(report.invalid) + &rules))?;
    let late = match report.late {
        0 => String::new(),
        late => format!(", {} answered late", grouped(late)),
    };
    let lost = format!(
        "{} ({:.3} %{late})",
        grouped(report.lost),
        report.loss() * 100.0
    );
    row(f, "lost", &lost)?;
    for (name, count) in [
        ("unfinished", report.unfinished),
        ("no time", report.unsynchronised),
    ] {
        if count > 0 {
            row(f, name, &grouped(count))?;
        }
    }
    Ok(())
}

fn write_generator(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let generator = &report.generator;
    if let Some(delay) = &generator.delay_us {
        row(
            f,
            "sent late by",
            &format!(
                "p50 {}  p99 {}  max {}",
                micros(delay.p50),
                micros(delay.p99),
                micros(delay.max)
            ),
        )?;
    }
    if !report.generator_kept_up() {
        row(
            f,
            "note",
            &format!(
                "the generator did not keep up: {} requests left more than 1 ms late, {} not at \
                 all; more --threads, or a lower --rate",
                grouped(generator.delayed),
                grouped(generator.unsent)
            ),
        )?;
    }
    if generator.dropped_replies > 0 {
        row(
            f,
            "note",
            &format!(
                "{} of the lost were answered: the generator did not take the replies in time",
                grouped(generator.dropped_replies)
            ),
        )?;
    }
    if let Some(error) = &generator.last_network_error {
        row(
            f,
            "note",
            &format!(
                "{} errors from the network, the last: {error}",
                grouped(generator.network_errors)
            ),
        )?;
    }
    Ok(())
}

fn percentiles(latency: &Percentiles) -> String {
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}  mean {}",
        micros(latency.p50),
        micros(latency.p90),
        micros(latency.p99),
        micros(latency.p99_9),
        micros(latency.max),
        micros(latency.mean)
    )
}

fn usage(server: &ServerUsage) -> String {
    let each = match server.cpu_ns_per_reply {
        Some(nanos) => format!("{} ns of CPU time a reply, ", grouped(nanos.round() as u64)),
        None => String::new(),
    };
    format!(
        "{each}{:.2} CPUs busy, {:.1} MiB resident ({:.1} MiB at most)",
        server.cpus,
        server.resident_kib as f64 / 1_024.0,
        server.peak_resident_kib as f64 / 1_024.0
    )
}

fn highest(ramp: &Ramp) -> String {
    let Some(rate) = ramp.highest_rate else {
        return "none has less than 0.1 % loss".to_owned();
    };
    let limit = match ramp.limited_by {
        Limit::Server => "above it, requests are lost",
        Limit::Generator => "above it, this generator is too slow",
        Limit::None => "the search ended there",
    };
    format!("{} requests/s ({limit})", grouped(rate))
}

/// One step of a ramp in a line.
pub fn step(step: &Step) -> String {
    let verdict = match (step.good, step.kept_up) {
        (true, _) => "good",
        (false, true) => "too much loss",
        (false, false) => "the generator did not keep up",
    };
    format!(
        "{:>12} requests/s: {:>12} replies/s, {:.3} % lost: {verdict}",
        grouped(step.rate),
        grouped(step.replies_per_second.round() as u64),
        step.loss * 100.0
    )
}

fn write_histogram(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let bins = report.latencies.bins(ROWS);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let all = report.latencies.count().max(1) as f64;
    if !bins.is_empty() {
        writeln!(f)?;
    }
    for bin in bins {
        // What is there at all can be seen.
        let len = (bin.count * COLUMNS).div_ceil(most) as usize;
        let share = bin.count as f64 * 100.0 / all;
        let text = format!(
            "{:>9} to {:>9}  {share:>6.2} %  {}",
            micros(bin.from_us),
            micros(bin.to_us),
            "#".repeat(len)
        );
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Microseconds with the unit that suits.
fn micros(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value:.1} us")
    } else if value < 1_000_000.0 {
        format!("{:.2} ms", value / 1_000.0)
    } else {
        format!("{:.2} s", value / 1_000_000.0)
    }
}

/// A number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn latencies_have_the_unit_that_suits() {
        for (value, text) in [
            (12.34, "12.3 us"),
            (1_234.0, "1.23 ms"),
            (2_500_000.0, "2.50 s"),
        ] {
            assert_eq!(micros(value), text);
        }
    }
}

//! What is worked out from a status, and how figures are written.

use std::collections::BTreeMap;
use std::time::Duration;
use timeball::http::status::{Latency, Listener, Reading, Status};

/// What came of the datagrams, each with its count: what is zero is left out, but
/// for what was received and replied.
pub(super) fn outcomes(status: &Status) -> Vec<(String, u64)> {
    let sum = |count: fn(&Listener) -> u64| status.listeners.iter().map(count).sum::<u64>();
    let mut all = vec![
        ("received".to_owned(), sum(|it| it.received)),
        ("replied".to_owned(), sum(|it| it.replied)),
    ];
    let mut dropped = BTreeMap::new();
    for (reason, count) in status.listeners.iter().flat_map(|it| &it.dropped) {
        *dropped.entry(reason).or_insert(0) += count;
    }
    let mut rest = vec![
        ("kissed RATE".to_owned(), sum(|it| it.kissed.rate)),
        ("kissed DENY".to_owned(), sum(|it| it.kissed.deny)),
    ];
    let mut dropped: Vec<(&String, u64)> = dropped.into_iter().collect();
    // Those with as many stay in the order of their names.
    dropped.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in dropped {
        rest.push((format!("dropped {reason}"), count));
    }
    rest.push(("send failed".to_owned(), sum(|it| it.send_failed)));
    rest.push(("receive errors".to_owned(), sum(|it| it.receive_errors)));
    rest.push(("kernel drops".to_owned(), sum(|it| it.kernel_drops)));
    all.extend(rest.into_iter().filter(|(_, count)| *count > 0));
    all
}

/// How many datagrams of a listener got no reply.
pub(super) fn dropped(listener: &Listener) -> u64 {
    listener.dropped.values().sum()
}

/// The histograms of all listeners as one; `None` when nothing was measured.
pub(super) fn latency(status: &Status) -> Option<Latency> {
    let mut all: Option<Latency> = None;
    for it in status.listeners.iter().map(|it| &it.latency) {
        match &mut all {
            _ if it.count == 0 => {}
            None => all = Some(it.clone()),
            // A server has the same buckets everywhere.
            Some(all) if all.upper_bounds_s == it.upper_bounds_s => {
                for (total, count) in all.counts.iter_mut().zip(&it.counts) {
                    *total += count;
                }
                all.count += it.count;
                all.sum_s += it.sum_s;
            }
            Some(_) => {}
        }
    }
    all
}

/// The buckets from the first to the last that hold something: the upper bound as
/// text, and the count.
pub(super) fn buckets(latency: &Latency) -> Vec<(String, u64)> {
    let bounds = latency.upper_bounds_s.iter();
    let bounds = bounds.map(|bound| seconds(*bound)).chain(["more".into()]);
    let all: Vec<(String, u64)> = bounds.zip(latency.counts.iter().copied()).collect();
    let holds = |(_, count): &(String, u64)| *count > 0;
    let first = all.iter().position(holds).unwrap_or(all.len());
    let last = all.iter().rposition(holds).map_or(first, |last| last + 1);
    all[first..last].to_vec()
}

/// Mean and quantiles in a line.
pub(super) fn latency_line(latency: &Latency) -> String {
    let quantile = |share: f64| {
        let mut below = 0;
        let mut bounds = latency.upper_bounds_s.iter();
        for count in &latency.counts {
            below += count;
            let bound = bounds.next();
            if below as f64 >= share * latency.count as f64 {
                return bound.map_or("more".to_owned(), |bound| format!("≤ {}", seconds(*bound)));
            }
        }
        "more".to_owned()
    };
    format!(
        "mean {}  50 % {}  99 % {}",
        seconds(latency.sum_s / latency.count as f64),
        quantile(0.5),
        quantile(0.99)
    )
}

/// Half of the round trip to the reference clock, and the bound on the error.
pub(super) fn root_distance(reading: &Reading) -> String {
    seconds(reading.root_delay_s / 2.0 + reading.root_dispersion_s)
}

/// A time in RFC 3339 as people read it, to milliseconds.
pub(super) fn readable(time: &str) -> String {
    let short: String = time.chars().take("2026-11-29T05:40:12.468".len()).collect();
    short.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// Seconds in the unit that suits them, to three digits.
pub(super) fn seconds(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1.0 || size == 0.0 => (value, "s"),
        size if size >= 1e-3 => (value * 1e3, "ms"),
        size if size >= 1e-6 => (value * 1e6, "µs"),
        _ => (value * 1e9, "ns"),
    };
    let decimals = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// How long something has lasted, by its two largest units.
pub(super) fn lasted(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).map_or(0, |it| it.as_secs());
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A count with its thousands apart.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate, with a decimal where it is small.
pub(super) fn per_second(rate: Option<f64>) -> String {
    match rate {
        None => "–".to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => grouped(rate.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        for (value, text) in [
            (0.0, "0 s"),
            (1.5e-8, "15.0 ns"),
            (3.2e-8, "32 ns"),
            (0.000_016, "16 µs"),
            (0.001_04, "1.04 ms"),
            (0.524_288, "524 ms"),
            (12.0, "12 s"),
        ] {
            // What is not whole in binary may show its decimals.
            let written = seconds(value);
            assert!(
                written == text || written == text.replace(' ', ".0 "),
                "{value}: {written}"
            );
        }
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), text);
        }
        for (seconds, text) in [
            (0.9, "0 s"),
            (61.0, "1 min 1 s"),
            (7_325.0, "2 h 2 min"),
            (90_000.0, "1 d 1 h"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(lasted(seconds), text);
        }
        assert_eq!(
            readable("2026-11-29T05:40:12.468456789Z"),
            "2026-11-29 05:40:12.468"
        );
        assert_eq!(readable("?"), "?");
        assert_eq!(per_second(None), "–");
        assert_eq!(per_second(Some(0.25)), "0.2");
        assert_eq!(per_second(Some(1234.4)), "1,234");
    }
}

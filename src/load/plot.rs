//! A histogram as a picture: SVG, which every browser shows.

use super::latencies::Bin;
use super::report::Report;
use crate::svg::{self, label, line};
use std::fmt::{self, Write};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 88.0;
const BOTTOM: f64 = 56.0;
const BINS: usize = 80;

/// The latencies of a report as an SVG document: how many replies took how
/// long, over a logarithmic axis, with the percentiles marked.
#[must_use]
pub fn svg(report: &Report) -> String {
    let mut text = String::new();
    write_svg(&mut text, report).expect("a string takes all that is written to it");
    text
}

fn write_svg(out: &mut String, report: &Report) -> fmt::Result {
    svg::begin(out, WIDTH, HEIGHT)?;
    let pace = match (report.window, report.rate) {
        (_, Some(rate)) => format!("{rate} requests/s"),
        (Some(window), _) => format!("{window} in flight"),
        _ => String::new(),
    };
    let title = format!(
        "{} {}, {pace}: {:.0} replies/s",
        report.protocol, report.target, report.replies_per_second
    );
    label(out, LEFT, 24.0, "start", 16, &title)?;
    let bins = report.latencies.bins(BINS);
    match (bins.first(), bins.last(), report.latency_us) {
        (Some(first), Some(last), Some(latency)) => {
            let axis = Axis {
                low: first.from_us,
                high: last.to_us,
            };
            bars(out, &bins, &axis)?;
            scale(out, &axis)?;
            // They often lie close together, so each has a height of its own.
            for (name, value, above) in [
                ("p50", latency.p50, 8.0),
                ("p90", latency.p90, 20.0),
                ("p99", latency.p99, 32.0),
                ("p99.9", latency.p99_9, 44.0),
            ] {
                let x = axis.x(value);
                let text = format!("{name} {value:.1}");
                line(out, (x, TOP - above + 2.0), (x, HEIGHT - BOTTOM), "#c04030")?;
                label(out, x, TOP - above, "middle", 11, &text)?;
            }
        }
        _ => label(
            out,
            WIDTH / 2.0,
            HEIGHT / 2.0,
            "middle",
            14,
            "no valid reply",
        )?,
    }
    svg::end(out)
}

/// The logarithmic axis of the latencies.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn x(&self, micros: f64) -> f64 {
        let share = (micros / self.low).ln() / (self.high / self.low).ln();
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

fn bars(out: &mut String, bins: &[Bin], axis: &Axis) -> fmt::Result {
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    let floor = HEIGHT - BOTTOM;
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let x = axis.x(bin.from_us);
        let width = (axis.x(bin.to_us) - x - 0.5).max(0.5);
        // What is there at all can be seen.
        let height = (bin.count as f64 / most * (floor - TOP)).max(1.0);
        writeln!(
            out,
            r##"<rect x="{x:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}" fill="#4878a8"><title>{:.1} to {:.1} µs: {}</title></rect>"##,
            floor - height,
            bin.from_us,
            bin.to_us,
            bin.count,
        )?;
    }
    line(out, (LEFT, floor), (WIDTH - RIGHT, floor), "#222")?;
    label(out, LEFT - 8.0, TOP + 4.0, "end", 12, &format!("{most}"))?;
    label(out, LEFT - 8.0, floor, "end", 12, "0")
}

fn scale(out: &mut String, axis: &Axis) -> fmt::Result {
    let floor = HEIGHT - BOTTOM;
    let mut decade = 10_f64.powf(axis.low.log10().floor());
    while decade <= axis.high {
        for step in [1.0, 2.0, 5.0] {
            let value = decade * step;
            if (axis.low..=axis.high).contains(&value) {
                let x = axis.x(value);
                line(out, (x, floor), (x, floor + 5.0), "#222")?;
                label(out, x, floor + 18.0, "middle", 12, &format!("{value}"))?;
            }
        }
        decade *= 10.0;
    }
    label(
        out,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 12.0,
        "middle",
        12,
        "latency in µs (logarithmic)",
    )
}

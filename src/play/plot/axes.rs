//! Where things are in a picture, and how large.

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH};
use crate::api::{Delta, Timestamp};
use crate::svg::{label, line};
use chrono::DateTime;
use std::fmt::{self, Write};

/// The range of both axes, in seconds.
pub(super) struct Axes {
    start: Timestamp,
    span: f64,
    low: f64,
    high: f64,
}

impl Axes {
    pub(super) fn new(start: Timestamp, span: Delta, low: f64, high: f64) -> Self {
        // A clock that is right is a line in the middle.
        let margin = ((high - low) * 0.08).max(1e-9);
        Self {
            start,
            span: span.as_seconds_f64(),
            low: low - margin,
            high: high + margin,
        }
    }

    /// Where a second of elapsed time is.
    pub(super) fn x(&self, second: f64) -> f64 {
        LEFT + second / self.span * (WIDTH - LEFT - RIGHT)
    }

    /// Where an offset in seconds is.
    pub(super) fn y(&self, offset: f64) -> f64 {
        let share = (offset - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    pub(super) fn draw(&self, out: &mut String) -> fmt::Result {
        let floor = HEIGHT - BOTTOM;
        let (unit, factor) = unit(self.low.abs().max(self.high.abs()));
        let step = nice((self.high - self.low) / factor / 6.0) * factor;
        let mut tick = (self.low / step).ceil() * step;
        while tick <= self.high {
            let y = self.y(tick);
            line(out, (LEFT, y), (WIDTH - RIGHT, y), "#e4e4e4")?;
            label(out, LEFT - 8.0, y + 4.0, "end", 12, &number(tick / factor))?;
            tick += step;
        }
        line(
            out,
            (LEFT, self.y(0.0)),
            (WIDTH - RIGHT, self.y(0.0)),
            "#999",
        )?;
        line(out, (LEFT, floor), (WIDTH - RIGHT, floor), "#222")?;
        line(out, (LEFT, TOP), (LEFT, floor), "#222")?;
        writeln!(
            out,
            r##"<text x="18" y="{0:.1}" text-anchor="middle" transform="rotate(-90 18 {0:.1})">offset in {unit}</text>"##,
            (TOP + floor) / 2.0
        )?;
        let step = nice_time(self.span / 6.0);
        let mut second = 0.0;
        while second <= self.span {
            let x = self.x(second);
            line(out, (x, floor), (x, floor + 5.0), "#222")?;
            label(
                out,
                x,
                floor + 18.0,
                "middle",
                11,
                &self.moment(second, step),
            )?;
            second += step;
        }
        let start = DateTime::from_timestamp_nanos(self.start.as_nanos());
        let text = format!("mock time from {}", start.format("%Y-%m-%dT%H:%M:%S%.fZ"));
        label(
            out,
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 12.0,
            "middle",
            12,
            &text,
        )
    }

    /// The mock time of a tick.
    fn moment(&self, second: f64, step: f64) -> String {
        let nanos = (second * 1e9) as i64;
        let time =
            DateTime::from_timestamp_nanos((self.start + Delta::from_nanos(nanos)).as_nanos());
        let format = match step {
            step if step >= 86_400.0 => "%Y-%m-%d",
            step if step >= 60.0 => "%d. %H:%M",
            step if step >= 1.0 => "%H:%M:%S",
            _ => "%H:%M:%S%.3f",
        };
        time.format(format).to_string()
    }
}

/// The unit in which offsets of this size are told, and its seconds.
fn unit(largest: f64) -> (&'static str, f64) {
    [
        ("days", 86_400.0 * 3.0, 86_400.0),
        ("s", 1.0, 1.0),
        ("ms", 1e-3, 1e-3),
        ("µs", 1e-6, 1e-6),
    ]
    .into_iter()
    .find(|(_, least, _)| largest >= *least)
    .map_or(("ns", 1e-9), |(name, _, seconds)| (name, seconds))
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn nice(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let fits = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * decade >= step);
    fits.unwrap_or(10.0) * decade
}

/// A step of time that people count in, at least `step` seconds.
fn nice_time(step: f64) -> f64 {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3_600.0;
    const DAY: f64 = 86_400.0;
    if step <= 1.0 {
        return nice(step);
    }
    [
        1.0,
        2.0,
        5.0,
        10.0,
        30.0,
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        30.0 * MINUTE,
        HOUR,
        2.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        30.0 * DAY,
        365.0 * DAY,
    ]
    .into_iter()
    .find(|nice| *nice >= step)
    .unwrap_or_else(|| nice(step / DAY) * DAY)
}

/// A number without the noise of its last bits.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

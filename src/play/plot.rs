//! What the clocks of a scenario show over time, as a picture.

mod axes;

use super::moments::VirtualMoments;
use super::run::Endpoint;
use crate::api::{Delta, HostClock};
use crate::scenario::Scenario;
use crate::svg::{self, label, line};
use axes::Axes;
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::sync::Arc;
use timeball_mock::{Base, Change, MockClock, When};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 56.0;
/// Of the curves, in turn.
const COLORS: [&str; 6] = [
    "#4878a8", "#c04030", "#509050", "#9060a0", "#b08030", "#408888",
];
/// Points of a curve, beside those at its events.
const POINTS: i64 = 1_000;
/// Requests that are counted for a curve at most.
const MAX_REQUESTS: i64 = 100_000;
/// How long is shown of a clock to which nothing happens.
const QUIET: Delta = Delta::from_seconds(60);
/// How long is shown of a clock whose frequency is wrong from some moment on.
const SLOW: Delta = Delta::from_seconds(86_400);
/// How many events are named; more would cover each other.
const MAX_NAMES: usize = 12;

/// By how much the clocks of `scenario` differ from the nominal time, as an SVG
/// document: over the first `span` of mock time, or over what its events take.
/// Events by request are drawn on the base `per-request` alone, where their
/// time is known.
#[must_use]
pub fn svg(scenario: &Scenario, span: Option<Delta>) -> String {
    let span = span.unwrap_or_else(|| natural_span(scenario));
    let span = span.max(Delta::from_nanos(1));
    let mut text = String::new();
    write_svg(&mut text, scenario, span).expect("a string takes all that is written to it");
    text
}

/// What one clock shows.
struct Curve {
    name: String,
    /// Elapsed mock time and offset, both in seconds.
    points: Vec<(f64, f64)>,
}

fn write_svg(out: &mut String, scenario: &Scenario, span: Delta) -> fmt::Result {
    let curves = curves(scenario, span);
    let offsets = || {
        curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| point.1))
    };
    let low = offsets().fold(0.0, f64::min);
    let high = offsets().fold(0.0, f64::max);
    let axes = Axes::new(scenario.time.start, span, low, high);
    svg::begin(out, WIDTH, HEIGHT)?;
    label(out, LEFT, 24.0, "start", 16, &scenario.name)?;
    label(out, LEFT, 42.0, "start", 12, &scenario.description)?;
    axes.draw(out)?;
    for (second, name) in events(scenario, span) {
        let x = axes.x(second);
        writeln!(
            out,
            r##"<line x1="{x:.1}" y1="{TOP:.1}" x2="{x:.1}" y2="{:.1}" stroke="#bbb" stroke-dasharray="3 3"/>"##,
            HEIGHT - BOTTOM
        )?;
        writeln!(
            out,
            r##"<text x="{:.1}" y="{:.1}" font-size="10" fill="#777" transform="rotate(90 {:.1} {:.1})">{}</text>"##,
            x + 3.0,
            TOP + 4.0,
            x + 3.0,
            TOP + 4.0,
            svg::escaped(&name)
        )?;
    }
    for (number, (curve, color)) in curves.iter().zip(COLORS.iter().cycle()).enumerate() {
        write!(
            out,
            r##"<polyline fill="none" stroke="{color}" stroke-width="1.5" points=""##
        )?;
        for &(second, offset) in &curve.points {
            write!(out, "{:.1},{:.1} ", axes.x(second), axes.y(offset))?;
        }
        writeln!(out, r##""/>"##)?;
        if curves.len() > 1 {
            let x = LEFT + 8.0 + 110.0 * number as f64;
            line(out, (x, TOP - 10.0), (x + 16.0, TOP - 10.0), color)?;
            label(out, x + 20.0, TOP - 6.0, "start", 11, &curve.name)?;
        }
    }
    svg::end(out)
}

/// One curve for each clock, named by the endpoints that show it.
fn curves(scenario: &Scenario, span: Delta) -> Vec<Curve> {
    let mut curves: Vec<(u64, Curve)> = Vec::new();
    let host: Arc<dyn HostClock> = Arc::<VirtualMoments>::default();
    let clocks = scenario.clocks(&host);
    let plans = scenario.endpoints.iter().map(|it| it.clock.stream);
    for (Endpoint { name, clock, .. }, stream) in
        Endpoint::of(scenario, clocks).into_iter().zip(plans)
    {
        match curves.iter_mut().find(|(other, _)| *other == stream) {
            Some((_, curve)) => {
                curve.name.push_str(", ");
                curve.name.push_str(&name);
            }
            None => {
                let points = points(scenario, &clock, span);
                curves.push((stream, Curve { name, points }));
            }
        }
    }
    curves.into_iter().map(|(_, curve)| curve).collect()
}

fn points(scenario: &Scenario, clock: &MockClock, span: Delta) -> Vec<(f64, f64)> {
    if let Base::PerRequest(step) = scenario.time.base
        && step > Delta::ZERO
        && span.as_nanos() / step.as_nanos() <= MAX_REQUESTS
    {
        let mut points = Vec::new();
        while clock.elapsed() <= span {
            let elapsed = clock.elapsed();
            let offset = clock.offset_at(elapsed).as_seconds_f64();
            // It stands while a request is served.
            points.push((elapsed.as_seconds_f64(), offset));
            clock.source().clock.replied();
            points.push((clock.elapsed().as_seconds_f64(), offset));
        }
        return points;
    }
    moments(scenario, span)
        .into_iter()
        .map(|elapsed| {
            let offset = clock.offset_at(Delta::from_nanos(elapsed));
            (elapsed as f64 / 1e9, offset.as_seconds_f64())
        })
        .collect()
}

/// The moments to look at a clock: evenly, and on both sides of each event.
fn moments(scenario: &Scenario, span: Delta) -> BTreeSet<i64> {
    let span = span.as_nanos();
    let even = (0..=POINTS)
        .map(|point| i128::from(span) * i128::from(point) / i128::from(POINTS))
        .filter_map(|moment| i64::try_from(moment).ok());
    let mut moments: BTreeSet<i64> = even.collect();
    let mut add = |moment: Delta| {
        let moment = moment.as_nanos();
        moments.extend([moment.saturating_sub(1), moment]);
    };
    for event in scenario.endpoints.iter().flat_map(|it| &it.clock.events) {
        add(due(scenario, &event.when).unwrap_or_default());
        match &event.change {
            Change::Leap(leap) => {
                let midnight = leap.at - scenario.time.start;
                for second in -1..=1 {
                    add(midnight + Delta::from_seconds(second));
                }
            }
            Change::Smear(smear) => {
                let midnight = smear.at - scenario.time.start;
                add(midnight - smear.before);
                add(midnight + smear.after);
            }
            _ => {}
        }
    }
    moments
        .into_iter()
        .filter(|moment| (0..=span).contains(moment))
        .collect()
}

/// How much mock time has elapsed when it happens, if that is known.
fn due(scenario: &Scenario, when: &When) -> Option<Delta> {
    match (*when, scenario.time.base) {
        (When::Time(time), _) => Some(time - scenario.time.start),
        (When::Elapsed(elapsed), _) => Some(elapsed),
        (When::Served(count), Base::PerRequest(step)) => {
            Some(step * i64::try_from(count).unwrap_or(i64::MAX))
        }
        (When::Served(_), _) => None,
    }
    .map(|elapsed| elapsed.max(Delta::ZERO))
}

/// The named events in the picture, with their moments in seconds.
fn events(scenario: &Scenario, span: Delta) -> Vec<(f64, String)> {
    let mut seen = BTreeSet::new();
    let all = scenario.endpoints.iter().flat_map(|it| &it.clock.events);
    let named = all.filter_map(|event| {
        let moment = due(scenario, &event.when)?;
        let name = event.name.clone()?;
        (moment > Delta::ZERO && moment <= span && seen.insert((moment, name.clone())))
            .then(|| (moment.as_seconds_f64(), name))
    });
    named.take(MAX_NAMES).collect()
}

/// As long as the events take, and a little more.
fn natural_span(scenario: &Scenario) -> Delta {
    let mut last = Delta::ZERO;
    let mut goes_on = false;
    for event in scenario.endpoints.iter().flat_map(|it| &it.clock.events) {
        let at = due(scenario, &event.when).unwrap_or_default();
        last = last.max(match &event.change {
            Change::Leap(leap) => at.max(leap.at - scenario.time.start),
            Change::Smear(smear) => at.max(smear.at + smear.after - scenario.time.start),
            _ => at,
        });
        goes_on |= matches!(
            event.change,
            Change::Drift { .. } | Change::DriftRate { .. } | Change::Wander(_)
        );
    }
    let more = Delta::from_nanos(last.as_nanos() / 5);
    (last + more).max(if goes_on { SLOW } else { QUIET })
}

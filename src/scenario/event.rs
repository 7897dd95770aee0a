//! From a table `[[clock.events]]` to what happens to a clock, and when.

use super::document::Document;
use super::forms::Length;
use super::schema::{self, LeapWarning, Passing, SmearShape};
use crate::api::{Delta, LeapIndicator, Timestamp};
use crate::settings::{alternatives, format_duration, join};
use timeball_mock as mock;
use timeball_mock::{Change, Event, QualityChange, When};

/// What lies between two midnights.
const DAY: Delta = Delta::from_seconds(86_400);
/// Half a day: from noon to midnight.
const HALF_A_DAY: Delta = Delta::from_seconds(43_200);
/// The shortest smear there is.
const SHORTEST_SMEAR: Delta = Delta::from_seconds(10);
/// The finest step of noise there is.
const FINEST_NOISE: Delta = Delta::from_micros(1);
/// How often noise is drawn anew if the file does not say.
const NOISE_INTERVAL: Delta = Delta::from_seconds(1);

/// The event that the table at `path` asks for; `None` if it is wrong.
pub(super) fn event(
    document: &mut Document<'_>,
    path: &str,
    table: &schema::Event,
    start: Timestamp,
) -> Option<Event> {
    let whens = [
        ("at", table.at.map(|at| When::Time(at.0))),
        ("elapsed", table.elapsed.map(|after| When::Elapsed(after.0))),
        (
            "request",
            // The clock counts from 0 what people count from 1.
            table.request.map(|number| When::Served(number.0 - 1)),
        ),
    ];
    let mut whens = whens
        .into_iter()
        .filter_map(|(key, when)| Some((key, when?)));
    let (when_key, when) = whens.next().unwrap_or(("", When::Elapsed(Delta::ZERO)));
    if let Some((second, _)) = whens.next() {
        document.reject(
            &join(path, second),
            format!(
                "`{when_key}` says already when; accepted: one of `at`, `elapsed` and `request`, \
                 or none for the start"
            ),
        );
    }
    if let When::Time(at) = when
        && at < start
    {
        document.reject(
            &join(path, when_key),
            "before `time.start`; accepted: the start or later",
        );
    }
    let changes = changes(table);
    let names = || alternatives(changes.iter().map(|(key, _)| *key));
    let mut given = changes
        .iter()
        .filter_map(|(key, change)| Some((*key, (*change)?)));
    let Some((key, change)) = given.next() else {
        document.reject(
            path,
            format!("nothing happens; accepted: one of {}", names()),
        );
        return None;
    };
    for (second, _) in given {
        document.reject(
            &join(path, second),
            format!(
                "a change beside `{key}`; accepted: one change an event, so a [[{}]] of its own",
                path.rsplit_once('[').map_or(path, |(list, _)| list)
            ),
        );
    }
    check(document, &join(path, key), &change, start);
    Some(Event {
        name: Some(table.name.clone().unwrap_or_else(|| match change {
            Change::Freeze | Change::Resume => key.to_owned(),
            Change::Leap(_) | Change::Smear(_) | Change::Wander(_) => key.to_owned(),
            _ => format!("{key} = {}", document.shown(&join(path, key))),
        })),
        when,
        change,
    })
}

/// Every change that an event can make, by its key, and the one it makes.
fn changes(table: &schema::Event) -> Vec<(&'static str, Option<Change>)> {
    let quality = |change: Option<QualityChange>| change.map(Change::Quality);
    vec![
        ("step", table.step.map(|span| Change::Step(span.0))),
        ("set", table.set.map(|time| Change::Set(time.0))),
        ("freeze", table.freeze.map(|_| Change::Freeze)),
        ("resume", table.resume.map(|_| Change::Resume)),
        ("rate", table.rate.map(|rate| Change::Rate(rate.0))),
        (
            "drift_ppm",
            table.drift_ppm.map(|ppm| Change::Drift { ppb: ppm.0 }),
        ),
        (
            "drift_change_ppm_per_day",
            table
                .drift_change_ppm_per_day
                .map(|ppm| Change::DriftRate { ppb_per_day: ppm.0 }),
        ),
        (
            "wander",
            table.wander.map(|noise| Change::Wander(wander(noise))),
        ),
        ("leap", table.leap.map(|second| Change::Leap(leap(second)))),
        (
            "smear",
            table.smear.map(|second| Change::Smear(smear(second))),
        ),
        (
            "leap_indicator",
            quality(table.leap_indicator.map(leap_indicator)),
        ),
        (
            "stratum",
            quality(
                table
                    .stratum
                    .map(|stratum| QualityChange::Stratum(stratum.0)),
            ),
        ),
        (
            "precision_log2_s",
            quality(
                table
                    .precision_log2_s
                    .map(|power| QualityChange::Precision(power.0)),
            ),
        ),
        (
            "reference_id",
            quality(
                table
                    .reference_id
                    .map(|id| QualityChange::ReferenceId(id.0)),
            ),
        ),
        (
            "reference_timestamp",
            quality(
                table
                    .reference_timestamp
                    .map(|time| QualityChange::ReferenceTimestamp(time.0)),
            ),
        ),
        (
            "reference_age",
            quality(
                table
                    .reference_age
                    .map(|age| QualityChange::ReferenceAge(age.0)),
            ),
        ),
        (
            "root_delay",
            quality(
                table
                    .root_delay
                    .map(|delay| QualityChange::RootDelay(delay.0)),
            ),
        ),
        (
            "root_dispersion",
            quality(
                table
                    .root_dispersion
                    .map(|bound| QualityChange::RootDispersion(bound.0)),
            ),
        ),
        (
            "synchronised",
            quality(table.synchronised.map(|is| match is {
                true => QualityChange::Synchronised,
                false => QualityChange::Unsynchronised,
            })),
        ),
    ]
}

/// What no single key of a change shows.
fn check(document: &mut Document<'_>, path: &str, change: &Change, start: Timestamp) {
    match change {
        Change::Leap(leap) => {
            midnight(document, path, leap.at);
            if leap.at <= start {
                document.reject(
                    &join(path, "at"),
                    "not after `time.start`, so it would never be seen; accepted: a later midnight",
                );
            }
        }
        Change::Smear(smear) => {
            midnight(document, path, smear.at);
            if smear.at + smear.after <= start {
                document.reject(
                    &join(path, "at"),
                    "over before `time.start`; accepted: a later midnight",
                );
            }
            if smear.before + smear.after < SHORTEST_SMEAR {
                document.reject(
                    &join(path, "after"),
                    format!(
                        "shorter than any smear; accepted: {} at least, with `before`",
                        format_duration(SHORTEST_SMEAR)
                    ),
                );
            }
        }
        Change::Wander(wander) if wander.interval < FINEST_NOISE => {
            document.reject(
                &join(path, "interval"),
                format!(
                    "too fine; accepted: a duration of {} or more",
                    format_duration(FINEST_NOISE)
                ),
            );
        }
        Change::Wander(wander) if wander.random_walk_frequency_ppb < 0 => {
            document.reject(
                &join(path, "random_walk_ppm"),
                "a standard deviation is not negative; accepted: parts per million, 0 or more",
            );
        }
        _ => {}
    }
}

/// A leap second is at the end of a day.
fn midnight(document: &mut Document<'_>, path: &str, at: Timestamp) {
    if at.as_nanos().rem_euclid(DAY.as_nanos()) != 0 {
        document.reject(
            &join(path, "at"),
            "not the end of a day; accepted: a midnight in UTC, such as `2017-01-01T00:00:00Z`",
        );
    }
}

pub(super) fn leap_indicator(warning: LeapWarning) -> QualityChange {
    QualityChange::LeapIndicator(match warning {
        LeapWarning::Auto => None,
        LeapWarning::None => Some(LeapIndicator::None),
        LeapWarning::Insert => Some(LeapIndicator::InsertSecond),
        LeapWarning::Delete => Some(LeapIndicator::DeleteSecond),
        LeapWarning::Unsynchronised => Some(LeapIndicator::Unsynchronised),
    })
}

fn wander(table: schema::Wander) -> mock::Wander {
    let deviation = |length: Option<Length>| length.map_or(Delta::ZERO, |it| it.0);
    mock::Wander {
        white_phase: deviation(table.white_phase),
        flicker_phase: deviation(table.flicker_phase),
        random_walk_frequency_ppb: table.random_walk_ppm.map_or(0, |ppm| ppm.0),
        interval: table.interval.map_or(NOISE_INTERVAL, |length| length.0),
    }
}

fn kind(kind: schema::LeapKind) -> mock::LeapKind {
    match kind {
        schema::LeapKind::Insert => mock::LeapKind::Insert,
        schema::LeapKind::Delete => mock::LeapKind::Delete,
    }
}

fn leap(table: schema::Leap) -> mock::Leap {
    let kind = kind(table.kind);
    mock::Leap {
        kind,
        at: table.at.0,
        announce: table.announce.0,
        is_applied: table.applied,
        passing: match table.passing {
            Passing::Warning => kind.warning(),
            Passing::Alarm => LeapIndicator::Unsynchronised,
        },
        cleared: table.cleared.0,
    }
}

fn smear(table: schema::Smear) -> mock::Smear {
    mock::Smear {
        kind: kind(table.kind),
        at: table.at.0,
        shape: match table.shape {
            SmearShape::Linear => mock::SmearShape::Linear,
            SmearShape::Cosine => mock::SmearShape::Cosine,
            SmearShape::Quadratic => mock::SmearShape::Quadratic,
        },
        before: table.before.map_or(HALF_A_DAY, |length| length.0),
        after: table.after.map_or(HALF_A_DAY, |length| length.0),
    }
}

//! What control does to clocks.

use super::refusal::Refusal;
use super::status::ClockStatus;
use crate::api::{Delta, Timestamp};
use crate::settings::alternatives;
use crate::transcript::Motion;
use crate::web::rfc3339;
use timeball_mock::{Base, Event, MockClock, NotAWallClock, Ratio};

/// The key that names a clock.
pub(super) const CLOCK: &str = "clock";

/// Of `all` clocks that of this `name`; without a name the only one, or all
/// those of a scenario, whose time is one.
///
/// # Errors
/// There is no such clock, or none was named and there are several.
pub(crate) fn chosen(
    mut all: Vec<(String, MockClock)>,
    are_of_a_scenario: bool,
    name: Option<&str>,
) -> Result<Vec<(String, MockClock)>, Refusal> {
    if all.is_empty() {
        let text = "no source here is a mock, so there is no clock to move";
        return Err(Refusal::conflict(text));
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    match name {
        Some(name) if names.contains(&name) => all.retain(|(other, _)| other == name),
        Some(name) => return Err(Refusal::no_such("clock", CLOCK, name, &names)),
        None if all.len() == 1 || are_of_a_scenario => {}
        None => return Err(Refusal::missing(CLOCK, alternatives(names))),
    }
    Ok(all)
}

/// Moves `clocks`, each once; says to which event that took them.
///
/// # Errors
/// They cannot be moved so; none of them has been then.
pub(crate) fn carry_out(
    clocks: &[(String, MockClock)],
    motion: Motion,
) -> Result<Option<Event>, Refusal> {
    let each = |change: &dyn Fn(&MockClock)| distinct(clocks).for_each(|(_, clock)| change(clock));
    check_reach(clocks, motion)?;
    match motion {
        Motion::Advance(by) => each(&|clock| clock.advance(by)),
        Motion::Step(by) => each(&|clock| clock.step(by)),
        Motion::Set(time) => each(&|clock| clock.set(time)),
        Motion::Rate(rate) => set_rate(clocks, rate)?,
        Motion::Pause => each(&MockClock::pause),
        Motion::Resume => each(&MockClock::unpause),
        Motion::Next => return go_to_next(clocks).map(Some),
    }
    Ok(None)
}

/// Checks that the times to which `motion` takes `clocks` can be told.
///
/// # Errors
/// One of them would stop at the end of the range of time.
fn check_reach(clocks: &[(String, MockClock)], motion: Motion) -> Result<(), Refusal> {
    let is_told = |time: Timestamp| time > Timestamp::MIN && time < Timestamp::MAX;
    let is_reached = |clock: &MockClock| match motion {
        Motion::Advance(by) => {
            let elapsed = clock.elapsed() + by;
            elapsed > Delta::MIN
                && elapsed < Delta::MAX
                && is_told(clock.start() + elapsed)
                && is_told(clock.reading_at(elapsed).time)
        }
        Motion::Step(by) => is_told(clock.now() + by),
        _ => true,
    };
    match distinct(clocks).find(|(_, clock)| !is_reached(clock)) {
        None => Ok(()),
        Some((name, clock)) => Err(Refusal::conflict(format!(
            "{name}: it shows {}, and time so far off cannot be told; accepted: what keeps it \
             within 1677 to 2262",
            rfc3339(clock.now())
        ))),
    }
}

/// The clocks, those that several endpoints share once.
fn distinct(clocks: &[(String, MockClock)]) -> impl Iterator<Item = &(String, MockClock)> + Clone {
    clocks.iter().enumerate().filter_map(|(place, clock)| {
        let is_same = |(_, before): &(String, MockClock)| before.is_same_as(&clock.1);
        (!clocks[..place].iter().any(is_same)).then_some(clock)
    })
}

/// From now on this much time elapses in a second of the host's.
///
/// # Errors
/// One of them is not moved by the host's clock; none has changed then.
fn set_rate(clocks: &[(String, MockClock)], rate: Ratio) -> Result<(), Refusal> {
    let is_on_the_wall = |clock: &MockClock| matches!(clock.base(), Base::Wall { .. });
    if let Some((name, _)) = clocks.iter().find(|(_, clock)| !is_on_the_wall(clock)) {
        return Err(Refusal::conflict(format!("{name}: {NotAWallClock}")));
    }
    for (_, clock) in distinct(clocks) {
        clock
            .set_rate(rate)
            .map_err(|error| Refusal::conflict(error.to_string()))?;
    }
    Ok(())
}

/// Takes the clocks to the next event of any of them, and says which it is.
///
/// As much elapses on all of them, so that clocks that agreed before do so
/// after. Events by a number of requests come where none is left that comes by
/// elapsed time: requests to one clock are none to another.
///
/// # Errors
/// No event is still to come.
fn go_to_next(clocks: &[(String, MockClock)]) -> Result<Event, Refusal> {
    let clocks = distinct(clocks);
    let soonest = clocks
        .clone()
        .filter_map(|(_, clock)| clock.next_due())
        .min();
    let mut reached = None;
    for (_, clock) in clocks {
        let event = match soonest {
            Some(due) if clock.next_due() != Some(due) => {
                clock.advance((due - clock.elapsed()).max(Delta::ZERO));
                None
            }
            _ => clock.next_phase(),
        };
        reached = reached.or(event);
    }
    reached.ok_or_else(|| Refusal::conflict("no event is still to come"))
}

/// What the status says of `clocks`.
pub(super) fn told(clocks: &[(String, MockClock)]) -> Vec<ClockStatus> {
    clocks
        .iter()
        .map(|(name, clock)| {
            let reading = clock.reading();
            let (base, rate) = match clock.base() {
                Base::Manual => ("manual", None),
                Base::PerRequest(_) => ("per-request", None),
                Base::Wall { rate, .. } => ("wall", Some(rate.to_string())),
            };
            ClockStatus {
                name: name.clone(),
                time: rfc3339(reading.time),
                base: base.to_owned(),
                rate,
                paused: clock.is_paused(),
                elapsed_ns: clock.elapsed().as_nanos(),
                phase: clock.phase(),
                served: clock.served(),
                leap_indicator: reading.quality.leap_indicator.to_bits(),
                stratum: reading.quality.stratum,
            }
        })
        .collect()
}

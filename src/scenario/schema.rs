//! A scenario file, key by key: what it accepts, and what holds without it.
//!
//! Whatever is not named here is refused. How values are written is told once,
//! in [`forms`](super::forms): spans, points of time and reference ids are
//! written as in the settings.
//!
//! | table | type | how many |
//! |---|---|---|
//! | the top | [`File`] | 1 |
//! | `[time]` | [`Time`] | 0 or 1 |
//! | `[clock]`, `[endpoints.clock]` | [`Clock`] | 0 or 1, and 0 or 1 an endpoint |
//! | `[[clock.events]]`, `[[endpoints.clock.events]]` | [`Event`] | any |
//! | `[[endpoints]]` | [`Endpoint`] | 0 to 64 |
//! | `[[rules]]` | [`Rule`] | any |
//! | `[[expect]]` | [`Expectation`] | any |

use super::forms::{
    Announced, Bound, Count, Ends, Id, Instant, Length, Log2Seconds, PartsPerMillion, Rate,
    ReferenceTime, Row, Seed, Span, Stratum, True,
};
use crate::expect::Expectation;
use crate::faults::Rule;
use crate::protocol::ProtocolName;
use serde::Deserialize;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What the scenario is called: lower-case letters, digits and hyphens; that
    /// of a built-in one is its file's name without `.toml`. Required.
    pub name: Option<String>,
    /// One line: what happens, and what a good client does. Required.
    pub description: Option<String>,
    /// What all noise and all chance come from, 0 to 2^63 - 1. Default 1.
    pub seed: Option<Seed>,
    /// The rows of the table of scenarios (`docs/scenarios.md`) that this one
    /// covers, 1 to 47. Default: none.
    #[serde(default)]
    pub covers: Vec<Row>,
    /// How long `timeball play` serves it, in host time. Default: until it is
    /// stopped.
    pub duration: Option<Length>,
    /// After how many requests `timeball play` ends, from 1. Default: any
    /// number.
    pub requests: Option<Count>,
    /// What moves mock time.
    #[serde(default)]
    pub time: Time,
    /// The clock of every endpoint that has none of its own; those endpoints
    /// share it, and their requests are counted together.
    #[serde(default)]
    pub clock: Clock,
    /// What is served, and where. Default: one, which speaks NTP on a free port
    /// of 127.0.0.1.
    pub endpoints: Option<Vec<Endpoint>>,
    /// What goes wrong with datagrams; the first rule that matches decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What a good client does.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

/// `[time]`: the time base of every clock.
///
/// Mock time is `start` and what has elapsed since, before any event bends it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// What makes mock time elapse. Default `wall`.
    #[serde(default)]
    pub base: Base,
    /// Mock time at the start. Default `"2030-01-01T00:00:00Z"`.
    pub start: Option<Instant>,
    /// With `wall`: how much mock time passes while a second of the host's
    /// passes; above 0, up to 1 000 000. Default 1.
    pub rate: Option<Rate>,
    /// With `wall`: when mock time begins to elapse. Default `first-request`.
    pub starts: Option<Starts>,
    /// With `per-request`: how much mock time passes with each reply; not
    /// negative. Default `"1s"`.
    pub step: Option<Length>,
}

/// What makes mock time elapse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// `wall`: the host's monotonic clock, at a rate.
    #[default]
    Wall,
    /// `per-request`: each reply, by a step.
    PerRequest,
    /// `manual`: live control and nothing else.
    Manual,
}

impl Base {
    /// As it stands in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::PerRequest => "per-request",
            Self::Manual => "manual",
        }
    }
}

/// When mock time on a `wall` base begins to elapse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starts {
    /// `first-request`: with the first request.
    #[default]
    FirstRequest,
    /// `start`: with the server.
    Start,
}

/// `[clock]` or `[endpoints.clock]`: the quality of the time at the start, and
/// what happens to the clock.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The warning of a leap second at the end of the day, or the alarm.
    /// Default `auto`.
    pub leap_indicator: Option<LeapWarning>,
    /// Hops from a reference clock, 0 to 16; both ends are unsynchronised. Default 1.
    pub stratum: Option<Stratum>,
    /// How finely the clock can be read, in seconds as a power of two, -128 to
    /// 127. Default -29.
    pub precision_log2_s: Option<Log2Seconds>,
    /// Where the time comes from. Default `"XTST"`, which marks test time.
    pub reference_id: Option<Id>,
    /// When the clock was last set; `"none"` is zero on the wire. Default: the
    /// start, or the time of the reading where that is earlier.
    pub reference_timestamp: Option<ReferenceTime>,
    /// Round trip to the reference clock, 0 to 65 535 s. Default 0.
    pub root_delay: Option<Bound>,
    /// Bound on the error against the reference clock, 0 to 65 535 s. Default
    /// 0.
    pub root_dispersion: Option<Bound>,
    /// What happens, and when; of events at one moment the earlier in the file
    /// happens first.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// The leap indicator. RFC 5905 section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeapWarning {
    /// `auto`: what the leap seconds of the file make it.
    Auto,
    /// `none` (0).
    None,
    /// `insert` (1): the last minute of the day has 61 seconds.
    Insert,
    /// `delete` (2): the last minute of the day has 59 seconds.
    Delete,
    /// `unsynchronised` (3): the alarm.
    Unsynchronised,
}

/// `[[clock.events]]`: one change, and when it happens.
///
/// One of `at`, `elapsed` and `request` says when; without any it happens at
/// the start. Exactly one of the other keys, from `step` on, says what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What this is called in the live view and by `timeball ctl`. Default:
    /// what it does.
    pub name: Option<String>,
    /// When: at this mock time (`start` and what has elapsed, whatever other
    /// events made of the clock); not before the start.
    pub at: Option<Instant>,
    /// When: after this much mock time.
    pub elapsed: Option<Length>,
    /// When: with this request, counted from 1 over the endpoints of this clock
    /// and over the requests that got a reply; it is the first to see the
    /// change.
    pub request: Option<Count>,

    /// The clock jumps by this much, back if it is negative. 1024 weeks back is
    /// `"-1024 weeks"`.
    pub step: Option<Span>,
    /// The clock jumps to this time.
    pub set: Option<Instant>,
    /// `true`: the clock stands, until an event resumes it.
    pub freeze: Option<True>,
    /// `true`: a frozen clock goes on from where it stands.
    pub resume: Option<True>,
    /// From now on the clock runs at this multiple of mock time; 0 stands,
    /// below 0 runs backwards.
    pub rate: Option<Rate>,
    /// From now on the frequency is off by this many parts per million, three
    /// decimals, -1 000 000 to 1 000 000.
    pub drift_ppm: Option<PartsPerMillion>,
    /// From now on the frequency error changes by this many parts per million
    /// each day of mock time, three decimals, -1 000 000 to 1 000 000.
    pub drift_change_ppm_per_day: Option<PartsPerMillion>,
    /// Seeded noise from now on.
    pub wander: Option<Wander>,
    /// A leap second.
    pub leap: Option<Leap>,
    /// A leap second, smeared.
    pub smear: Option<Smear>,
    /// As in [`Clock`].
    pub leap_indicator: Option<LeapWarning>,
    /// As in [`Clock`].
    pub stratum: Option<Stratum>,
    /// As in [`Clock`].
    pub precision_log2_s: Option<Log2Seconds>,
    /// As in [`Clock`].
    pub reference_id: Option<Id>,
    /// As in [`Clock`].
    pub reference_timestamp: Option<ReferenceTime>,
    /// How far the reference timestamp lies behind each reading, ahead if it is
    /// negative.
    pub reference_age: Option<Span>,
    /// As in [`Clock`].
    pub root_delay: Option<Bound>,
    /// As in [`Clock`].
    pub root_dispersion: Option<Bound>,
    /// `false`: leap indicator 3 and stratum 16, as after a restart. `true`: as
    /// it was before.
    pub synchronised: Option<bool>,
}

/// `wander = { … }`: noise that is a function of the seed and of mock time.
/// Every part that is absent is 0; all of them absent ends the noise.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wander {
    /// White phase noise: standard deviation of each reading. Default 0.
    pub white_phase: Option<Length>,
    /// Flicker phase noise: standard deviation of each reading. Default 0.
    pub flicker_phase: Option<Length>,
    /// Random walk of the frequency: standard deviation after a day, in parts
    /// per million, three decimals. Default 0.
    pub random_walk_ppm: Option<PartsPerMillion>,
    /// The finest step of the noise, 1 us at least; it is continuous in
    /// between. Default `"1s"`.
    pub interval: Option<Length>,
}

/// `leap = { … }`: a leap second, announced and applied as it should be or not.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leap {
    /// `insert` or `delete`.
    pub kind: LeapKind,
    /// The midnight (UTC) that ends the day of the leap second, after the
    /// start. Any month is accepted, right or wrong.
    pub at: Instant,
    /// How long ahead the leap indicator warns of it, or `"never"`. Default
    /// `"24h"`.
    #[serde(default)]
    pub announce: Announced,
    /// Whether the second is in fact inserted or deleted. Default `true`.
    #[serde(default = "yes")]
    pub applied: bool,
    /// When the leap indicator says 0 again: `"at-once"`, a span after
    /// midnight, or `"never"`. Default `"at-once"`.
    #[serde(default)]
    pub cleared: Ends,
    /// What the leap indicator says while an inserted second passes, if it was
    /// announced. Default `warning`.
    #[serde(default)]
    pub passing: Passing,
}

fn yes() -> bool {
    true
}

/// What the leap indicator says while an inserted second passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passing {
    /// `warning`: the same as before.
    #[default]
    Warning,
    /// `alarm`: 3, since no NTP timestamp can tell 23:59:60 from 23:59:59.
    Alarm,
}

/// What a leap second does to the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeapKind {
    /// `insert`: 23:59:59 is there twice.
    Insert,
    /// `delete`: 23:59:59 is left out.
    Delete,
}

/// `smear = { … }`: a leap second spread over hours, with leap indicator 0.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smear {
    /// `insert` or `delete`.
    pub kind: LeapKind,
    /// The midnight (UTC) that ends the day of the leap second.
    pub at: Instant,
    /// How it is spread. Default `linear`.
    #[serde(default)]
    pub shape: SmearShape,
    /// How long before `at` it begins. Default `"12h"`.
    pub before: Option<Length>,
    /// How long after `at` it ends; with `before` 10 s at least. Default
    /// `"12h"`.
    pub after: Option<Length>,
}

/// How a leap second is spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmearShape {
    /// `linear`: at one frequency.
    #[default]
    Linear,
    /// `cosine`: the frequency rises and falls as a cosine does.
    Cosine,
    /// `quadratic`: the frequency rises and falls evenly.
    Quadratic,
}

/// `[[endpoints]]`: something that is served.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What rules, expectations and output call it, as no other endpoint is
    /// called: lower-case letters, digits and hyphens. Default: the protocol.
    pub name: Option<String>,
    /// What is spoken: `text`, `daytime`, `time` or `ntp`. Default `ntp`.
    pub protocol: Option<ProtocolName>,
    /// Where; port 0 is any free one. Default `"127.0.0.1:0"`.
    pub address: Option<String>,
    /// Of `text` and `daytime`: how the time is written, as in the settings.
    pub format: Option<String>,
    /// Of `text` and `daytime`: an IANA name. `local` is refused: it is not the
    /// same everywhere. Default `UTC`.
    pub timezone: Option<String>,
    /// Of `ntp`: what mode 1 gets, `drop` or `reply`. Default `drop`.
    pub symmetric: Option<String>,
    /// Of `ntp`: what clients get while the clock is unsynchronised, `alarm`,
    /// `zero` or `silent`. Default `alarm`.
    pub unsynchronised: Option<String>,
    /// Of `ntp`: whether an unknown key gets a crypto-NAK. Default `false`.
    pub crypto_nak: Option<bool>,
    /// A clock of its own, in the place of `[clock]`.
    pub clock: Option<Clock>,
    /// A server to ask in the place of a clock, as `HOST`, `HOST:PORT` or
    /// `[IPV6]:PORT`, with the protocol's own port by default; what it answers
    /// goes back through the rules. Not for `text`, and not beside `clock`.
    pub upstream: Option<String>,
    /// Whether nobody is at the port, so that the kernel answers what comes there
    /// with "port unreachable" (ICMP). Default `false`.
    pub closed: Option<bool>,
}

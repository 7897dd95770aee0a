//! The lines of a transcript that say what control changed.

use super::change::{Change, Control, Motion};
use super::fields;
use super::line::{Opening, ratio, rfc3339, signed_span, span, time};
use crate::faults::Rule;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use timeball_mock::Ratio;

/// What was done, as `timeball ctl` calls it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Verb {
    #[serde(rename = "advance")]
    Advance,
    #[serde(rename = "step")]
    Step,
    #[serde(rename = "set")]
    Set,
    #[serde(rename = "rate")]
    Rate,
    #[serde(rename = "pause")]
    Pause,
    #[serde(rename = "resume")]
    Resume,
    #[serde(rename = "next")]
    Next,
    #[serde(rename = "fault add")]
    AddFault,
    #[serde(rename = "fault remove")]
    RemoveFault,
    #[serde(rename = "load")]
    Load,
}

/// A line to write.
#[derive(Debug, Serialize)]
pub(super) struct ChangeOut<'a> {
    control: Verb,
    at: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", with = "ratio")]
    rate: Option<Ratio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'a str>,
}

impl<'a> ChangeOut<'a> {
    pub(super) fn of(change: &'a Change) -> serde_json::Result<Self> {
        let mut line = Self {
            control: Verb::Pause,
            at: RawValue::from_string(fields::seconds(change.at))?,
            clock: None,
            by: None,
            time: None,
            rule: None,
            name: None,
            seed: None,
            rate: None,
            endpoints: None,
            scenario: None,
        };
        line.control = match &change.what {
            Control::Clocks { clock, motion } => {
                line.clock = clock.as_deref();
                line.motion(*motion)?
            }
            Control::AddFault(rule) => {
                let mut keys = serde_json::to_value(rule)?;
                leave_out_defaults(&mut keys);
                line.rule = Some(keys);
                Verb::AddFault
            }
            Control::RemoveFault(name) => {
                line.name = Some(name);
                Verb::RemoveFault
            }
            Control::Load(opening) => {
                line.name = Some(&opening.name);
                line.seed = Some(opening.seed);
                line.rate = opening.rate;
                line.endpoints = Some(&opening.endpoints);
                line.scenario = Some(&opening.scenario);
                Verb::Load
            }
        };
        Ok(line)
    }

    fn motion(&mut self, motion: Motion) -> serde_json::Result<Verb> {
        let seconds = |by| RawValue::from_string(fields::seconds(by)).map(Some);
        Ok(match motion {
            Motion::Advance(by) => {
                self.by = seconds(by)?;
                Verb::Advance
            }
            Motion::Step(by) => {
                self.by = seconds(by)?;
                Verb::Step
            }
            Motion::Set(time) => {
                self.time = Some(rfc3339(time));
                Verb::Set
            }
            Motion::Rate(rate) => {
                self.rate = Some(rate);
                Verb::Rate
            }
            Motion::Pause => Verb::Pause,
            Motion::Resume => Verb::Resume,
            Motion::Next => Verb::Next,
        })
    }
}

/// Takes the keys out that say what their absence says too: `null`, and `false`
/// (no key of a rule is true unless told).
fn leave_out_defaults(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)));
            keys.values_mut().for_each(leave_out_defaults);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_defaults),
        _ => {}
    }
}

/// A line to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeIn<'a> {
    control: Verb,
    #[serde(borrow)]
    at: &'a RawValue,
    clock: Option<String>,
    #[serde(borrow)]
    by: Option<&'a RawValue>,
    time: Option<String>,
    rule: Option<Box<Rule>>,
    name: Option<String>,
    seed: Option<u64>,
    #[serde(default, with = "ratio")]
    rate: Option<Ratio>,
    endpoints: Option<Vec<String>>,
    scenario: Option<String>,
}

impl ChangeIn<'_> {
    /// The change, in a run at the endpoints of these names.
    ///
    /// # Errors
    /// What is wrong with which key, in a sentence without its end.
    pub(super) fn change(mut self, endpoints: &[String]) -> Result<Change, String> {
        let what = match self.control {
            Verb::Advance => self.clocks(endpoints, |it| it.by().map(Motion::Advance)),
            Verb::Step => self.clocks(endpoints, |it| it.by().map(Motion::Step)),
            Verb::Set => self.clocks(endpoints, |it| {
                time(&needed("time", it.time.take())?).map(Motion::Set)
            }),
            Verb::Rate => self.clocks(endpoints, |it| {
                needed("rate", it.rate.take()).map(Motion::Rate)
            }),
            Verb::Pause => self.clocks(endpoints, |_| Ok(Motion::Pause)),
            Verb::Resume => self.clocks(endpoints, |_| Ok(Motion::Resume)),
            Verb::Next => self.clocks(endpoints, |_| Ok(Motion::Next)),
            Verb::AddFault => needed("rule", self.rule.take()).map(Control::AddFault),
            Verb::RemoveFault => needed("name", self.name.take()).map(Control::RemoveFault),
            Verb::Load => self.load().map(Box::new).map(Control::Load),
        }?;
        match self.stray() {
            Some(key) => Err(format!("{key}: has no meaning beside this `control`")),
            None => Ok(Change {
                at: span("at", self.at)?,
                what,
            }),
        }
    }

    fn clocks(
        &mut self,
        endpoints: &[String],
        motion: impl FnOnce(&mut Self) -> Result<Motion, String>,
    ) -> Result<Control, String> {
        let clock = self.clock.take();
        if let Some(clock) = &clock
            && !endpoints.contains(clock)
        {
            return Err(format!("clock = {clock:?}: no endpoint has this name"));
        }
        let motion = motion(self)?;
        Ok(Control::Clocks { clock, motion })
    }

    fn by(&mut self) -> Result<crate::api::Delta, String> {
        signed_span("by", needed("by", self.by.take())?)
    }

    fn load(&mut self) -> Result<Opening, String> {
        let name = needed("name", self.name.take())?;
        let seed = needed("seed", self.seed.take())?;
        let endpoints = needed("endpoints", self.endpoints.take())?;
        let scenario = needed("scenario", self.scenario.take())?;
        let rate = self.rate.take();
        let opening = Opening::new(&name, seed, endpoints, &scenario);
        Ok(Opening { rate, ..opening })
    }

    /// A key that nobody has taken.
    fn stray(&self) -> Option<&'static str> {
        let keys = [
            ("clock", self.clock.is_some()),
            ("by", self.by.is_some()),
            ("time", self.time.is_some()),
            ("rule", self.rule.is_some()),
            ("name", self.name.is_some()),
            ("seed", self.seed.is_some()),
            ("rate", self.rate.is_some()),
            ("endpoints", self.endpoints.is_some()),
            ("scenario", self.scenario.is_some()),
        ];
        let (key, _) = keys.into_iter().find(|(_, is_there)| *is_there)?;
        Some(key)
    }
}

fn needed<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{key}: missing"))
}

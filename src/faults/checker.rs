//! Values against what is accepted.

use super::check::Problem;
use super::network::{Delay, Duplicate, EachWay, Loss};
use super::octets::LONGEST;
use super::trailer::Extension;
use super::value::{Amount, Octets, Positions, Span};
use crate::api::Delta;
use crate::settings::format_duration;
use std::fmt::Display;
use std::ops::RangeInclusive;

pub(super) const NOTHING: Delta = Delta::ZERO;
pub(super) const A_NANOSECOND: Delta = Delta::from_nanos(1);
/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) problems: Vec<Problem>,
}

/// A duration as it is written.
pub(super) fn quoted(span: Delta) -> String {
    format!("\"{}\"", format_duration(span))
}

impl Checker {
    pub(super) fn refuse(
        &mut self,
        key: impl Display,
        value: impl Display,
        accepted: impl Display,
    ) {
        self.problems.push(Problem {
            key: key.to_string(),
            value: value.to_string(),
            accepted: accepted.to_string(),
        });
    }

    pub(super) fn number<T: PartialOrd + Display>(
        &mut self,
        key: impl Display,
        value: Option<T>,
        accepted: RangeInclusive<T>,
    ) {
        if let Some(value) = value.filter(|value| !accepted.contains(value)) {
            let (least, most) = accepted.into_inner();
            self.refuse(key, value, format!("{least} to {most}"));
        }
    }

    fn at_least(&mut self, key: impl Display, value: Option<u64>, least: u64) {
        if let Some(value) = value.filter(|value| *value < least) {
            self.refuse(key, value, format!("{least} and above"));
        }
    }

    /// As many octets as there can be.
    pub(super) fn octets(&mut self, key: impl Display, octets: Option<&Octets>, most: usize) {
        if let Some(Octets(octets)) = octets.filter(|octets| octets.0.len() > most) {
            let value = format!("{} octets", octets.len());
            self.refuse(key, value, format!("up to {most} octets"));
        }
    }

    pub(super) fn span(
        &mut self,
        key: impl Display,
        value: Option<Span>,
        accepted: RangeInclusive<Delta>,
    ) {
        if let Some(Span(value)) = value.filter(|value| !accepted.contains(&value.0)) {
            let (least, most) = (accepted.start(), accepted.end());
            let accepted = match (*least, *most) {
                (NOTHING, Delta::MAX) => "not negative".to_owned(),
                (A_NANOSECOND, most) => format!("above 0 to {}", quoted(most)),
                (least, most) => format!("{} to {}", quoted(least), quoted(most)),
            };
            self.refuse(key, quoted(value), accepted);
        }
    }

    pub(super) fn delay(&mut self, key: impl Display, value: Span) {
        self.span(key, Some(value), NOTHING..=Delay::LONGEST);
    }

    fn delay_above_zero(&mut self, key: impl Display, value: Span) {
        self.span(key, Some(value), A_NANOSECOND..=Delay::LONGEST);
    }

    pub(super) fn has_some(&mut self, key: &str, len: Option<usize>) {
        if len == Some(0) {
            self.refuse(key, "[]", "one at least");
        }
    }

    pub(super) fn positions(&mut self, key: &str, positions: Option<Positions>) {
        if let Some(Positions { from, to, every }) = positions {
            if to == Some(from) && every == 1 {
                self.at_least(key, Some(from), 1);
                return;
            }
            self.at_least(format!("{key}.from"), Some(from), 1);
            self.at_least(format!("{key}.to"), to, from.max(1));
            self.at_least(format!("{key}.every"), Some(every), 1);
        }
    }

    pub(super) fn amount(
        &mut self,
        key: &str,
        amount: Option<Amount>,
        accepted: RangeInclusive<u64>,
    ) {
        let Some(Amount { from, to }) = amount else {
            return;
        };
        let (least, most) = (*accepted.start(), *accepted.end());
        if from == to {
            self.number(key, Some(from), accepted);
        } else {
            self.number(format!("{key}.from"), Some(from), accepted);
            self.number(
                format!("{key}.to"),
                Some(to),
                from.clamp(least, most)..=most,
            );
        }
    }

    pub(super) fn extension(&mut self, key: &str, extension: &Extension) {
        let all = i64::from(u16::MAX);
        let longest = LONGEST - Extension::HEAD;
        self.number(format!("{key}.type"), Some(extension.field_type), 0..=all);
        self.number(format!("{key}.len"), extension.len, 0..=longest as i64);
        self.number(format!("{key}.says_len"), extension.says_len, 0..=all);
        self.number(format!("{key}.count"), Some(extension.count), 1..=1_000);
        self.octets(format!("{key}.body"), extension.body.as_ref(), longest);
        if let (Some(_), Some(len)) = (&extension.body, extension.len) {
            self.refuse(format!("{key}.len"), len, "either `body` or `len`");
        }
    }

    pub(super) fn each_way<T>(
        &mut self,
        key: &str,
        value: Option<EachWay<T>>,
        check: fn(&mut Self, &str, T),
    ) {
        let Some(EachWay { request, reply }) = value else {
            return;
        };
        if request.is_none() && reply.is_none() {
            self.refuse(key, "{}", "`request`, `reply` or both");
        }
        for (way, value) in [("request", request), ("reply", reply)] {
            if let Some(value) = value {
                check(self, &format!("{key}.{way}"), value);
            }
        }
    }

    pub(super) fn distribution(&mut self, key: &str, delay: Delay) {
        match delay {
            Delay::Constant(span) => self.delay(key, span),
            Delay::Normal { mean, deviation } => {
                self.delay(format!("{key}.normal.mean"), mean);
                self.delay(format!("{key}.normal.deviation"), deviation);
            }
            Delay::Exponential { mean, minimum } => {
                self.delay_above_zero(format!("{key}.exponential.mean"), mean);
                self.delay(format!("{key}.exponential.minimum"), minimum);
            }
            Delay::Pareto {
                minimum,
                shape,
                maximum,
            } => {
                self.delay_above_zero(format!("{key}.pareto.minimum"), minimum);
                if !(1_001..=100_000).contains(&shape.thousandths) {
                    let accepted = "above 1 to 100";
                    self.refuse(format!("{key}.pareto.shape"), shape, accepted);
                }
                let least = minimum.0.min(Delay::LONGEST);
                self.span(
                    format!("{key}.pareto.maximum"),
                    maximum,
                    least..=Delay::LONGEST,
                );
            }
        }
    }

    pub(super) fn loss(&mut self, key: &str, loss: Loss) {
        match loss {
            Loss::Random(_) => {}
            Loss::First(count) => self.at_least(format!("{key}.first"), Some(count), 1),
            Loss::Every(count) => self.at_least(format!("{key}.every"), Some(count), 1),
            Loss::Burst(burst) => {
                if burst.end.is_never() {
                    self.refuse(format!("{key}.burst.end"), 0, "above 0 to 1");
                }
            }
        }
    }

    pub(super) fn duplicate(&mut self, key: &str, duplicate: Duplicate) {
        self.number(format!("{key}.copies"), Some(duplicate.copies), 1..=16);
        self.delay(format!("{key}.after"), duplicate.after);
        self.number(
            format!("{key}.flip_bits"),
            Some(duplicate.flip_bits),
            0..=512,
        );
    }
}

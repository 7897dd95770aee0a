//! What can be wrong with a rule whose keys and types are right.

use super::ask::Endpoint;
use super::checker::{A_NANOSECOND, Checker, NOTHING, quoted};
use super::engine::Engine;
use super::matching::Window;
use super::network::ReplyFrom;
use super::octets::LONGEST;
use super::rule::Rule;
use super::set::SetHeader;
use crate::api::Delta;
use crate::protocol::ProtocolName;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

/// A value of a rule that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key inside the rule, such as `kiss.poll` or `extension[1].count`.
    pub key: String,
    /// The value, as it can be written; nothing where the key is missing.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            value,
            accepted,
        } = self;
        match value.as_str() {
            "" => write!(f, "{key}: missing; accepted: {accepted}"),
            value => write!(f, "{key} = {value}: refused; accepted: {accepted}"),
        }
    }
}

impl Problem {
    fn name(name: &str, accepted: String) -> Self {
        Self {
            key: "name".to_owned(),
            value: format!("{name:?}"),
            accepted,
        }
    }

    pub(super) fn taken(name: &str) -> Self {
        Self::name(name, "a name that no other rule has".to_owned())
    }

    pub(super) fn too_many(name: &str) -> Self {
        Self::name(name, format!("at most {} rules", Engine::MOST_RULES))
    }
}

/// A problem of one rule among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Which rule, from 0.
    pub rule: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Everything that is wrong with `rules` for these endpoints: with each by
/// itself, with names that are taken or unknown, with faults that the protocol
/// of an endpoint cannot have, and with their number.
#[must_use]
pub fn check_rules(rules: &[Rule], endpoints: &[Endpoint]) -> Vec<RuleProblem> {
    let names: Vec<String> = (1..)
        .zip(rules)
        .map(|(at, rule)| rule.name_at(at))
        .collect();
    let mut all = Vec::new();
    for (position, rule) in rules.iter().enumerate() {
        let mut problems = rule.check();
        check_endpoints(rule, endpoints, &mut problems);
        let name = &names[position];
        if names[..position].contains(name) {
            problems.push(Problem::taken(name));
        }
        if position == Engine::MOST_RULES {
            problems.push(Problem::too_many(name));
        }
        all.extend(problems.into_iter().map(|problem| RuleProblem {
            rule: position,
            problem,
        }));
    }
    all
}

fn check_endpoints(rule: &Rule, endpoints: &[Endpoint], problems: &mut Vec<Problem>) {
    let is_for_ntp = rule.is_for_ntp();
    let mut accepted = endpoints
        .iter()
        .filter(|it| !is_for_ntp || it.protocol == ProtocolName::Ntp);
    let all: Vec<String> = accepted
        .clone()
        .map(|it| format!("`{}`", it.name))
        .collect();
    let of = if is_for_ntp {
        "an endpoint that speaks ntp, as the rule's faults need: "
    } else {
        ""
    };
    let shown = match all.as_slice() {
        [] => format!("{of}there is none"),
        _ => format!("{of}{}", all.join(", ")),
    };
    let problem = |key, value| Problem {
        key,
        value,
        accepted: shown.clone(),
    };
    match &rule.endpoint {
        None if is_for_ntp && accepted.next().is_none() => {
            problems.push(problem("endpoint".to_owned(), "any".to_owned()));
        }
        None => {}
        Some(names) => {
            let is_accepted = |name: &str| accepted.clone().any(|it| *it.name == *name);
            let wrong = names
                .0
                .iter()
                .enumerate()
                .filter(|(_, name)| !is_accepted(name));
            for (index, name) in wrong {
                let key = in_list("endpoint", index, names.0.len());
                problems.push(problem(key, format!("{name:?}")));
            }
        }
    }
}

/// What is wrong with a rule whose replies leave from an address of another
/// family than one of the endpoints that it is for: none would.
pub(crate) fn check_family<'e>(
    rule: &Rule,
    endpoints: impl IntoIterator<Item = (&'e str, SocketAddr)>,
) -> Option<Problem> {
    let Some(ReplyFrom::Address(address)) = rule.reply_from else {
        return None;
    };
    let is_for = |endpoint: &str| {
        let named = rule.endpoint.as_ref();
        named.is_none_or(|names| names.0.iter().any(|it| it == endpoint))
    };
    let mut others = endpoints
        .into_iter()
        .filter(|(endpoint, at)| is_for(endpoint) && at.is_ipv4() != address.is_ipv4());
    others.next().map(|(endpoint, at)| Problem {
        key: "reply_from".to_owned(),
        value: format!("\"{address}\""),
        accepted: format!(
            "an address of the family of endpoint `{endpoint}`, which is on {}, or a rule for \
             other endpoints",
            at.ip()
        ),
    })
}

/// The key of one of `len` values; `key` itself for the only one.
fn in_list(key: &str, index: usize, len: usize) -> String {
    if len == 1 {
        key.to_owned()
    } else {
        format!("{key}[{index}]")
    }
}

/// Whether a datagram can leave from there.
fn is_of_one_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    !address.is_unspecified() && !address.is_multicast() && address != Ipv4Addr::BROADCAST
}

const A_DAY: Delta = Delta::from_seconds(86_400);
const OCTET: RangeInclusive<i64> = -128..=255;

impl Rule {
    /// Everything that is wrong with this rule by itself.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut checker = Checker::default();
        self.check_purpose(&mut checker);
        self.check_matching(&mut checker);
        self.check_packet(&mut checker);
        self.check_octets(&mut checker);
        self.check_network(&mut checker);
        checker.problems
    }

    fn check_purpose(&self, checker: &mut Checker) {
        let has_fault = self.is_for_ntp()
            || self.replace.is_some()
            || self.truncate.is_some()
            || self.pad.is_some()
            || self.junk.is_some()
            || self.flip_bits.is_some()
            || self.delay.is_some()
            || self.lose.is_some()
            || self.blackhole.is_some()
            || self.duplicate.is_some()
            || self.hold.is_some()
            || self.reply_from.is_some()
            || self.replay.is_some();
        if self.honest == has_fault {
            // Nobody has to write `honest = false`.
            let value = if self.honest { "true" } else { "" };
            checker.refuse("honest", value, "either a fault or `honest = true`");
        }
        if self.honest && self.also {
            checker.refuse("also", true, "nothing beside `honest = true`");
        }
    }

    fn check_matching(&self, checker: &mut Checker) {
        if let Some(name) = &self.name
            && (!(1..=80).contains(&name.chars().count()) || name.contains(char::is_control))
        {
            checker.refuse("name", format!("{name:?}"), "1 to 80 printable characters");
        }
        checker.has_some("endpoint", self.endpoint.as_ref().map(|them| them.0.len()));
        checker.has_some("client", self.client.as_ref().map(|them| them.0.len()));
        checker.positions("arrival", self.arrival);
        checker.positions("request", self.request.map(|it| it.positions()));
        if let Some(Window { from, to }) = self.during {
            checker.span("during.from", from, NOTHING..=Delta::MAX);
            if from.is_none() && to.is_none() {
                checker.refuse("during", "{}", "`from`, `to` or both");
            }
            let after = from.unwrap_or_default().0;
            if let Some(to) = to.filter(|to| to.0 <= after) {
                let accepted = format!("above {}", quoted(after));
                checker.refuse("during.to", quoted(to.0), accepted);
            }
        }
    }

    fn check_packet(&self, checker: &mut Checker) {
        if let Some(kiss) = self.kiss {
            checker.number("kiss.poll", kiss.poll, OCTET);
            checker.span("kiss.pardon", kiss.pardon, A_NANOSECOND..=A_DAY * 30);
        }
        if let Some(set) = &self.set {
            if *set == SetHeader::default() {
                checker.refuse("set", "{}", "a field of the header at least");
            }
            checker.number("set.leap_indicator", set.leap_indicator, 0..=3);
            checker.number("set.version", set.version, 0..=7);
            checker.number("set.mode", set.mode, 0..=7);
            checker.number("set.stratum", set.stratum, 0..=255);
            checker.number("set.poll", set.poll, OCTET);
            checker.number("set.precision", set.precision, OCTET);
        }
        let extensions = self.extension.as_ref().map(|them| &them.0);
        checker.has_some("extension", extensions.map(Vec::len));
        let extensions = extensions.map_or(&[][..], |them| them);
        for (index, extension) in extensions.iter().enumerate() {
            checker.extension(&in_list("extension", index, extensions.len()), extension);
        }
        if let Some(mac) = self.mac {
            checker.number("mac.len", Some(mac.len), 4..=68);
            checker.number("mac.key_id", mac.key_id, 0..=i64::from(u32::MAX));
        }
        if let Some(unsolicited) = self.unsolicited {
            checker.number("unsolicited.mode", Some(unsolicited.mode), 0..=7);
            checker.number("unsolicited.count", Some(unsolicited.count), 1..=16);
            checker.delay("unsolicited.after", unsolicited.after);
            if let Some(every) = unsolicited.every {
                checker.delay("unsolicited.every", every);
            }
        }
    }

    fn check_octets(&self, checker: &mut Checker) {
        let longest = LONGEST as u64;
        checker.octets("replace", self.replace.as_ref(), LONGEST);
        checker.amount("truncate", self.truncate, 0..=longest - 1);
        if let Some(pad) = &self.pad {
            checker.number("pad.to", Some(pad.to), 1..=LONGEST as i64);
            if pad.with.as_ref().is_some_and(|with| with.0.is_empty()) {
                checker.refuse("pad.with", "\"\"", "an octet at least");
            }
        }
        checker.amount("junk", self.junk, 1..=longest);
        if let Some(bits) = self.flip_bits {
            checker.amount("flip_bits.count", Some(bits.count), 1..=512);
            let last = LONGEST as i64 - 1;
            checker.number("flip_bits.from", Some(bits.from), 0..=last);
            checker.number("flip_bits.to", bits.to, bits.from.clamp(0, last)..=last);
        }
    }

    fn check_network(&self, checker: &mut Checker) {
        checker.each_way("delay", self.delay, Checker::distribution);
        checker.each_way("lose", self.lose, Checker::loss);
        checker.span("blackhole", self.blackhole, A_NANOSECOND..=A_DAY);
        checker.each_way("duplicate", self.duplicate, Checker::duplicate);
        if let Some(ReplyFrom::Address(address)) = self.reply_from
            && !is_of_one_host(address)
        {
            checker.refuse(
                "reply_from",
                format!("\"{address}\""),
                "\"other-port\" or the address of one host: no wildcard, multicast or broadcast",
            );
        }
        let changed = self
            .duplicate
            .and_then(|it| it.request)
            .map(|it| it.flip_bits);
        if let Some(changed) = changed.filter(|bits| *bits != 0) {
            let accepted = "0: copies of a request are not changed";
            checker.refuse("duplicate.request.flip_bits", changed, accepted);
        }
    }
}

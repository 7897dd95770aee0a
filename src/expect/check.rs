//! Whether an expectation can be judged, and what judges it.

use super::kinds::{
    AtMost, BackOffTest, HeaderTest, MAX_POLL_LOG2_S, RecoveryTest, RejectionTest, RequestsTest,
    SilenceTest, SourcePortsTest, Test, TransmitTimestampsTest, Trouble,
};
use super::length::Length;
use super::model::{
    BackOff, Expectation, Header, Recovery, Rejection, Requests, Silence, SourcePorts,
    TransmitTimestamps,
};
use super::problem::Problem;
use super::scope::Scope;
use crate::api::{Delta, ReferenceId};

/// What comes so soon after a kiss was on its way when the kiss left.
const DEFAULT_GRACE: Delta = Delta::from_millis(100);

/// The fewest requests that are judged together: chance must not make of them
/// what a bad client does.
const FEWEST_TOGETHER: usize = 5;

/// The most requests that are remembered of a client.
const MOST_TOGETHER: usize = 1024;

/// How many requests are judged together unless something else is asked.
const DEFAULT_TOGETHER: usize = 8;

/// The keys of which an expectation has exactly one.
const KINDS: &str = "exactly one of `requests`, `back_off`, `silence`, `source_ports`, \
     `transmit_timestamps`, `recovery`, `rejection` or `header`";

type Judged = Result<Box<dyn Test>, Problem>;

impl Expectation {
    /// What is wrong with it, in a scenario with these endpoints and rules;
    /// nothing if it can be judged.
    #[must_use]
    pub fn check<S: AsRef<str>>(&self, endpoints: &[S], rules: &[S]) -> Vec<Problem> {
        let mut problems = self.compile(endpoints).err().unwrap_or_default();
        for (index, rule) in self.rules.iter().enumerate() {
            if !rules.iter().any(|known| known.as_ref() == rule) {
                problems.push(unknown(format!("rules[{index}]"), rule, "rule", rules));
            }
        }
        problems
    }

    /// What the verdict calls it.
    pub(super) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(match self.kinds().first() {
            Some((key, _)) => key,
            None => "nothing",
        })
    }

    /// Where it looks, and what judges what is seen there.
    pub(super) fn compile<S: AsRef<str>>(
        &self,
        endpoints: &[S],
    ) -> Result<(Scope, Box<dyn Test>), Vec<Problem>> {
        let mut problems = Vec::new();
        if let Some(name) = &self.name
            && (name.trim().is_empty() || name.contains(char::is_control))
        {
            problems.push(refused("name", format!("{name:?}"), "one line of text"));
        }
        let endpoint = self.endpoint.as_ref().and_then(|wanted| {
            let found = endpoints.iter().position(|name| name.as_ref() == wanted);
            if found.is_none() {
                problems.push(unknown(
                    "endpoint".to_owned(),
                    wanted,
                    "endpoint",
                    endpoints,
                ));
            }
            found
        });
        let from = self.from.map_or(Delta::ZERO, |from| from.0);
        if let Some(until) = self.until
            && until.0 <= from
        {
            let accepted = format!("a duration above `from`, which is {}", Length(from));
            problems.push(refused("until", until, accepted));
        }
        let test = match <[_; 1]>::try_from(self.kinds()) {
            Ok([(_, test)]) => test.map_err(|problem| problems.push(problem)).ok(),
            Err(kinds) => {
                let keys: Vec<_> = kinds.iter().map(|(key, _)| format!("`{key}`")).collect();
                let value = if keys.is_empty() {
                    "none of them".to_owned()
                } else {
                    keys.join(" and ")
                };
                problems.push(refused("", value, KINDS));
                None
            }
        };
        match test {
            Some(test) if problems.is_empty() => {
                let scope = Scope {
                    endpoint,
                    client: self.client,
                    from,
                    until: self.until.map(|until| until.0),
                    rules: self.rules.clone(),
                };
                Ok((scope, test))
            }
            _ => Err(problems),
        }
    }

    /// Each kind that is asked for, with what judges it.
    fn kinds(&self) -> Vec<(&'static str, Judged)> {
        let kinds = [
            ("requests", self.requests.as_ref().map(requests)),
            ("back_off", self.back_off.as_ref().map(back_off)),
            ("silence", self.silence.as_ref().map(silence)),
            ("source_ports", self.source_ports.as_ref().map(source_ports)),
            (
                "transmit_timestamps",
                self.transmit_timestamps.as_ref().map(transmit_timestamps),
            ),
            (
                "recovery",
                self.recovery.as_ref().map(|one| recovery(one, self)),
            ),
            (
                "rejection",
                self.rejection.as_ref().map(|one| rejection(one, self)),
            ),
            ("header", self.header.as_ref().map(header)),
        ];
        kinds
            .into_iter()
            .filter_map(|(key, test)| Some((key, test?)))
            .collect()
    }
}

fn requests(asked: &Requests) -> Judged {
    let at_most = match (asked.at_most, asked.within) {
        (None, None) => None,
        (Some(most), None) => Some(AtMost::Ever(most)),
        (None, Some(_)) => return Err(missing("requests.at_most", "a number beside `within`")),
        (Some(_), Some(Length(Delta::ZERO))) => {
            return Err(refused("requests.within", "0s", "a duration above 0s"));
        }
        (Some(most), Some(within)) => match usize::try_from(most) {
            Ok(count) if count <= MOST_TOGETHER => Some(AtMost::Within(count, within.0)),
            _ => {
                let accepted = format!("0 to {MOST_TOGETHER} beside `within`");
                return Err(refused("requests.at_most", most, accepted));
            }
        },
    };
    match (asked.at_least, at_most) {
        (Some(0), _) => Err(refused("requests.at_least", 0, "a number from 1")),
        (None, None) => Err(missing(
            "requests.at_least",
            "a number here or for `at_most`",
        )),
        (at_least, at_most) => Ok(Box::new(RequestsTest::new(at_least, at_most))),
    }
}

fn back_off(asked: &BackOff) -> Judged {
    let requests = asked.requests.unwrap_or(1);
    if !(1..=MOST_TOGETHER as u64).contains(&requests) {
        return Err(refused(
            "back_off.requests",
            requests,
            format!("1 to {MOST_TOGETHER}"),
        ));
    }
    if let Some(poll) = asked.poll
        && poll > MAX_POLL_LOG2_S
    {
        return Err(refused(
            "back_off.poll",
            poll,
            format!("0 to {MAX_POLL_LOG2_S}"),
        ));
    }
    Ok(Box::new(BackOffTest::new(
        codes("back_off.codes", asked.codes.as_deref(), &["RATE"])?,
        asked.poll,
        requests,
        grace(asked.grace),
    )))
}

fn silence(asked: &Silence) -> Judged {
    let codes = codes("silence.codes", asked.codes.as_deref(), &["DENY", "RSTR"])?;
    let grace = grace(asked.grace);
    if asked.lasting.0 <= grace {
        let accepted = format!("a duration above `grace`, which is {}", Length(grace));
        return Err(refused("silence.lasting", asked.lasting, accepted));
    }
    Ok(Box::new(SilenceTest::new(codes, asked.lasting.0, grace)))
}

fn source_ports(asked: &SourcePorts) -> Judged {
    let requests = together("source_ports.requests", asked.requests)?;
    let distinct = asked.distinct.unwrap_or((3 * requests).div_ceil(4));
    if !(1..=requests).contains(&distinct) {
        let accepted = format!("1 to `requests`, which is {requests}");
        return Err(refused("source_ports.distinct", distinct, accepted));
    }
    Ok(Box::new(SourcePortsTest::new(requests, distinct)))
}

fn transmit_timestamps(asked: &TransmitTimestamps) -> Judged {
    Ok(Box::new(TransmitTimestampsTest::new(
        together("transmit_timestamps.requests", asked.requests)?,
        asked.unpredictable.unwrap_or_default(),
    )))
}

fn recovery(asked: &Recovery, expectation: &Expectation) -> Judged {
    let trouble = match (expectation.rules.as_slice(), expectation.until) {
        ([], None) => {
            let accepted =
                "the names of rules, or a duration for `until`: what the client recovers from";
            return Err(missing("rules", accepted));
        }
        ([], Some(until)) => Trouble::Until(until.0),
        (rules, _) => Trouble::Rules(rules.to_vec()),
    };
    Ok(Box::new(RecoveryTest::new(trouble, asked.within.0)))
}

fn rejection(asked: &Rejection, expectation: &Expectation) -> Judged {
    if expectation.rules.is_empty() && expectation.endpoint.is_none() {
        let accepted = "the names of rules, or a name for `endpoint`: whose replies are bad";
        return Err(missing("rules", accepted));
    }
    Ok(Box::new(RejectionTest::new(
        asked.asks_again_within.map(|within| within.0),
    )))
}

fn header(asked: &Header) -> Judged {
    let fields = [("versions", &asked.versions), ("modes", &asked.modes)];
    for (key, numbers) in fields {
        let key = format!("header.{key}");
        match numbers.as_deref() {
            Some([]) => return Err(refused(&key, "[]", "one number at least")),
            Some(numbers) => {
                if let Some(number) = numbers.iter().find(|&&number| number > 7) {
                    return Err(refused(&key, number, "numbers from 0 to 7"));
                }
            }
            None => {}
        }
    }
    if asked.versions.is_none() && asked.modes.is_none() {
        return Err(missing("header.versions", "numbers here or for `modes`"));
    }
    Ok(Box::new(HeaderTest::new(
        asked.versions.clone(),
        asked.modes.clone(),
    )))
}

fn grace(asked: Option<Length>) -> Delta {
    asked.map_or(DEFAULT_GRACE, |grace| grace.0)
}

/// How many requests are judged together.
fn together(key: &str, asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT_TOGETHER) {
        count @ FEWEST_TOGETHER..=MOST_TOGETHER => Ok(count),
        count => Err(refused(
            key,
            count,
            format!("{FEWEST_TOGETHER} to {MOST_TOGETHER}"),
        )),
    }
}

fn codes(
    key: &str,
    asked: Option<&[String]>,
    default: &[&str],
) -> Result<Vec<ReferenceId>, Problem> {
    let accepted = "kiss codes of 1 to 4 printable ASCII characters, one at least";
    let parse = |code: &str| -> Result<ReferenceId, Problem> {
        // An address is no code.
        match code.parse() {
            Ok(id) if code.len() <= 4 => Ok(id),
            _ => Err(refused(key, format!("{code:?}"), accepted)),
        }
    };
    match asked {
        None => default.iter().copied().map(parse).collect(),
        Some([]) => Err(refused(key, "[]", accepted)),
        Some(codes) => codes.iter().map(|code| parse(code)).collect(),
    }
}

fn refused(key: &str, value: impl ToString, accepted: impl Into<String>) -> Problem {
    Problem {
        key: key.to_owned(),
        value: value.to_string(),
        accepted: accepted.into(),
    }
}

fn missing(key: &str, accepted: &str) -> Problem {
    refused(key, "", accepted)
}

/// A name that the scenario does not have.
fn unknown<S: AsRef<str>>(key: String, name: &str, what: &str, known: &[S]) -> Problem {
    let names: Vec<_> = known
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    Problem {
        key,
        value: format!("{name:?}"),
        accepted: match names.as_slice() {
            [] => format!("nothing: the scenario has no {what}s"),
            names => format!("one of the {what}s: {}", names.join(", ")),
        },
    }
}

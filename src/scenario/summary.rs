//! What a scenario holds, in a few lines for people.

use super::document::Document;
use super::{Endpoint, Scenario};
use crate::settings::format_duration;
use chrono::{DateTime, SecondsFormat};
use std::fmt::Write;
use timeball_mock::{Base, Starts};

impl Scenario {
    /// The rows of the table of scenarios that it covers: `row 1`, `rows 18,
    /// 19`, or `no row`.
    #[must_use]
    pub fn rows(&self) -> String {
        let rows: Vec<String> = self.covers.iter().map(u8::to_string).collect();
        match rows.as_slice() {
            [] => "no row".to_owned(),
            [row] => format!("row {row}"),
            rows => format!("rows {}", rows.join(", ")),
        }
    }

    /// What the scenario holds: its description, its time, its endpoints, and
    /// how many events, rules and expectations it has. A few lines.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("{}: {}\n", self.name, self.description);
        let mut line = |what: &str, is: String| {
            writeln!(text, "{what:13} {is}").expect("a String takes all that is written");
        };
        line("seed", self.seed.to_string());
        line("covers", self.rows());
        line("time", self.time_base());
        for endpoint in &self.endpoints {
            line("endpoint", one_line(endpoint));
        }
        line("rules", self.rules.len().to_string());
        line("expectations", self.expectations.len().to_string());
        text
    }

    /// Where the file has the address of the endpoint of this name: file, line and
    /// key, `it.toml:7: endpoints[1].address`; `None` where it says nothing of it.
    #[must_use]
    pub fn place_of_address(&self, endpoint: &str) -> Option<String> {
        let index = self.endpoints.iter().position(|it| it.name == endpoint)?;
        let document = Document::parse(&self.file, &self.text).ok()?;
        let key = format!("endpoints[{index}].address");
        let place = || format!("{}: {key}", document.origin(&key));
        document.has(&key).then(place)
    }

    fn time_base(&self) -> String {
        let start = DateTime::from_timestamp_nanos(self.time.start.as_nanos());
        let start = start.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let base = match self.time.base {
            Base::Manual => "moved by control alone".to_owned(),
            Base::PerRequest(step) => format!("{} a reply", format_duration(step)),
            Base::Wall { rate, starts } => {
                let since = match starts {
                    Starts::Now => "the start",
                    Starts::FirstRequest => "the first request",
                };
                format!("{rate} x host time since {since}")
            }
        };
        format!("{start}, then {base}")
    }
}

/// `pool-1 (ntp) on 127.0.0.1:0, 2 clock events`.
fn one_line(endpoint: &Endpoint) -> String {
    let Endpoint {
        name,
        protocol,
        address,
        clock,
        upstream,
        closed,
    } = endpoint;
    let time = match upstream {
        _ if *closed => "closed".to_owned(),
        Some(server) => format!("asks {server}"),
        None => match clock
            .events
            .iter()
            .filter(|event| event.name.is_some())
            .count()
        {
            1 => "1 clock event".to_owned(),
            count => format!("{count} clock events"),
        },
    };
    format!("{name} ({}) on {address}, {time}", protocol.name())
}

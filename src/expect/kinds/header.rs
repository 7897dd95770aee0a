//! Version and mode of the requests.

use super::{Count, End, Failure, Settled, Test, ntp_header};
use crate::protocol::ProtocolName;
use crate::transcript::{Direction, Record};

#[derive(Debug)]
pub(in crate::expect) struct HeaderTest {
    versions: Option<Vec<u8>>,
    modes: Option<Vec<u8>>,
    count: u64,
}

impl HeaderTest {
    pub(in crate::expect) const fn new(versions: Option<Vec<u8>>, modes: Option<Vec<u8>>) -> Self {
        Self {
            versions,
            modes,
            count: 0,
        }
    }
}

/// `version 3 or 4`.
fn one_of(what: &str, right: &[u8]) -> String {
    let numbers: Vec<_> = right.iter().map(u8::to_string).collect();
    format!("{what} {}", numbers.join(" or "))
}

impl Test for HeaderTest {
    fn what(&self) -> String {
        let version = self
            .versions
            .as_deref()
            .map(|right| one_of("version", right));
        let mode = self.modes.as_deref().map(|right| one_of("mode", right));
        let parts: Vec<_> = [version, mode].into_iter().flatten().collect();
        format!("requests have {}", parts.join(" and "))
    }

    fn saw(&mut self, record: &Record, chosen: bool) -> Result<(), Failure> {
        if record.direction != Direction::In || record.protocol != ProtocolName::Ntp || !chosen {
            return Ok(());
        }
        self.count += 1;
        let number = record.number;
        let Some(header) = ntp_header(record) else {
            let len = Count(record.octets.len() as u64, "octet");
            return Err(Failure::at(
                record,
                format!("request {number} has {len}, and no header"),
            ));
        };
        for (what, is, right) in [
            ("version", header.version, &self.versions),
            ("mode", header.mode, &self.modes),
        ] {
            if right.as_ref().is_some_and(|right| !right.contains(&is)) {
                return Err(Failure::at(
                    record,
                    format!("request {number} has {what} {is}"),
                ));
            }
        }
        Ok(())
    }

    fn settle(&self, _: &End<'_>) -> Settled {
        match self.count {
            0 => Settled::NotTested("no request came to look at".to_owned()),
            count => Settled::Held(format!("{} looked at", Count(count, "request"))),
        }
    }
}

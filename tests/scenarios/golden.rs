//! Golden runs: scenarios with requests and the replies to them, octet by octet
//! or field by field, in virtual time.
//!
//! A file of `golden/` is a scenario with a list `[[exchanges]]` behind it; its
//! comment says where what is expected comes from. A bug becomes one more.

use super::files;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use timeball::api::Delta;
use timeball::protocol::ntp::Header;
use timeball::scenario::Scenario;
use timeball::settings::parse_duration;
use timeball::simulate::{Received, Request, Simulation, VirtualClient};
use timeball::transcript::{Direction, Record, Witness};

/// How long after the last request replies may come.
const AFTERMATH: Delta = Delta::from_seconds(3_600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// When the request is sent: virtual time since the start.
    #[serde(default = "at_once")]
    at: String,
    /// Where to, by name; the first endpoint unless told.
    endpoint: Option<String>,
    /// Where from.
    #[serde(default = "client")]
    from: SocketAddr,
    request: Asked,
    /// All that leaves because of it, in the order in which it does.
    #[serde(default)]
    replies: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Asked {
    Octets(String),
    Text(String),
    Ntp(Fields),
}

/// A reply: when it leaves, where from, and what it says. What is not named is
/// not looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Behind the request.
    #[serde(default = "at_once")]
    after: String,
    from: Option<SocketAddr>,
    octets: Option<String>,
    text: Option<String>,
    len: Option<usize>,
    ntp: Option<Fields>,
}

/// Fields of an NTP header: numbers as in RFC 5905 figure 8, and hexadecimal
/// digits for what has more than one octet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    leap_indicator: Option<u8>,
    version: Option<u8>,
    mode: Option<u8>,
    stratum: Option<u8>,
    poll: Option<u8>,
    precision: Option<u8>,
    root_delay: Option<String>,
    root_dispersion: Option<String>,
    reference_id: Option<String>,
    reference_timestamp: Option<String>,
    origin_timestamp: Option<String>,
    receive_timestamp: Option<String>,
    transmit_timestamp: Option<String>,
}

fn at_once() -> String {
    "0s".to_owned()
}

fn client() -> SocketAddr {
    ([192, 0, 2, 1], 40_000).into()
}

fn span(text: &str) -> Delta {
    parse_duration(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The octets of hexadecimal digits with any space between them.
fn hexadecimal(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .unwrap_or_else(|error| panic!("{digits}: {error}"))
}

impl Fields {
    /// Each field that is named: where it begins in the header, and its octets.
    /// RFC 5905 figure 8.
    fn octets(&self) -> impl Iterator<Item = (&'static str, usize, Vec<u8>)> {
        let octet = |name, at, value: Option<u8>| Some((name, at, vec![value?]));
        let long =
            |name, at, value: &Option<String>| Some((name, at, hexadecimal(value.as_ref()?)));
        [
            octet("stratum", 1, self.stratum),
            octet("poll", 2, self.poll),
            octet("precision", 3, self.precision),
            long("root_delay", 4, &self.root_delay),
            long("root_dispersion", 8, &self.root_dispersion),
            long("reference_id", 12, &self.reference_id),
            long("reference_timestamp", 16, &self.reference_timestamp),
            long("origin_timestamp", 24, &self.origin_timestamp),
            long("receive_timestamp", 32, &self.receive_timestamp),
            long("transmit_timestamp", 40, &self.transmit_timestamp),
        ]
        .into_iter()
        .flatten()
    }

    /// The request that has these fields: version 4 and mode 3 unless told.
    fn request(&self) -> Vec<u8> {
        let mut octets = vec![0; 48];
        let (version, mode) = (self.version.unwrap_or(4), self.mode.unwrap_or(3));
        octets[0] = self.leap_indicator.unwrap_or(0) << 6 | version << 3 | mode;
        for (_, at, field) in self.octets() {
            octets[at..at + field.len()].copy_from_slice(&field);
        }
        octets
    }

    fn check(&self, octets: &[u8], place: &str) {
        let first = octets.first().copied().unwrap_or(0);
        for (name, is, expected) in [
            ("leap_indicator", first >> 6, self.leap_indicator),
            ("version", first >> 3 & 7, self.version),
            ("mode", first & 7, self.mode),
        ] {
            assert_eq!(is, expected.unwrap_or(is), "{place}: {name}");
        }
        for (name, at, expected) in self.octets() {
            let is = octets.get(at..at + expected.len()).unwrap_or_default();
            let shown = |octets: &[u8]| HEXLOWER_PERMISSIVE.encode(octets);
            assert_eq!(shown(is), shown(&expected), "{place}: {name}");
        }
    }
}

impl Asked {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::Octets(digits) => hexadecimal(digits),
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Ntp(fields) => fields.request(),
        }
    }
}

impl Expected {
    fn check(&self, reply: &Record, asked_at: Delta, place: &str) {
        assert_eq!(reply.at - asked_at, span(&self.after), "{place}: after");
        assert_eq!(reply.local, self.from.unwrap_or(reply.local), "{place}");
        let octets = &reply.octets;
        assert_eq!(octets.len(), self.len.unwrap_or(octets.len()), "{place}");
        if let Some(digits) = &self.octets {
            let expected = hexadecimal(digits);
            let header = |octets: &[u8]| octets.first_chunk().map(Header::decode);
            assert_eq!(
                *octets,
                expected,
                "{place}\n{:#?}\n{:#?}",
                header(octets),
                header(&expected)
            );
        }
        if let Some(text) = &self.text {
            assert_eq!(String::from_utf8_lossy(octets), *text, "{place}");
        }
        if let Some(fields) = &self.ntp {
            fields.check(octets, place);
        }
    }
}

/// Sends what it was given, when it was told to.
struct Sender(VecDeque<(Delta, Request)>);

impl VirtualClient for Sender {
    fn next(&self) -> Option<Delta> {
        self.0.front().map(|(at, _)| *at)
    }

    fn send(&mut self, _: Delta) -> Request {
        let (_, request) = self.0.pop_front().expect("its moment has come");
        request
    }

    fn receive(&mut self, _: &Received<'_>) {}
}

/// What has left, by the number of the request.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<BTreeMap<u64, Vec<Record>>>>);

impl Witness for Left {
    fn saw(&mut self, record: &Record) {
        let mut left = self.0.lock().unwrap();
        let replies = left.entry(record.number).or_default();
        if record.direction == Direction::Out {
            replies.push(record.clone());
        }
    }
}

/// The scenario and the exchanges of a golden file.
fn read(path: &Path) -> (Scenario, Vec<Exchange>) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# "), "{}: no comment", path.display());
    let mut table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let exchanges = table.remove("exchanges").expect("there are exchanges");
    let exchanges = exchanges.try_into().unwrap_or_else(|error| {
        panic!("{}: {error}", path.display());
    });
    let scenario = Scenario::from_toml(&table.to_string(), &path.to_string_lossy());
    (
        scenario.unwrap_or_else(|errors| panic!("{errors}")),
        exchanges,
    )
}

fn run(name: &str, scenario: Scenario, exchanges: &[Exchange]) {
    let mut clients: BTreeMap<IpAddr, VecDeque<(Delta, Request)>> = BTreeMap::new();
    let mut last = Delta::ZERO;
    for exchange in exchanges {
        let at = span(&exchange.at);
        assert!(
            at >= last,
            "{name}: {} comes too late in the file",
            exchange.at
        );
        last = at;
        let endpoint = exchange.endpoint.as_ref().map_or(0, |wanted| {
            let mut names = scenario.endpoints.iter().map(|it| &it.name);
            names.position(|name| name == wanted).expect("it is there")
        });
        let request = Request {
            endpoint,
            port: exchange.from.port(),
            octets: exchange.request.octets(),
        };
        let requests = clients.entry(exchange.from.ip()).or_default();
        requests.push_back((at, request));
    }
    let left = Left::default();
    let mut simulation = Simulation::new(scenario).witness(left.clone());
    for (address, requests) in clients {
        simulation = simulation.client(address, Sender(requests));
    }
    simulation.run(last + AFTERMATH).unwrap();
    let left = left.0.lock().unwrap();
    assert_eq!(left.len(), exchanges.len(), "{name}: requests");
    for ((number, replies), exchange) in left.iter().zip(exchanges) {
        let place = format!("{name}: exchange {number}");
        let count = |octets: &[Record]| octets.iter().map(|it| it.octets.len()).collect::<Vec<_>>();
        assert_eq!(
            replies.len(),
            exchange.replies.len(),
            "{place}: of {:?} octets",
            count(replies)
        );
        for ((reply, expected), nth) in replies.iter().zip(&exchange.replies).zip(1..) {
            let place = format!("{place}, reply {nth}");
            expected.check(reply, span(&exchange.at), &place);
        }
    }
}

#[test]
fn every_golden_run_comes_out_as_it_should() {
    let golden = files("tests/scenarios/golden");
    assert!(!golden.is_empty());
    for (name, path) in golden {
        let (scenario, exchanges) = read(&path);
        assert_eq!(scenario.name, name);
        run(&name, scenario, &exchanges);
    }
}

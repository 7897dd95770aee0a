//! Rules, and what the engine makes of requests and replies by them.

mod check;
mod determinism;
mod extra;
mod interleaved;
mod kiss;
mod limits;
mod live;
mod matching;
mod network;
mod octets;
mod properties;
mod reading;
mod set;
mod trailer;
mod written;

use serde::Deserialize;
use std::net::SocketAddr;
use timeball::api::{Delta, NtpTimestamp, ReferenceId};
use timeball::faults::{Arrivals, Ask, Departure, Endpoint, Engine, Rule};
use timeball::protocol::ProtocolName;
use timeball::protocol::ntp::Header;

/// The rules of a scenario file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: Vec<Rule>,
}

fn rules(toml: &str) -> Vec<Rule> {
    let file: File = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    file.rules
}

/// The only rule of `toml`, which has no table of its own around it.
fn rule(toml: &str) -> Rule {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

/// The endpoints of every test: `a` and `b` speak NTP, then one of each other.
fn endpoints() -> Vec<Endpoint> {
    let all = [
        ("a", ProtocolName::Ntp),
        ("b", ProtocolName::Ntp),
        ("text", ProtocolName::Text),
        ("daytime", ProtocolName::Daytime),
        ("time", ProtocolName::Time),
    ];
    all.map(|(name, protocol)| Endpoint {
        name: name.into(),
        protocol,
    })
    .into()
}

const A: usize = 0;
const B: usize = 1;
const TEXT: usize = 2;
const DAYTIME: usize = 3;
const TIME: usize = 4;

fn client() -> SocketAddr {
    "127.0.0.1:40000".parse().expect("an address")
}

fn from(address: &str) -> SocketAddr {
    let address = address.parse().expect("an IP address");
    SocketAddr::new(address, 40_000)
}

/// The `number`-th request of the tests: its transmit timestamp is 0x1111…
/// and the number.
fn request(number: u64) -> Header {
    Header {
        version: 4,
        mode: 3,
        poll_log2_s: 6,
        transmit_timestamp: NtpTimestamp::from_bits(0x1111_1111_0000_0000 + number),
        ..Header::default()
    }
}

/// What an honest server answers to it: received at second 0x2000_0000 and
/// the number, sent a 2^-16th of a second later.
fn honest(request: &Header, number: u64) -> Header {
    let second = 0x2000_0000 + number;
    Header {
        version: request.version,
        mode: 4,
        stratum: 1,
        poll_log2_s: request.poll_log2_s,
        precision_log2_s: -20,
        reference_id: ReferenceId::TEST,
        reference_timestamp: NtpTimestamp::from_bits((0x2000_0000 << 32) - 1),
        origin_timestamp: request.transmit_timestamp,
        receive_timestamp: NtpTimestamp::from_bits(second << 32),
        transmit_timestamp: NtpTimestamp::from_bits(second << 32 | 0x1_0000),
        ..Header::default()
    }
}

/// An engine, and the moment it is told.
struct Run {
    engine: Engine,
    at: Delta,
    elapsed: Delta,
    number: u64,
}

impl Run {
    fn new(toml: &str) -> Self {
        Self::seeded(1, toml)
    }

    fn seeded(seed: u64, toml: &str) -> Self {
        let engine = Engine::new(seed, rules(toml), endpoints());
        Self {
            engine: engine.unwrap_or_else(|problems| panic!("{problems:?}")),
            at: Delta::ZERO,
            elapsed: Delta::ZERO,
            number: 0,
        }
    }

    /// One rule alone.
    fn of(rule: &str) -> Self {
        Self::new(&format!("[[rules]]\n{rule}"))
    }

    fn ask<'a>(&self, endpoint: usize, peer: SocketAddr, octets: &'a [u8]) -> Ask<'a> {
        Ask {
            endpoint,
            peer,
            octets,
            at: self.at,
            elapsed: self.elapsed,
        }
    }

    /// Sends a request that nobody answers.
    fn arrivals(&mut self, endpoint: usize, peer: SocketAddr) -> Arrivals {
        self.number += 1;
        let octets = request(self.number).encode();
        let ask = self.ask(endpoint, peer, &octets);
        self.engine.request(&ask)
    }

    /// Sends `asked`, and answers it at once as often as it arrives.
    fn exchange_of(&mut self, endpoint: usize, peer: SocketAddr, asked: &Header) -> Vec<Departure> {
        self.number += 1;
        let reply = honest(asked, self.number).encode();
        let octets = asked.encode();
        self.exchange_octets(endpoint, peer, &octets, &reply)
    }

    fn exchange_octets(
        &mut self,
        endpoint: usize,
        peer: SocketAddr,
        asked: &[u8],
        reply: &[u8],
    ) -> Vec<Departure> {
        let ask = self.ask(endpoint, peer, asked);
        let arrivals = self.engine.request(&ask);
        let mut all = arrivals.departures;
        for _ in arrivals.copies {
            all.extend(self.engine.reply(arrivals.ticket, &ask, Some(reply)));
        }
        all
    }

    /// The next NTP request of a client to endpoint `a`, answered at once.
    fn exchange(&mut self, peer: SocketAddr) -> Vec<Departure> {
        let asked = request(self.number + 1);
        self.exchange_of(A, peer, &asked)
    }

    /// The only datagram that leaves because of the next NTP request.
    fn reply(&mut self) -> Vec<u8> {
        let [departure] = <[Departure; 1]>::try_from(self.exchange(client())).expect("one reply");
        assert_eq!(departure.to, client());
        departure.octets
    }

    /// Its header.
    fn header(&mut self) -> Header {
        header(&self.reply())
    }

    /// The only datagram that leaves because of a request of another protocol.
    fn line(&mut self, endpoint: usize, reply: &[u8]) -> Vec<u8> {
        let departures = self.exchange_octets(endpoint, client(), b"\n", reply);
        let [departure] = <[Departure; 1]>::try_from(departures).expect("one reply");
        departure.octets
    }

    /// Whether the rules do something to the next NTP request from `peer`:
    /// they are taken to change the reply.
    fn is_hit(&mut self, endpoint: usize, peer: SocketAddr) -> bool {
        let asked = request(self.number + 1);
        let departures = self.exchange_of(endpoint, peer, &asked);
        !departures[0].rules.is_empty()
    }

    fn count(&self, rule: &str) -> u64 {
        let mut counts = self.engine.counts();
        counts.find(|(name, _)| *name == rule).expect("a rule").1
    }
}

fn header(octets: &[u8]) -> Header {
    Header::decode(octets.first_chunk().expect("48 octets"))
}

/// The honest reply to the `number`-th request.
fn honest_to(number: u64) -> Header {
    honest(&request(number), number)
}

fn bits(bits: u64) -> NtpTimestamp {
    NtpTimestamp::from_bits(bits)
}

#[test]
fn without_rules_every_reply_leaves_as_it_is() {
    let mut run = Run::new("");
    for number in 1..=3 {
        let ask_at = run.exchange(client());
        assert_eq!(ask_at.len(), 1);
        assert_eq!(header(&ask_at[0].octets), honest_to(number));
        assert_eq!(ask_at[0].after, Delta::ZERO);
        assert!(ask_at[0].rules.is_empty());
    }
    assert_eq!(run.line(TEXT, b"now\n"), b"now\n");
    assert_eq!(run.arrivals(B, client()).copies, [Delta::ZERO]);
}

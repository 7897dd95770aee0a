//! A client in virtual time: a good one, or one with a flaw.

use std::net::SocketAddr;
use timeball::api::{Delta, LeapIndicator, NtpTimestamp};
use timeball::protocol::ProtocolName;
use timeball::protocol::ntp::Header;
use timeball::scenario::Scenario;
use timeball::simulate::{Received, Request, VirtualClient};

/// How long a good client waits between two requests to a server.
const INTERVAL: Delta = Delta::from_seconds(16);
const VERSION: u8 = 4;
const CLIENT_MODE: u8 = 3;
const SERVER_MODE: u8 = 4;

/// What a client does wrong.
#[derive(Debug, Clone, Copy)]
pub enum Flaw {
    /// It asks no more once so many seconds have passed: it crashed, or hangs.
    StopsAt(i64),
    /// It asks no more once a reply has come that it cannot use.
    StopsAtBadReply,
    /// It asks no more once it has seen a header of this kind.
    DiesOf(fn(&Header) -> bool),
    /// It asks each second, whatever it is told.
    Hurries,
    /// It asks each second once so many seconds have passed.
    HurriesFrom(i64),
    /// It asks again for each datagram that comes.
    AsksForEachDatagram,
    /// It asks at the pace that the poll field of a reply names.
    BelievesPoll,
    /// It takes every kiss for a refusal.
    ObeysEveryKiss,
    /// It does not look at this of a reply.
    Skips(Check),
    /// It takes whatever comes for a reply.
    Gullible,
    /// It sends the time of its clock as its transmit timestamp.
    ClockAsTransmit,
    /// It asks from one port.
    PortOfNtp,
    /// It asks in this version.
    Version(u8),
    /// It asks in version 5 for ever once it was offered.
    UpgradesForGood,
    /// It asks in this mode.
    Mode(u8),
}

/// What a good client looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Source,
    Version,
    Mode,
    Origin,
    /// Only an origin timestamp of zero passes.
    ZeroOrigin,
    Timestamps,
    Duplicate,
    Kiss,
}

/// A client that asks every server of a scenario.
pub struct Client {
    flaw: Option<Flaw>,
    is_interleaved: bool,
    servers: Vec<Server>,
    random: u64,
}

struct Server {
    protocol: ProtocolName,
    port: u16,
    due: Option<Delta>,
    interval: Delta,
    asked_at: Delta,
    awaited: Option<Awaited>,
    /// The header of the last reply that was taken for good.
    latest: Option<Header>,
}

/// A request that is not answered yet.
#[derive(Clone, Copy)]
struct Awaited {
    port: u16,
    receive_timestamp: NtpTimestamp,
    transmit_timestamp: NtpTimestamp,
}

impl Client {
    pub fn new(scenario: &Scenario, seed: u64, flaw: Option<Flaw>) -> Self {
        let mut same = Vec::new();
        let server = |(number, endpoint): (i64, &timeball::scenario::Endpoint)| {
            let protocol = endpoint.protocol.protocol();
            let before = same.iter().filter(|other| **other == protocol).count();
            same.push(protocol);
            let port = match protocol {
                ProtocolName::Ntp => 123,
                ProtocolName::Daytime => 13,
                ProtocolName::Time => 37,
                ProtocolName::Text => 8_089,
            };
            Server {
                protocol,
                port: port + before as u16,
                due: Some(Delta::from_millis(100) * number),
                interval: INTERVAL,
                asked_at: Delta::ZERO,
                awaited: None,
                latest: None,
            }
        };
        Self {
            flaw,
            is_interleaved: false,
            servers: (0..).zip(&scenario.endpoints).map(server).collect(),
            random: seed,
        }
    }

    /// The same client, which asks for interleaved replies. RFC 9769.
    pub fn interleaved(self) -> Self {
        Self {
            is_interleaved: true,
            ..self
        }
    }

    /// 64 random bits: SplitMix64.
    fn bits(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether a thing is in order, or is not looked at.
    fn passes(&self, check: Check, is_right: bool) -> bool {
        is_right
            || match self.flaw {
                Some(Flaw::Gullible) => true,
                Some(Flaw::Skips(skipped)) => skipped == check,
                _ => false,
            }
    }

    /// The server whose turn is next, and when.
    fn turn(&self) -> Option<(Delta, usize)> {
        let dues = self.servers.iter().zip(0..);
        dues.filter_map(|(server, index)| Some((server.due?, index)))
            .min()
    }

    /// The header of a reply that answers the latest request, kisses included.
    fn answer(&self, datagram: &Received<'_>) -> Option<Header> {
        let server = &self.servers[datagram.endpoint];
        let header = Header::decode(datagram.octets.first_chunk()?);
        let is_from_there = datagram.from == SocketAddr::from(([127, 0, 0, 1], server.port));
        let is_ours = server.awaited.is_some_and(|awaited| {
            let origins = [awaited.transmit_timestamp, awaited.receive_timestamp];
            let known = &origins[..1 + usize::from(self.is_interleaved)];
            datagram.port == awaited.port && known.contains(&header.origin_timestamp)
        });
        let is_zero = header.origin_timestamp.is_zero();
        let is_all_right = self.passes(Check::Source, is_from_there)
            && self.passes(Check::Version, header.version == VERSION)
            && self.passes(Check::Mode, header.mode == SERVER_MODE)
            && (self.passes(Check::Origin, is_ours)
                || is_zero && self.passes(Check::ZeroOrigin, false));
        is_all_right.then_some(header)
    }

    /// Whether the reply tells a time. RFC 5905 appendix A.5.1; an interleaved
    /// one tells when the one before it left. RFC 9769 section 2.
    fn tells_time(&self, server: &Server, header: &Header) -> bool {
        let (receive, transmit) = (header.receive_timestamp, header.transmit_timestamp);
        let is_complete = !receive.is_zero() && !transmit.is_zero();
        let is_in_order = transmit.since(receive) >= Delta::ZERO;
        let is_new = server
            .latest
            .is_none_or(|latest| latest.transmit_timestamp != transmit);
        let is_interleaved = server
            .awaited
            .is_some_and(|awaited| awaited.receive_timestamp == header.origin_timestamp);
        header.leap_indicator != LeapIndicator::Unsynchronised
            && (1..16).contains(&header.stratum)
            && self.passes(Check::Timestamps, is_complete)
            && (is_interleaved || self.passes(Check::Duplicate, is_new && is_in_order))
    }

    fn take(&mut self, datagram: &Received<'_>) -> Result<(), Unusable> {
        let Received { endpoint, at, .. } = *datagram;
        let header = self.answer(datagram).ok_or(Unusable)?;
        if matches!(self.flaw, Some(Flaw::DiesOf(is_deadly)) if is_deadly(&header)) {
            self.servers[endpoint].due = None;
            return Ok(());
        }
        let server = &self.servers[endpoint];
        let tells_time = self.tells_time(server, &header);
        self.servers[endpoint].awaited = None;
        let is_kiss = header.stratum == 0 && header.reference_id.0 != [0; 4];
        if is_kiss {
            if !self.passes(Check::Kiss, false) {
                self.kissed(endpoint, &header);
            }
            return Ok(());
        }
        if !tells_time {
            return Err(Unusable);
        }
        let server = &mut self.servers[endpoint];
        server.latest = Some(header);
        if matches!(self.flaw, Some(Flaw::BelievesPoll)) {
            let seconds = 1_i64.checked_shl(header.poll_log2_s.max(0) as u32);
            server.due = seconds.map(|seconds| at + Delta::from_seconds(seconds.max(1)));
        }
        Ok(())
    }

    /// RFC 5905 section 7.4.
    fn kissed(&mut self, endpoint: usize, header: &Header) {
        let server = &mut self.servers[endpoint];
        match &header.reference_id.0 {
            b"RATE" => {
                let poll = header.poll_log2_s.clamp(0, 17);
                server.interval = server.interval.max(Delta::from_seconds(1 << poll));
                server.due = Some(server.asked_at + server.interval);
            }
            b"DENY" | b"RSTR" => server.due = None,
            _ if matches!(self.flaw, Some(Flaw::ObeysEveryKiss)) => server.due = None,
            _ => {}
        }
    }
}

/// The reply is of no use.
struct Unusable;

impl VirtualClient for Client {
    fn next(&self) -> Option<Delta> {
        let (due, _) = self.turn()?;
        match self.flaw {
            Some(Flaw::StopsAt(seconds)) if due >= Delta::from_seconds(seconds) => None,
            _ => Some(due),
        }
    }

    fn send(&mut self, at: Delta) -> Request {
        let (_, endpoint) = self.turn().expect("somebody's turn has come");
        let interval = match self.flaw {
            Some(Flaw::Hurries) => Delta::from_seconds(1),
            Some(Flaw::HurriesFrom(seconds)) if at >= Delta::from_seconds(seconds) => {
                Delta::from_seconds(1)
            }
            _ => self.servers[endpoint].interval,
        };
        let port = match self.flaw {
            Some(Flaw::PortOfNtp) => 123,
            _ => 32_768 + (self.bits() % 28_232) as u16,
        };
        let transmit_timestamp = NtpTimestamp::from_bits(match self.flaw {
            // 2026-11-22, and what has passed since.
            Some(Flaw::ClockAsTransmit) => {
                let passed = (i128::from(at.as_nanos()) << 32) / 1_000_000_000;
                0xeeb0_e480_1234_5678_u64.wrapping_add(passed as u64)
            }
            _ => self.bits(),
        });
        let arrived = NtpTimestamp::from_bits(self.bits());
        let (is_interleaved, flaw) = (self.is_interleaved, self.flaw);
        let server = &mut self.servers[endpoint];
        server.asked_at = at;
        server.due = Some(at + interval);
        let latest = server.latest.unwrap_or_default();
        let header = Header {
            version: match flaw {
                Some(Flaw::Version(version)) => version,
                Some(Flaw::UpgradesForGood)
                    if latest.reference_timestamp.to_be_bytes() == *b"NTP5DRFT" =>
                {
                    5
                }
                _ => VERSION,
            },
            mode: match flaw {
                Some(Flaw::Mode(mode)) => mode,
                _ => CLIENT_MODE,
            },
            poll_log2_s: 4,
            // So that the wire shows which reply was taken for good.
            origin_timestamp: if is_interleaved {
                latest.receive_timestamp
            } else {
                latest.transmit_timestamp
            },
            receive_timestamp: arrived,
            transmit_timestamp,
            ..Header::default()
        };
        server.awaited = Some(Awaited {
            port,
            receive_timestamp: header.receive_timestamp,
            transmit_timestamp,
        });
        let octets = match server.protocol {
            ProtocolName::Ntp => header.encode().to_vec(),
            ProtocolName::Text => b"Send time".to_vec(),
            ProtocolName::Daytime | ProtocolName::Time => Vec::new(),
        };
        Request {
            endpoint,
            port,
            octets,
        }
    }

    fn receive(&mut self, datagram: &Received<'_>) {
        let is_used = match self.servers[datagram.endpoint].protocol {
            ProtocolName::Ntp => self.take(datagram).is_ok(),
            ProtocolName::Time => datagram.octets.len() == 4,
            ProtocolName::Daytime | ProtocolName::Text => is_line(datagram.octets),
        };
        let server = &mut self.servers[datagram.endpoint];
        match self.flaw {
            Some(Flaw::StopsAtBadReply) if !is_used => server.due = None,
            Some(Flaw::Hurries) => server.due = Some(server.asked_at + Delta::from_seconds(1)),
            Some(Flaw::AsksForEachDatagram) => {
                server.due = Some(datagram.at + Delta::from_millis(100));
            }
            _ => {}
        }
    }
}

/// A line of the length that a date and a time have.
fn is_line(octets: &[u8]) -> bool {
    (10..100).contains(&octets.len()) && octets.is_ascii()
}

//! Scenarios: served on real sockets, simulated in virtual time, run again from
//! their transcripts.

mod closed;
mod command;
mod controlled;
mod controlled_again;
mod faults;
mod handle;
mod outputs;
mod plot;
mod replay;
mod sockets;
mod unseen_again;
mod upstream;
mod virtual_time;

use crate::support::{ntp_request, receive};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use timeball::api::Delta;
use timeball::play::{Play, Stage};
use timeball::scenario::Scenario;
use timeball::simulate::{Received, Request, Simulation, VirtualClient};
use timeball::transcript::{Opening, Record, Witness, Writer};

/// The scenario that `toml` says, with a name and a description before it.
fn scenario(toml: &str) -> Scenario {
    let text = format!("name = 'it'\ndescription = 'A test'\n{toml}");
    Scenario::from_toml(&text, "it.toml").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// That scenario on sockets.
fn play(toml: &str) -> Stage {
    let scenario = scenario(toml);
    Play::new(scenario)
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What the stage's first endpoint answers to `request` from `client`, and
/// where that comes from.
fn ask(stage: &Stage, client: &UdpSocket, request: &[u8]) -> (Vec<u8>, SocketAddr) {
    client
        .send_to(request, stage.address(0))
        .expect("loopback takes a datagram");
    receive(client)
}

/// An address for documentation (RFC 5737), where a virtual client lives.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A witness that a test can look at while another has it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Record>>>);

impl Seen {
    fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }
}

impl Witness for Seen {
    fn saw(&mut self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// The records as the lines of a transcript, without the first.
fn lines(records: &[Record]) -> String {
    let names = (0..64).map(|endpoint| format!("endpoint-{endpoint}"));
    let opening = Opening::new("it", 1, names.collect(), "");
    let mut writer = Writer::new(Vec::new(), &opening).expect("memory takes it");
    for record in records {
        writer.saw(record);
    }
    let text = String::from_utf8(writer.finish().expect("memory takes it")).expect("JSON is text");
    text.split_once('\n')
        .expect("there is a first line")
        .1
        .to_owned()
}

/// Asks each `interval`, whatever it is told; keeps what it was told, and when.
#[derive(Default)]
struct Regular {
    interval: Delta,
    endpoint: usize,
    asked: i64,
    told: Told,
}

/// What a client was told: when, from where, and what.
type Told = Arc<Mutex<Vec<(Delta, SocketAddr, Vec<u8>)>>>;

impl Regular {
    fn each(interval: Delta) -> Self {
        Self {
            interval,
            ..Self::default()
        }
    }
}

impl VirtualClient for Regular {
    fn next(&self) -> Option<Delta> {
        Some(self.interval * self.asked)
    }

    fn send(&mut self, _: Delta) -> Request {
        self.asked += 1;
        Request {
            endpoint: self.endpoint,
            port: 40_000,
            octets: ntp_request(self.asked as u64).to_vec(),
        }
    }

    fn receive(&mut self, reply: &Received<'_>) {
        let told = (reply.at, reply.from, reply.octets.to_vec());
        self.told.lock().unwrap().push(told);
    }
}

/// What is seen of `toml` while a client asks each second for so many seconds.
fn simulated(toml: &str, seconds: i64) -> Vec<Record> {
    let seen = Seen::default();
    let simulated = Simulation::new(scenario(toml))
        .client(CLIENT, Regular::each(Delta::from_seconds(1)))
        .witness(seen.clone())
        .run(Delta::from_seconds(seconds));
    assert!(simulated.is_ok());
    seen.records()
}

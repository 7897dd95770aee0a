//! Transcripts and captures of runs, and runs that are served again.

mod capture;
mod changes;
mod damaged;
mod lines;
mod replay;

use std::net::SocketAddr;
use timeball::api::{Delta, Timestamp};
use timeball::protocol::ProtocolName;
use timeball::transcript::{Direction, Opening, Record, Witness, Writer};

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// A request of 48 octets, in version 4 and client mode.
fn request() -> Record {
    let mut octets = vec![0; 48];
    octets[0] = 0x23;
    octets[40..].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
    Record {
        direction: Direction::In,
        number: 1,
        at: Delta::from_nanos(1_000_000_001),
        made: None,
        elapsed: Delta::from_seconds(60),
        // The last minute of 2016.
        time: Timestamp::from_unix_seconds(1_483_228_740),
        endpoint: 0,
        protocol: ProtocolName::Ntp,
        peer: address("127.0.0.1:40000"),
        local: address("127.0.0.1:8123"),
        octets,
        rules: Vec::new(),
    }
}

/// A record that says `octets` in another protocol.
fn saying(protocol: ProtocolName, octets: &[u8]) -> Record {
    Record {
        protocol,
        octets: octets.to_vec(),
        ..request()
    }
}

fn opening() -> Opening {
    Opening::new(
        "leap",
        7,
        vec!["one".to_owned(), "two".to_owned()],
        "name = \"leap\"\n# é\n",
    )
}

/// The transcript of these records.
fn transcript<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut writer = Writer::new(Vec::new(), &opening()).expect("a vector takes all");
    for record in records {
        writer.saw(record);
    }
    String::from_utf8(writer.finish().expect("a vector takes all")).expect("JSON is UTF-8")
}

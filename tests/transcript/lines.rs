//! Records as lines of JSON, and back.

use super::{address, opening, request, saying, transcript};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use timeball::api::{Delta, NtpTimestamp, Timestamp};
use timeball::protocol::ProtocolName;
use timeball::transcript::{
    DamagedTranscript, Direction, Entry, Opening, Reader, Record, Unseen, Witness, Writer,
};

#[test]
fn the_first_line_tells_what_was_run() {
    let text = transcript([]);
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        line,
        json!({
            "format": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "name": "leap",
            "seed": 7,
            "endpoints": ["one", "two"],
            "scenario": "name = \"leap\"\n# é\n",
        })
    );
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with('\n'));
}

#[test]
fn a_line_tells_a_datagram_in_this_order() {
    let record = Record {
        direction: Direction::Out,
        endpoint: 1,
        rules: vec!["late".into(), "kiss \"me\"".into()],
        ..saying(ProtocolName::Time, &[0xdc, 0x0f, 0x3a, 0x7f])
    };
    let text = transcript([&record]);
    assert_eq!(
        text.lines().nth(1).unwrap(),
        r#"{"direction":"out","number":1,"at":1.000000001,"elapsed":60.000000000,"time":"2016-12-31T23:59:00.000000000Z","endpoint":"two","protocol":"time","peer":"127.0.0.1:40000","local":"127.0.0.1:8123","bytes":"dc0f3a7f","fields":{"seconds":3691985535},"rule":["late","kiss \"me\""]}"#
    );
}

/// The fields of this record.
fn fields(record: &Record) -> Value {
    let text = transcript([record]);
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    line["fields"].clone()
}

#[test]
fn the_fields_of_an_ntp_header_have_their_standard_names() {
    let mut record = request();
    let timestamp =
        |nanos| NtpTimestamp::from(record.time + Delta::from_nanos(nanos)).to_be_bytes();
    record.octets = [
        // LI 1, version 4, mode 4; stratum 2; poll 6; precision -20.
        &[0x64, 2, 6, 0xec][..],
        // Root delay 1/65536 s, root dispersion 1.5 s.
        &[0, 0, 0, 1, 0, 1, 0x80, 0],
        b"XTST",
        &timestamp(-1_000_000_000),
        &timestamp(0),
        &[0; 8],
        &timestamp(500_000_000),
    ]
    .concat();
    assert_eq!(
        fields(&record),
        json!({
            "leap_indicator": 1,
            "version": 4,
            "mode": 4,
            "stratum": 2,
            "poll": 6,
            "precision": -20,
            "root_delay": 1.0 / 65_536.0,
            "root_dispersion": 1.5,
            "reference_id": "XTST",
            "reference_timestamp": "2016-12-31T23:58:59.000000000Z",
            "origin_timestamp": "2016-12-31T23:59:00.000000000Z",
            "receive_timestamp": null,
            "transmit_timestamp": "2016-12-31T23:59:00.500000000Z",
        })
    );
}

#[test]
fn timestamps_are_read_in_the_era_of_mock_time() {
    let mut record = request();
    record.time = Timestamp::from_unix_seconds(2_085_978_496);
    record.octets[40..].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(
        fields(&record)["transmit_timestamp"],
        "2036-02-07T06:28:17.000000000Z"
    );
}

#[test]
fn what_stands_behind_the_header_is_told() {
    let field = |kind: u16, len: u16| {
        let mut octets = vec![0xaa; len.into()];
        octets[..2].copy_from_slice(&kind.to_be_bytes());
        octets[2..4].copy_from_slice(&len.to_be_bytes());
        octets
    };
    let behind = |version: u8, parts: &[&[u8]]| {
        let mut record = request();
        record.octets[0] = version << 3 | 3;
        record.octets.extend(parts.concat());
        let mut fields = fields(&record);
        let fields = fields.as_object_mut().unwrap();
        Value::from_iter(
            ["extension_fields", "mac", "crypto_nak", "trailing_octets"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), fields.remove(key)?))),
        )
    };
    let mac: Vec<u8> = (0..20).collect();
    let told_mac = json!({"key_id": 0x0001_0203, "digest": "0405060708090a0b0c0d0e0f10111213"});
    assert_eq!(behind(4, &[]), json!({}));
    assert_eq!(behind(4, &[&mac]), json!({"mac": told_mac}));
    assert_eq!(
        behind(4, &[&field(0x0104, 36), &field(0x0204, 16), &mac]),
        json!({
            "extension_fields": [{"type": "0x0104", "len": 36}, {"type": "0x0204", "len": 16}],
            "mac": told_mac,
        })
    );
    assert_eq!(
        behind(4, &[&field(0x0104, 28)]),
        json!({"extension_fields": [{"type": "0x0104", "len": 28}]})
    );
    // As long as a code, and so it is one.
    assert_eq!(
        behind(4, &[&field(0x0104, 24)])["mac"]["key_id"],
        0x0104_0018
    );
    assert_eq!(behind(4, &[&[0; 4]]), json!({"crypto_nak": true}));
    assert_eq!(behind(4, &[&[1; 4]]), json!({"trailing_octets": 4}));
    assert_eq!(behind(4, &[&[1; 7]]), json!({"trailing_octets": 7}));
    // A length of zero, one that is no multiple of four, one beyond the end.
    for len in [0, 18, 60] {
        let mut octets = field(0x0104, 40);
        octets[3] = len;
        assert_eq!(behind(4, &[&octets]), json!({"trailing_octets": 40}));
    }
    // Old versions have no extension fields, and other codes.
    assert_eq!(
        behind(3, &[&field(0x0104, 28)]),
        json!({"trailing_octets": 28})
    );
    let old: Vec<u8> = (0..12).collect();
    assert_eq!(
        behind(3, &[&old]),
        json!({"mac": {"key_id": 0x0001_0203, "digest": "0405060708090a0b"}})
    );
    assert_eq!(behind(4, &[&old]), json!({"trailing_octets": 12}));
    // As many fields as are told, and the rest as a number.
    let many: Vec<_> = (0..70).map(|_| field(1, 16)).collect();
    let many: Vec<_> = many.iter().map(Vec::as_slice).collect();
    let told = behind(4, &many);
    assert_eq!(told["extension_fields"].as_array().map(Vec::len), Some(64));
    assert_eq!(told["trailing_octets"], 6 * 16);
}

#[test]
fn what_other_protocols_say_is_told() {
    assert_eq!(
        fields(&saying(ProtocolName::Text, "Send time\u{e9}".as_bytes())),
        json!({"text": "Send time\u{e9}"})
    );
    assert_eq!(
        fields(&saying(ProtocolName::Daytime, b"a\xff\r\n")),
        json!({"text": "a\u{fffd}\r\n"})
    );
    assert_eq!(
        fields(&saying(ProtocolName::Time, &[0, 0, 1, 0])),
        json!({"seconds": 256})
    );
    assert_eq!(
        fields(&saying(ProtocolName::Time, b"")),
        json!({"octets": 0})
    );
    assert_eq!(
        fields(&saying(ProtocolName::Time, &[1; 8])),
        json!({"octets": 8})
    );
    assert_eq!(
        fields(&saying(ProtocolName::Ntp, &[0x23; 47])),
        json!({"octets": 47})
    );
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

prop_compose! {
    fn any_record()(
        is_in in any::<bool>(),
        number in 1..=u64::MAX,
        at in 0..=i64::MAX,
        made in prop::option::of(0..=i64::MAX),
        elapsed in 0..=i64::MAX,
        time in any::<i64>(),
        endpoint in 0..2_usize,
        protocol in prop::sample::select(&ProtocolName::ALL[..]),
        peer in any_address(),
        local in any_address(),
        octets in prop::collection::vec(any::<u8>(), 0..200),
        rules in prop::collection::vec(".*", 0..3),
    ) -> Record {
        Record {
            direction: if is_in { Direction::In } else { Direction::Out },
            number,
            at: Delta::from_nanos(at),
            made: made.map(Delta::from_nanos),
            elapsed: Delta::from_nanos(elapsed),
            time: Timestamp::from_nanos(time),
            endpoint,
            protocol,
            peer,
            local,
            octets,
            rules: rules.into_iter().map(Into::into).collect(),
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(records in prop::collection::vec(any_record(), 0..8)) {
        let text = transcript(&records);
        let reader = Reader::new(text.as_bytes()).unwrap();
        prop_assert_eq!(reader.opening(), &opening());
        let read: Vec<_> = reader.map(datagram).collect();
        prop_assert_eq!(read, records);
    }
}

#[test]
fn the_longest_datagram_fits_a_line() {
    // Control characters are the longest in JSON.
    let record = saying(ProtocolName::Text, &[1; 65_535]);
    let text = transcript([&record, &request()]);
    let read: Vec<_> = Reader::new(text.as_bytes())
        .unwrap()
        .map(datagram)
        .collect();
    assert_eq!(read, [record, request()]);
}

#[test]
fn addresses_of_either_family_are_told() {
    let record = Record {
        peer: address("[fe80::1%3]:123"),
        local: address("[::1]:8123"),
        ..request()
    };
    let text = transcript([&record]);
    assert!(
        text.contains(r#""peer":"[fe80::1%3]:123","local":"[::1]:8123""#),
        "{text}"
    );
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    assert_eq!(reader.next().map(datagram), Some(record));
}

/// The datagram of a line that is one.
fn datagram(entry: Result<Entry, DamagedTranscript>) -> Record {
    entry.unwrap().datagram().expect("it is a datagram").clone()
}

/// A disk with room for so many octets.
#[derive(Debug)]
struct Disk {
    room: usize,
    written: usize,
}

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if octets.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= octets.len();
        self.written += octets.len();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_at_the_end_and_nothing_is_written_after_it() {
    let first = transcript([]).len();
    let line = transcript([&request()]).len() - first;
    let short = saying(ProtocolName::Time, b"");
    let short_line = transcript([&short]).len() - first;
    assert!(short_line < line);
    let disk = Disk {
        room: first + line + short_line,
        written: 0,
    };
    let mut writer = Writer::new(disk, &opening()).unwrap();
    writer.saw(&request());
    assert!(writer.error().is_none());
    writer.saw(&request());
    assert!(writer.error().is_some());
    // Short enough to fit, but then the file would have a gap.
    writer.saw(&short);
    assert_eq!(
        writer.finish().unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );

    let no_room = Disk {
        room: 0,
        written: 0,
    };
    assert!(Writer::new(no_room, &opening()).is_err());
}

#[test]
fn numbers_with_exponents_are_read_as_other_programs_write_them() {
    let text = transcript([&request()]);
    let read = |at: &str, elapsed: &str| {
        let (head, tail) = text.split_once("\"at\":").unwrap();
        let (_, tail) = tail.split_once(",\"elapsed\":").unwrap();
        let (_, tail) = tail.split_once(',').unwrap();
        let text = format!("{head}\"at\":{at},\"elapsed\":{elapsed},{tail}");
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let entry = reader.next().unwrap();
        entry.map(|it| {
            let record = it.datagram().expect("it is a datagram");
            (record.at.as_nanos(), record.elapsed.as_nanos())
        })
    };
    assert_eq!(read("1e-06", "-1.5e-6").unwrap(), (1_000, -1_500));
    assert_eq!(
        read("1.25E2", "-0.097").unwrap(),
        (125_000_000_000, -97_000_000)
    );
    assert_eq!(read("0e0", "1e+9").unwrap(), (0, 1_000_000_000_000_000_000));
    for wrong in ["1e-10", "1e10", "1e999999999", "-1e-6"] {
        let error = read(wrong, "0").unwrap_err().to_string();
        assert!(
            error.contains(&format!("at = {wrong}: not a number")),
            "{error}"
        );
    }
}

#[test]
fn what_no_datagram_shows_is_read_as_it_was_written() {
    let opening = Opening::new("it", 1, vec!["ntp".to_owned()], "");
    let mut writer = Writer::new(Vec::new(), &opening).unwrap();
    let all = [Some(Delta::from_nanos(2_004_512_345)), None].map(|made| Unseen {
        number: 3,
        copy: 1,
        made,
    });
    for unseen in &all {
        writer.unseen(unseen);
    }
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "{\"unseen\":3,\"copy\":1,\"made\":2.004512345}",
            "{\"unseen\":3,\"copy\":1}",
        ]
    );
    let read: Vec<Entry> = Reader::new(text.as_bytes())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(read, all.map(Entry::Unseen));
}

//! Captures, taken apart block by block as the format is specified
//! (draft-ietf-opsawg-pcapng), by a reader that shares nothing with the writer.

use super::{address, request, saying};
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use timeball::api::{Delta, Timestamp};
use timeball::protocol::ProtocolName;
use timeball::transcript::{Direction, Pcapng, Record, Witness};

/// 2026-11-22T12:00:00.123456789Z.
const BEGAN: Timestamp = Timestamp::from_nanos(1_795_348_800_123_456_789);

fn capture(records: &[Record]) -> Vec<u8> {
    let mut pcapng = Pcapng::new(Vec::new(), BEGAN).expect("a vector takes all");
    for record in records {
        pcapng.saw(record);
    }
    assert!(pcapng.error().is_none());
    pcapng.finish().expect("a vector takes all")
}

/// A block: its type and its body.
struct Block<'a> {
    kind: u32,
    body: &'a [u8],
}

fn u32_le(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(octets[at..at + 4].try_into().unwrap())
}

fn u16_le(octets: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(octets[at..at + 2].try_into().unwrap())
}

fn u16_be(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(octets[at..at + 2].try_into().unwrap())
}

fn blocks(mut file: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    while !file.is_empty() {
        let len = u32_le(file, 4) as usize;
        assert_eq!(len % 4, 0, "a block fills whole words");
        assert_eq!(
            u32_le(file, len - 4) as usize,
            len,
            "its length stands at both ends"
        );
        blocks.push(Block {
            kind: u32_le(file, 0),
            body: &file[8..len - 4],
        });
        file = &file[len..];
    }
    blocks
}

/// Options, which end with an option 0 at the end of the block.
fn options(mut octets: &[u8]) -> Vec<(u16, &[u8])> {
    let mut options = Vec::new();
    loop {
        let (code, len) = (u16_le(octets, 0), usize::from(u16_le(octets, 2)));
        let value = &octets[4..4 + len];
        let padded = 4 + len.next_multiple_of(4);
        assert!(octets[4 + len..padded].iter().all(|&octet| octet == 0));
        octets = &octets[padded..];
        if code == 0 {
            assert_eq!((value.len(), octets.len()), (0, 0));
            return options;
        }
        options.push((code, value));
    }
}

/// A packet of an enhanced packet block.
struct Packet<'a> {
    nanos: u64,
    octets: &'a [u8],
    options: Vec<(u16, &'a [u8])>,
}

fn packets(file: &[u8]) -> Vec<Packet<'_>> {
    blocks(file)
        .split_off(2)
        .into_iter()
        .map(|Block { kind, body }| {
            assert_eq!(kind, 6);
            assert_eq!(u32_le(body, 0), 0, "the interface");
            let nanos = u64::from(u32_le(body, 4)) << 32 | u64::from(u32_le(body, 8));
            let len = u32_le(body, 12) as usize;
            assert_eq!(u32_le(body, 16) as usize, len, "nothing is left out");
            Packet {
                nanos,
                octets: &body[20..20 + len],
                options: options(&body[20 + len.next_multiple_of(4)..]),
            }
        })
        .collect()
}

/// The sum of RFC 1071, which is 0xffff over what includes its checksum.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut octets = parts.concat();
    if octets.len() % 2 == 1 {
        octets.push(0);
    }
    let words = octets
        .chunks(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Takes a packet apart, with every length and checksum checked: who sent what to
/// whom.
fn dissect(packet: &[u8]) -> (SocketAddr, SocketAddr, &[u8]) {
    let (from, to, udp, pseudo_header): (std::net::IpAddr, std::net::IpAddr, _, Vec<u8>) =
        if packet[0] >> 4 == 4 {
            assert_eq!(packet[0], 0x45);
            assert_eq!(usize::from(u16_be(packet, 2)), packet.len());
            assert_eq!(packet[9], 17, "UDP");
            assert_eq!(sum(&[&packet[..20]]), 0xffff, "the checksum of the header");
            let (from, to): ([u8; 4], [u8; 4]) = (
                packet[12..16].try_into().unwrap(),
                packet[16..20].try_into().unwrap(),
            );
            (
                from.into(),
                to.into(),
                &packet[20..],
                packet[12..20].to_vec(),
            )
        } else {
            assert_eq!(packet[0], 0x60);
            assert_eq!(usize::from(u16_be(packet, 4)), packet.len() - 40);
            assert_eq!(packet[6], 17, "UDP");
            let (from, to): ([u8; 16], [u8; 16]) = (
                packet[8..24].try_into().unwrap(),
                packet[24..40].try_into().unwrap(),
            );
            (
                from.into(),
                to.into(),
                &packet[40..],
                packet[8..40].to_vec(),
            )
        };
    let len = u16_be(udp, 4);
    assert_eq!(usize::from(len), udp.len());
    assert_ne!(u16_be(udp, 6), 0, "there is a checksum");
    assert_eq!(
        sum(&[&pseudo_header, &[0, 17], &len.to_be_bytes(), udp]),
        0xffff
    );
    (
        (from, u16_be(udp, 0)).into(),
        (to, u16_be(udp, 2)).into(),
        &udp[8..],
    )
}

#[test]
fn a_capture_begins_with_a_section_and_an_interface() {
    let file = capture(&[]);
    let blocks = blocks(&file);
    assert_eq!(blocks.len(), 2);
    let section = &blocks[0];
    assert_eq!(section.kind, 0x0a0d_0d0a);
    assert_eq!(u32_le(section.body, 0), 0x1a2b_3c4d);
    assert_eq!((u16_le(section.body, 4), u16_le(section.body, 6)), (1, 0));
    assert_eq!(section.body[8..16], [0xff; 8]);
    let version = concat!("timeball ", env!("CARGO_PKG_VERSION"));
    assert_eq!(options(&section.body[16..]), [(4, version.as_bytes())]);
    let interface = &blocks[1];
    assert_eq!(interface.kind, 1);
    // LINKTYPE_RAW, and no limit to what is captured.
    assert_eq!(interface.body[..8], [101, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        options(&interface.body[8..]),
        [(2, &b"timeball"[..]), (9, &[9][..])]
    );
}

#[test]
fn datagrams_go_the_way_they_went_at_the_time_of_the_host() {
    let request = request();
    let reply = Record {
        direction: Direction::Out,
        at: request.at + Delta::from_nanos(5),
        octets: vec![0x24; 48],
        ..request.clone()
    };
    let file = capture(&[request.clone(), reply.clone()]);
    let packets = packets(&file);
    let (client, server) = (request.peer, request.local);
    assert_eq!(
        dissect(packets[0].octets),
        (client, server, &request.octets[..])
    );
    assert_eq!(
        dissect(packets[1].octets),
        (server, client, &reply.octets[..])
    );
    assert_eq!(packets[0].nanos, 1_795_348_801_123_456_790);
    assert_eq!(packets[1].nanos, 1_795_348_801_123_456_795);
    // Inbound, outbound.
    assert_eq!(packets[0].options, [(2, &[1, 0, 0, 0][..])]);
    assert_eq!(packets[1].options, [(2, &[2, 0, 0, 0][..])]);
}

#[test]
fn every_length_has_right_lengths_and_checksums() {
    let ways = [
        ("127.0.0.1:40000", "127.0.0.2:123"),
        ("[::1]:40000", "[2001:db8::ff]:123"),
        // As a socket for both families has it.
        ("[::ffff:10.0.0.1]:40000", "[::ffff:10.0.0.2]:123"),
    ];
    for (peer, local) in ways.map(|(peer, local)| (address(peer), address(local))) {
        let records: Vec<_> = (0..70)
            .map(|len| Record {
                peer,
                local,
                ..saying(
                    ProtocolName::Text,
                    &(0..len).map(|octet| octet ^ 0xa5).collect::<Vec<u8>>(),
                )
            })
            .collect();
        let file = capture(&records);
        let plain =
            |address: SocketAddr| SocketAddr::from((address.ip().to_canonical(), address.port()));
        for (packet, record) in packets(&file).iter().zip(&records) {
            assert_eq!(
                dissect(packet.octets),
                (plain(peer), plain(local), &record.octets[..])
            );
        }
    }
}

#[test]
fn a_checksum_of_zero_is_sent_as_its_complement() {
    // Two octets can make any sum, so one of them makes zero.
    let records: Vec<_> = (0..=u16::MAX)
        .map(|word| saying(ProtocolName::Text, &word.to_be_bytes()))
        .collect();
    let file = capture(&records);
    let ones = packets(&file)
        .iter()
        .inspect(|packet| _ = dissect(packet.octets))
        .filter(|packet| u16_be(packet.octets, 26) == 0xffff)
        .count();
    assert!(ones > 0);
}

#[test]
fn addresses_of_two_families_meet_in_ipv6() {
    let record = Record {
        local: address("[::]:123"),
        ..request()
    };
    let file = capture(std::slice::from_ref(&record));
    let packets = packets(&file);
    let (from, to, _) = dissect(packets[0].octets);
    assert_eq!(from.ip(), Ipv6Addr::from_bits(0xffff_7f00_0001));
    assert_eq!(to, record.local);
}

#[test]
fn a_packet_that_no_network_carries_is_cut() {
    let long = saying(ProtocolName::Text, &[7; 65_535]);
    let longest = |len| saying(ProtocolName::Text, &vec![7; len]);
    let ipv6 = |record| Record {
        peer: address("[::1]:40000"),
        local: address("[::1]:123"),
        ..record
    };
    let file = capture(&[
        longest(65_507),
        long.clone(),
        ipv6(longest(65_527)),
        ipv6(long),
    ]);
    let lens: Vec<_> = packets(&file)
        .iter()
        .map(|packet| dissect(packet.octets).2.len())
        .collect();
    assert_eq!(lens, [65_507, 65_507, 65_527, 65_527]);
}

#[test]
fn the_rules_that_touched_a_packet_are_its_comment() {
    let record = Record {
        rules: vec!["late".into(), "kiß".into()],
        ..request()
    };
    // Each character has two octets, so the bound falls into the middle of one.
    let long = Record {
        rules: vec!["x".into(), "ß".repeat(1_000).into()],
        ..request()
    };
    let file = capture(&[record, long]);
    let packets = packets(&file);
    assert_eq!(packets[0].options[0], (1, "late, kiß".as_bytes()));
    let (code, comment) = packets[1].options[0];
    let comment = std::str::from_utf8(comment).unwrap();
    assert_eq!((code, comment.len()), (1, 1_023));
}

#[test]
fn a_moment_before_1970_is_1970() {
    let mut pcapng = Pcapng::new(Vec::new(), Timestamp::MIN).unwrap();
    pcapng.saw(&request());
    assert_eq!(packets(&pcapng.finish().unwrap())[0].nanos, 0);
}

#[test]
fn a_full_disk_is_told() {
    // Room for the two blocks at the front.
    let mut room = [0; 128];
    let len = capture(&[]).len();
    let mut pcapng = Pcapng::new(io::Cursor::new(&mut room[..len]), BEGAN).unwrap();
    pcapng.saw(&request());
    assert!(pcapng.error().is_some());
    assert_eq!(
        pcapng.finish().unwrap_err().kind(),
        io::ErrorKind::WriteZero
    );
    assert!(Pcapng::new(io::Cursor::new(&mut [0; 8][..]), BEGAN).is_err());
}

//! Extension fields and MACs, octet for octet.

use super::{Run, honest_to};

#[test]
fn extension_fields_have_their_type_body_and_length() {
    let mut run = Run::of("extension = { type = 0xF5FF, body = \"0x0102030405060708\" }");
    let mut expected = honest_to(1).encode().to_vec();
    expected.extend([0xf5, 0xff, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(run.reply(), expected);
}

#[test]
fn the_length_of_an_extension_field_can_be_a_lie() {
    // Zero, not a multiple of four, past the end.
    for says_len in [0_u16, 29, 65_532] {
        let mut run = Run::of(&format!(
            "extension = {{ type = 1, says_len = {says_len} }}"
        ));
        let reply = run.reply();
        assert_eq!(reply.len(), 48 + 28);
        assert_eq!(reply[..48], honest_to(1).encode());
        assert_eq!(reply[48..50], [0, 1]);
        assert_eq!(reply[50..52], says_len.to_be_bytes());
    }
    let mut run = Run::of("extension = { type = 2, len = 5 }");
    let reply = run.reply();
    assert_eq!(reply.len(), 48 + 9);
    assert_eq!(reply[48..52], [0, 2, 0, 9]);
}

#[test]
fn a_hundred_extension_fields_stand_one_behind_the_other() {
    let mut run = Run::of(
        "extension = [{ type = 0x2A, count = 99, len = 12 }, { type = 7, body = \"tail\" }]",
    );
    let reply = run.reply();
    assert_eq!(reply.len(), 48 + 99 * 16 + 8);
    let fields: Vec<&[u8]> = reply[48..48 + 99 * 16].chunks(16).collect();
    for (position, field) in fields.iter().enumerate() {
        assert_eq!(field[..4], [0, 0x2a, 0, 16]);
        assert!(!fields[..position].contains(field), "the bodies are drawn");
    }
    assert_eq!(reply[48 + 99 * 16..], *b"\0\x07\0\x08tail");
}

#[test]
fn extension_fields_end_where_a_datagram_does() {
    let mut run = Run::of("extension = { type = 1, len = 996, count = 1000 }");
    assert_eq!(run.reply().len(), 48 + 65 * 1_000);
}

#[test]
fn a_mac_has_a_key_and_a_drawn_digest_of_every_usual_length() {
    for (len, key_id) in [(20, 1_u32), (24, 77), (28, u32::MAX)] {
        let mut run = Run::of(&format!("mac = {{ len = {len}, key_id = {key_id} }}"));
        let reply = run.reply();
        assert_eq!(reply.len(), 48 + len);
        assert_eq!(reply[..48], honest_to(1).encode());
        assert_eq!(reply[48..52], key_id.to_be_bytes());
        assert!(reply[52..].iter().any(|octet| *octet != 0));
    }
    let mut run = Run::of("mac = { len = 20 }");
    assert_eq!(run.reply()[48..52], [0, 0, 0, 1]);
}

#[test]
fn a_crypto_nak_is_four_zero_octets() {
    let mut run = Run::of("mac = { len = 4 }");
    assert_eq!(run.reply()[48..], [0, 0, 0, 0]);
}

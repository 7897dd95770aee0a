//! Faults of the octets of any protocol.

use super::{DAYTIME, Run, TEXT, TIME, honest_to};

const LINE: &[u8] = b"Sunday, November 22, 2026\r\n";

#[test]
fn a_reply_is_cut_off_at_every_length() {
    for len in 0..48 {
        let mut run = Run::of(&format!("truncate = {len}"));
        assert_eq!(run.reply(), honest_to(1).encode()[..len]);
    }
    let mut run = Run::of("name = \"cut\"\ntruncate = 48");
    assert_eq!(run.reply(), honest_to(1).encode());
    assert_eq!(run.count("cut"), 0);
}

#[test]
fn a_drawn_length_reaches_both_its_ends() {
    let mut run = Run::of("truncate = { from = 3, to = 6 }");
    let lens: Vec<usize> = (0..100).map(|_| run.reply().len()).collect();
    for len in 3..=6 {
        assert!(lens.contains(&len));
    }
    assert!(lens.iter().all(|len| (3..=6).contains(len)));
}

#[test]
fn a_line_can_be_empty_and_a_time_of_the_wrong_length() {
    for endpoint in [TEXT, DAYTIME, TIME] {
        let mut run = Run::of("truncate = 0");
        assert_eq!(run.line(endpoint, LINE), b"");
    }
    let mut run = Run::of("truncate = 3");
    assert_eq!(run.line(TIME, &[1, 2, 3, 4]), [1, 2, 3]);
    let mut run = Run::of("pad = 8");
    assert_eq!(run.line(TIME, &[1, 2, 3, 4]), [1, 2, 3, 4, 0, 0, 0, 0]);
}

#[test]
fn a_reply_is_padded_to_any_length_up_to_that_of_a_datagram() {
    for len in [49, 1_024, 65_507] {
        let mut run = Run::of(&format!("pad = {len}"));
        let reply = run.reply();
        assert_eq!(reply.len(), len);
        assert_eq!(reply[..48], honest_to(1).encode());
        assert!(reply[48..].iter().all(|octet| *octet == 0));
    }
    // It is as long already.
    let mut run = Run::of("name = \"pad\"\npad = 48");
    assert_eq!(run.reply(), honest_to(1).encode());
    assert_eq!(run.count("pad"), 0);
}

#[test]
fn a_line_can_be_overlong_inside_or_behind_its_end() {
    let mut run = Run::of("pad = { to = 32, with = \"ab\", inside_line = true }");
    let expected = b"Sunday, November 22, 2026ababa\r\n";
    assert_eq!(run.line(DAYTIME, LINE), expected);
    let mut run = Run::of("pad = { to = 6, with = \"x\", inside_line = true }");
    assert_eq!(run.line(TEXT, b"now\n"), b"nowxx\n");
    assert_eq!(run.line(TEXT, b"now"), b"nowxxx");
    assert_eq!(run.line(TEXT, b"now\r"), b"now\rxx");
    let mut run = Run::of("pad = { to = 6, with = \"0xff00\" }");
    assert_eq!(run.line(TEXT, b"now\n"), b"now\n\xff\x00");
    let mut run = Run::of("pad = { to = 1024, with = \"x\", inside_line = true }");
    assert_eq!(run.line(TEXT, b"now\n").len(), 1_024);
}

#[test]
fn a_reply_is_replaced_by_text_or_by_octets() {
    let mut run = Run::of("replace = \"32-13-2026 25:61\\r\\n\"");
    assert_eq!(run.line(DAYTIME, LINE), b"32-13-2026 25:61\r\n");
    let mut run = Run::of("replace = \"0x0001feff\"");
    assert_eq!(run.line(TIME, &[9; 4]), [0, 1, 0xfe, 0xff]);
    assert_eq!(run.reply(), [0, 1, 0xfe, 0xff]);
    let mut run = Run::of("replace = \"\"");
    assert_eq!(run.line(TEXT, b"now\n"), b"");
}

#[test]
fn junk_stands_behind_the_end_and_is_drawn() {
    let mut run = Run::of("junk = 5");
    let (one, other) = (run.reply(), run.reply());
    assert_eq!(one.len(), 53);
    assert_eq!(one[..48], honest_to(1).encode());
    assert_ne!(one[48..], other[48..]);
    let mut run = Run::of("junk = { from = 1, to = 3 }");
    let lens: Vec<usize> = (0..50).map(|_| run.reply().len()).collect();
    assert!(lens.iter().all(|len| (49..=51).contains(len)));
    assert!((49..=51).all(|len| lens.contains(&len)));
    let mut run = Run::of("junk = 65507");
    assert_eq!(run.reply().len(), 65_507);
}

/// How many bits differ between two replies of one length, and the octets
/// in which they do.
fn flipped(one: &[u8], other: &[u8]) -> (u32, Vec<usize>) {
    assert_eq!(one.len(), other.len());
    let differences = one.iter().zip(other).map(|(one, other)| one ^ other);
    let places = differences.clone().enumerate();
    (
        differences.map(u8::count_ones).sum(),
        places
            .filter(|(_, bits)| *bits != 0)
            .map(|(at, _)| at)
            .collect(),
    )
}

#[test]
fn exactly_so_many_different_bits_are_turned_over() {
    for count in [1, 2, 17, 384] {
        let mut run = Run::of(&format!("flip_bits = {count}"));
        for number in 1..=20 {
            let reply = run.reply();
            assert_eq!(flipped(&reply, &honest_to(number).encode()).0, count);
        }
    }
    // All, where there are not so many.
    let mut run = Run::of("flip_bits = 400");
    assert_eq!(flipped(&run.reply(), &honest_to(1).encode()).0, 384);
    let mut run = Run::of("flip_bits = 1");
    assert_eq!(run.line(TEXT, b""), b"");
}

#[test]
fn every_bit_may_be_turned_over() {
    let mut run = Run::of("flip_bits = 1");
    let mut seen = [false; 48];
    for number in 1..=2_000 {
        let (_, places) = flipped(&run.reply(), &honest_to(number).encode());
        seen[places[0]] = true;
    }
    assert!(seen.iter().all(|is_seen| *is_seen));
}

#[test]
fn bits_are_turned_over_where_it_says() {
    let mut run = Run::of("flip_bits = { count = { from = 1, to = 64 }, from = 24, to = 31 }");
    for number in 1..=50 {
        let (count, places) = flipped(&run.reply(), &honest_to(number).encode());
        assert!((1..=64).contains(&count));
        assert!(places.iter().all(|at| (24..=31).contains(at)));
    }
    let mut run = Run::of("flip_bits = { count = 3, from = 48 }");
    assert_eq!(run.reply(), honest_to(1).encode());
}

//! Transcripts that somebody or something has damaged.

use super::{request, transcript};
use proptest::prelude::*;
use std::io::{self, BufRead, Read};
use timeball::transcript::{Damage, Reader};

/// What is said of this text, after how many good records.
fn error(text: impl AsRef<[u8]>) -> (usize, String) {
    let reader = match Reader::new(text.as_ref()) {
        Ok(reader) => reader,
        Err(error) => return (0, error.to_string()),
    };
    let mut good = 0;
    for record in reader {
        match record {
            Ok(_) => good += 1,
            Err(error) => return (good, error.to_string()),
        }
    }
    panic!("nothing was wrong");
}

/// A transcript of two requests with `from` replaced by `to` in its second.
fn with(from: &str, to: &str) -> String {
    let text = transcript([&request(), &request()]);
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(last.contains(from), "{last}");
    format!("{before}\n{}\n", last.replacen(from, to, 1))
}

#[test]
fn a_value_that_is_wrong_is_told_with_its_line_and_key() {
    for (from, to, problem) in [
        (
            "\"endpoint\":\"one\"",
            "\"endpoint\":\"six\"",
            "line 3: endpoint = \"six\": the first line has none of this name",
        ),
        (
            "\"at\":1.000000001",
            "\"at\":-1",
            "line 3: at = -1: not a number of seconds from 0, with nine decimals at most",
        ),
        (
            "\"at\":1.000000001",
            "\"at\":0.0000000001",
            "line 3: at = 0.0000000001: not a number of seconds from 0, with nine decimals at most",
        ),
        (
            "\"elapsed\":60.000000000",
            "\"elapsed\":\"60s\"",
            "line 3: elapsed = \"60s\": not a number of seconds with nine decimals at most",
        ),
        (
            "\"elapsed\":60.000000000",
            "\"elapsed\":9223372037",
            "line 3: elapsed = 9223372037: not a number of seconds with nine decimals at most",
        ),
        (
            "2016-12-31T23:59",
            "2016-12-32T23:59",
            "line 3: time = \"2016-12-32T23:59:00.000000000Z\": not a point of time in RFC 3339, 1677 to 2262",
        ),
        (
            "2016-12-31",
            "2262-12-31",
            "line 3: time = \"2262-12-31T23:59:00.000000000Z\": not a point of time in RFC 3339, 1677 to 2262",
        ),
        (
            "\"bytes\":\"23",
            "\"bytes\":\"2",
            "line 3: bytes: not two hexadecimal digits an octet: invalid length at 94",
        ),
        (
            "\"bytes\":\"23",
            "\"bytes\":\"2g",
            "line 3: bytes: not two hexadecimal digits an octet: invalid symbol at 1",
        ),
        (
            "\"number\":1",
            "\"number\":0",
            "line 3: number = 0: requests are counted from 1",
        ),
    ] {
        assert_eq!(error(with(from, to)), (1, problem.to_owned()));
    }
}

#[test]
fn a_line_that_is_not_of_a_transcript_is_told_with_its_column() {
    for (from, to, problem) in [
        (
            "\"in\"",
            "\"up\"",
            "unknown variant `up`, expected one of `in`, `out`, `upstream`",
        ),
        (
            "\"number\":1",
            "\"number\":-1",
            "invalid value: integer `-1`, expected u64",
        ),
        ("\"number\":1,", "", "missing field `number`"),
        ("\"number\":1", "\"nummer\":1", "unknown field `nummer`"),
        (
            "\"number\":1",
            "\"number\":1,\"number\":1",
            "duplicate field `number`",
        ),
        (
            "\"protocol\":\"ntp\"",
            "\"protocol\":\"nts\"",
            "unknown variant `nts`",
        ),
        (
            "127.0.0.1:40000",
            "127.0.0.1",
            "invalid socket address syntax",
        ),
        (
            "\"rule\":[]",
            "\"rule\":\"\"",
            "invalid type: string \"\", expected a sequence",
        ),
        ("}", "", "EOF while parsing"),
        ("{", "[", "expected"),
        ("\"rule\":[]}", "\"rule\":[]}}", "trailing characters"),
    ] {
        let (good, error) = error(with(from, to));
        assert_eq!(good, 1);
        let problem_found = error.strip_prefix("line 3: column ").expect(&error);
        assert!(problem_found.contains(problem), "{error}");
        assert!(!error.contains("at line 1"), "{error}");
    }
}

#[test]
fn a_line_in_the_middle_is_told_by_its_own_number() {
    let text = transcript([&request(), &request(), &request()]);
    let mut lines: Vec<_> = text.lines().collect();
    lines[2] = "nonsense";
    let damaged = lines.join("\n") + "\n";
    assert_eq!(
        error(damaged),
        (1, "line 3: column 2: expected ident".to_owned())
    );
    lines[2] = "";
    let damaged = lines.join("\n") + "\n";
    let (good, error) = error(damaged);
    assert_eq!(
        (good, error.starts_with("line 3: column 0: EOF")),
        (1, true),
        "{error}"
    );
}

#[test]
fn a_run_that_was_killed_is_told_from_one_that_ended() {
    let text = transcript([&request(), &request()]);
    let first_two = text.match_indices('\n').nth(1).unwrap().0 + 1;
    for len in first_two + 1..text.len() {
        let cut_off = format!("line 3: cut off after {} octets", len - first_two);
        assert_eq!(error(&text[..len]), (1, cut_off));
    }
    assert_eq!(
        Reader::new(&text.as_bytes()[..first_two]).unwrap().count(),
        1
    );
}

#[test]
fn a_file_without_the_right_first_line_is_told() {
    let missing = "line 1: missing: a transcript begins with a line about the scenario";
    assert_eq!(error("").1, missing);
    assert_eq!(error("{\"format\"").1, "line 1: cut off after 9 octets");
    let (_, text) = error("{}\n");
    assert!(
        text.starts_with("line 1: column 2: missing field `format`"),
        "{text}"
    );
    let line = transcript([]);
    let (_, text) = error(line.replacen("\"seed\":7", "\"seed\":-7", 1));
    assert!(text.contains("invalid value: integer `-7`"), "{text}");
    // A later format is told before its keys are looked at.
    assert_eq!(
        error("{\"format\":2,\"run\":{}}\n").1,
        "line 1: format 2: this version of timeball reads format 1"
    );
    // Lines of a run, without their first.
    let text = transcript([&request()]);
    let (_, text) = error(text.split_once('\n').unwrap().1);
    assert!(text.starts_with("line 1: column "), "{text}");
}

/// A file with `len` octets of a line that has no end.
#[derive(Debug)]
struct Endless {
    len: u64,
    read: u64,
}

impl Read for Endless {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("the buffer is asked")
    }
}

impl BufRead for Endless {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = (self.len - self.read).min(4_096) as usize;
        Ok(&[b' '; 4_096][..left])
    }

    fn consume(&mut self, len: usize) {
        self.read += len as u64;
    }
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let mut input = Endless {
        len: 1 << 40,
        read: 0,
    };
    let error = Reader::new(&mut input).unwrap_err();
    assert!(matches!(error.damage, Damage::TooLong), "{error}");
    assert!(input.read <= 8 << 20, "{} octets were read", input.read);
    assert_eq!(error.to_string(), "line 1: longer than 4194304 octets");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let text = transcript([&request()]);
    let input = text.as_bytes().chain(Broken);
    let mut reader = Reader::new(io::BufReader::new(input)).unwrap();
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3: cannot be read: the disk is gone"
    );
    assert!(reader.next().is_none());
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[test]
fn more_octets_than_a_datagram_has_are_refused() {
    let text = with(
        "\"bytes\":\"23",
        &format!("\"bytes\":\"{}", "23".repeat(65_535 - 46)),
    );
    assert_eq!(
        error(text),
        (
            1,
            "line 3: bytes: 65536 octets are more than a datagram has".to_owned()
        )
    );
}

proptest! {
    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Reader::new(octets.as_slice()).map(Iterator::count);
    }

    #[test]
    fn no_changed_octet_panics(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut text = transcript([&request(), &request()]).into_bytes();
        let at = at.index(text.len());
        text[at] = octet;
        let _ = Reader::new(text.as_slice()).map(Iterator::count);
    }
}

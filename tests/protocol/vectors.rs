//! Reads the files of `tests/vectors`: blocks of `key: value` lines, with blank
//! lines between them and `#` before comments.

use std::collections::BTreeMap;

/// One block of a file.
pub struct Vector {
    fields: BTreeMap<&'static str, &'static str>,
}

impl Vector {
    /// The value of `key`, if it is there.
    pub fn find(&self, key: &str) -> Option<&'static str> {
        self.fields.get(key).copied()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> &'static str {
        self.find(key)
            .unwrap_or_else(|| panic!("{}: no `{key}`", self.name()))
    }

    /// What the block is called.
    pub fn name(&self) -> &'static str {
        self.find("name").expect("every block has a name")
    }

    /// The octets written in hexadecimal under `key`.
    pub fn octets(&self, key: &str) -> Vec<u8> {
        let digits = self.get(key).as_bytes().chunks(2);
        digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("vectors are ASCII");
                u8::from_str_radix(pair, 16).expect("octets are pairs of hexadecimal digits")
            })
            .collect()
    }
}

/// The blocks of a file. Each says its name and where it comes from.
pub fn read(file: &'static str) -> Vec<Vector> {
    let mut blocks = vec![BTreeMap::new()];
    for line in file.lines() {
        if line.trim().is_empty() {
            blocks.push(BTreeMap::new());
        } else if !line.starts_with('#') {
            let (key, value) = line.split_once(':').expect("a line is `key: value`");
            let block = blocks.last_mut().expect("there is one from the start");
            block.insert(key.trim(), value.trim());
        }
    }
    let vectors: Vec<_> = blocks
        .into_iter()
        .filter(|fields| !fields.is_empty())
        .map(|fields| Vector { fields })
        .collect();
    for vector in &vectors {
        assert!(
            vector.find("origin").is_some(),
            "{}: no origin",
            vector.name()
        );
    }
    vectors
}

/// NTP requests, with what the server says to them.
pub fn ntp_requests() -> Vec<Vector> {
    read(include_str!("../vectors/ntp-requests.txt"))
}

/// NTP replies of other servers.
pub fn ntp_replies() -> Vec<Vector> {
    read(include_str!("../vectors/ntp-replies.txt"))
}

/// Questions and answers of the text protocol.
pub fn text() -> Vec<Vector> {
    read(include_str!("../vectors/text.txt"))
}

/// Daytime lines of other servers.
pub fn daytime() -> Vec<Vector> {
    read(include_str!("../vectors/daytime.txt"))
}

/// Replies of the Time protocol.
pub fn time() -> Vec<Vector> {
    read(include_str!("../vectors/time.txt"))
}

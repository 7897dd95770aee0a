//! The entry points of `fuzz/`, each on a million random and mutated inputs.
//!
//! The seed is printed when one fails, and the input; `TIMEBALL_SEED` sets
//! another one.

use super::vectors;

#[path = "../../fuzz/entry_points.rs"]
mod entry_points;

use entry_points::CONTROL_LEN;

const INPUTS: usize = 1_000_000;

/// xorshift64*: small, fast, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    /// Changes a few octets, or the length.
    fn mutate(&mut self, octets: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let len = octets.len();
            match self.below(6) {
                0 => octets.truncate(self.below(len + 1)),
                1 => {
                    let more = self.below(64);
                    octets.resize(len + more, 0);
                    self.fill(&mut octets[len..]);
                }
                2 => octets.resize(len + 4 * self.below(18), 0),
                _ if len == 0 => {}
                3 => octets[self.below(len)] = self.next() as u8,
                4 => octets[self.below(len)] = [0, 1, 16, 28, 0x7f, 0x80, 0xff][self.below(7)],
                _ => octets[self.below(len)] ^= 1 << self.below(8),
            }
        }
    }
}

/// Prints the input if the entry point panics on it.
struct Witness<'a> {
    seed: u64,
    number: usize,
    input: &'a [u8],
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self {
                seed,
                number,
                input,
            } = self;
            eprintln!("TIMEBALL_SEED={seed}, input {number}: {input:02x?}");
        }
    }
}

/// Runs `entry_point` on random octets, on mutated `bases`, and on these
/// behind random octets that make up an exchange.
fn run(entry_point: fn(&[u8]), bases: &[Vec<u8>]) {
    let seed = std::env::var("TIMEBALL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed
        .filter(|&seed| seed != 0)
        .unwrap_or(0x7e3b_a11a_1833_u64);
    let mut random = Random(seed);
    let mut input = Vec::new();
    for number in 0..INPUTS {
        input.clear();
        let kind = random.below(8);
        if kind > 0 {
            input.resize(CONTROL_LEN, 0);
            random.fill(&mut input);
        }
        if kind < 3 {
            let (start, more) = (input.len(), random.below(160));
            input.resize(start + more, 0);
            random.fill(&mut input[start..]);
        } else {
            let mut request = bases[random.below(bases.len())].clone();
            random.mutate(&mut request);
            if kind < 5 {
                input.clear();
            }
            input.extend_from_slice(&request);
        }
        let _witness = Witness {
            seed,
            number,
            input: &input,
        };
        entry_point(&input);
    }
}

fn octets(vectors: &[vectors::Vector], key: &str) -> Vec<Vec<u8>> {
    let having = vectors.iter().filter(|vector| vector.find(key).is_some());
    having.map(|vector| vector.octets(key)).collect()
}

#[test]
fn ntp_request_holds_on_a_million_inputs() {
    run(
        entry_points::ntp_request,
        &octets(&vectors::ntp_requests(), "request"),
    );
}

#[test]
fn ntp_header_holds_on_a_million_inputs() {
    let mut bases = octets(&vectors::ntp_requests(), "request");
    bases.extend(octets(&vectors::ntp_replies(), "reply"));
    run(entry_points::ntp_header, &bases);
}

#[test]
fn ntp_reply_holds_on_a_million_inputs() {
    let replies = octets(&vectors::ntp_replies(), "reply");
    let asked = |reply: &Vec<u8>| [vec![0x80 | reply[0] >> 3 & 7], reply.clone()].concat();
    let bases: Vec<Vec<u8>> = replies.iter().map(asked).collect();
    run(entry_points::ntp_reply, &bases);
}

#[test]
fn text_holds_on_a_million_inputs() {
    let mut bases = octets(&vectors::text(), "request");
    bases.extend(octets(&vectors::text(), "reply"));
    run(entry_points::text, &bases);
}

#[test]
fn daytime_holds_on_a_million_inputs() {
    run(entry_points::daytime, &octets(&vectors::daytime(), "reply"));
}

#[test]
fn time_holds_on_a_million_inputs() {
    run(entry_points::time, &octets(&vectors::time(), "reply"));
}

/// Inputs that `fuzz/seeds/` keeps: what the fuzzer found that reaches different code,
/// and whatever it found that was wrong.
fn run_seeds(target: &str, entry_point: fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for file in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let path = file.expect("the folder can be read").path();
        let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let _witness = Witness {
            seed: 0,
            number: count,
            input: &input,
        };
        entry_point(&input);
        count += 1;
    }
    assert!(count > 5, "{folder} has {count} inputs");
}

#[test]
fn what_the_fuzzer_kept_holds() {
    run_seeds("ntp_request", entry_points::ntp_request);
    run_seeds("ntp_header", entry_points::ntp_header);
    run_seeds("ntp_reply", entry_points::ntp_reply);
    run_seeds("text", entry_points::text);
    run_seeds("daytime", entry_points::daytime);
    run_seeds("time", entry_points::time);
}

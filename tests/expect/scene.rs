//! A run that a test plays datagram by datagram, before a judge of one
//! expectation.

use std::net::IpAddr;
use timeball::api::{Delta, LeapIndicator, NtpTimestamp, ReferenceId, Timestamp};
use timeball::expect::{Expectation, Finding, Judge};
use timeball::faults::Rule;
use timeball::protocol::ProtocolName;
use timeball::protocol::ntp::Header;
use timeball::protocol::ntp::header::mode;
use timeball::transcript::{Change, Control, Direction, Record, Witness};

/// The names of the endpoints; what is not told otherwise happens at the first.
pub const ENDPOINTS: [&str; 2] = ["one", "two"];

/// Mock time at the start of every run: 2030-01-01.
pub const START: Timestamp = Timestamp::from_unix_seconds(1_893_456_000);

pub struct Scene {
    judge: Judge,
    number: u64,
    /// The latest request.
    asked: Option<(Record, Header)>,
    /// Its place in the sequence of random numbers.
    draws: u64,
}

/// The expectation that `toml` says.
pub fn expectation(toml: &str) -> Expectation {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}\nin\n{toml}"))
}

/// 64 bits as random as a client's should be, the same in each run.
pub fn random(index: u64) -> u64 {
    // SplitMix64.
    let mut bits = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub fn ms(millis: i64) -> Delta {
    Delta::from_millis(millis)
}

impl Scene {
    /// A run that is judged by the expectation in `toml`.
    pub fn new(toml: &str) -> Self {
        let judge = Judge::new(&[expectation(toml)], &ENDPOINTS);
        Self {
            judge: judge.unwrap_or_else(|problems| panic!("{problems:?}\nin\n{toml}")),
            number: 0,
            asked: None,
            draws: 0,
        }
    }

    /// The same beside the rules in `toml`.
    pub fn with_rules(toml: &str, rules: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Rules {
            rules: Vec<Rule>,
        }
        let Rules { rules } = toml::from_str(rules).unwrap_or_else(|error| panic!("{error}"));
        let scene = Self::new(toml);
        Self {
            judge: scene.judge.knowing(&rules),
            ..scene
        }
    }

    /// Control changes something.
    pub fn change(&mut self, at_ms: i64, what: Control) {
        let at = ms(at_ms);
        self.judge.changed(&Change { at, what });
    }

    /// The next of the random numbers.
    pub fn random(&mut self) -> u64 {
        self.draws += 1;
        random(self.draws)
    }

    /// A request of NTP, from a random port, with a random transmit timestamp,
    /// after `edit`. Mock time runs with the host's.
    pub fn ask_as(&mut self, at_ms: i64, edit: impl FnOnce(&mut Record, &mut Header)) {
        self.number += 1;
        let mut header = Header {
            version: 4,
            mode: mode::CLIENT,
            poll_log2_s: 6,
            transmit_timestamp: NtpTimestamp::from_bits(self.random()),
            ..Header::default()
        };
        let port = 32_768 + (self.random() % 28_232) as u16;
        let mut record = Record {
            direction: Direction::In,
            number: self.number,
            at: ms(at_ms),
            made: None,
            elapsed: ms(at_ms),
            time: START + ms(at_ms),
            endpoint: 0,
            protocol: ProtocolName::Ntp,
            peer: (IpAddr::from([127, 0, 0, 1]), port).into(),
            local: ([127, 0, 0, 1], 8123).into(),
            octets: Vec::new(),
            rules: Vec::new(),
        };
        edit(&mut record, &mut header);
        if record.octets.is_empty() {
            record.octets = header.encode().into();
        }
        self.judge.saw(&record);
        self.asked = Some((record, header));
    }

    pub fn ask(&mut self, at_ms: i64) {
        self.ask_as(at_ms, |_, _| {});
    }

    /// A good reply to the latest request, after `edit`.
    pub fn reply_as(&mut self, at_ms: i64, edit: impl FnOnce(&mut Record, &mut Header)) {
        let (asked, question) = self.asked.clone().expect("a reply follows a request");
        let time = START + ms(at_ms);
        let mut header = Header {
            mode: mode::SERVER,
            stratum: 1,
            reference_id: ReferenceId::TEST,
            origin_timestamp: question.transmit_timestamp,
            receive_timestamp: asked.time.into(),
            transmit_timestamp: time.into(),
            ..question
        };
        let mut record = Record {
            direction: Direction::Out,
            at: ms(at_ms),
            rules: Vec::new(),
            ..asked
        };
        edit(&mut record, &mut header);
        record.octets = header.encode().into();
        self.judge.saw(&record);
    }

    pub fn reply(&mut self, at_ms: i64) {
        self.reply_as(at_ms, |_, _| {});
    }

    /// A kiss-o'-death for the latest request, from the rule `kiss`, after
    /// `edit`.
    pub fn kiss_as(
        &mut self,
        at_ms: i64,
        code: &str,
        poll_log2_s: i8,
        edit: impl FnOnce(&mut Record, &mut Header),
    ) {
        self.reply_as(at_ms, |record, header| {
            header.leap_indicator = LeapIndicator::Unsynchronised;
            header.stratum = 0;
            header.reference_id = code.parse().expect("a kiss code");
            header.poll_log2_s = poll_log2_s;
            record.rules.push("kiss".into());
            edit(record, header);
        });
    }

    pub fn kiss(&mut self, at_ms: i64, code: &str, poll_log2_s: i8) {
        self.kiss_as(at_ms, code, poll_log2_s, |_, _| {});
    }

    /// What comes of it, if the run ends now.
    pub fn finish(&self, at_ms: i64) -> Finding {
        let mut verdict = self.judge.finish(ms(at_ms), &[ms(at_ms); ENDPOINTS.len()]);
        assert_eq!(verdict.expectations.len(), 1);
        verdict.expectations.remove(0)
    }

    #[track_caller]
    pub fn holds(&self, at_ms: i64) {
        use timeball::expect::Outcome::Held;
        let finding = self.finish(at_ms);
        assert_eq!(
            (finding.outcome, finding.record),
            (Held, None),
            "{finding:?}"
        );
    }

    /// It failed at this request, for this reason.
    #[track_caller]
    pub fn fails(&self, at_ms: i64, record: impl Into<Option<u64>>, why: &str) {
        use timeball::expect::Outcome::Failed;
        let finding = self.finish(at_ms);
        assert_eq!(
            (finding.outcome, finding.record, finding.why.as_str()),
            (Failed, record.into(), why)
        );
    }

    #[track_caller]
    pub fn is_not_tested(&self, at_ms: i64, why: &str) {
        use timeball::expect::Outcome::NotTested;
        let finding = self.finish(at_ms);
        assert_eq!((finding.outcome, finding.why.as_str()), (NotTested, why));
        assert!(!finding.passes());
    }
}

//! What went over the wire in a run on test time, datagram by datagram, and what
//! control changed in between.
//!
//! Whoever runs a scenario hands each datagram, as it comes or leaves, to its
//! witnesses as a [`Record`], and what control does as a [`Change`]. A witness is anything that looks on: the
//! transcript, the capture for Wireshark, the judge of the client
//! ([`expect`](crate::expect)), a live view. None of them can change what
//! happens, and none of them keeps the whole run in memory.
//!
//! | type | what it does |
//! |---|---|
//! | [`Record`] | one datagram, with its moment and the rules that touched it |
//! | [`Change`] | one thing that control changed, with its moment |
//! | [`Unseen`] | what became of a copy of a request that no datagram shows |
//! | [`Witness`] | sees all of them, in the order in which they happened |
//! | [`Writer`], [`Reader`] | records and changes as JSON, one a line, and back |
//! | [`Pcapng`] | records as a capture that Wireshark opens |
//! | [`compare`] | serves the requests of a transcript again, and finds the first octet that differs |
//!
//! # The lines
//! The first line is the [`Opening`]:
//!
//! | key | value |
//! |---|---|
//! | `format` | 1; another number means other lines than these |
//! | `version` | of the timeball that wrote it: `"0.1.0"` |
//! | `name` | of the scenario |
//! | `seed` | of the run: that of the scenario, unless it was run with another |
//! | `rate` | how much mock time passed in a second of the host's, as a text: `"60"`, `"1/3"`; absent where it was what the scenario says |
//! | `endpoints` | their names, in the order of the scenario |
//! | `scenario` | the text of its file |
//!
//! Each further line is a [`Record`], a [`Change`] or an [`Unseen`]. A record:
//!
//! | key | value |
//! |---|---|
//! | `direction` | `"in"`: from the client, `"out"`: to it, `"upstream"`: what the upstream server of an endpoint answered, or `"unsent"`: a reply that did not leave, as the kernel did not take it, too much was delayed already, or the run ended first |
//! | `number` | of the request that it is, or belongs to; from 1 |
//! | `at` | host time since the run began: seconds, to the nanosecond; of what is `"unsent"` when it should have left |
//! | `made` | of a reply on a clock that the host's moves: when it was made, likewise; it may have been held back since |
//! | `elapsed` | mock time since its start, likewise, and negative where control took time back: when it came, or was made |
//! | `time` | mock time in RFC 3339: its start and `elapsed`, before any event bends it |
//! | `endpoint` | the endpoint's name |
//! | `protocol` | `"ntp"`, `"text"`, `"daytime"` or `"time"` |
//! | `peer`, `local` | the client's address and port, and the server's; those of the upstream server, and of who asked it |
//! | `bytes` | the payload, two hexadecimal digits an octet |
//! | `fields` | what it says, see below; for people, not read back |
//! | `rule` | a list of the names of the rules that touched it: `[]` for none |
//!
//! `fields` has, by protocol:
//!
//! | protocol | keys |
//! |---|---|
//! | `ntp` | those of the header in RFC 5905 figure 8: `leap_indicator` (0 to 3), `version`, `mode`, `stratum`, `poll` and `precision` (seconds as a power of two), `root_delay` and `root_dispersion` (seconds), `reference_id`, `reference_timestamp`, `origin_timestamp`, `receive_timestamp` and `transmit_timestamp` (RFC 3339, in the era nearest to `time`; `null` for zero); where there are any, `extension_fields` (`type` and `len` in octets of each), `mac` (`key_id` and `digest`), `crypto_nak` (`true`) and `trailing_octets` (how many make no sense) |
//! | `text`, `daytime` | `text`, with U+FFFD for what is not UTF-8 |
//! | `time` | `seconds` since 1900, modulo 2^32 |
//!
//! and only `octets`, their number, where there are too few or too many to be
//! read so.
//!
//! A change, which holds for every datagram in the lines behind it and for none
//! before:
//!
//! | key | value |
//! |---|---|
//! | `control` | the first key: what was done, as `timeball ctl` calls it: `"advance"`, `"step"`, `"set"`, `"rate"`, `"pause"`, `"resume"`, `"next"`, `"fault add"`, `"fault remove"` or `"load"` |
//! | `at` | host time since the run began: seconds, to the nanosecond |
//! | `clock` | of the first seven: the endpoint whose clock was moved; absent: all of them |
//! | `by` | of `advance` and `step`: seconds, to the nanosecond; may be negative |
//! | `time` | of `set`: what the clock shows, in RFC 3339 |
//! | `rate` | of `rate`: as a text, `"60"` or `"1/3"` |
//! | `rule` | of `fault add`: the keys of the rule, as in a scenario |
//! | `name` | of `fault remove`: the name of the rule |
//! | `name`, `seed`, `rate`, `endpoints`, `scenario` | of `load`: as in the first line; the numbers and moments behind it count anew, and the endpoints have these names |
//!
//! What became of a copy of a request, where a rule lost the reply to it or
//! holds it back, so that no datagram shows it as it happens:
//!
//! | key | value |
//! |---|---|
//! | `unseen` | the first key: the number of the request |
//! | `copy` | which of its copies, from 0: a rule may have doubled it on its way |
//! | `made` | host time since the run began when a reply was made, in seconds; absent where the copy did not get to the server, as too much was delayed already or the run ended first |

mod change;
mod change_line;
mod fields;
mod line;
mod pcapng;
mod reader;
mod record;
mod replay;
mod sink;
mod writer;

pub use change::{Change, Control, Entry, Motion};
pub use line::Opening;
pub use pcapng::Pcapng;
pub use reader::{Damage, DamagedTranscript, Reader};
pub use record::{Direction, Record, Unseen, Witness};
pub use replay::{Comparison, Difference, Reply, compare};
pub use writer::Writer;

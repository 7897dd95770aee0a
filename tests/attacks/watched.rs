//! A server under attack, watched from outside.

use crate::support::process::{Serve, timeball};
use std::fs;
use std::net::SocketAddr;

/// The four protocols. However busy the machine is, nothing is dropped for having
/// waited: what is lost is lost to the attack.
const SETTINGS: &str = "
threads = 2
max_queue_delay = 0
sources.wall.kind = 'system'
[[listeners]]
protocol = 'text'
address = '127.0.0.1:0'
source = 'wall'
timezone = 'UTC'
[[listeners]]
protocol = 'daytime'
address = '127.0.0.1:0'
source = 'wall'
[[listeners]]
protocol = 'time'
address = '127.0.0.1:0'
source = 'wall'
[[listeners]]
protocol = 'ntp'
address = '127.0.0.1:0'
source = 'wall'
";

/// A server of the four protocols, as users run it.
pub struct Watched {
    pub server: Serve,
    /// Text, daytime, time, NTP.
    pub addresses: Vec<SocketAddr>,
}

impl Watched {
    /// Starts it, with `more` above the tables of its settings.
    pub fn start(more: &str) -> Self {
        Self::start_as(&mut timeball(), more)
    }

    /// Starts `program` so.
    pub fn start_as(program: &mut std::process::Command, more: &str) -> Self {
        let server = Serve::start_as(program, &format!("{more}{SETTINGS}"));
        let addresses = server.listeners().iter().map(|it| it.address).collect();
        Self { server, addresses }
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.number("VmRSS:")
    }

    /// A number of its `status` in procfs.
    fn number(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let value = line.and_then(|line| line.split_whitespace().next());
        value.and_then(|it| it.parse().ok()).expect("a number")
    }
}

/// What a log's summary counts under `key`; 0 where it does not name it.
pub fn counted(log: &[String], key: &str) -> u64 {
    let is_summary = |line: &&String| line.contains(" stopped ") || line.contains(" handed over ");
    let summary = log.iter().rev().find(is_summary);
    let summary = summary.unwrap_or_else(|| panic!("no summary in {log:?}"));
    let value = summary
        .split_whitespace()
        .find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    value.map_or(0, |it| it.parse().expect("a count"))
}

//! What a server does that nobody asks.

use super::burst::FOUR;
use crate::support::process::Serve;
use crate::support::{ask, ntp_request, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use timeball::api::HostClock;
use timeball::host::OsClock;

/// A thread of the server.
#[derive(Debug)]
struct Thread {
    name: String,
    /// How often it has gone to sleep so far.
    sleeps: i64,
}

/// The threads of a process by their ids.
fn threads(process: u32) -> BTreeMap<PathBuf, Thread> {
    let folders = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    folders
        .map(|folder| {
            let folder = folder.unwrap().path();
            let name = fs::read_to_string(folder.join("comm")).unwrap();
            let status = fs::read_to_string(folder.join("status")).unwrap();
            let sleeps = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .unwrap();
            let thread = Thread {
                name: name.trim().to_owned(),
                sleeps: sleeps.trim().parse().unwrap(),
            };
            (folder, thread)
        })
        .collect()
}

/// How often the sources have been looked at; `None` before there is a thread
/// that does.
fn looks(threads: &BTreeMap<PathBuf, Thread>) -> Option<i64> {
    let upkeep = threads.values().find(|thread| thread.name == "upkeep");
    upkeep.map(|upkeep| upkeep.sleeps)
}

/// The threads, once the sources have been looked at `count` times more.
fn after_looks(process: u32, count: i64) -> BTreeMap<PathBuf, Thread> {
    let first = wait_for("upkeep", || looks(&threads(process)));
    wait_for("a look at the sources", || {
        Some(threads(process)).filter(|threads| looks(threads) >= Some(first + count))
    })
}

/// Has an idle server with these settings watched: `upkeep` wakes up once a second,
/// of the others only those that `may` wake up so many times a second.
fn is_watched(toml: &str, may: &[(&str, i64)]) {
    let server = Serve::start(toml, &[]);
    ask(server.listeners()[3].address, &ntp_request(1));
    // By then all are asleep that will be.
    let before = after_looks(server.id(), 1);
    let began = OsClock.now();
    let after = after_looks(server.id(), 3);
    let passed = OsClock.now().monotonic - began.monotonic;
    let seconds = passed.as_nanos() / 1_000_000_000 + 1;
    let mut shards = 0;
    for (id, thread) in after {
        let woken = thread.sleeps - before[&id].sleeps;
        shards += i64::from(thread.name.starts_with("shard-"));
        if thread.name == "upkeep" {
            assert!(woken <= seconds, "{woken} times in {passed:?}");
        } else if let Some((_, each)) = may.iter().find(|(name, _)| *name == thread.name) {
            assert!(woken <= each * seconds, "{thread:?} woke up {woken} times");
        } else {
            // A page that has to be read in is a sleep, too.
            assert!(woken <= 1, "{thread:?} woke up {woken} times");
        }
    }
    assert!(shards > 0, "the shards are among the threads");
}

#[test]
fn an_idle_server_wakes_up_once_a_second_and_no_shard_at_all() {
    is_watched(FOUR, &[]);
}

#[test]
fn whoever_answers_over_http_wakes_up_a_few_times_a_second_and_no_shard_at_all() {
    let with_http = format!("http.address = '127.0.0.1:0'\n{FOUR}");
    is_watched(&with_http, &[("http", 6)]);
}

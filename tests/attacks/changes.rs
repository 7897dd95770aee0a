//! Settings read anew and servers replaced while 20,000 requests come each second:
//! what became of every one of them.

use crate::support::process::{Serve, timeball};
use crate::support::running::run;
use crate::watched::counted;
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Requests a second.
const RATE: u64 = 20_000;
/// How long they come.
const SECONDS: u64 = 4;

fn settings(stratum: u64) -> String {
    format!(
        "threads = 1\nmax_queue_delay = 0\n[sources.it]\nkind = 'monotonic-offset'\nstratum = \
         {stratum}\n[[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n\
         receive_buffer = 4194304\n"
    )
}

/// The load generator, at this rate for so long. A reply is waited for longer than
/// this machine may stand still.
fn load(server: SocketAddr, seconds: u64) -> Command {
    let mut command = timeball();
    command.args(["bench", &server.to_string(), "--json", "--timeout", "10"]);
    command.args(["--rate", &RATE.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    command
}

/// Sends the load while `change` is made again and again, and gives back what the
/// load generator says: it knows each request by its transmit timestamp, which is
/// the origin timestamp of its reply.
fn under_load(server: SocketAddr, seconds: u64, mut change: impl FnMut()) -> Value {
    let load = thread::spawn(move || run(&mut load(server, seconds)));
    while !load.is_finished() {
        change();
    }
    let output = load.join().expect("the load ends");
    let said = serde_json::from_slice(&output.stdout);
    said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Every request has one reply, or is one that the kernel had no room for.
fn assert_accounted_for(said: &Value, seconds: u64, kernel_drops: u64) {
    let count = |key: &str| {
        said[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {said}"))
    };
    assert!(count("sent") >= RATE * seconds * 9 / 10, "{said}");
    assert_eq!(count("valid") + count("lost"), count("sent"), "{said}");
    assert_eq!((count("invalid"), count("unfinished")), (0, 0), "{said}");
    assert_eq!(count("lost"), kernel_drops, "{said}");
}

/// A load at the first listener while the settings are read anew every 50 ms, each time
/// with another stratum; `told` is what the log says of each.
fn reloads_under_load(settings: impl Fn(u64) -> String, told: &str) {
    let mut server = Serve::start(&settings(1), &[]);
    let address = server.listeners()[0].address;
    let mut reloads = 0;
    let said = under_load(address, SECONDS, || {
        server.rewrite(&settings(2 + reloads % 14));
        server.signal(Signal::HUP);
        let line = server.wait_for_log("reloaded");
        assert!(line.contains(told), "{line}");
        reloads += 1;
        thread::sleep(Duration::from_millis(50));
    });
    assert!(reloads >= 20, "{reloads}");
    let (_, _, log) = server.end(Signal::TERM);
    assert_accounted_for(&said, SECONDS, counted(&log, "kernel_drops"));
}

#[test]
fn settings_read_anew_every_50_ms_lose_no_request() {
    reloads_under_load(settings, "listeners_changed=1 listeners_untouched=0");
}

#[test]
fn a_listener_that_is_not_touched_loses_no_request_while_another_changes() {
    let beside_it = |stratum| {
        format!(
            "{}[sources.other]\nkind = 'monotonic-offset'\nstratum = {stratum}\n\
             [[listeners]]\nprotocol = 'time'\naddress = '127.0.0.1:0'\nsource = 'other'\n",
            settings(1)
        )
    };
    reloads_under_load(beside_it, "listeners_changed=1 listeners_untouched=1");
}

#[test]
fn servers_that_take_each_others_place_lose_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hand-over");
    let start = || {
        let arguments = ["--hand-over", file.to_str().unwrap()];
        Serve::start_with(&mut timeball(), &settings(1), &arguments)
    };
    let mut server = start();
    let address = server.listeners()[0].address;
    let (mut replaced, mut kernel_drops) = (0, 0);
    let said = under_load(address, SECONDS, || {
        let mut next = start();
        next.wait_for_log("serving in the place");
        let (status, _, log) = std::mem::replace(&mut server, next).wait();
        assert_eq!(status.code(), Some(0), "{log:?}");
        // The last one has the count of the socket as a whole.
        kernel_drops = kernel_drops.max(counted(&log, "kernel_drops"));
        replaced += 1;
        thread::sleep(Duration::from_millis(200));
    });
    assert!(replaced >= 4, "{replaced}");
    let (_, _, log) = server.end(Signal::TERM);
    assert_accounted_for(
        &said,
        SECONDS,
        kernel_drops.max(counted(&log, "kernel_drops")),
    );
}

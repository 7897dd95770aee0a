//! The clients, a function each: how it is called, and what its output says.
//!
//! An offset is in seconds, with the sign that the client gives it.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use chrono::NaiveDateTime;
use serde::Deserialize;

use crate::running::{self, Running};
use crate::sandbox::{self, Network};

/// Debian's Python: the one that sees the packages of Debian, whichever is first on
/// the path.
const PYTHON: &str = "/usr/bin/python3";

/// One answer, as a client judged it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Sample {
    /// How far the server is ahead of the client's clock.
    #[serde(rename = "offset")]
    pub offset_s: f64,
    /// The round trip; of ntpdig its "precision", which is half of that and a little more.
    #[serde(rename = "delay", alias = "precision")]
    pub delay_s: f64,
    /// The server's stratum.
    pub stratum: u8,
}

/// The host's clock, in seconds since 1970, before a client asked and after it ended.
#[derive(Debug, Clone, Copy)]
pub struct HostTimes {
    /// Read before the client started.
    pub before_s: f64,
    /// Read after it ended.
    pub after_s: f64,
}

/// chronyd asks four times, prints the offset and ends (`-Q`: never sets the clock). It
/// needs no configuration file, and here gets no socket for commands.
///
/// `maxdelay` lets it refuse an answer that took longer than a millisecond, which says
/// too little about an offset below one. With too few answers left it prints no offset:
/// `None`.
pub fn chronyd(server: SocketAddr) -> Option<f64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pid_file = folder.path().join("pid");
    let mut command = sandbox::client(Network::Host, &sandbox::program("chronyd", "chrony"));
    command
        .args(["-Q", "-t", "30", "-u", "root"])
        .arg(format!(
            "server {} port {} iburst maxdelay 0.001",
            server.ip(),
            server.port()
        ))
        .arg(format!("pidfile {}", pid_file.display()))
        .args(["cmdport 0", "bindcmdaddress /"]);
    let output = running::run(&mut command);
    let log = String::from_utf8_lossy(&output.stderr);
    let offset = log.lines().find_map(|line| {
        line.split_once("System clock wrong by ")?
            .1
            .strip_suffix(" seconds (ignored)")
    });
    if offset.is_none() && log.contains("No suitable source for synchronisation") {
        return None;
    }
    let offset = offset.unwrap_or_else(|| panic!("chronyd told no offset: {log}"));
    Some(offset.parse().expect("a number of seconds"))
}

/// Python's ntplib asks eight times in the given version.
pub fn ntplib(server: SocketAddr, version: u8) -> Vec<Sample> {
    let output = python(
        include_str!("ntplib.py"),
        &[
            server.ip().to_string(),
            server.port().to_string(),
            version.to_string(),
        ],
    );
    output.lines().map(json).collect()
}

/// ntpdig, which knows no port but 123, asks four times and prints the best answer.
/// Without `-S` and `-s` it only displays.
pub fn ntpdig(network: Network, server: IpAddr) -> Vec<Sample> {
    let mut command = sandbox::client(network, &sandbox::program("ntpdig", "ntpsec-ntpdig"));
    command.args(["-j", "-p", "4", &server.to_string()]);
    let (stdout, _) = sandbox::run(&mut command);
    stdout.lines().map(json).collect()
}

/// busybox's ntpd, which knows no port but 123, prints a line an answer. With `-w` it
/// only queries, and would go on for a minute: the burst at its start is enough. An
/// answer that took much longer than the others it ignores.
pub fn busybox_ntpd(network: Network, server: IpAddr) -> Vec<Sample> {
    const BURST: usize = 4;
    let mut client = Running::start(
        sandbox::client(network, &sandbox::program("busybox", "busybox"))
            .args(["ntpd", "-w", "-q", "-n", "-p", &server.to_string()])
            .stderr(Stdio::piped()),
    );
    let printed: Vec<_> = BufReader::new(client.stderr())
        .lines()
        .map_while(Result::ok)
        .take(BURST)
        .collect();
    drop(client);
    let samples: Vec<_> = printed
        .iter()
        .filter_map(|line| busybox_sample(line))
        .collect();
    assert!(
        !samples.is_empty(),
        "busybox ntpd told no offset, but {printed:?}. Debian's busybox lacks the \
         applet; .ci/peers builds one that has it (docs/testing.md)"
    );
    samples
}

/// Reads `… reply from 127.0.0.1: offset:+0.000049 delay:0.000139 status:0x24 strat:10 …`.
fn busybox_sample(line: &str) -> Option<Sample> {
    let (_, fields) = line.split_once("reply from ")?;
    let field = |name: &str| {
        fields
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name))
    };
    Some(Sample {
        offset_s: field("offset:")?.parse().ok()?,
        delay_s: field("delay:")?.parse().ok()?,
        stratum: field("strat:")?.parse().ok()?,
    })
}

/// rdate asks by RFC 868 over UDP (`-u`) and prints the time (`-p`: sets nothing).
pub fn rdate(network: Network, server: IpAddr) -> (f64, HostTimes) {
    // It would wait for ever for an answer that was lost.
    let mut command = sandbox::client(network, &sandbox::program("timeout", "coreutils"));
    command
        .arg("10")
        .arg(sandbox::program("rdate", "rdate"))
        .args(["-u", "-p", &server.to_string()]);
    let ((stdout, _), host) = timed(|| sandbox::run(&mut command));
    (
        calendar(stdout.trim_end(), "%a %b %e %H:%M:%S UTC %Y"),
        host,
    )
}

/// Six lines of Python ask for the text protocol's time.
pub fn python_text(server: SocketAddr) -> (f64, HostTimes) {
    let (output, host) = python_udp(server, "Send time");
    (calendar(&output, "%Y-%m-%d %H:%M:%S%.6f"), host)
}

/// The same six lines ask for a line of daytime, which any datagram does.
pub fn python_daytime(server: SocketAddr) -> (f64, HostTimes) {
    let (output, host) = python_udp(server, "");
    let line = output
        .strip_suffix("\r\n")
        .unwrap_or_else(|| panic!("a line ends in CR LF: {output:?}"));
    (calendar(line, "%A, %B %d, %Y %H:%M:%S-UTC"), host)
}

fn python_udp(server: SocketAddr, question: &str) -> (String, HostTimes) {
    let arguments = [
        server.ip().to_string(),
        server.port().to_string(),
        question.to_owned(),
    ];
    let (mut output, host) = timed(|| python(include_str!("udp.py"), &arguments));
    assert_eq!(output.pop(), Some('\n'), "print ends the line");
    (output, host)
}

fn python(script: &str, arguments: &[String]) -> String {
    let python = Path::new(PYTHON);
    assert!(
        python.exists(),
        "{PYTHON} is missing: install Debian's package python3"
    );
    let mut command = sandbox::client(Network::Host, python);
    sandbox::run(command.args(["-c", script]).args(arguments)).0
}

fn json(line: &str) -> Sample {
    serde_json::from_str(line).unwrap_or_else(|wrong| panic!("{wrong} in {line:?}"))
}

/// Seconds since 1970 of a UTC date in the given format.
fn calendar(text: &str, format: &str) -> f64 {
    let time = NaiveDateTime::parse_from_str(text, format)
        .unwrap_or_else(|wrong| panic!("{wrong}: {text:?} as {format:?}"))
        .and_utc();
    time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) * 1e-9
}

/// Reads the host's clock around a call.
fn timed<T>(call: impl FnOnce() -> T) -> (T, HostTimes) {
    let before_s = now_s();
    let result = call();
    let after_s = now_s();
    (result, HostTimes { before_s, after_s })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the judge of the answers is the host's clock itself"
)]
fn now_s() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the host's clock is past 1970")
        .as_secs_f64()
}

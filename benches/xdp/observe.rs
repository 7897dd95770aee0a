//! What the kernel says of processes, processors and a network namespace.

use std::fs;
use std::io;

/// CPU time of a process, in nanoseconds: of all of its threads, in user code and
/// in the kernel, also what interrupted it there to work through the network's
/// queues (where the kernel keeps no account of that apart). A thread of the
/// kernel is a process too.
///
/// # Errors
/// The operating system's, where there is no such process.
pub fn cpu_time_ns(process: u32) -> io::Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // One that has ended meanwhile is left out.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        total += first_number(&text)?;
    }
    Ok(total)
}

/// How long a processor was busy since the start, in ticks of 10 ms.
///
/// # Errors
/// The operating system's, where there is no such processor.
pub fn busy_ticks(processor: u32) -> io::Result<u64> {
    let name = format!("cpu{processor}");
    let text = fs::read_to_string("/proc/stat")?;
    text.lines()
        .find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(&name)).then(|| {
                let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
                // user, nice, system, idle, iowait, irq, softirq
                [0, 1, 2, 5, 6]
                    .iter()
                    .filter_map(|&kind| ticks.get(kind))
                    .sum()
            })
        })
        .ok_or_else(|| io::Error::other(format!("no {name} in /proc/stat")))
}

/// Frames that `interface` has received in the network namespace of `process`.
///
/// # Errors
/// The operating system's, where there is no such process or interface.
pub fn received(process: u32, interface: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/net/dev"))?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == interface)
        // Octets come first.
        .and_then(|(_, numbers)| numbers.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {interface} beside process {process}")))
}

/// Datagrams that were sent in the network namespace of `process`, but for which
/// there was no room further down.
///
/// # Errors
/// The operating system's, where there is no such process.
pub fn cut(process: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/net/snmp"))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next(), lines.next());
    names
        .into_iter()
        .flat_map(str::split_whitespace)
        .zip(values.into_iter().flat_map(str::split_whitespace))
        .find(|(name, _)| *name == "SndbufErrors")
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| io::Error::other("no SndbufErrors in /proc/net/snmp"))
}

fn first_number(text: &str) -> io::Result<u64> {
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no number in {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_cpu_time_beside_loopback() {
        let me = std::process::id();
        assert!(cpu_time_ns(me).unwrap() > 0);
        received(me, "lo").unwrap();
        cut(me).unwrap();
        assert!(received(me, "none").is_err());
        assert!(busy_ticks(1 << 20).is_err());
    }
}

//! What a server used while it was under load, as the kernel counts it.

use crate::api::Delta;
use crate::transport::kernel::process_cpu_time;
use serde::Serialize;
use std::io;

/// What some processes have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time since they were started: all threads, in user code and in the
    /// kernel.
    pub cpu_time: Delta,
    /// Resident memory now, in KiB.
    pub resident_kib: u64,
    /// The most resident memory since they were started, in KiB.
    pub peak_resident_kib: u64,
}

/// What a server used for what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ServerUsage {
    /// Nanoseconds of CPU time for each valid reply; `None` when there was
    /// none.
    pub cpu_ns_per_reply: Option<f64>,
    /// CPU time used during the measurement, in seconds.
    pub cpu_seconds: f64,
    /// CPUs kept busy: CPU time for each second of the measurement.
    pub cpus: f64,
    /// Resident memory at its end, in KiB.
    pub resident_kib: u64,
    /// The most resident memory since the server was started, in KiB.
    pub peak_resident_kib: u64,
}

impl Usage {
    /// What the processes of these numbers have used so far, together.
    ///
    /// # Errors
    /// The number of the process that cannot be read, and why.
    pub fn of(processes: &[u32]) -> Result<Self, (u32, io::Error)> {
        let mut sum = Self::default();
        for &process in processes {
            let named = |error| (process, error);
            sum.cpu_time = sum.cpu_time + process_cpu_time(process).map_err(named)?;
            let status =
                std::fs::read_to_string(format!("/proc/{process}/status")).map_err(named)?;
            sum.resident_kib += kib(&status, "VmRSS:");
            sum.peak_resident_kib += kib(&status, "VmHWM:");
        }
        Ok(sum)
    }

    /// What was used since `before` for `replies` replies in `span`.
    #[must_use]
    pub fn since(&self, before: &Self, replies: u64, span: Delta) -> ServerUsage {
        let used = self.cpu_time - before.cpu_time;
        let per_reply = used.as_nanos() as f64 / replies as f64;
        let cpus = used.as_nanos() as f64 / (span.as_nanos() as f64).max(1.0);
        ServerUsage {
            cpu_ns_per_reply: (replies > 0).then_some((per_reply * 10.0).round() / 10.0),
            cpu_seconds: used.as_seconds_f64(),
            cpus: (cpus * 1_000.0).round() / 1_000.0,
            resident_kib: self.resident_kib,
            peak_resident_kib: self.peak_resident_kib,
        }
    }
}

/// A field of `/proc/PID/status`, which is in KiB; 0 where there is none.
fn kib(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_status_is_read_in_kib() {
        let status = "Name:\ttimeball\nVmHWM:\t    8204 kB\nVmRSS:\t    4100 kB\n";
        assert_eq!(kib(status, "VmRSS:"), 4_100);
        assert_eq!(kib(status, "VmHWM:"), 8_204);
        assert_eq!(kib("Name:\tkthreadd\n", "VmRSS:"), 0);
    }

    #[test]
    fn a_process_without_a_number_in_use_is_named() {
        for number in [0, u32::MAX] {
            let (process, error) = Usage::of(&[number]).unwrap_err();
            assert_eq!(process, number);
            assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
        }
    }

    #[test]
    fn this_process_uses_more_cpu_time_as_it_goes() {
        let this = [std::process::id()];
        let before = Usage::of(&this).unwrap();
        let mut after = before;
        while after.cpu_time == before.cpu_time {
            after = Usage::of(&this).unwrap();
        }
        assert!(after.cpu_time > before.cpu_time && after.resident_kib > 0);
    }

    #[test]
    fn cpu_time_is_divided_by_the_replies() {
        let usage = |nanos| Usage {
            cpu_time: Delta::from_nanos(nanos),
            resident_kib: 7,
            peak_resident_kib: 9,
        };
        let span = Delta::from_seconds(2);
        let used = usage(1_500_000_500).since(&usage(500_000_500), 250_000, span);
        assert_eq!(used.cpu_ns_per_reply, Some(4_000.0));
        assert_eq!((used.cpu_seconds, used.cpus), (1.0, 0.5));
        assert_eq!(usage(5).since(&usage(5), 0, span).cpu_ns_per_reply, None);
    }
}

//! eBPF: maps that are memory shared with the kernel, programs, and where they
//! are attached. `bpf(2)`.
//!
//! | module | what it holds |
//! |---|---|
//! | `call` | the one system call, and its argument |
//! | `error` | [`BpfError`]: what the kernel refused, and what that means |
//! | `map` | [`SharedMap`]: an array of the kernel's, mapped into this process |
//! | `program` | [`XdpProgram`]: loaded, run for a test, attached |
//!
//! Everything goes with its value: an attached program with its [`XdpLink`], so
//! with the process at the latest. Nothing is pinned.

mod call;
mod error;
mod map;
mod program;

pub use error::{BpfError, Step};
pub use map::SharedMap;
pub use program::{AttachMode, Load, TestRun, XdpLink, XdpProgram};

/// How many processors the kernel may ever number: one more than the highest
/// number that a program can see.
///
/// # Errors
/// The operating system's, where `/sys` is not there.
pub fn possible_processors() -> std::io::Result<usize> {
    // "0-3", or with gaps "0,2-5".
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    text.trim()
        .rsplit([',', '-'])
        .next()
        .and_then(|last| last.parse::<usize>().ok())
        .map(|last| last + 1)
        .ok_or_else(|| std::io::Error::other(format!("no processors in {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_of_this_machine_are_among_the_possible_ones() {
        let online = std::thread::available_parallelism().expect("there are some");
        assert!(possible_processors().expect("there is a /sys") >= online.get());
    }
}

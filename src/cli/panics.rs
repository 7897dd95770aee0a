//! Panics of a serving thread as lines of the log.
//!
//! One datagram that makes the server panic costs that datagram and a counter;
//! a stream of them must not fill the disk with messages and backtraces.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tracing::error;

/// Has the panics of every thread but this one logged: the first, and then each
/// time their number doubles. A panic of this thread is told as ever.
pub fn log_those_of_other_threads() {
    let here = thread::current().id();
    let count = AtomicU64::new(0);
    let as_ever = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == here {
            return as_ever(panic);
        }
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            log(panic, count);
        }
    }));
}

fn log(panic: &PanicHookInfo<'_>, count: u64) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // It may quote what a client sent, so it is escaped.
    let said = panic.payload_as_str().unwrap_or_default();
    let place = panic.location().map(tracing::field::display);
    error!(%thread, place, ?said, count, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_many_panics_of_a_thread_few_are_logged_and_none_is_a_line_of_its_own_making() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let before = panic::take_hook();
        log_those_of_other_threads();
        let serve = move || {
            tracing::subscriber::with_default(subscriber, || {
                for number in 1..=1_000 {
                    let served = panic::catch_unwind(|| panic!("datagram {number}\n\u{1b}[2J"));
                    assert!(served.is_err());
                }
            });
        };
        let thread = thread::Builder::new().name("shard-0".into());
        let ended = thread.spawn(serve).unwrap().join();
        panic::set_hook(before);
        assert!(ended.is_ok());

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 10, "{log}");
        let places = lines.iter().filter(|line| line.contains(file!()));
        assert_eq!(places.count(), 10, "{log}");
        for part in [
            "ERROR",
            "thread=shard-0",
            r#"said="datagram 512\n\u{1b}[2J""#,
            "count=512",
        ] {
            assert!(lines[9].contains(part), "{part} is not in {}", lines[9]);
        }
    }
}

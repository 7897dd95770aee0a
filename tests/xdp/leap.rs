//! A leap second of the host's clock, as the system source has it: through the program and
//! through the server's own code, while the kernel is late with it, as kernels are.

use crate::differential::served;
use crate::time::{EXACT, ROUNDS, asked, loaded, serve};
use std::io;
use std::sync::Arc;
use timeball::admission::Admission;
use timeball::api::{
    Delta, Host, HostClock, HostInstant, KernelClock, KernelState, LeapIndicator, LeapSchedule,
    Monotonic, Source, Timestamp,
};
use timeball::host::OsClock;
use timeball::protocol::ntp::{Header, Ntp};
use timeball::service::Service;
use timeball_system::{Settings, SystemSource};

const SECOND: Delta = Delta::from_seconds(1);
const MIDNIGHT: Timestamp = Timestamp::from_unix_seconds(1_798_761_600);
/// How late the kernel is: it waits for a tick.
const LATE: Delta = Delta::from_millis(4);
/// How long is asked before the moment, and behind it.
const AROUND: Delta = Delta::from_millis(12);

/// A host at the end of a day that is a second longer, or shorter, than others; its other
/// clock is that of this host.
struct Machine {
    leaps_at: Monotonic,
    is_longer: bool,
}

impl Machine {
    /// UTC at that moment, and the leap indicator.
    fn right(&self, now: Monotonic) -> (Timestamp, LeapIndicator) {
        let since = now - self.leaps_at;
        match (self.is_longer, since < Delta::ZERO) {
            (true, true) => (MIDNIGHT + since, LeapIndicator::InsertSecond),
            (true, false) => (MIDNIGHT - SECOND + since, LeapIndicator::Unsynchronised),
            (false, true) => (MIDNIGHT - SECOND + since, LeapIndicator::DeleteSecond),
            (false, false) => (MIDNIGHT + since, LeapIndicator::None),
        }
    }

    /// What its clock shows then.
    fn shown(&self, now: Monotonic) -> Timestamp {
        let since = now - self.leaps_at;
        if !(Delta::ZERO..LATE).contains(&since) {
            return self.right(now).0;
        }
        MIDNIGHT + since - if self.is_longer { Delta::ZERO } else { SECOND }
    }
}

impl HostClock for Machine {
    fn now(&self) -> HostInstant {
        let now = OsClock.now();
        HostInstant {
            realtime: self.shown(now.monotonic),
            ..now
        }
    }
}

impl KernelClock for Machine {
    fn state(&self) -> io::Result<KernelState> {
        Ok(KernelState {
            synchronised: true,
            leap: if self.is_longer {
                LeapSchedule::InsertToday
            } else {
                LeapSchedule::DeleteToday
            },
            maximum_error: Delta::from_millis(3),
        })
    }
}

/// How many replies of each of the two were right before the moment, and behind it.
#[derive(Debug, Default)]
struct Seen {
    before: [usize; 2],
    behind: [usize; 2],
}

/// Asks the program and the service around the moment, and judges each reply by the moments
/// around it.
fn ask_around(machine: &Arc<Machine>, is_fed_again: bool, seen: &mut Seen) {
    let host = Host {
        clock: Arc::<Machine>::clone(machine),
        kernel: Arc::<Machine>::clone(machine),
        precision_log2_s: EXACT,
    };
    let (system, _watch) = SystemSource::on(&host, Settings::default());
    let source = Source::new(system, Arc::clone(&host.clock));
    let mut accelerator = loaded();
    let now = machine.now();
    assert_eq!(
        serve(&mut accelerator, &source, Ntp::default(), now),
        Ok(())
    );
    let admission = Admission::for_checked_requests();
    let mut service = Service::new(Arc::new(Ntp::default()), source, admission);
    let mut request = [0x77; 48];
    request[0] = 0x23;
    let client = "192.0.2.9:40000".parse().unwrap();
    while OsClock.now().monotonic < machine.leaps_at + AROUND {
        for way in 0..2 {
            let before = OsClock.now().monotonic;
            if is_fed_again {
                accelerator.feed(machine.now());
            }
            let reply = if way == 0 {
                asked(&accelerator)
            } else {
                let reply = served(&mut service, client, &request).expect("it has the time");
                Some(Header::decode(reply.first_chunk().expect("48 octets")))
            };
            let after = OsClock.now().monotonic;
            // Nothing: this machine stood still. Or the moment lies in between.
            let Some(reply) = reply else { continue };
            let ((earliest, indicator), (latest, other)) =
                (machine.right(before), machine.right(after));
            if indicator != other {
                continue;
            }
            let told = reply.transmit_timestamp.near(earliest);
            // What the wire rounds.
            let slack = Delta::from_nanos(1);
            assert!(
                earliest - slack <= told && told <= latest + slack,
                "way {way}: {told:?} is not between {earliest:?} and {latest:?}"
            );
            assert_eq!(reply.leap_indicator, indicator, "way {way} at {told:?}");
            let count = match before < machine.leaps_at {
                true => &mut seen.before,
                false => &mut seen.behind,
            };
            count[way] += 1;
        }
    }
}

#[test]
fn a_leap_second_of_the_hosts_clock_is_told_alike_by_program_and_sockets() {
    for is_longer in [true, false] {
        for is_fed_again in [true, false] {
            let mut seen = Seen::default();
            // A busy machine may let the moment go by.
            let enough = (0..ROUNDS).any(|_| {
                let leaps_at = OsClock.now().monotonic + AROUND;
                let machine = Arc::new(Machine {
                    leaps_at,
                    is_longer,
                });
                ask_around(&machine, is_fed_again, &mut seen);
                let counts = seen.before.iter().chain(&seen.behind);
                counts.into_iter().all(|count| *count >= 50)
            });
            assert!(enough, "{seen:?}");
        }
    }
}

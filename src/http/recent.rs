//! What was dropped within the last minute.

use super::observed::ObservedListener;
use crate::api::DropReason;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// How many seconds are looked back.
const SECONDS: usize = 60;

/// What a listener is known by from one second to the next.
type Place = (SocketAddr, &'static str);

/// The losses of one listener that an operator can do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Losses {
    kernel: u64,
    late: u64,
    overload: u64,
}

impl Losses {
    fn of(listener: &ObservedListener) -> Self {
        let totals = &listener.totals;
        Self {
            kernel: totals.kernel_drops,
            late: totals.dropped_for(DropReason::Late),
            overload: totals.dropped_for(DropReason::Overload),
        }
    }

    /// What has come to these since `earlier`. A listener that was replaced counts
    /// from zero again.
    fn since(self, earlier: Self) -> Self {
        Self {
            kernel: self.kernel.saturating_sub(earlier.kernel),
            late: self.late.saturating_sub(earlier.late),
            overload: self.overload.saturating_sub(earlier.overload),
        }
    }
}

/// The losses at each of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The oldest first.
    seconds: VecDeque<BTreeMap<Place, Losses>>,
}

impl Recent {
    /// Notes what `listeners` have lost so far; called once a second.
    pub fn note(&mut self, listeners: &[ObservedListener]) {
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        let all = listeners.iter().map(|it| (place(it), Losses::of(it)));
        self.seconds.push_back(all.collect());
    }

    /// What an operator should be told of the losses of `listeners` within the
    /// last minute.
    pub fn hints(&self, listeners: &[ObservedListener]) -> Vec<String> {
        let mut hints = Vec::new();
        for (number, listener) in listeners.iter().enumerate() {
            let place = place(listener);
            // One that was not there then has begun with none.
            let before = match self.seconds.front() {
                Some(oldest) if self.seconds.len() == SECONDS => {
                    oldest.get(&place).copied().unwrap_or_default()
                }
                _ => Losses::default(),
            };
            let lost = Losses::of(listener).since(before);
            let name = named(number, listener);
            if lost.kernel > 0 {
                hints.push(format!(
                    "{name}: the kernel dropped {} datagrams in the last minute since its receive \
                     buffer was full",
                    lost.kernel
                ));
            }
            if lost.late > 0 {
                hints.push(format!(
                    "{name}: {} requests were dropped in the last minute since they had waited \
                     longer than max_queue_delay",
                    lost.late
                ));
            }
            if lost.overload > 0 {
                hints.push(format!(
                    "{name}: {} requests were dropped in the last minute since every responder was \
                     busy",
                    lost.overload
                ));
            }
        }
        hints
    }
}

fn place(listener: &ObservedListener) -> Place {
    (listener.listener.address, listener.listener.protocol)
}

/// What people are told that a listener is called.
pub(super) fn named(number: usize, listener: &ObservedListener) -> String {
    let it = &listener.listener;
    format!("listener {number} ({} {})", it.protocol, it.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Latencies, Totals};
    use crate::server::BoundListener;

    fn listener(kernel_drops: u64, late: u64, overload: u64) -> ObservedListener {
        let mut totals = Totals {
            kernel_drops,
            ..Totals::default()
        };
        totals.dropped[DropReason::Late.index()] = late;
        totals.dropped[DropReason::Overload.index()] = overload;
        ObservedListener {
            listener: BoundListener {
                protocol: "ntp",
                address: ([127, 0, 0, 1], 8123).into(),
                source: "wall".to_owned(),
                test_time: false,
            },
            is_bound: true,
            totals,
            latencies: Latencies::default(),
        }
    }

    #[test]
    fn losses_are_told_for_a_minute_and_then_no_more() {
        let mut recent = Recent::default();
        let lost = [listener(12, 3, 4)];
        for second in 0..SECONDS {
            assert_eq!(recent.hints(&lost).len(), 3, "after {second} s");
            // They come between the first look and the second.
            recent.note(&[if second == 0 {
                listener(0, 0, 0)
            } else {
                listener(12, 3, 4)
            }]);
        }
        let hints = recent.hints(&lost);
        assert_eq!(
            hints[0],
            "listener 0 (ntp 127.0.0.1:8123): the kernel dropped 12 datagrams in the last minute \
             since its receive buffer was full"
        );
        assert!(hints[1].contains(": 3 requests were dropped"), "{hints:?}");
        assert!(hints[2].contains(": 4 requests were dropped"), "{hints:?}");
        recent.note(&lost);
        assert_eq!(recent.hints(&lost), Vec::<String>::new());
        assert_eq!(recent.hints(&[listener(12, 3, 5)]).len(), 1);
    }

    #[test]
    fn a_listener_that_begins_again_has_lost_what_it_says() {
        let mut recent = Recent::default();
        for _ in 0..SECONDS {
            recent.note(&[listener(12, 0, 0)]);
        }
        assert_eq!(recent.hints(&[listener(3, 0, 0)]), Vec::<String>::new());
        recent.note(&[]);
        for _ in 0..SECONDS {
            recent.note(&[]);
        }
        assert_eq!(recent.hints(&[listener(3, 0, 0)]).len(), 1);
    }
}

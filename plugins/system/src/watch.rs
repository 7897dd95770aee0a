//! The work away from the datagrams: a look at the kernel's clock state every
//! second, and what an operator should be told of it.

use crate::latch::Latch;
use crate::leap::Leap;
use crate::observation::Observation;
use std::io;
use std::sync::Arc;
use timeball_api::source::Notice;
use timeball_api::{HostInstant, KernelClock, KernelState, Upkeep};

/// Reads the kernel's clock state once a second and shows it to the readings
/// of a [`SystemSource`](crate::SystemSource).
///
/// Tells once that the clock is not synchronised, with the remedy, and once
/// that it is again; and once of each leap second that is announced or
/// withdrawn. A clock that is in order from the start is not worth a word.
pub struct KernelWatch {
    kernel: Arc<dyn KernelClock>,
    shown: Arc<Latch<{ Observation::WORDS }>>,
    last: Observation,
    require_synchronised: bool,
    told: Condition,
    told_leap: Leap,
}

/// How the kernel's clock stands, as far as there is something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Synchronised,
    Unsynchronised,
    Refused,
}

impl Condition {
    fn of(answer: &io::Result<KernelState>) -> Self {
        match answer {
            Ok(state) if state.synchronised => Self::Synchronised,
            Ok(_) => Self::Unsynchronised,
            Err(_) => Self::Refused,
        }
    }
}

impl KernelWatch {
    /// A watch that has looked once, at the moment `now`.
    pub(crate) fn begun(
        kernel: Arc<dyn KernelClock>,
        now: HostInstant,
        require_synchronised: bool,
    ) -> Self {
        let last = Observation::NONE.followed_by(now, &kernel.state());
        Self {
            kernel,
            shown: Arc::new(Latch::new(last.to_words())),
            last,
            require_synchronised,
            told: Condition::Synchronised,
            told_leap: Leap::None,
        }
    }

    /// Where the readers find what was seen last.
    pub(crate) fn shown(&self) -> Arc<Latch<{ Observation::WORDS }>> {
        Arc::clone(&self.shown)
    }

    fn tell_condition(&mut self, answer: &io::Result<KernelState>) -> Option<Notice> {
        let condition = Condition::of(answer);
        if condition == self.told {
            return None;
        }
        self.told = condition;
        advice(answer, self.require_synchronised).or_else(|| {
            let bound = self.last.maximum_error.to_std();
            Some(good_to_know(format!(
                "the kernel's clock is synchronised now, its maximum error is {bound:?}"
            )))
        })
    }

    fn tell_leap(&mut self, now: HostInstant) -> Option<Notice> {
        let told = self.told_leap.if_ahead_of(now.monotonic);
        let coming = self.last.leap.if_ahead_of(now.monotonic);
        self.told_leap = coming;
        let text = match (told, coming) {
            (Leap::None, Leap::None)
            | (Leap::Insert { .. }, Leap::Insert { .. })
            | (Leap::Delete { .. }, Leap::Delete { .. }) => return None,
            (_, Leap::Insert { .. }) => {
                "a leap second is announced: 23:59:60 comes at the end of this UTC day"
            }
            (_, Leap::Delete { .. }) => {
                "a leap second is announced: this UTC day ends with 23:59:58"
            }
            (_, Leap::None) => "the leap second that was announced is withdrawn",
        };
        Some(good_to_know(text.to_owned()))
    }
}

impl Upkeep for KernelWatch {
    fn tend(&mut self, now: HostInstant) -> Option<Notice> {
        let answer = self.kernel.state();
        self.last = self.last.followed_by(now, &answer);
        self.shown.write(self.last.to_words());
        if let Some(notice) = self.tell_condition(&answer) {
            return Some(notice); // a leap second can wait for the next second
        }
        answer.ok()?; // a kernel that says nothing withdraws nothing
        self.tell_leap(now)
    }
}

/// What an operator should be told of the kernel's `answer`, with the remedy;
/// `None` if its clock is synchronised.
///
/// The same sentence in the log and from `timeball check`.
#[must_use]
pub fn advice(answer: &io::Result<KernelState>, require_synchronised: bool) -> Option<Notice> {
    let (what, remedy) = match answer {
        Ok(state) if state.synchronised => return None,
        Ok(_) => (
            "the kernel's clock is not synchronised".to_owned(),
            "run chronyd, ntpd or systemd-timesyncd on this host",
        ),
        Err(refusal) => (
            format!(
                "the kernel's clock state cannot be read ({refusal}), which counts as not synchronised"
            ),
            "allow the system call adjtimex in this process's sandbox",
        ),
    };
    let text = if require_synchronised {
        format!(
            "{what}, so clients are told not to trust it: {remedy}, \
             or set require_synchronised = false to serve its time all the same"
        )
    } else {
        format!(
            "{what}, and its time is served all the same: {remedy}, \
             or set require_synchronised = true to tell clients not to trust it"
        )
    };
    Some(Notice {
        is_warning: true,
        text,
    })
}

fn good_to_know(text: String) -> Notice {
    Notice {
        is_warning: false,
        text,
    }
}

//! What an operator is told, and how often.

use crate::machine::{FREE_RUNNING, IN_ORDER, Machine, noon};
use std::sync::Arc;
use timeball_api::source::Notice;
use timeball_api::{Delta, KernelClock, KernelState, LeapSchedule, Upkeep};
use timeball_system::{KernelWatch, Settings, SystemSource, advice};

/// A watch over a kernel that a test moves, a second at a time.
struct Watched {
    machine: Arc<Machine>,
    watch: KernelWatch,
    seconds: i64,
}

impl Watched {
    fn new(state: KernelState) -> Self {
        let machine = Machine::new(state);
        let (_source, watch) = SystemSource::on(&machine.host(), Settings::default());
        Self {
            machine,
            watch,
            seconds: 0,
        }
    }

    fn tend(&mut self) -> Option<Notice> {
        self.seconds += 1;
        let now = noon().later_by(Delta::from_seconds(self.seconds));
        self.watch.tend(now)
    }

    /// The notice, which must come at once and only once.
    fn told(&mut self) -> Notice {
        let notice = self.tend().expect("there is something to tell");
        assert_eq!(self.tend(), None, "told twice");
        notice
    }
}

#[test]
fn a_clock_in_order_is_not_worth_a_word() {
    let mut watched = Watched::new(IN_ORDER);
    assert_eq!(watched.tend(), None);
    assert_eq!(watched.tend(), None);
}

#[test]
fn an_unsynchronised_clock_is_told_once_with_the_remedy() {
    let mut watched = Watched::new(FREE_RUNNING);
    let notice = watched.told();
    assert!(notice.is_warning);
    assert!(notice.text.contains("not synchronised"), "{}", notice.text);
    assert!(notice.text.contains("chronyd"), "{}", notice.text);
}

#[test]
fn the_return_to_synchronisation_is_told_once() {
    let mut watched = Watched::new(FREE_RUNNING);
    watched.told();
    watched.machine.say(IN_ORDER);
    let notice = watched.told();
    assert!(!notice.is_warning);
    assert!(notice.text.contains("is synchronised now"));
    assert!(notice.text.contains("3ms"), "{}", notice.text);
    watched.machine.say(FREE_RUNNING);
    assert!(watched.told().is_warning);
}

#[test]
fn a_refusal_is_told_with_its_reason_and_its_remedy() {
    let mut watched = Watched::new(FREE_RUNNING);
    watched.told();
    watched.machine.refuse();
    let notice = watched.told();
    assert!(notice.is_warning);
    assert!(notice.text.contains("permission denied"), "{}", notice.text);
    assert!(notice.text.contains("adjtimex"), "{}", notice.text);
}

#[test]
fn a_leap_second_is_told_when_it_is_announced_and_when_it_is_withdrawn() {
    for (leap, word) in [
        (LeapSchedule::InsertToday, "23:59:60"),
        (LeapSchedule::DeleteToday, "23:59:58"),
    ] {
        let mut watched = Watched::new(KernelState { leap, ..IN_ORDER });
        let notice = watched.told();
        assert!(!notice.is_warning && notice.text.contains(word));
        watched.machine.say(IN_ORDER);
        assert!(watched.told().text.contains("withdrawn"));
    }
}

#[test]
fn a_leap_second_that_has_passed_is_not_called_withdrawn() {
    let leap = LeapSchedule::InsertToday;
    let mut watched = Watched::new(KernelState { leap, ..IN_ORDER });
    watched.told();
    watched.machine.say(IN_ORDER);
    watched.seconds = 43_201;
    assert_eq!(watched.tend(), None);
}

#[test]
fn two_changes_at_once_are_told_one_after_the_other() {
    let leap = LeapSchedule::InsertToday;
    let mut watched = Watched::new(KernelState {
        leap,
        ..FREE_RUNNING
    });
    let first = watched.tend().expect("the clock is not synchronised");
    let second = watched.tend().expect("a leap second is announced");
    assert!(first.is_warning && !second.is_warning);
    assert_eq!(watched.tend(), None);
}

#[test]
fn the_advice_outside_of_the_log_is_the_same_sentence() {
    let mut watched = Watched::new(FREE_RUNNING);
    let said = advice(&watched.machine.state(), false);
    assert_eq!(watched.tend(), said);
    assert_eq!(advice(&Ok(IN_ORDER), false), None);
    assert_eq!(advice(&Ok(IN_ORDER), true), None);
}

#[test]
fn the_advice_names_the_other_choice_of_the_setting() {
    for (required, other) in [(false, "true"), (true, "false")] {
        let notice = advice(&Ok(FREE_RUNNING), required).expect("not synchronised");
        let choice = format!("require_synchronised = {other}");
        assert!(notice.text.contains(&choice), "{}", notice.text);
    }
}

//! Capabilities: what is left of root's rights.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// The right to set the clock is still there: it is taken away before anything else.
#[derive(Debug, thiserror::Error)]
#[error("CAP_SYS_TIME cannot be given up: {0}")]
pub struct ClockNotGivenUp(String);

/// Gives up the right to set the clock, for good: CAP_SYS_TIME leaves every set of
/// this thread and of those that it starts, and with `no_new_privs` no program that
/// it may start regains it by its file.
///
/// Nobody but root can take it out of the bounding set; elsewhere that set says what a
/// setuid program would get, and `no_new_privs` leaves that without a meaning.
///
/// # Errors
/// The kernel's; it refuses none of this unless a filter of calls makes it.
pub fn give_up_the_clock() -> Result<(), ClockNotGivenUp> {
    const CLOCK: Capability = Capability::CAP_SYS_TIME;
    let give_up = || -> Result<(), String> {
        if may(Capability::CAP_SETPCAP) {
            caps::drop(None, CapSet::Bounding, CLOCK).map_err(told)?;
        }
        if caps::has_cap(None, CapSet::Ambient, CLOCK).unwrap_or(false) {
            caps::drop(None, CapSet::Ambient, CLOCK).map_err(told)?;
        }
        for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
            if caps::has_cap(None, set, CLOCK).map_err(told)? {
                caps::drop(None, set, CLOCK).map_err(told)?;
            }
        }
        rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())
    };
    give_up().map_err(ClockNotGivenUp)
}

/// Whether this thread has that capability now.
pub(super) fn may(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// The capabilities that are kept, of those that this thread has.
pub(super) fn kept(low_ports: bool) -> CapsHashSet {
    let may_have_it = caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_BIND_SERVICE);
    if low_ports && may_have_it.unwrap_or(false) {
        [Capability::CAP_NET_BIND_SERVICE].into()
    } else {
        CapsHashSet::new()
    }
}

/// Takes all but `kept` out of the bounding set. Who has no CAP_SETPCAP cannot;
/// then no program can be given them either, thanks to `no_new_privs`.
pub(super) fn narrow_bounding(kept: &CapsHashSet) -> Result<(), String> {
    if !may(Capability::CAP_SETPCAP) {
        return Ok(());
    }
    let bounding = caps::read(None, CapSet::Bounding).map_err(told)?;
    for capability in bounding.difference(kept) {
        caps::drop(None, CapSet::Bounding, *capability).map_err(told)?;
    }
    Ok(())
}

/// Leaves this thread `kept` and no other capability, and nothing to hand on.
pub(super) fn keep_only(kept: &CapsHashSet) -> Result<(), String> {
    // The kernel has no ambient set before 4.3, and then nothing is in it.
    let _ = caps::clear(None, CapSet::Ambient);
    // What is effective has to be permitted at any moment.
    caps::set(None, CapSet::Effective, kept).map_err(told)?;
    caps::set(None, CapSet::Permitted, kept).map_err(told)?;
    caps::clear(None, CapSet::Inheritable).map_err(told)
}

fn told(error: CapsError) -> String {
    error.to_string()
}

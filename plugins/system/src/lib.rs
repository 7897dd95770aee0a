//! The `system` time source: the host's UTC, and what the kernel knows of it.
//!
//! The time is that of the moment asked about, so a reading costs nothing. The
//! rest (is the clock disciplined, how far off may it be, is a leap second
//! coming) is asked of the kernel once a second by a [`KernelWatch`], away
//! from the datagrams, and carried forward by each reading:
//!
//! - the root dispersion of a synchronised clock is the kernel's maximum
//!   error, grown by 500 ppm since it was read;
//! - the leap indicator warns from at most 24 hours before a leap second,
//!   changes at the very moment of the leap, and is 3 (the alarm) while the
//!   inserted second passes, because the kernel then counts 23:59:59 twice;
//! - the reference timestamp is the host's UTC when the kernel last answered.
//!
//! A clock that nothing disciplines is served all the same, at stratum 10 and
//! with a modest root dispersion, unless `require_synchronised` is set: on an
//! island without a better clock, that all agree matters more.
//!
//! ```
//! use std::sync::Arc;
//! use timeball_api::{Host, HostClock, HostInstant, KernelClock, KernelState, TimeSource};
//! use timeball_system::{Settings, SystemSource};
//!
//! # struct Machine;
//! # impl HostClock for Machine {
//! #     fn now(&self) -> HostInstant { HostInstant::default() }
//! # }
//! # impl KernelClock for Machine {
//! #     fn state(&self) -> std::io::Result<KernelState> {
//! #         Err(std::io::ErrorKind::PermissionDenied.into())
//! #     }
//! # }
//! # let machine = Arc::new(Machine);
//! let host = Host { clock: machine.clone(), kernel: machine, precision_log2_s: -25 };
//! let (source, _watch) = SystemSource::on(&host, Settings::default());
//! let now = host.clock.now();
//! assert_eq!(source.read(now)?.time, now.realtime);
//! # Ok::<(), timeball_api::Unavailable>(())
//! ```

mod latch;
mod leap;
mod observation;
mod source;
mod watch;

pub use source::{Settings, SystemSource};
pub use watch::{KernelWatch, advice};

use std::sync::Arc;
use timeball_api::settings::{Accepts, Built, Default, Key, Kind, Problem, Values};
use timeball_api::{Host, Source, keys};

/// The declaration of this kind of source: its settings and its builder.
pub const KIND: Kind = Kind {
    name: "system",
    summary: "the host's UTC, with what the kernel knows of its synchronisation and leap seconds",
    keys: &[
        keys::STRATUM,
        keys::REFERENCE_ID,
        Key {
            default: Default::Absent("the kernel's"),
            help: "the leap indicator to give in the place of the kernel's (0 to 3 on the wire)",
            ..keys::LEAP_INDICATOR
        },
        Key {
            help: "root dispersion while the kernel's clock is not synchronised; seconds, or with a unit",
            ..keys::ROOT_DISPERSION
        },
        Key {
            name: REQUIRE_SYNCHRONISED,
            accepts: Accepts::Flag,
            default: Default::Is("false"),
            help: "whether clients are told (leap indicator 3) when the kernel's clock is not synchronised",
        },
    ],
    build,
};

/// The name of the setting that [`advice`] depends on.
pub const REQUIRE_SYNCHRONISED: &str = "require_synchronised";

fn build(values: &Values, host: &Host) -> Result<Built, Problem> {
    let settings = Settings {
        stratum: keys::stratum(values),
        reference_id: values.reference_id("reference_id"),
        leap_indicator: keys::leap_indicator(values),
        root_dispersion: values.duration("root_dispersion"),
        require_synchronised: values.flag(REQUIRE_SYNCHRONISED),
    };
    let (source, watch) = SystemSource::on(host, settings);
    Ok(Built {
        source: Source::new(source, Arc::clone(&host.clock)),
        upkeep: Some(Box::new(watch)),
    })
}

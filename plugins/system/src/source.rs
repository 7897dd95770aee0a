//! The readings: a pure function of the moment and of what was last seen of
//! the kernel.

use crate::latch::Latch;
use crate::observation::{NANOS_PER_NANO_OF_ERROR, Observation};
use crate::watch::KernelWatch;
use std::num::NonZeroU32;
use std::sync::Arc;
use timeball_api::{
    Delta, Forecast, Host, HostInstant, LeapIndicator, Monotonic, Quality, Reading, ReferenceId,
    Stretch, TimeSource, Unavailable,
};

/// What the source says of itself, beside what the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The stratum, 1 to 15.
    pub stratum: u8,
    /// The reference id.
    pub reference_id: ReferenceId,
    /// The leap indicator to give in the place of the kernel's.
    pub leap_indicator: Option<LeapIndicator>,
    /// The root dispersion while the kernel's clock is not synchronised; not
    /// negative. The kernel's own figure is then 16 s, at which clients refuse
    /// a server.
    pub root_dispersion: Delta,
    /// Whether the reading says so when the kernel's clock is not
    /// synchronised: leap indicator 3, stratum 16.
    pub require_synchronised: bool,
}

impl Default for Settings {
    /// Stratum 10, reference id 127.127.1.1, the kernel's leap indicator, a
    /// root dispersion of 10 ms, served whether synchronised or not.
    fn default() -> Self {
        Self {
            stratum: 10,
            reference_id: ReferenceId::LOCAL_CLOCK,
            leap_indicator: None,
            root_dispersion: Delta::from_millis(10),
            require_synchronised: false,
        }
    }
}

/// The host's clock, with what the kernel knows of it.
///
/// A reading never waits, whatever the [`KernelWatch`] beside it is doing.
pub struct SystemSource {
    seen: Arc<Latch<{ Observation::WORDS }>>,
    settings: Settings,
    precision_log2_s: i8,
}

impl SystemSource {
    /// The source on the clocks of `host`, with a first look at the kernel's
    /// state already made, and the watch that must look from then on.
    ///
    /// Without the watch's work nothing breaks, but nothing new is seen: the
    /// root dispersion grows, and the reference timestamp grows old.
    #[must_use]
    pub fn on(host: &Host, settings: Settings) -> (Self, KernelWatch) {
        let kernel = Arc::clone(&host.kernel);
        let watch = KernelWatch::begun(kernel, host.clock.now(), settings.require_synchronised);
        let source = Self {
            seen: watch.shown(),
            settings,
            precision_log2_s: host.precision_log2_s,
        };
        (source, watch)
    }
}

impl SystemSource {
    /// The reading of the moment `at`, by what was `seen` of the kernel.
    fn reading(&self, seen: &Observation, at: HostInstant) -> Reading {
        let settings = &self.settings;
        let is_refused = settings.require_synchronised && !seen.is_synchronised;
        let quality = Quality {
            leap_indicator: if is_refused {
                LeapIndicator::Unsynchronised
            } else {
                let of_the_kernel = || seen.leap.indicator(at.monotonic);
                settings.leap_indicator.unwrap_or_else(of_the_kernel)
            },
            stratum: if is_refused {
                Quality::UNSYNCHRONISED_STRATUM
            } else {
                settings.stratum
            },
            precision_log2_s: self.precision_log2_s,
            reference_id: settings.reference_id,
            // A datagram may have come in just before the last look.
            reference_timestamp: seen.checked.map(|checked| checked.min(at.realtime)),
            root_delay: Delta::ZERO,
            root_dispersion: if seen.is_synchronised {
                seen.error_bound(at.monotonic)
            } else {
                settings.root_dispersion
            },
        };
        Reading {
            time: at.realtime,
            quality,
        }
    }

    /// How it goes on from the moment `at`, by what was `seen` of the kernel.
    fn stretch(&self, seen: &Observation, at: HostInstant) -> Stretch {
        let mut reading = self.reading(seen, at);
        // A step back, or a leap second, may lie between the look and now: each
        // reading cuts it off by itself.
        reading.quality.reference_timestamp = seen.checked;
        if !seen.is_synchronised {
            return Stretch {
                from: at.monotonic,
                reading,
                drift_ppt: 0,
                dispersion_grows_in: None,
            };
        }
        // What grows is rounded up as it is counted: from the look at the kernel.
        reading.time = at.realtime + (seen.made - at.monotonic);
        reading.quality.root_dispersion = seen.maximum_error;
        let nanos = u32::try_from(NANOS_PER_NANO_OF_ERROR).ok();
        Stretch {
            from: seen.made,
            reading,
            drift_ppt: 0,
            dispersion_grows_in: nanos.and_then(NonZeroU32::new),
        }
    }
}

impl TimeSource for SystemSource {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        let seen = Observation::from_words(self.seen.read());
        Ok(self.reading(&seen, seen.leap.made_at(at)))
    }

    /// Straight on with the host's clock, up to the next change that a leap
    /// second makes; the kernel steps its clock there by itself.
    fn forecast(&self, at: HostInstant) -> Option<Forecast> {
        let seen = Observation::from_words(self.seen.read());
        let at = seen.leap.made_at(at);
        let next = |change: Monotonic| {
            let realtime = at.realtime + (change - at.monotonic);
            let jump = seen.leap.jump_between(at.monotonic, change);
            let then = HostInstant {
                realtime: realtime + jump,
                monotonic: change,
                ..at
            };
            (change, self.stretch(&seen, then))
        };
        Some(Forecast {
            now: self.stretch(&seen, at),
            next: seen.leap.next_change(at.monotonic).map(next),
        })
    }
}

//! The kinds of time source that this server has: the one place that names
//! them.
//!
//! A kind is a crate under `plugins/` that depends on [`timeball_api`] alone and
//! declares itself in a [`Kind`]: its name, its settings and its builder. A new
//! one is its crate and a line in [`KINDS`]; the settings file, its errors,
//! `timeball check` and `timeball sources` follow from the declaration.

use timeball_api::Host;
use timeball_api::settings::{Built, Kind, Problem, Values};
use timeball_mock::MockClock;

/// Every kind of time source, in the order in which they are listed to people.
pub const KINDS: &[Kind] = &[
    timeball_system::KIND,
    timeball_monotonic_offset::KIND,
    timeball_mock::KIND,
];

/// The kind that is called `name` in the settings, if there is one.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// A time source, ready to be served and tended.
pub struct BuiltSource {
    /// The source and its upkeep.
    pub built: Built,
    /// The handle by which a test moves the source, if it is a mock.
    pub mock: Option<MockClock>,
}

/// Builds a source of this kind from its checked settings, on the clocks of
/// `host`.
///
/// # Errors
/// The key to change, where values that are each accepted cannot stand
/// together.
pub fn build(kind: &Kind, values: &Values, host: &Host) -> Result<BuiltSource, Problem> {
    if kind.name == timeball_mock::KIND.name {
        let mock = timeball_mock::clock(values, host)?;
        return Ok(BuiltSource {
            built: mock.source().into(),
            mock: Some(mock),
        });
    }
    Ok(BuiltSource {
        built: (kind.build)(values, host)?,
        mock: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use std::collections::BTreeSet;
    use std::io;
    use std::sync::Arc;
    use timeball_api::conformance::check_source;
    use timeball_api::{Delta, KernelClock, KernelState, Timestamp};

    struct NoKernel;

    impl KernelClock for NoKernel {
        fn state(&self) -> io::Result<KernelState> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn host() -> Host {
        let noon = Timestamp::from_unix_seconds(1_798_718_400);
        Host {
            clock: MockClock::manual(noon).source().clock,
            kernel: Arc::new(NoKernel),
            precision_log2_s: -25,
        }
    }

    /// A source of this kind with nothing but defaults and `more`.
    fn built(kind: &Kind, more: &str) -> BuiltSource {
        let settings = Settings::from_toml(&format!(
            "listeners = [{{ protocol = 'time', address = '127.0.0.1:0', source = 'it' }}]\n\
             [sources.it]\n\
             kind = '{}'\n{more}",
            kind.name
        ));
        let settings = settings.unwrap_or_else(|errors| panic!("{}: {errors}", kind.name));
        build(kind, &settings.sources["it"].values, &host())
            .unwrap_or_else(|problem| panic!("{}: {problem:?}", kind.name))
    }

    #[test]
    fn every_kind_builds_from_its_defaults_and_conforms() {
        for kind in KINDS {
            let source = built(kind, "").built.source;
            check_source(&*source.time, source.clock.now());
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name_alone() {
        for wanted in KINDS {
            assert_eq!(kind(wanted.name).map(|kind| kind.name), Some(wanted.name));
        }
        assert!(kind("").is_none());
        assert!(kind("System").is_none());
    }

    #[test]
    fn kinds_and_their_keys_have_names_of_their_own_and_a_line_of_help() {
        let one_line = |text: &str| {
            assert!(!text.trim().is_empty() && !text.contains('\n'), "{text:?}");
            assert!(!text.ends_with('.'), "{text:?} stands in a list");
        };
        let mut kinds = BTreeSet::new();
        for kind in KINDS {
            assert!(kinds.insert(kind.name), "{} is there twice", kind.name);
            one_line(kind.summary);
            // `kind` itself stands beside the keys.
            let mut keys = BTreeSet::from(["kind"]);
            for key in kind.keys {
                let name = key.name;
                assert!(keys.insert(name), "{}.{name} is there twice", kind.name);
                let is_fit = |octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
                assert!(!name.is_empty() && name.bytes().all(is_fit), "{name:?}");
                one_line(key.help);
            }
        }
    }

    #[test]
    fn a_mock_comes_with_the_handle_that_moves_it_and_nothing_else_does() {
        for kind in KINDS {
            let built = built(kind, "");
            let is_mock = kind.name == "mock";
            assert_eq!(built.mock.is_some(), is_mock, "{}", kind.name);
            assert_eq!(built.built.source.test_time, is_mock, "{}", kind.name);
            if let Some(mock) = built.mock {
                let source = built.built.source;
                mock.advance(Delta::from_seconds(7));
                let reading = source.time.read(source.clock.now());
                assert_eq!(reading.map(|reading| reading.time), Ok(mock.now()));
            }
        }
    }

    #[test]
    fn the_system_clock_is_the_only_one_that_needs_upkeep() {
        for kind in KINDS {
            let needs_upkeep = built(kind, "").built.upkeep.is_some();
            assert_eq!(needs_upkeep, kind.name == "system", "{}", kind.name);
        }
    }

    #[test]
    fn the_settings_reach_the_source() {
        let kind = kind("mock").expect("there is a mock");
        let more = "start = '2000-01-01T00:00:00Z'\nreference_id = 'GPS'\nroot_delay = '250ms'\n";
        let source = built(kind, more).built.source;
        let reading = source
            .time
            .read(source.clock.now())
            .expect("a mock has a time");
        assert_eq!(reading.time, Timestamp::from_unix_seconds(946_684_800));
        assert_eq!(reading.quality.reference_id.to_string(), "GPS");
        assert_eq!(reading.quality.root_delay, Delta::from_millis(250));
    }
}

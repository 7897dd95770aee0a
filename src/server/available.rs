//! The time sources of a server: those in its settings, and those it was given.

use super::StartError;
use crate::actors::supervisor::UpkeepChange;
use crate::api::{Host, Source};
use crate::settings::{Settings, SourceSettings};
use crate::sources;
use std::collections::{BTreeMap, BTreeSet};
use timeball_mock::MockClock;

/// The sources that a server's listeners may name.
#[derive(Default)]
pub struct Available {
    /// By the names that listeners use.
    pub sources: BTreeMap<String, Source>,
    /// The handles of those that are mocks.
    pub mocks: BTreeMap<String, MockClock>,
    /// What those were built from that were not given.
    built_from: BTreeMap<String, SourceSettings>,
}

/// The sources that take the place of others.
pub struct NextSources {
    /// All there are then.
    pub available: Available,
    /// The names of those that are new, or others than before.
    pub fresh: BTreeSet<String>,
    /// What of it needs something done now and then.
    pub upkeep: UpkeepChange,
}

impl Available {
    /// The sources of `settings`, where they were not given: as they are where
    /// their settings are the same, else built.
    ///
    /// # Errors
    /// The settings of a source that cannot stand together.
    pub fn next(
        &self,
        settings: &Settings,
        given: &BTreeMap<String, Source>,
        host: &Host,
    ) -> Result<NextSources, StartError> {
        let mut next = NextSources {
            available: Self {
                sources: given.clone(),
                ..Self::default()
            },
            fresh: BTreeSet::new(),
            upkeep: UpkeepChange::default(),
        };
        for (name, wanted) in &settings.sources {
            if given.contains_key(name) {
                continue;
            }
            let (source, mock) = match self.sources.get(name) {
                Some(source) if self.built_from.get(name) == Some(wanted) => {
                    (source.clone(), self.mocks.get(name).cloned())
                }
                _ => {
                    let built = sources::build(wanted.kind, &wanted.values, host);
                    let built = built.map_err(|problem| StartError::Source {
                        name: name.clone(),
                        problem,
                    })?;
                    next.fresh.insert(name.clone());
                    let upkeep = built.built.upkeep.into_iter();
                    let added = upkeep.map(|task| (name.clone(), task));
                    next.upkeep.added.extend(added);
                    (built.built.source, built.mock)
                }
            };
            let available = &mut next.available;
            available.sources.insert(name.clone(), source);
            available.built_from.insert(name.clone(), wanted.clone());
            if let Some(mock) = mock {
                available.mocks.insert(name.clone(), mock);
            }
        }
        let is_gone = |name: &&String| {
            next.fresh.contains(*name) || !next.available.sources.contains_key(*name)
        };
        next.upkeep.removed = self.built_from.keys().filter(is_gone).cloned().collect();
        Ok(next)
    }

    /// What kind of source this is; `None` where it was given, or there is none.
    pub fn kind(&self, name: &str) -> Option<&'static str> {
        self.built_from.get(name).map(|built| built.kind.name)
    }

    /// The source that the listener of this number names.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn get(&self, listener: usize, name: &str) -> Result<&Source, StartError> {
        self.sources
            .get(name)
            .ok_or_else(|| StartError::NoSuchSource {
                listener,
                source_name: name.to_owned(),
            })
    }
}

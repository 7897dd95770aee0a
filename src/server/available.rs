//! The time sources of a server: those in its settings, and those it was given.

use super::StartError;
use crate::api::{Host, Source, Upkeep};
use crate::settings::Settings;
use crate::sources;
use std::collections::BTreeMap;
use timeball_mock::MockClock;

/// The sources that a server's listeners may name.
pub struct Available {
    /// By the names that listeners use.
    pub sources: BTreeMap<String, Source>,
    /// The handles of those that are mocks.
    pub mocks: BTreeMap<String, MockClock>,
    /// What they need done now and then.
    pub upkeep: Vec<Box<dyn Upkeep>>,
}

impl Available {
    /// Builds the sources of `settings` that were not given.
    ///
    /// # Errors
    /// The settings of a source that cannot stand together.
    pub fn build(
        settings: &Settings,
        given: BTreeMap<String, Source>,
        host: &Host,
    ) -> Result<Self, StartError> {
        let mut all = Self {
            sources: given,
            mocks: BTreeMap::new(),
            upkeep: Vec::new(),
        };
        for (name, source) in &settings.sources {
            if all.sources.contains_key(name) {
                continue;
            }
            let built = sources::build(source.kind, &source.values, host).map_err(|problem| {
                StartError::Source {
                    name: name.clone(),
                    problem,
                }
            })?;
            all.sources.insert(name.clone(), built.built.source);
            all.upkeep.extend(built.built.upkeep);
            if let Some(mock) = built.mock {
                all.mocks.insert(name.clone(), mock);
            }
        }
        Ok(all)
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

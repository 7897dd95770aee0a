//! What became of settings that were read again.

use super::{BoundListener, StartError};
use crate::api::Source;
use crate::settings::SettingsErrors;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// What other settings changed of a server that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Listeners that are new, or have moved here.
    pub added: Vec<BoundListener>,
    /// Listeners that are gone.
    pub removed: Vec<BoundListener>,
    /// Listeners that serve something else now, on the same sockets.
    pub changed: Vec<BoundListener>,
    /// How many listeners nothing was done to.
    pub untouched: usize,
    /// The sources, by their names.
    pub sources: Renamed,
    /// Settings that are other now, and take effect when the server is started
    /// anew.
    pub needs_restart: Vec<&'static str>,
}

/// What became of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that are made anew from other settings.
    pub changed: Vec<String>,
}

impl Renamed {
    pub(super) fn between(
        old: &BTreeMap<String, Source>,
        new: &BTreeMap<String, Source>,
        fresh: &BTreeSet<String>,
    ) -> Self {
        let (changed, added) = fresh
            .iter()
            .cloned()
            .partition(|name| old.contains_key(name));
        let removed = old.keys().filter(|name| !new.contains_key(*name));
        Self {
            added,
            removed: removed.cloned().collect(),
            changed,
        }
    }
}

impl fmt::Display for Reloaded {
    /// One line of `key=value`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            added,
            removed,
            changed,
            untouched,
            sources,
            needs_restart,
        } = self;
        write!(
            f,
            "listeners_added={} listeners_removed={} listeners_changed={} \
             listeners_untouched={untouched} sources_added={} sources_removed={} \
             sources_changed={}",
            added.len(),
            removed.len(),
            changed.len(),
            sources.added.len(),
            sources.removed.len(),
            sources.changed.len(),
        )?;
        if !needs_restart.is_empty() {
            write!(f, " needs_restart={}", needs_restart.join(","))?;
        }
        Ok(())
    }
}

/// Why settings were read again and nothing changed.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// Something is wrong with them.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// They cannot be had on this host as it is now.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server was made of settings that have no file.
    #[error("the settings of this server are in no file that could be read again")]
    NoFile,
    /// The server is ending.
    #[error("the server is ending")]
    Ending,
}

//! The walk over the merged tree: every value against its declaration, then
//! the settings against one another. It goes on after an error.

mod admission;
mod log;
mod sandbox;
mod web;
mod xdp;

use super::addresses::{Place, conflict};
use super::errors::{Origin, SettingsError, SettingsErrors, alternatives, hint};
use super::loader::Environment;
use super::schema::{self, CONTROL, HTTP, KIND, LISTENER, PROTOCOL, ProtocolSchema, TOP};
use super::strays::{self, Stray};
use super::tree::{Origins, Table, Tree, is_plain};
use super::value::{Given, Refusal, check, describe, is_source_name};
use super::zone::{self, NoLocalZone};
use super::{ListenerSettings, ProtocolSettings, Settings, SourceSettings, count};
use crate::api::Delta;
use crate::api::settings::{Accepts, Default, Key, Kind, Values};
use crate::sources::{self, KINDS};
use chrono_tz::Tz;
use config::{Value, ValueKind};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// The list of listeners.
pub(super) const LISTENERS: &str = "listeners";
/// The table of sources.
pub(super) const SOURCES: &str = "sources";
/// The kind whose requests are served in one order by one responder.
const MOCK: &str = "mock";
/// The table of the log.
pub(super) const LOG_TABLE: &str = "log";
/// The table of admission.
pub(super) const ADMISSION_TABLE: &str = "admission";
/// The table of limits in that of admission.
pub(super) const RATE_LIMIT_TABLE: &str = "rate_limit";
/// The table of control.
pub(super) const CONTROL_TABLE: &str = "control";
/// The table of metrics and status over HTTP.
pub(super) const HTTP_TABLE: &str = "http";
/// The table of the sandbox.
pub(super) const SANDBOX_TABLE: &str = "sandbox";
/// The table of answers from the network driver.
pub(super) const XDP_TABLE: &str = "xdp";

/// The settings that `tree` says; of the `environment`, beside what is in it
/// already, `TZ` and the tokens count. `errors` are those that are known already.
///
/// # Errors
/// Those, and everything else that is wrong.
pub(super) fn settle(
    name: &str,
    tree: &Tree,
    environment: &Environment,
    errors: Vec<SettingsError>,
) -> Result<Settings, SettingsErrors> {
    let mut walk = Walk {
        file: Origin::File {
            name: name.to_owned(),
            line: None,
        },
        origins: &tree.origins,
        tz: environment.get("TZ"),
        local: OnceCell::new(),
        errors,
    };
    let top_keys: Vec<&Key> = TOP.iter().collect();
    let top = walk.table(
        "",
        &tree.root,
        &walk.file.clone(),
        &top_keys,
        strays::of_the_top,
    );
    let log = walk.log(tree.root.get(LOG_TABLE));
    let admission = walk.admission(tree.root.get(ADMISSION_TABLE));
    let control = walk.control(tree.root.get(CONTROL_TABLE), environment);
    let http = walk.http(tree.root.get(HTTP_TABLE), environment, control.as_ref());
    let sandbox = walk.sandbox(tree.root.get(SANDBOX_TABLE));
    let xdp = walk.xdp(tree.root.get(XDP_TABLE));
    let found = walk.sources(tree.root.get(SOURCES));
    let listeners = walk.listeners(tree.root.get(LISTENERS));
    walk.between(&listeners, &found);
    walk.local_zone();
    if !walk.errors.is_empty() {
        return Err(SettingsErrors::of(walk.errors));
    }
    let max_queue_delay = top.duration("max_queue_delay");
    let listeners = listeners.iter();
    let listeners = listeners.map(|it| ListenerSettings::from_values(&it.values));
    Ok(Settings {
        threads: count(&top, "threads"),
        batch: count(&top, "batch"),
        max_queue_delay: (max_queue_delay > Delta::ZERO).then_some(max_queue_delay),
        log: log.unwrap_or_default(),
        admission,
        control,
        http,
        sandbox,
        xdp,
        listeners: listeners.collect(),
        sources: found.sources,
    })
}

/// A listener whose keys are checked one by one.
pub(super) struct Listener<'t> {
    table: &'t Table,
    pub(super) protocol: Option<&'static ProtocolSchema>,
    pub(super) values: Values,
}

/// The sources, and the names of those that have errors of their own.
#[derive(core::default::Default)]
struct Found {
    sources: BTreeMap<String, SourceSettings>,
    broken: BTreeSet<String>,
}

struct Walk<'t> {
    file: Origin,
    origins: &'t Origins,
    tz: Option<&'t str>,
    /// The zone `local`, once something asked for it.
    local: OnceCell<Result<Tz, NoLocalZone>>,
    errors: Vec<SettingsError>,
}

impl<'t> Walk<'t> {
    fn origin(&self, value: &Value) -> Origin {
        self.origins.of(value).unwrap_or(&self.file).clone()
    }

    fn reject(&mut self, key: impl Into<String>, value: &Value, problem: impl Into<String>) {
        self.errors.push(SettingsError::Rejected {
            origin: self.origin(value),
            key: key.into(),
            value: self.origins.given(value).shown(),
            problem: problem.into(),
        });
    }

    /// The checked value of `given`, with `local` resolved when it is asked for.
    fn accepted(
        &self,
        key: &Key,
        given: Given<'_>,
    ) -> Result<crate::api::settings::Value, Refusal> {
        let local = match given {
            Given::Text("local") | Given::Untyped("local") => {
                let zone = self
                    .local
                    .get_or_init(|| zone::local(self.tz, zone::of_the_host));
                zone.as_ref().ok().copied()
            }
            _ => None,
        };
        check(&key.accepts, given, local)
    }

    /// Every declared key of a table, checked, with its default where it is
    /// absent; `stray` judges the others.
    fn table(
        &mut self,
        path: &str,
        table: &Table,
        origin: &Origin,
        keys: &[&'static Key],
        stray: impl Fn(&str) -> Stray,
    ) -> Values {
        let mut values = Values::default();
        for (name, value) in table {
            if keys.iter().any(|key| key.name == name) {
                continue;
            }
            if let Stray::Unknown(hint) = stray(name) {
                self.errors.push(SettingsError::UnknownKey {
                    origin: self.origin(value),
                    key: join(path, name),
                    hint,
                });
            }
        }
        for key in keys {
            let full = || join(path, key.name);
            let (given, value) = match (table.get(key.name), key.default) {
                (Some(value), _) => (self.origins.given(value), Some(value)),
                (None, Default::Is(text)) => (Given::Untyped(text), None),
                (None, Default::Absent(_)) => continue,
                (None, Default::Required) => {
                    self.errors.push(SettingsError::Missing {
                        origin: origin.clone(),
                        key: full(),
                        accepted: describe(&key.accepts),
                    });
                    continue;
                }
            };
            if let (Accepts::Networks, Some(value)) = (key.accepts, value)
                && let ValueKind::Array(list) = &value.kind
            {
                if let Some(networks) = self.networks(&full(), key, list) {
                    values.insert(key.name, networks);
                }
                continue;
            }
            match (self.accepted(key, given), value) {
                (Ok(value), _) => values.insert(key.name, value),
                // Told once, by `local_zone`.
                (Err(Refusal::NoLocalZone), _) => {}
                (Err(Refusal::Because(problem)), Some(value)) => {
                    self.reject(full(), value, problem);
                }
                (Err(Refusal::Because(problem)), None) => {
                    self.errors.push(SettingsError::Rejected {
                        origin: origin.clone(),
                        key: full(),
                        value: given.shown(),
                        problem: format!("the declared default is not accepted: {problem}"),
                    });
                }
            }
        }
        values
    }

    fn sources(&mut self, sources: Option<&'t Value>) -> Found {
        let mut found = Found::default();
        let Some(value) = sources else {
            return found;
        };
        let ValueKind::Table(sources) = &value.kind else {
            self.reject(SOURCES, value, "not a table; write [sources.NAME]");
            return found;
        };
        for (name, value) in sources {
            let path = join(SOURCES, name);
            let ValueKind::Table(table) = &value.kind else {
                self.reject(&path, value, "not a table; write [sources.NAME]");
                found.broken.insert(name.clone());
                continue;
            };
            if !is_source_name(name) {
                self.reject(
                    &path,
                    value,
                    "a source's name has only lower-case letters, digits and hyphens",
                );
            }
            let before = self.errors.len();
            let Some(kind) = self.kind(&path, value, table) else {
                found.broken.insert(name.clone());
                continue;
            };
            let keys: Vec<&Key> = kind.keys.iter().collect();
            let origin = self.origin(value);
            let values = self.table(&path, table, &origin, &keys, |key| {
                strays::of_kind(kind, key)
            });
            if self.errors.len() > before {
                found.broken.insert(name.clone());
            }
            found
                .sources
                .insert(name.clone(), SourceSettings { kind, values });
        }
        found
    }

    fn kind(&mut self, path: &str, source: &Value, table: &Table) -> Option<&'static Kind> {
        let key = join(path, KIND.name);
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let Some(value) = table.get(KIND.name) else {
            self.errors.push(SettingsError::Missing {
                origin: self.origin(source),
                key,
                accepted: alternatives(names),
            });
            return None;
        };
        let kind = match self.origins.given(value) {
            Given::Text(name) | Given::Untyped(name) => {
                sources::kind(name).ok_or_else(|| format!("unknown kind; {}", hint(name, &names)))
            }
            _ => Err(format!("not text; accepted: {}", alternatives(names))),
        };
        kind.map_err(|problem| self.reject(key, value, problem))
            .ok()
    }

    fn listeners(&mut self, listeners: Option<&'t Value>) -> Vec<Listener<'t>> {
        let tables: Vec<(usize, &Value)> = match listeners.map(|value| (value, &value.kind)) {
            None => Vec::new(),
            Some((_, ValueKind::Array(list))) => list.iter().enumerate().collect(),
            Some((value, _)) => {
                self.reject(
                    LISTENERS,
                    value,
                    "not a list of tables; write [[listeners]], in two brackets, for each",
                );
                return Vec::new();
            }
        };
        if tables.is_empty() {
            self.errors.push(SettingsError::Missing {
                origin: self.file.clone(),
                key: LISTENERS.to_owned(),
                accepted: "at least one [[listeners]] with protocol, address and source, and the \
                           [sources.NAME] that it names; `timeball settings` prints a file to \
                           start from"
                    .to_owned(),
            });
        }
        tables
            .into_iter()
            .filter_map(|(index, value)| self.listener(index, value))
            .collect()
    }

    fn listener(&mut self, index: usize, value: &'t Value) -> Option<Listener<'t>> {
        let path = listener_path(index);
        let ValueKind::Table(table) = &value.kind else {
            self.reject(path, value, "not a table; write [[listeners]] for each");
            return None;
        };
        let protocol = match table.get(PROTOCOL).map(|value| self.origins.given(value)) {
            Some(Given::Text(name) | Given::Untyped(name)) => schema::protocol(name),
            _ => None,
        };
        let own = protocol.map_or(&[][..], |protocol| protocol.keys);
        let keys: Vec<&Key> = LISTENER.iter().chain(own).collect();
        let origin = self.origin(value);
        let values = self.table(&path, table, &origin, &keys, |key| {
            strays::of_protocol(protocol, key)
        });
        let listener = Listener {
            table,
            protocol,
            values,
        };
        self.not_in_both(&path, table, &listener.values);
        self.format(&path, &listener);
        Some(listener)
    }

    /// Lets the protocol itself judge its format.
    fn format(&mut self, path: &str, listener: &Listener<'_>) {
        const FORMAT: &str = "format";
        let Some(value) = listener.table.get(FORMAT) else {
            return;
        };
        let Some(protocol) = listener.protocol else {
            return;
        };
        let mut values = listener.values.clone();
        if values.find_text(FORMAT).is_none() {
            return;
        }
        if values.find_text("timezone").is_none() {
            // An error of its own; the format is judged all the same.
            values.insert(
                "timezone",
                crate::api::settings::Value::Text("UTC".to_owned()),
            );
        }
        if let Err(error) = ProtocolSettings::from_values(protocol.name, &values).build() {
            self.reject(join(path, FORMAT), value, error.to_string());
        }
    }

    /// What only shows when settings are looked at together.
    fn between(&mut self, listeners: &[Listener<'t>], found: &Found) {
        for (index, listener) in listeners.iter().enumerate() {
            let path = listener_path(index);
            self.source_of(&path, listener, found);
            self.address_of(&path, listener, &listeners[..index]);
        }
    }

    fn source_of(&mut self, path: &str, listener: &Listener<'_>, found: &Found) {
        const NAME: &str = "source";
        let (Some(name), Some(value)) = (listener.values.find_text(NAME), listener.table.get(NAME))
        else {
            return;
        };
        let Some(source) = found.sources.get(&name) else {
            if !found.broken.contains(&name) {
                let all: BTreeSet<&str> = found
                    .sources
                    .keys()
                    .chain(&found.broken)
                    .map(String::as_str)
                    .collect();
                let names: Vec<&str> = all.into_iter().collect();
                let problem = if names.is_empty() {
                    format!("there are no sources; write [sources.{name}] with a `kind`")
                } else {
                    format!("there is no [sources.{name}]; {}", hint(&name, &names))
                };
                self.reject(join(path, NAME), value, problem);
            }
            return;
        };
        if source.kind.name != MOCK {
            return;
        }
        for (key, only) in [("responders", 1), ("responder_threads", 0)] {
            let given = listener.values.find_integer(key);
            if let (Some(given), Some(value)) = (given, listener.table.get(key))
                && given != only
            {
                let problem = format!(
                    "source `{name}` is a mock, whose requests are served in one order by one \
                     responder: only {only} is accepted"
                );
                self.reject(join(path, key), value, problem);
            }
        }
    }

    fn address_of(&mut self, path: &str, listener: &Listener<'_>, earlier: &[Listener<'_>]) {
        const ADDRESS: &str = "address";
        let (Some(address), Some(value)) = (
            listener.values.find_socket_address(ADDRESS),
            listener.table.get(ADDRESS),
        ) else {
            return;
        };
        let interface = listener.values.find_text("interface");
        let place = Place {
            address,
            interface: interface.as_deref(),
        };
        for (index, other) in earlier.iter().enumerate() {
            let Some(address) = other.values.find_socket_address(ADDRESS) else {
                continue;
            };
            let interface = other.values.find_text("interface");
            let taken = Place {
                address,
                interface: interface.as_deref(),
            };
            if conflict(place, taken) {
                let problem = format!(
                    "{} = \"{address}\" takes this port already; another port is needed",
                    join(&listener_path(index), ADDRESS)
                );
                self.reject(join(path, ADDRESS), value, problem);
                return;
            }
        }
    }

    /// Tells once that `local` is no zone, however often it was asked for.
    fn local_zone(&mut self) {
        let Some(Err(error)) = self.local.get() else {
            return;
        };
        let (origin, problem) = if error.from_variable {
            let variable = "TZ".to_owned();
            let value = self.tz.unwrap_or_default();
            (
                Origin::Environment { variable },
                format!("TZ is {value:?}: {}", error.problem),
            )
        } else {
            (self.file.clone(), error.problem.clone())
        };
        self.errors.push(SettingsError::Rejected {
            origin,
            key: "timezone".to_owned(),
            value: "\"local\"".to_owned(),
            problem,
        });
    }
}

/// The full name of the listener at `index`.
fn listener_path(index: usize) -> String {
    format!("{LISTENERS}[{index}]")
}

/// The full name of a key in a table; a key that is not plain in quotes.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = if is_plain(key) {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

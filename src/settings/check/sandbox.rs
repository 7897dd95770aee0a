//! The walk over `[sandbox]`.

use super::{SANDBOX_TABLE, Walk, join};
use crate::api::settings::Key;
use crate::settings::SandboxSettings;
use crate::settings::schema::SANDBOX;
use crate::settings::strays;
use crate::settings::tree::Table;
use config::{Value, ValueKind};

impl<'t> Walk<'t> {
    pub(super) fn sandbox(&mut self, sandbox: Option<&'t Value>) -> SandboxSettings {
        const REQUIRED: &str = "required";
        let none = Table::new();
        let before = self.errors.len();
        let (table, origin) = match sandbox.map(|value| (value, &value.kind)) {
            None => (&none, self.file.clone()),
            Some((value, ValueKind::Table(table))) => (table, self.origin(value)),
            Some((value, _)) => {
                self.reject(SANDBOX_TABLE, value, "not a table; write [sandbox]");
                return SandboxSettings::default();
            }
        };
        let keys: Vec<&Key> = SANDBOX.iter().collect();
        let values = self.table(SANDBOX_TABLE, table, &origin, &keys, strays::of_sandbox);
        if self.errors.len() > before {
            return SandboxSettings::default();
        }
        let settings = SandboxSettings::from_values(&values);
        if settings.required
            && !settings.enabled
            && let Some(value) = table.get(REQUIRED)
        {
            self.reject(
                join(SANDBOX_TABLE, REQUIRED),
                value,
                "there is none to be required where sandbox.enabled = false; false is accepted",
            );
        }
        settings
    }
}

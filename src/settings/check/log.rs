//! The walk over `[log]`.

use super::{LOG_TABLE, Walk, join};
use crate::api::settings::Key;
use crate::settings::log::{LogFormat, LogSettings, LogTarget, filter};
use crate::settings::schema::LOG;
use crate::settings::strays;
use config::{Value, ValueKind};

impl<'t> Walk<'t> {
    /// What `[log]` says; `None` where it is absent or wrong.
    pub(super) fn log(&mut self, log: Option<&'t Value>) -> Option<LogSettings> {
        let value = log?;
        let ValueKind::Table(table) = &value.kind else {
            self.reject(LOG_TABLE, value, "not a table; write [log]");
            return None;
        };
        let keys: Vec<&Key> = LOG.iter().collect();
        let before = self.errors.len();
        let origin = self.origin(value);
        let values = self.table(LOG_TABLE, table, &origin, &keys, strays::of_log);
        if let (Some(level), Some(given)) = (values.find_text("level"), table.get("level"))
            && let Err(problem) = filter(&level)
        {
            self.reject(join(LOG_TABLE, "level"), given, problem);
        }
        if self.errors.len() > before {
            return None;
        }
        let settings = LogSettings::from_values(&values);
        if settings.to == LogTarget::Journald
            && settings.format == LogFormat::Json
            && let Some(given) = table.get("format")
        {
            let problem = "journald is given fields and no lines; with to = \"journald\" only \
                           \"text\" is accepted, or none";
            self.reject(join(LOG_TABLE, "format"), given, problem);
        }
        Some(settings)
    }
}

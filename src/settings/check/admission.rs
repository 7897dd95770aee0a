//! The walk over `[admission]`, and over lists of networks anywhere.

use super::{ADMISSION_TABLE, RATE_LIMIT_TABLE, Walk, join};
use crate::api::settings::{Key, Value as Checked, Values};
use crate::settings::AdmissionSettings;
use crate::settings::schema::{ADMISSION, RATE_LIMIT};
use crate::settings::strays;
use crate::settings::tree::Table;
use crate::settings::value::Refusal;
use config::{Value, ValueKind};

/// The longest that a client's burst may take to come at its rate, in seconds.
const LONGEST_BURST_S: i64 = 65_536;

impl<'t> Walk<'t> {
    /// The networks of a list, each checked by itself; `None` if any is wrong.
    pub(super) fn networks(&mut self, path: &str, key: &Key, list: &[Value]) -> Option<Checked> {
        let mut networks = Some(Vec::new());
        for (index, value) in list.iter().enumerate() {
            match self.accepted(key, self.origins.given(value)) {
                Ok(Checked::Networks(more)) => {
                    if let Some(networks) = &mut networks {
                        networks.extend(more);
                    }
                }
                Ok(_) | Err(Refusal::NoLocalZone) => networks = None,
                Err(Refusal::Because(problem)) => {
                    self.reject(format!("{path}[{index}]"), value, problem);
                    networks = None;
                }
            }
        }
        networks.map(Checked::Networks)
    }

    pub(super) fn admission(&mut self, admission: Option<&'t Value>) -> Option<AdmissionSettings> {
        let none = Table::new();
        let before = self.errors.len();
        let (table, origin) = match admission.map(|value| (value, &value.kind)) {
            None => (&none, self.file.clone()),
            Some((value, ValueKind::Table(table))) => (table, self.origin(value)),
            Some((value, _)) => {
                self.reject(ADMISSION_TABLE, value, "not a table; write [admission]");
                return None;
            }
        };
        let keys: Vec<&Key> = ADMISSION.iter().collect();
        let values = self.table(ADMISSION_TABLE, table, &origin, &keys, strays::of_admission);
        self.not_in_both(ADMISSION_TABLE, table, &values);
        let path = join(ADMISSION_TABLE, RATE_LIMIT_TABLE);
        let (limit, origin) = match table
            .get(RATE_LIMIT_TABLE)
            .map(|value| (value, &value.kind))
        {
            None => (&none, origin),
            Some((value, ValueKind::Table(limit))) => (limit, self.origin(value)),
            Some((value, _)) => {
                self.reject(path, value, "not a table; write [admission.rate_limit]");
                return None;
            }
        };
        let keys: Vec<&Key> = RATE_LIMIT.iter().collect();
        let limits = self.table(&path, limit, &origin, &keys, strays::of_rate_limit);
        if self.errors.len() > before {
            return None;
        }
        let limits_loopback = table.contains_key(RATE_LIMIT_TABLE);
        let settings = AdmissionSettings::from_values(&values, &limits, limits_loopback);
        let told = &settings.rate_limit;
        if told.kod_share + told.leak > 1_000_000 {
            let key = if limit.contains_key("leak") {
                "leak"
            } else {
                "kod_share"
            };
            let problem = "kod_share and leak are shares of the same requests: together 1 at most \
                           is accepted";
            self.reject_in(&path, limit, key, problem);
        }
        if i64::from(told.burst) * 1_000_000 > told.rate * LONGEST_BURST_S {
            let key = if limit.contains_key("burst") {
                "burst"
            } else {
                "rate"
            };
            let problem = format!(
                "at {} requests a second a burst of {} takes more than {LONGEST_BURST_S} s to \
                 come again; a smaller burst or a higher rate is accepted",
                told.rate as f64 / 1e6,
                told.burst
            );
            self.reject_in(&path, limit, key, problem);
        }
        Some(settings)
    }

    fn reject_in(&mut self, path: &str, table: &Table, key: &str, problem: impl Into<String>) {
        if let Some(value) = table.get(key) {
            self.reject(join(path, key), value, problem);
        }
    }

    /// A network cannot be served and not be served.
    pub(super) fn not_in_both(&mut self, path: &str, table: &Table, values: &Values) {
        let (Some(allow), Some(deny)) =
            (values.find_networks("allow"), values.find_networks("deny"))
        else {
            return;
        };
        if let Some((address, bits)) = deny.into_iter().find(|net| allow.contains(net)) {
            let problem =
                format!("{address}/{bits} is in `allow` too; it is accepted in one of them");
            self.reject_in(path, table, "deny", problem);
        }
    }
}

//! The walk over `[xdp]`.

use super::{Walk, XDP_TABLE};
use crate::api::settings::Key;
use crate::settings::XdpSettings;
use crate::settings::schema::XDP;
use crate::settings::strays;
use config::{Value, ValueKind};

impl<'t> Walk<'t> {
    /// What `[xdp]` says; `None` where it is absent or wrong.
    pub(super) fn xdp(&mut self, xdp: Option<&'t Value>) -> Option<XdpSettings> {
        let value = xdp?;
        let ValueKind::Table(table) = &value.kind else {
            self.reject(XDP_TABLE, value, "not a table; write [xdp]");
            return None;
        };
        let keys: Vec<&Key> = XDP.iter().collect();
        let before = self.errors.len();
        let origin = self.origin(value);
        let values = self.table(XDP_TABLE, table, &origin, &keys, strays::of_xdp);
        (self.errors.len() == before).then(|| XdpSettings::from_values(&values))
    }
}

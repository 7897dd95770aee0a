//! `[sandbox]`: what a server gives up once everything is bound.

use crate::api::settings::Values;

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Whether it is an error that a part of it cannot be had.
    pub required: bool,
    /// The user that a server started as root becomes; `None` is that of the
    /// program's name, or nobody.
    pub user: Option<String>,
    /// Whether a reload may add ports below 1024.
    pub reload_low_ports: bool,
}

impl Default for SandboxSettings {
    /// As where the settings say nothing.
    fn default() -> Self {
        Self {
            enabled: true,
            required: false,
            user: None,
            reload_low_ports: false,
        }
    }
}

impl SandboxSettings {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            enabled: values.flag("enabled"),
            required: values.flag("required"),
            user: values.find_text("user"),
            reload_low_ports: values.flag("reload_low_ports"),
        }
    }
}

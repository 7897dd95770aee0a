//! `[xdp]`: answers from the network driver.

use crate::api::settings::Values;

/// `[xdp]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdpSettings {
    /// The network interface.
    pub interface: String,
    /// Where on the way in.
    pub mode: XdpMode,
}

/// Where on the way in requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// Native if that can be had, else generic.
    Auto,
    /// In the driver.
    Native,
    /// Behind it, in the kernel's network stack.
    Generic,
}

impl XdpMode {
    /// The word of the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl XdpSettings {
    pub(super) fn from_values(values: &Values) -> Self {
        let mode = values.text("mode");
        let modes = [XdpMode::Auto, XdpMode::Native, XdpMode::Generic];
        Self {
            interface: values.text("interface"),
            mode: modes
                .into_iter()
                .find(|it| it.as_str() == mode)
                .expect("one of the words that are accepted"),
        }
    }
}

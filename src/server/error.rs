//! Why a server did not start, and what to do about it.

use crate::api::settings::Problem;
use crate::control::ControlError;
use crate::http::HttpError;
use crate::protocol::calendar::FormatError;
use crate::sandbox::LowPort;
use crate::web::TokenError;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener names a source that is neither in the settings nor given.
    #[error("listeners[{listener}].source = \"{source_name}\": there is no such source")]
    NoSuchSource {
        /// The number of the listener.
        listener: usize,
        /// The name it gives.
        source_name: String,
    },
    /// Settings of a source that cannot stand together.
    #[error("sources.{name}.{}: {}", .problem.key, .problem.text)]
    Source {
        /// The source.
        name: String,
        /// What is wrong.
        problem: Problem,
    },
    /// The format of a listener cannot be used.
    #[error("listeners[{listener}].format: {error}")]
    Format {
        /// The number of the listener.
        listener: usize,
        /// What is wrong with it.
        error: FormatError,
    },
    /// A listener's address could not be bound.
    #[error("listeners[{listener}] ({protocol} on {address}): {error}{}", remedy(.address, .error))]
    Bind {
        /// The number of the listener.
        listener: usize,
        /// Its protocol.
        protocol: &'static str,
        /// Its address.
        address: SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
    /// Control could not be bound.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Where metrics and status are asked could not be bound.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The token of control, or of metrics and status, cannot be had.
    #[error("{table}.token_file = {file:?}: {error}")]
    Token {
        /// The table of the settings.
        table: &'static str,
        /// The file that has it.
        file: String,
        /// What is wrong with it.
        error: TokenError,
    },
    /// A port that this process has no right to any more.
    #[error("listeners[{listener}].address = \"{address}\": {error}")]
    LowPort {
        /// The number of the listener.
        listener: usize,
        /// Its address.
        address: SocketAddr,
        /// Why, and what to do about it.
        error: LowPort,
    },
    /// What had to be done before anything is served could not be.
    #[error(transparent)]
    BeforeServing(Box<dyn std::error::Error + Send + Sync>),
    /// A thread or a reactor could not be had.
    #[error("the server's threads could not be started: {0}")]
    Threads(#[from] io::Error),
}

impl StartError {
    /// Whether the settings are at fault, rather than the state of this host.
    #[must_use]
    pub fn is_about_settings(&self) -> bool {
        !matches!(
            self,
            Self::Bind { .. }
                | Self::Control(ControlError::Bind { .. })
                | Self::Http(_)
                | Self::BeforeServing(_)
                | Self::Threads(_)
        )
    }
}

/// What to do about an address that could not be bound.
fn remedy(address: &SocketAddr, error: &io::Error) -> String {
    let is_link_local =
        matches!(address, SocketAddr::V6(address) if address.ip().is_unicast_link_local());
    match error.kind() {
        _ if error.raw_os_error() == Some(libc::ENODEV) => {
            ": this host has no such `interface`; `ip link` lists those it has".into()
        }
        io::ErrorKind::InvalidInput if is_link_local => {
            ": a link-local address needs `interface`, the device that it belongs to".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            ": no interface has this address; bring it up, or set freebind = true".into()
        }
        _ => remedy_anywhere(address, error),
    }
}

/// The same, as far as it is no matter of settings.
pub(crate) fn remedy_anywhere(address: &SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            ": another program, or another timeball, has it; stop that one (`ss -ulpn sport = :{port}` \
             tells which) or choose another address"
        ),
        io::ErrorKind::PermissionDenied => format!(
            ": ports below 1024 need CAP_NET_BIND_SERVICE; start as root, grant the capability \
             (`setcap cap_net_bind_service=+ep` on the binary), or choose a port above {}",
            port.max(1023)
        ),
        _ => String::new(),
    }
}

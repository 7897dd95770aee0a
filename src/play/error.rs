//! Why a scenario is not served.

use super::fence::{OutOfBounds, ReplyOutOfBounds};
use crate::client::Target;
use crate::scenario::Endpoint;
use crate::server::{StartError, remedy_anywhere};
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why a scenario is not served.
#[derive(Debug, Error)]
pub enum PlayError {
    /// It would be served where test time could be taken for true.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// A rule lets replies leave from an address that it may not.
    #[error(transparent)]
    ReplyOutOfBounds(#[from] ReplyOutOfBounds),
    /// An endpoint cannot be played.
    #[error("endpoint `{endpoint}`: {why}")]
    Endpoint {
        /// Its name.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The upstream server of an endpoint cannot be found, or there is no way to
    /// it.
    #[error("endpoint `{endpoint}`: upstream = \"{upstream}\": {why}")]
    Upstream {
        /// The endpoint's name.
        endpoint: String,
        /// Whom it is to ask.
        upstream: Target,
        /// What the resolver or the kernel says.
        why: String,
    },
    /// An endpoint's address could not be bound.
    #[error("endpoint `{endpoint}` ({protocol} on {address}): {error}{}", remedy(.address, .error))]
    Bind {
        /// The endpoint's name.
        endpoint: String,
        /// Its protocol.
        protocol: &'static str,
        /// Its address.
        address: SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
    /// The server did not start.
    #[error("{}", .0)]
    Start(#[from] StartError),
    /// A thread could not be had.
    #[error("the threads of the stage could not be started: {0}")]
    Threads(#[from] io::Error),
}

impl PlayError {
    /// The same as the server says, in the words of the scenario.
    pub(super) fn starting(error: StartError, endpoints: &[Endpoint]) -> Self {
        match error {
            StartError::Bind {
                listener,
                protocol,
                address,
                error,
            } if listener < endpoints.len() => Self::Bind {
                endpoint: endpoints[listener].name.clone(),
                protocol,
                address,
                error,
            },
            error => Self::Start(error),
        }
    }

    /// Whether what was asked for is at fault, rather than the state of this
    /// host.
    #[must_use]
    pub fn is_about_usage(&self) -> bool {
        match self {
            Self::OutOfBounds(_) | Self::ReplyOutOfBounds(_) | Self::Endpoint { .. } => true,
            Self::Start(error) => error.is_about_settings(),
            Self::Bind { .. } | Self::Upstream { .. } | Self::Threads(_) => false,
        }
    }
}

/// What to do about an address that could not be bound, as far as a scenario can.
fn remedy(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidInput => match address {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
                let (ip, port) = (v6.ip(), v6.port());
                format!(": a link-local address needs the number of its interface: [{ip}%1]:{port}")
            }
            _ => String::new(),
        },
        io::ErrorKind::AddrNotAvailable => {
            ": no interface has this address; bring it up, or choose another".into()
        }
        _ => remedy_anywhere(address, error),
    }
}

/// Why a scenario cannot take the place of the one that is served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// A rule lets replies leave from an address that it may not.
    #[error(transparent)]
    ReplyOutOfBounds(#[from] ReplyOutOfBounds),
    /// Sockets stay as they are, so there have to be as many endpoints.
    #[error(
        "number of endpoints: the scenario has {wanted}, and {served} served; load one that has as many",
        served = match served { 1 => "1 is".to_owned(), count => format!("{count} are") }
    )]
    Count {
        /// Endpoints of the scenario.
        wanted: usize,
        /// Endpoints that are served.
        served: usize,
    },
    /// The protocol of a listener stays as it is, with all of its settings.
    #[error(
        "endpoint `{endpoint}` speaks {wanted}, and {served} is served there, or with other \
         settings; load a scenario with the same protocols in the same order"
    )]
    Protocol {
        /// Its name in the scenario.
        endpoint: String,
        /// Its protocol in the scenario.
        wanted: &'static str,
        /// What is served there.
        served: &'static str,
    },
    /// An endpoint cannot be played.
    #[error("endpoint `{endpoint}`: {why}")]
    Endpoint {
        /// Its name.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

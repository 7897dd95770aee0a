//! Why a scenario is not served.

use super::fence::OutOfBounds;
use crate::client::Target;
use crate::server::StartError;
use std::io;
use thiserror::Error;

/// Why a scenario is not served.
#[derive(Debug, Error)]
pub enum PlayError {
    /// It would be served where test time could be taken for true.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
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
    /// The server did not start.
    #[error("{}", .0)]
    Start(#[from] StartError),
    /// A thread could not be had.
    #[error("the threads of the stage could not be started: {0}")]
    Threads(#[from] io::Error),
}

impl PlayError {
    /// Whether what was asked for is at fault, rather than the state of this
    /// host.
    #[must_use]
    pub fn is_about_usage(&self) -> bool {
        match self {
            Self::OutOfBounds(_) | Self::Endpoint { .. } => true,
            Self::Start(error) => error.is_about_settings(),
            Self::Upstream { .. } | Self::Threads(_) => false,
        }
    }
}

/// Why a scenario cannot take the place of the one that is served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// Sockets stay as they are, so there have to be as many endpoints.
    #[error(
        "the scenario has {wanted} endpoints and {served} are served; load one that has as many"
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

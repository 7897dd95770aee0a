//! Why there is no answer.

use super::{Family, Ignored, Target};
use crate::api::{Delta, LeapIndicator, ReferenceId};
use crate::protocol::line::LineError;
use crate::protocol::ntp::{Header, reply};
use crate::protocol::time::WrongLength;
use std::fmt;
use std::net::SocketAddr;

/// The rule that a datagram broke which came where a reply was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It came from somebody else than who was asked.
    #[error("a reply from {received}, asked was {asked}: whoever sent it, it is not the reply")]
    Source {
        /// Who sent it.
        received: SocketAddr,
        /// Who was asked.
        asked: SocketAddr,
    },
    /// A rule of NTP.
    #[error(transparent)]
    Ntp(#[from] reply::Fault),
    /// Not a line of text that can be shown.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not the four octets of RFC 868.
    #[error("{0} (RFC 868)")]
    Length(#[from] WrongLength),
}

impl Fault {
    /// The name of the rule, for programs: it does not change.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Source { .. } => "source_address",
            Self::Ntp(fault) => fault.rule(),
            Self::Line(_) => "text",
            Self::Length(_) => "length",
        }
    }
}

/// How an address failed to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Nothing came in this time.
    TimedOut(Delta),
    /// The host says that nobody is at that port (ICMP), the network that there
    /// is no way to it, or the kernel that it may not be asked.
    Error(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(timeout) => write!(f, "nothing within {} s", timeout.as_seconds_f64()),
            Self::Error(error) => f.write_str(error),
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The name stands for no address.
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// It has addresses, but none of the family that was asked for.
    NoAddress {
        /// The name or the address.
        host: String,
        /// The family.
        family: Family,
    },
    /// Nobody answered.
    NoAnswer {
        /// Every address that was asked, and what came of it.
        attempts: Vec<(SocketAddr, Silence)>,
    },
    /// Something came, but it was not a reply to be believed.
    Invalid {
        /// Who was asked.
        address: SocketAddr,
        /// The rule that the first one broke.
        fault: Fault,
        /// How many of them came before the time was up.
        count: u64,
    },
    /// The server says that it does not know the time. RFC 5905 section 7.3.
    Unsynchronised {
        /// Who said so.
        address: SocketAddr,
        /// Its reply.
        header: Header,
    },
    /// The server does not want to be asked. RFC 5905 section 7.4.
    KissOfDeath {
        /// Who said so.
        address: SocketAddr,
        /// The kiss code.
        code: ReferenceId,
        /// Its reply.
        header: Header,
    },
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    /// Whom it is about, and what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = self.subject() {
            write!(f, "{subject}: ")?;
        }
        f.write_str(&self.reason())
    }
}

impl Failure {
    /// The name of what went wrong, for programs: it does not change. Of a
    /// reply that was not believed, the rule that it broke.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => "unresolved",
            Self::NoAddress { .. } => "no_address",
            Self::NoAnswer { .. } => "no_answer",
            Self::Invalid { fault, .. } => fault.rule(),
            Self::Unsynchronised { .. } => "unsynchronised",
            Self::KissOfDeath { .. } => "kiss_of_death",
        }
    }

    /// Whether anything was said at all, be it wrong.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        matches!(
            self,
            Self::Invalid { .. } | Self::Unsynchronised { .. } | Self::KissOfDeath { .. }
        )
    }

    /// The header of the reply, where it is to be believed.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        match self {
            Self::Unsynchronised { header, .. } | Self::KissOfDeath { header, .. } => Some(header),
            _ => None,
        }
    }

    /// What went wrong, for a line that begins with `target`, so that nobody is
    /// named twice.
    #[must_use]
    pub fn said_of(&self, target: &Target) -> String {
        match self.subject() {
            Some(subject) if subject != target.to_string() && subject != target.host() => {
                self.to_string()
            }
            _ => self.reason(),
        }
    }

    /// Whom it is about: a host or an address; `None` where the reason names
    /// several.
    fn subject(&self) -> Option<String> {
        match self {
            Self::Unresolved { host, .. } | Self::NoAddress { host, .. } => Some(host.clone()),
            Self::NoAnswer { attempts } => match &attempts[..] {
                [(address, _)] => Some(address.to_string()),
                _ => None,
            },
            Self::Invalid { address, .. }
            | Self::Unsynchronised { address, .. }
            | Self::KissOfDeath { address, .. } => Some(address.to_string()),
        }
    }

    /// What went wrong.
    fn reason(&self) -> String {
        match self {
            Self::Unresolved { reason, .. } => format!("cannot be found: {reason}"),
            Self::NoAddress { family, .. } => match family {
                Family::V4 => "no IPv4 address".to_owned(),
                Family::V6 => "no IPv6 address".to_owned(),
                Family::Any => "no IP address".to_owned(),
            },
            Self::NoAnswer { attempts } => match &attempts[..] {
                [(_, silence)] => format!("no answer: {silence}"),
                several => {
                    let each = |(address, silence): &_| format!("{address}: {silence}");
                    let each: Vec<_> = several.iter().map(each).collect();
                    format!("no answer: {}", each.join("; "))
                }
            },
            Self::Invalid { fault, count, .. } => format!("{fault}{}", more(*count)),
            Self::Unsynchronised { header, .. } => format!(
                "the server is not synchronised: {} (RFC 5905 section 7.3)",
                alarm(header)
            ),
            Self::KissOfDeath { code, .. } => format!(
                "kiss-o'-death {code}: {} (RFC 5905 section 7.4)",
                reply::kiss_meaning(*code).unwrap_or("a code that no RFC explains")
            ),
        }
    }

    /// The address that was asked last, or that said it.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unresolved { .. } | Self::NoAddress { .. } => None,
            Self::NoAnswer { attempts } => attempts.last().map(|&(address, _)| address),
            Self::Invalid { address, .. }
            | Self::Unsynchronised { address, .. }
            | Self::KissOfDeath { address, .. } => Some(*address),
        }
    }

    /// The server that is known to be at the other end, though it gave no time.
    pub(super) const fn speaker(&self) -> Option<SocketAddr> {
        match self {
            Self::Unsynchronised { address, .. } | Self::KissOfDeath { address, .. } => {
                Some(*address)
            }
            _ => None,
        }
    }

    /// What came of an address from which no reply to be believed came.
    pub(super) fn of(address: SocketAddr, ignored: Ignored, silence: Silence) -> Self {
        match ignored.first {
            Some(fault) => Self::Invalid {
                address,
                fault,
                count: ignored.count,
            },
            None => Self::NoAnswer {
                attempts: vec![(address, silence)],
            },
        }
    }

    /// What to say when two addresses of a host failed: what was wrong rather
    /// than who was silent, and the first rather than the second.
    #[must_use]
    pub(super) fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::NoAnswer { mut attempts }, Self::NoAnswer { attempts: more }) => {
                attempts.extend(more);
                Self::NoAnswer { attempts }
            }
            (Self::NoAnswer { .. }, next) => next,
            (first, _) => first,
        }
    }
}

fn more(count: u64) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more that were not it)"),
    }
}

fn alarm(header: &Header) -> String {
    let stratum = header.stratum;
    if header.leap_indicator == LeapIndicator::Unsynchronised {
        format!("leap indicator 3, stratum {stratum}")
    } else {
        format!("stratum {stratum}")
    }
}

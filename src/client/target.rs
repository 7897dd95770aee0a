//! Whom to ask, as a person writes it: `HOST`, `HOST:PORT`, `[::1]:123`, `::1`.

use std::fmt;
use std::net::Ipv6Addr;

/// A host and a port.
///
/// The host is a name or an address; an IPv6 address may name its interface
/// (`fe80::1%eth0`). Whether the host exists is found out when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
}

/// The text is not a host with or without a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATarget {
    /// There is no host in it.
    #[error("`{0}`: the host is missing; accepted are HOST, HOST:PORT, [IPV6]:PORT")]
    NoHost(String),
    /// The port is not a number of 1 to 65535.
    #[error("`{0}`: the port is a number of 1 to 65535")]
    Port(String),
    /// A bracket without its other half, or something behind it.
    #[error("`{0}`: an IPv6 address with a port is written [ADDRESS]:PORT")]
    Brackets(String),
    /// Several colons, and not an IPv6 address.
    #[error("`{0}`: neither HOST:PORT nor an IPv6 address")]
    Colons(String),
    /// A character that no host's name has.
    #[error("{0:?}: white space and control characters are no part of a host")]
    Character(String),
}

impl Target {
    /// A host, without looking at it, and a port.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Reads `text`, in which the port may be left out: it is `default_port`
    /// then.
    ///
    /// An IPv6 address has brackets when a port follows, and may have them
    /// when none does.
    ///
    /// # Errors
    /// [`NotATarget`] says what is wrong with the text.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, NotATarget> {
        let whole = || text.to_owned();
        if text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
        {
            return Err(NotATarget::Character(whole()));
        }
        let (host, port) = if let Some(inner) = text.strip_prefix('[') {
            let (host, rest) = inner
                .split_once(']')
                .ok_or_else(|| NotATarget::Brackets(whole()))?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(NotATarget::Brackets(whole())),
            };
            if !host.is_empty() && !is_ipv6(host) {
                return Err(NotATarget::Brackets(whole()));
            }
            (host, port)
        } else if is_ipv6(text) {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(NotATarget::Colons(whole())),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() {
            return Err(NotATarget::NoHost(whole()));
        }
        let port = match port {
            None => default_port,
            Some(port) => parse_port(port).ok_or_else(|| NotATarget::Port(whole()))?,
        };
        Ok(Self::new(host, port))
    }

    /// The name or the address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Target {
    /// In the form in which [`Target::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether this is an IPv6 address, with or without its interface.
fn is_ipv6(host: &str) -> bool {
    let (address, interface) = host.split_once('%').unwrap_or((host, "-"));
    address.parse::<Ipv6Addr>().is_ok() && !interface.is_empty()
}

/// A port in digits alone: no sign, not 0.
fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_host_is_understood() {
        for (text, host, port) in [
            ("time.example.net", "time.example.net", 123),
            ("time.example.net:8123", "time.example.net", 8123),
            ("192.0.2.1", "192.0.2.1", 123),
            ("192.0.2.1:65535", "192.0.2.1", 65535),
            ("::1", "::1", 123),
            ("[::1]", "::1", 123),
            ("[::1]:8123", "::1", 8123),
            ("2001:db8::123:456", "2001:db8::123:456", 123),
            ("fe80::1%eth0", "fe80::1%eth0", 123),
            ("[fe80::1%eth0]:99", "fe80::1%eth0", 99),
        ] {
            let target = Target::parse(text, 123).unwrap();
            assert_eq!((target.host(), target.port()), (host, port), "{text}");
            assert_eq!(Target::parse(&target.to_string(), 1), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_and_the_error_repeats_it() {
        for text in [
            "",
            ":123",
            "[]:123",
            "[]",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "host:-1",
            "host:ntp",
            "host:1:2",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[host]:1",
            "::1]",
            "a b",
            "a\n",
            "\u{1b}[2J",
            "fe80::1%",
            "1::2::3",
        ] {
            let error = Target::parse(text, 123).unwrap_err().to_string();
            assert!(!error.chars().any(char::is_control), "{error:?}");
            let shown = text.escape_debug().to_string();
            assert!(
                error.contains(text) || error.contains(&shown),
                "{text:?}: {error}"
            );
        }
    }
}

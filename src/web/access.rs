//! Who may ask: nobody that a page in a browser can speak for, and where a token
//! is asked for only who knows it.
//!
//! # Why
//! Whoever visits a web page runs its scripts, and these can send requests to
//! 127.0.0.1. A browser says so in `Origin`; where a page has its own name point
//! to 127.0.0.1 (DNS rebinding), `Host` still has that name. So any `Origin` is
//! refused where something changes, and of hosts only `localhost` and addresses
//! of this server are accepted: nobody but this machine decides where those lead.

use super::refusal::{Refusal, RefusalKind};
use super::server::JSON;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use std::fmt;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The fewest characters that a token may have.
const SHORTEST_TOKEN: usize = 16;
/// The most.
const LONGEST_TOKEN: usize = 512;

/// A secret that whoever asks has to show: `Authorization: Bearer TOKEN`.
/// RFC 6750 section 2.1.
///
/// 16 to 512 characters: letters, digits and `-._~+/=`. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The variable of the environment that may hold the token of control.
    pub const CONTROL_VARIABLE: &'static str = "TIMEBALL_CONTROL_TOKEN";
    /// The one that may hold the token of `[http]`.
    pub const HTTP_VARIABLE: &'static str = "TIMEBALL_HTTP_TOKEN";

    /// The token in `file`, which has it on a line of its own.
    ///
    /// # Errors
    /// [`TokenError`] when the file cannot be read or holds none.
    pub fn read(file: &Path) -> Result<Self, TokenError> {
        let mut text = String::new();
        // A file that never ends (/dev/zero) holds no token.
        let enough = LONGEST_TOKEN as u64 + 16;
        std::fs::File::open(file)?
            .take(enough)
            .read_to_string(&mut text)?;
        text.trim().parse()
    }

    /// The token itself, for a client that has to send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token. How long that takes tells nothing of the
    /// token but its length.
    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// # Errors
    /// [`TokenError::NotAToken`].
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
        let fits = (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len());
        match fits && text.bytes().all(is_good) {
            true => Ok(Self(text.to_owned())),
            false => Err(TokenError::NotAToken),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The text is none.
    #[error(
        "no token; accepted: {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits and any of \
         `-._~+/=` (`openssl rand -hex 32` prints one)"
    )]
    NotAToken,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// What of a request's header decides whether it is let in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller<'a> {
    /// `Host`; `None` unless there is exactly one, in ASCII.
    pub host: Option<&'a str>,
    /// Whether there is an `Origin`.
    pub has_origin: bool,
    /// `Authorization`.
    pub authorization: Option<&'a [u8]>,
}

impl<'a> Caller<'a> {
    /// What `headers` say.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut hosts = headers.get_all(HOST);
        let host = hosts.next().filter(|_| hosts.next().is_none());
        Self {
            host: host.and_then(|host| host.to_str().ok()),
            has_origin: headers.contains_key(ORIGIN),
            authorization: headers.get(AUTHORIZATION).map(|value| value.as_bytes()),
        }
    }
}

/// Whether only this machine can ask there.
#[must_use]
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Who is let in.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Where the server is bound.
    pub address: SocketAddr,
    /// What the caller has to show, if anything.
    pub token: Option<Token>,
}

impl Access {
    /// Lets in whoever names this host, speaks for no web page and shows the
    /// token.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub fn check(&self, caller: Caller<'_>) -> Result<(), Refusal> {
        self.check_host(caller)?;
        check_origin(caller)?;
        self.check_token(caller)
    }

    /// # Errors
    /// The request names another host.
    pub fn check_host(&self, caller: Caller<'_>) -> Result<(), Refusal> {
        if caller.host.is_some_and(|host| self.is_own_host(host)) {
            return Ok(());
        }
        let refusal = Refusal::new(
            RefusalKind::Forbidden,
            "the header `Host` names another host; ask by address",
        );
        Err(refusal.accepting("`localhost` or the address of this server"))
    }

    /// # Errors
    /// There is a token, and the request does not show it.
    pub fn check_token(&self, caller: Caller<'_>) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        match caller.authorization.and_then(bearer) {
            Some(given) if token.is(given) => Ok(()),
            given => {
                let error = match given {
                    Some(_) => "this is another token",
                    None => "a token is needed",
                };
                let refusal = Refusal::new(RefusalKind::Unauthorized, error);
                Err(refusal.accepting("the header `Authorization: Bearer TOKEN`"))
            }
        }
    }

    /// Whether `host` leads here wherever names may lead.
    fn is_own_host(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bracketed = name.strip_prefix('[').and_then(|v6| v6.strip_suffix(']'));
        let address = match bracketed {
            Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::from),
            None => name.parse::<Ipv4Addr>().map(IpAddr::from),
        };
        let Ok(address) = address else {
            return false;
        };
        let (address, own) = (address.to_canonical(), self.address.ip().to_canonical());
        address.is_loopback() || own.is_unspecified() || address == own
    }
}

/// # Errors
/// The request comes from a web page.
pub(crate) fn check_origin(caller: Caller<'_>) -> Result<(), Refusal> {
    if caller.has_origin {
        return Err(Refusal::new(
            RefusalKind::Forbidden,
            "a request with the header `Origin` comes from a web page, and is refused",
        ));
    }
    Ok(())
}

/// A form on a web page can send text, and cannot declare it as JSON.
///
/// # Errors
/// It is declared as something else.
pub(crate) fn check_declared_json(content_type: &str) -> Result<(), Refusal> {
    if content_type.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let error = format!("the header `Content-Type` is not {JSON}");
    Err(Refusal::new(RefusalKind::NotDeclaredJson, error).accepting(JSON))
}

/// The host of `HOST`, `HOST:PORT` or `[IPV6]:PORT`. RFC 9110 section 7.2.
///
/// The port may be any: a tunnel's is another one.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rsplit_once(':') {
        // The colon is one of an IPv6 address.
        Some((_, rest)) if rest.ends_with(']') => (host, None),
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_port = |port: &str| port.bytes().all(|octet| octet.is_ascii_digit());
    port.is_none_or(is_port).then_some(name)
}

/// The token of an `Authorization`, whose scheme is written in any case. RFC
/// 9110 section 11.1.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_in(address: &str, host: &str) -> bool {
        let access = Access {
            address: address.parse().unwrap(),
            token: None,
        };
        let caller = Caller {
            host: Some(host),
            ..Caller::default()
        };
        access.check(caller).is_ok()
    }

    #[test]
    fn a_host_is_this_one_or_foreign() {
        let (loopback, one, every) = ("127.0.0.1:8090", "192.168.1.5:8090", "0.0.0.0:8090");
        for (host, at_loopback, at_one, at_every) in [
            ("127.0.0.1:8090", true, true, true),
            ("127.0.0.1", true, true, true),
            ("127.0.0.1:1", true, true, true),
            ("127.0.0.2:8090", true, true, true),
            ("localhost:8090", true, true, true),
            ("LocalHost", true, true, true),
            ("[::1]:8090", true, true, true),
            ("[::1]", true, true, true),
            ("[::ffff:127.0.0.1]:8090", true, true, true),
            ("192.168.1.5:8090", false, true, true),
            ("10.0.0.1", false, false, true),
            ("[2001:db8::1]:8090", false, false, true),
            ("example.com:8090", false, false, false),
            ("localhost.example.com", false, false, false),
            ("127.0.0.1.example.com", false, false, false),
            ("127.1:8090", false, false, false),
            ("2130706433", false, false, false),
            ("localhost:8090:8090", false, false, false),
            ("localhost:http", false, false, false),
            ("user@localhost", false, false, false),
            ("::1", false, false, false),
            ("[[::1]]", false, false, false),
            ("[::1", false, false, false),
            ("", false, false, false),
        ] {
            assert_eq!(lets_in(loopback, host), at_loopback, "{host}");
            assert_eq!(lets_in(one, host), at_one, "{host}");
            assert_eq!(lets_in(every, host), at_every, "{host}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_refused() {
        let access = Access {
            address: "127.0.0.1:1".parse().unwrap(),
            token: None,
        };
        let refusal = access.check(Caller::default()).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::Forbidden);
    }

    #[test]
    fn the_token_is_compared_whole() {
        let access = Access {
            address: "127.0.0.1:1".parse().unwrap(),
            token: Some("0123456789abcdef".parse().unwrap()),
        };
        let lets_in = |authorization: Option<&str>| {
            let caller = Caller {
                host: Some("localhost"),
                authorization: authorization.map(str::as_bytes),
                ..Caller::default()
            };
            access.check(caller).map_err(|refusal| refusal.kind())
        };
        for authorization in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef"] {
            assert_eq!(lets_in(Some(authorization)), Ok(()), "{authorization}");
        }
        for authorization in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer 0123456789abcde"),
            Some("Bearer 0123456789abcdef0"),
            Some("Bearer 0123456789abcdeF"),
            Some("Basic 0123456789abcdef"),
            Some("0123456789abcdef"),
        ] {
            assert_eq!(
                lets_in(authorization),
                Err(RefusalKind::Unauthorized),
                "{authorization:?}"
            );
        }
    }

    #[test]
    fn a_token_is_long_enough_and_fits_a_header() {
        let good = "-._~+/=0aZ-._~+/=".parse::<Token>();
        assert_eq!(format!("{:?}", good.unwrap()), "Token(..)");
        for bad in [
            "",
            "0123456789abcde",
            "0123456789abcdef ",
            "0123456789abcdé",
        ] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
        assert!("x".repeat(512).parse::<Token>().is_ok());
        assert!("x".repeat(513).parse::<Token>().is_err());
    }
}

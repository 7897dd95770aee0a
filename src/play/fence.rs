//! Test time never looks real by accident: where a scenario may be served.

use crate::faults::network::ReplyFrom;
use crate::faults::{Rule, check_family};
use crate::load::is_private;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The port at which clients look for true time (RFC 5905 section 7.2).
const NTP_PORT: u16 = 123;

/// An address at which somebody could take test time for true.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "endpoint `{endpoint}` on {address}: {why}, where clients could take test time for true; \
     choose a loopback or private address and another port, or say --serve-test-time"
)]
pub struct OutOfBounds {
    /// The endpoint's name.
    pub endpoint: String,
    /// Its address.
    pub address: SocketAddr,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that only those can see an endpoint who are to see it: it is on a
/// loopback, private (RFC 1918, RFC 4193) or link-local address, which a
/// wildcard is not, and not on port 123.
///
/// # Errors
/// [`OutOfBounds`] with the first reason.
pub(super) fn check(endpoint: &str, address: SocketAddr) -> Result<(), OutOfBounds> {
    let out_of_bounds = |why| {
        Err(OutOfBounds {
            endpoint: endpoint.to_owned(),
            address,
            why,
        })
    };
    if address.port() == NTP_PORT {
        return out_of_bounds("port 123 is that of NTP");
    }
    if address.ip().to_canonical().is_unspecified() {
        return out_of_bounds("a wildcard address is open to every network of this host");
    }
    if !is_private(address.ip()) {
        return out_of_bounds("the address is neither loopback nor private");
    }
    Ok(())
}

/// An address that a rule may not let replies leave from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule `{rule}`: reply_from = \"{address}\": refused; accepted: {accepted}")]
pub struct ReplyOutOfBounds {
    /// The rule's name.
    pub rule: String,
    /// The address.
    pub address: IpAddr,
    /// What it could be.
    pub accepted: String,
}

/// Checks where a rule lets replies of these endpoints leave from: an address
/// of their family and, unless it `may_be_seen`, one that only those can see who
/// are to see them.
///
/// # Errors
/// [`ReplyOutOfBounds`] with the first reason.
pub(super) fn check_rule<'e>(
    rule: &Rule,
    name: &str,
    endpoints: impl IntoIterator<Item = (&'e str, SocketAddr)>,
    may_be_seen: bool,
) -> Result<(), ReplyOutOfBounds> {
    let Some(ReplyFrom::Address(address)) = rule.reply_from else {
        return Ok(());
    };
    let out_of_bounds = |accepted| {
        Err(ReplyOutOfBounds {
            rule: name.to_owned(),
            address,
            accepted,
        })
    };
    if let Some(problem) = check_family(rule, endpoints) {
        return out_of_bounds(problem.accepted);
    }
    if !may_be_seen && !is_private(address) {
        return out_of_bounds(
            "a loopback or private address; at another one clients could take test time for \
             true, unless you say --serve-test-time"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_from_loopback_and_private_addresses_of_the_right_family() {
        let endpoints = [("four", "127.0.0.1:0"), ("six", "[::1]:0")];
        let endpoints = endpoints.map(|(name, at)| (name, at.parse().expect("an address")));
        let check = |toml: &str, may_be_seen| {
            let rule = toml::from_str(toml).expect("a rule");
            check_rule(&rule, "it", endpoints, may_be_seen).is_ok()
        };
        for (toml, is_fine, is_fine_if_seen) in [
            ("reply_from = 'other-port'", true, true),
            ("reply_from = '127.0.0.2'", false, false),
            ("reply_from = '127.0.0.2'\nendpoint = 'four'", true, true),
            ("reply_from = '10.1.2.3'\nendpoint = 'four'", true, true),
            (
                "reply_from = '198.51.100.7'\nendpoint = 'four'",
                false,
                true,
            ),
            ("reply_from = '127.0.0.2'\nendpoint = 'six'", false, false),
            ("reply_from = 'fd00::7'\nendpoint = 'six'", true, true),
            ("reply_from = '2001:db8::7'\nendpoint = 'six'", false, true),
        ] {
            assert_eq!(check(toml, false), is_fine, "{toml}");
            assert_eq!(check(toml, true), is_fine_if_seen, "{toml}");
        }
    }

    #[test]
    fn test_time_stays_on_loopback_and_private_networks_and_off_port_123() {
        for (address, is_fine) in [
            ("127.0.0.1:0", true),
            ("127.3.2.1:11123", true),
            ("[::1]:0", true),
            ("10.1.2.3:4460", true),
            ("192.168.7.1:124", true),
            ("172.16.0.1:8123", true),
            ("[fd00::7]:8123", true),
            ("169.254.7.7:8123", true),
            ("127.0.0.1:123", false),
            ("[::1]:123", false),
            ("10.1.2.3:123", false),
            ("0.0.0.0:8123", false),
            ("[::]:8123", false),
            ("[::ffff:0.0.0.0]:8123", false),
            ("192.0.2.1:8123", false),
            ("8.8.8.8:8123", false),
            ("172.32.0.1:8123", false),
            ("[2001:db8::1]:8123", false),
            ("[::ffff:8.8.8.8]:8123", false),
            ("224.0.1.1:8123", false),
        ] {
            let checked = check("it", address.parse().expect("an address"));
            assert_eq!(checked.is_ok(), is_fine, "{address}: {checked:?}");
        }
    }
}

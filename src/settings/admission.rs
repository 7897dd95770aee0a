//! `[admission]` and what listeners say of it: who is served, and how often.

use super::schema::KOD;
use crate::admission::OnDeny;
use crate::api::settings::Values;
use ipnet::IpNet;
use std::net::IpAddr;

/// `[admission]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Whose clients are served.
    pub allow: Vec<IpNet>,
    /// Whose are not.
    pub deny: Vec<IpNet>,
    /// What clients get that are not served.
    pub on_deny: OnDeny,
    /// How many clients can be told apart at a time.
    pub clients: usize,
    /// Replies a second at most that are longer than their requests.
    pub amplified_replies: u32,
    /// How often a client is answered.
    pub rate_limit: RateLimitSettings,
    /// Whether the limits hold for clients on loopback too: where
    /// `[admission.rate_limit]` was written.
    pub limits_loopback: bool,
}

/// `[admission.rate_limit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// Millionths of a request a second.
    pub rate: i64,
    /// Requests at once.
    pub burst: u32,
    /// Millionths of what is too much that get a kiss-o'-death.
    pub kod_share: u32,
    /// Millionths of what is too much that are answered.
    pub leak: u32,
    /// Bits of an IPv4 address that make a client.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that make a client.
    pub ipv6_prefix: u8,
}

/// What a listener says of admission; `None` is as in `[admission]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerAdmission {
    /// Whose clients are served here.
    pub allow: Option<Vec<IpNet>>,
    /// Whose are not.
    pub deny: Option<Vec<IpNet>>,
    /// What clients get that are not served.
    pub on_deny: Option<OnDeny>,
    /// Whether the limits hold here.
    pub rate_limit: bool,
}

impl AdmissionSettings {
    pub(super) fn from_values(values: &Values, rate_limit: &Values, limits_loopback: bool) -> Self {
        Self {
            allow: networks(values.networks("allow")),
            deny: networks(values.networks("deny")),
            on_deny: on_deny(&values.text("on_deny")),
            clients: number(values, "clients"),
            amplified_replies: number(values, "amplified_replies"),
            rate_limit: RateLimitSettings {
                rate: rate_limit.millionths("rate"),
                burst: number(rate_limit, "burst"),
                kod_share: share(rate_limit, "kod_share"),
                leak: share(rate_limit, "leak"),
                ipv4_prefix: number(rate_limit, "ipv4_prefix"),
                ipv6_prefix: number(rate_limit, "ipv6_prefix"),
            },
            limits_loopback,
        }
    }
}

impl ListenerAdmission {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            allow: values.find_networks("allow").map(networks),
            deny: values.find_networks("deny").map(networks),
            on_deny: values.find_text("on_deny").as_deref().map(on_deny),
            rate_limit: values.flag("rate_limit"),
        }
    }
}

pub(super) fn networks(pairs: Vec<(IpAddr, u8)>) -> Vec<IpNet> {
    let net = |(address, bits)| IpNet::new_assert(address, bits);
    pairs.into_iter().map(net).collect()
}

/// Back again, for what is printed.
pub(super) fn pairs(networks: &[IpNet]) -> Vec<(IpAddr, u8)> {
    networks
        .iter()
        .map(|net| (net.addr(), net.prefix_len()))
        .collect()
}

fn on_deny(word: &str) -> OnDeny {
    if word == KOD {
        OnDeny::Kiss
    } else {
        OnDeny::Silent
    }
}

fn share(values: &Values, key: &str) -> u32 {
    u32::try_from(values.millionths(key)).expect("a share is declared within 0 to 1")
}

fn number<T: TryFrom<i64>>(values: &Values, key: &str) -> T {
    let number = T::try_from(values.integer(key));
    number.unwrap_or_else(|_| panic!("`{key}` is declared within what it is kept in"))
}

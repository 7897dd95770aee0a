//! `[[expect]]`, key by key.

use super::length::Length;
use ipnet::IpNet;
use serde::Deserialize as Derive;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::net::IpAddr;

/// One `[[expect]]`: exactly one thing that a good client does, and where and
/// when it is looked for.
///
/// ```
/// # use timeball::expect::Expectation;
/// let expectation: Expectation = toml::from_str(
///     r#"
///     name = "not more than four requests in any ten seconds"
///     endpoint = "pool-1"
///     requests = { at_most = 4, within = "10s" }
///     "#,
/// )?;
/// assert_eq!(expectation.check(&["pool-1"], &[]), []);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What the verdict calls it: one line. Default: the key of what is
    /// expected (`back_off`).
    pub name: Option<String>,
    /// Whether the run may pass without anything having been seen to judge it
    /// by. Default `false`.
    #[serde(default)]
    pub optional: bool,

    /// Only at the endpoint of this name. Default: at each.
    pub endpoint: Option<String>,
    /// Only this client: an address, or a subnet such as `"10.0.0.0/8"`.
    /// Default: every client.
    pub client: Option<Client>,
    /// Only from this much elapsed mock time on. Default: from the start.
    pub from: Option<Length>,
    /// Only before this much elapsed mock time. Default: up to the end.
    pub until: Option<Length>,
    /// Only what one of these rules touched: requests that it matched, replies
    /// that it acted on. Default: everything.
    ///
    /// `from`, `until` and `rules` choose requests where requests are counted,
    /// and otherwise the replies that call for something (the kiss, the bad
    /// reply). What the client does next counts whenever it does it.
    #[serde(default)]
    pub rules: Vec<String>,

    /// How often the client asks.
    pub requests: Option<Requests>,
    /// The client asks less often after a kiss-o'-death with code RATE.
    pub back_off: Option<BackOff>,
    /// The client stops asking after a kiss-o'-death with code DENY or RSTR.
    pub silence: Option<Silence>,
    /// The client asks from random ports.
    pub source_ports: Option<SourcePorts>,
    /// The client's transmit timestamps cannot be guessed.
    pub transmit_timestamps: Option<TransmitTimestamps>,
    /// The client asks again after the trouble is over.
    pub recovery: Option<Recovery>,
    /// The client does not take a bad reply for a good one.
    pub rejection: Option<Rejection>,
    /// The client's requests have the right version and mode.
    pub header: Option<Header>,
}

/// `requests`: how often the client asks. All protocols.
///
/// At least one of `at_least` and `at_most` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// So many requests in all, from all clients together; from 1.
    pub at_least: Option<u64>,
    /// No more than so many requests from one client at one endpoint; 0 to
    /// 1024 where `within` is given.
    pub at_most: Option<u64>,
    /// ... in any stretch of host time of this length; its end does not belong
    /// to it. Default: in the whole run.
    pub within: Option<Length>,
}

/// `back_off`: after a kiss-o'-death with code RATE the next request comes no
/// sooner than 2^k seconds of host time after the one that was kissed. NTP;
/// RFC 5905 section 7.4.
///
/// Counts only a kiss that a client has to believe: mode 4, stratum 0, and the
/// origin timestamp that the client sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct BackOff {
    /// The kiss codes that ask for it, of 1 to 4 characters. Default
    /// `["RATE"]`.
    pub codes: Option<Vec<String>>,
    /// k, 0 to 17. Default: the poll field of the kiss, brought to 0 to 17.
    pub poll: Option<u8>,
    /// How many requests after a kiss keep that distance from the one before,
    /// 1 to 1024. Default 1: after one pause the client may ask as before.
    pub requests: Option<u64>,
    /// A request that comes so soon after the kiss has left was on its way
    /// already, and does not count. Default `"100ms"`.
    pub grace: Option<Length>,
}

/// `silence`: after a kiss-o'-death with code DENY or RSTR the client does not
/// ask this endpoint any more. NTP; RFC 5905 section 7.4.
///
/// Counts only a kiss that a client has to believe, as for [`BackOff`].
#[derive(Debug, Clone, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// For so much host time after the kiss has left; the run has to last that
    /// long. Required.
    pub lasting: Length,
    /// The kiss codes that ask for it. Default `["DENY", "RSTR"]`.
    pub codes: Option<Vec<String>>,
    /// As for [`BackOff::grace`]. Default `"100ms"`.
    pub grace: Option<Length>,
}

/// `source_ports`: the client asks from ports that cannot be guessed. All
/// protocols; RFC 9109.
///
/// Each run of `requests` requests that a client makes of an endpoint is
/// judged. It fails if a port is 123 (NTP only), if fewer than `distinct` ports
/// are different, or if the ports are in sequence: if more than half of the
/// steps from one to the next go up by 1 to 16, or down by 1 to 16, or are one
/// and the same other than 0.
///
/// # How often chance fails a good client
/// Of the 28 232 ports that Linux chooses from, in a run of 8 requests with 6
/// distinct, as is the default: 5 in 10^11 by the number of ports, 1 in 10^11 by
/// their sequence. In a run of 5, the fewest: 3 in 10^8 and 4 in 10^9.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct SourcePorts {
    /// How many requests are judged together, 5 to 1024. Default 8.
    pub requests: Option<usize>,
    /// How many different ports they come from, at least; 1 to `requests`.
    /// Default: three quarters of `requests`, rounded up: a port for each
    /// request. RFC 9109 leaves it to the client whether it draws one for each
    /// or one for all; 1 accepts both, and cannot tell one port that was drawn
    /// from one that is built in.
    pub distinct: Option<usize>,
}

/// `transmit_timestamps`: an attacker who does not see the requests cannot
/// guess the timestamp that a reply has to carry back. NTP; CVE-2020-13817.
///
/// Each run of `requests` requests that a client makes of an endpoint is
/// judged by the 64 bits that it sends. It fails
/// 1. on a value that came before in the run, or zero;
/// 2. if the lowest 16 bits take fewer than half as many values as there are
///    requests;
/// 3. with `unpredictable = "low-bits"` only: if every fraction of a second is a
///    whole number of microseconds, rounded either way;
///
/// and with `unpredictable = "all-bits"` also
///
/// 4. on a step of less than a second, either way, from one to the next: a
///    counter, or a clock that stands;
/// 5. on a step that is that of a clock: within a second of the host time that
///    passed between the two requests, whatever the clock is set to;
/// 6. if more than half of the steps are the same;
/// 7. if two lie within an hour of the mock time at which they came.
///
/// # How often chance fails a good client
/// With all 64 bits random, in a run of 8 requests: 7 in 10^9 by 4 and 5
/// together, 1 in 10^10 by 7, below 1 in 10^17 by the others together. In a run
/// of 1024: 1 in 10^6, 2 in 10^6, below 1 in 10^13.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct TransmitTimestamps {
    /// How many requests are judged together, 5 to 1024. Default 8.
    pub requests: Option<usize>,
    /// What has to be random. Default `"all-bits"`.
    pub unpredictable: Option<Unpredictable>,
}

/// How much of a transmit timestamp has to be random.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Derive)]
#[serde(rename_all = "kebab-case")]
pub enum Unpredictable {
    /// `all-bits`: nothing of the client's clock shows.
    #[default]
    AllBits,
    /// `low-bits`: the client sends its time, with random bits below what its
    /// clock can tell. RFC 5905 section 6.
    LowBits,
}

/// `recovery`: the client asks again once the trouble is over. All protocols.
///
/// With `rules`: after the last request on whose way the rules acted, the first
/// that they leave alone comes in time. With `until` and without `rules`: each
/// client that asked before that moment asks again in time after it. One of the
/// two is given.
///
/// # From when on the time counts
/// From the end of the trouble, where that is known: `until`; the end of a
/// `blackhole`; the `to` of a rule's `during`; or the moment at which control
/// removed the rule. What else ends trouble (chance, a count of requests) is
/// known only from the next request that is left alone, so the time counts from
/// the last request in the trouble to that one.
///
/// `until` and `to` are mock time, which is seen only with datagrams. Between two
/// of an endpoint it is taken to have passed evenly, which is so on a `wall` base
/// at one rate.
#[derive(Debug, Clone, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// In so much host time. Required.
    pub within: Length,
}

/// `rejection`: the client does not take a bad reply for a good one, as far as
/// the wire shows it. NTP.
///
/// Bad are the replies on which one of `rules` acted, or, without `rules`, all of
/// `endpoint`; one of the two is given. The client took one for good if a later
/// request shows it, while the bad reply is one of the last 8:
/// - a timestamp of the request is the receive or the transmit timestamp of the
///   bad reply, bit by bit, and not one that a good reply had too (ntpd copies
///   the one as its origin timestamp, RFC 5905 section 8; RFC 9769 the other);
/// - the transmit timestamp tells the time of the bad reply where the request
///   before it was more than 2 s away from it, and is nearer now: by three
///   quarters, and to the second. The clock was set, to the transmit timestamp of
///   the bad reply or by the offset of RFC 5905 section 8.
///
/// So a bad reply that is 2 s or less from the client's time shows only if one of
/// its timestamps is copied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// In so much host time after a bad reply has left the client asks again, as
    /// it would had the reply been lost. Default: it need not, and if it never
    /// does, nothing was tested.
    pub asks_again_within: Option<Length>,
}

/// `header`: the first octet of each request. NTP.
///
/// At least one of the two is given. A request of fewer than 48 octets has no
/// header and fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Derive)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The versions that are right, 0 to 7.
    pub versions: Option<Vec<u8>>,
    /// The modes that are right, 0 to 7.
    pub modes: Option<Vec<u8>>,
}

/// A client, or all of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub IpNet);

impl Client {
    /// Whether `address` is one of them. An IPv4 address that came in an IPv6
    /// one is what it was.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl<'de> Deserialize<'de> for Client {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(ClientForm)
    }
}

struct ClientForm;

impl Visitor<'_> for ClientForm {
    type Value = Client;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a subnet such as \"10.0.0.0/8\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Client, E> {
        text.parse::<IpAddr>()
            .map(IpNet::from)
            .or_else(|_| text.parse())
            .map(Client)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

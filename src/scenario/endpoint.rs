//! From the tables `[[endpoints]]` to what is served, and where.

use super::clock::{self, ClockPlan, TimePlan};
use super::document::Document;
use super::schema;
use crate::api::settings::{Accepts, Default, Key, Value, Values};
use crate::client::Target;
use crate::protocol::ProtocolName;
use crate::settings::schema::protocol as declared;
use crate::settings::{
    Given, Place, ProtocolSettings, Refusal, Stray, check, conflict, describe, is_source_name,
    join, nearest, of_protocol,
};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::net::{Ipv4Addr, SocketAddr};

/// The list of endpoints.
const ENDPOINTS: &str = "endpoints";
/// More than these no scenario has.
const MOST: usize = 64;
/// Any free port of this host, for this host alone.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Something that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What rules, expectations and output call it.
    pub name: String,
    /// What is spoken.
    pub protocol: ProtocolSettings,
    /// Where; port 0 is any free one.
    pub address: SocketAddr,
    /// Its clock. Endpoints whose plans have the same
    /// [`stream`](ClockPlan::stream) share one:
    /// [`Scenario::clocks`](super::Scenario::clocks) builds them.
    pub clock: ClockPlan,
    /// A server to ask in the place of the clock.
    pub upstream: Option<Target>,
    /// Whether nobody is at the port: the kernel says so to whoever asks there
    /// (ICMP, "port unreachable"), and nobody sees the request.
    pub closed: bool,
}

/// What all endpoints have in common.
pub(super) struct Common {
    pub(super) time: TimePlan,
    /// The clock of those that have none of their own.
    pub(super) clock: ClockPlan,
}

/// The endpoints that `tables` ask for; one that speaks NTP if there are none.
pub(super) fn endpoints(
    document: &mut Document<'_>,
    tables: Option<&[schema::Endpoint]>,
    common: &Common,
) -> Vec<Endpoint> {
    let default = [schema::Endpoint::default()];
    let tables = tables.unwrap_or(&default);
    if tables.is_empty() && document.is_whole(ENDPOINTS) || tables.len() > MOST {
        document.reject(
            ENDPOINTS,
            format!("{} endpoints; accepted: 1 to {MOST}", tables.len()),
        );
        return Vec::new();
    }
    let paths = document.paths(ENDPOINTS, tables.len());
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for ((path, table), number) in paths.iter().zip(tables).zip(1..) {
        if !document.is_whole(path) {
            continue;
        }
        let protocol = table.protocol.unwrap_or(ProtocolName::Ntp);
        let endpoint = Endpoint {
            name: table
                .name
                .clone()
                .unwrap_or_else(|| protocol.as_str().to_owned()),
            protocol: protocol_settings(document, path, protocol, table),
            address: address(document, path, table),
            clock: match &table.clock {
                Some(own) => {
                    let path = join(path, "clock");
                    clock::clock(document, &path, own, common.time, number)
                }
                None => common.clock.clone(),
            },
            upstream: upstream(document, path, protocol, table),
            closed: closed(document, path, table),
        };
        beside(document, path, &endpoint, paths.iter().zip(&endpoints));
        endpoints.push(endpoint);
    }
    endpoints
}

/// Judges a name and an address beside those of the endpoints before it.
fn beside<'e>(
    document: &mut Document<'_>,
    path: &str,
    endpoint: &Endpoint,
    earlier: impl Iterator<Item = (&'e String, &'e Endpoint)>,
) {
    let name = &endpoint.name;
    if !is_source_name(name) {
        document.reject(
            &join(path, "name"),
            "refused; accepted: lower-case letters, digits and hyphens",
        );
    }
    for (other_path, other) in earlier {
        if other.name == *name {
            document.reject_value(
                &join(path, "name"),
                format!("{name:?}"),
                format!("{other_path} has this name; accepted: a name for each endpoint"),
            );
        }
        let place = |address| Place {
            address,
            interface: None,
        };
        if conflict(place(endpoint.address), place(other.address)) {
            let taken = join(other_path, "address");
            document.reject(
                &join(path, "address"),
                format!(
                    "{taken} = \"{}\" takes this port already; accepted: another port, or 0",
                    other.address
                ),
            );
        }
    }
}

fn address(document: &mut Document<'_>, path: &str, table: &schema::Endpoint) -> SocketAddr {
    let Some(text) = &table.address else {
        return ANY_PORT;
    };
    match check(&Accepts::SocketAddress, Given::Text(text), None) {
        Ok(Value::SocketAddress(address)) => address,
        Err(Refusal::Because(problem)) => {
            document.reject(&join(path, "address"), problem);
            ANY_PORT
        }
        _ => ANY_PORT,
    }
}

fn upstream(
    document: &mut Document<'_>,
    path: &str,
    protocol: ProtocolName,
    table: &schema::Endpoint,
) -> Option<Target> {
    let path_of = |key| join(path, key);
    let text = table.upstream.as_ref()?;
    if table.clock.is_some() {
        document.reject(
            &path_of("clock"),
            "`upstream` has the time; accepted: one of `clock` and `upstream`",
        );
    }
    let port = match protocol {
        ProtocolName::Ntp => 123,
        ProtocolName::Daytime => 13,
        ProtocolName::Time => 37,
        ProtocolName::Text => {
            document.reject(
                &path_of("upstream"),
                "no server of others speaks `text`; accepted: protocol `daytime`, `time` or `ntp`",
            );
            return None;
        }
    };
    Target::parse(text, port)
        .map_err(|error| document.reject(&path_of("upstream"), error.to_string()))
        .ok()
}

fn closed(document: &mut Document<'_>, path: &str, table: &schema::Endpoint) -> bool {
    let is_closed = table.closed.unwrap_or(false);
    let beside = [
        ("clock", table.clock.is_some()),
        ("upstream", table.upstream.is_some()),
    ];
    for (key, _) in beside.iter().filter(|(_, is_there)| is_closed && *is_there) {
        document.reject(
            &join(path, key),
            format!(
                "nobody answers at a port that is closed; accepted: one of `closed` and `{key}`"
            ),
        );
    }
    is_closed
}

/// The protocol with the settings that the table has for it, checked by the
/// same declarations as in `settings.toml`.
fn protocol_settings(
    document: &mut Document<'_>,
    path: &str,
    protocol: ProtocolName,
    table: &schema::Endpoint,
) -> ProtocolSettings {
    let given = [
        ("format", table.format.as_deref().map(Given::Text)),
        ("timezone", table.timezone.as_deref().map(Given::Text)),
        ("symmetric", table.symmetric.as_deref().map(Given::Text)),
        (
            "unsynchronised",
            table.unsynchronised.as_deref().map(Given::Text),
        ),
        ("crypto_nak", table.crypto_nak.map(Given::Flag)),
    ];
    let declared = declared(protocol.as_str()).expect("every name of a protocol is declared");
    for (name, value) in given {
        let is_known = declared.keys.iter().any(|key| key.name == name);
        if value.is_some()
            && !is_known
            && let Stray::Unknown(hint) = of_protocol(Some(declared), name)
        {
            document.stray(&join(path, name), hint);
        }
    }
    let mut values = Values::default();
    let mut is_right = true;
    for key in declared.keys {
        let own = given
            .iter()
            .find_map(|(name, value)| value.filter(|_| *name == key.name));
        let value = match own {
            Some(Given::Text(name)) if key.accepts == Accepts::TimeZone => zone(name),
            Some(value) => check(&key.accepts, value, None).map_err(|refusal| match refusal {
                Refusal::Because(problem) => problem,
                Refusal::NoLocalZone => format!("refused; accepted: {}", describe(&key.accepts)),
            }),
            None => Ok(default(key)),
        };
        let value = value.unwrap_or_else(|problem| {
            document.reject(&join(path, key.name), problem);
            is_right = false;
            default(key)
        });
        values.insert(key.name, value);
    }
    let settings = ProtocolSettings::from_values(protocol.as_str(), &values);
    if is_right && let Err(error) = settings.build() {
        document.reject(&join(path, "format"), error.to_string());
    }
    settings
}

/// The IANA zone of this name: not `local`, since a scenario gives the same
/// bytes everywhere.
fn zone(name: &str) -> Result<Value, String> {
    const ACCEPTED: &str = "accepted: `UTC` or an IANA name such as `Europe/Paris`";
    if name == "local" {
        return Err(format!("not the same everywhere; {ACCEPTED}"));
    }
    name.parse::<Tz>()
        .map(|zone| Value::Text(zone.name().to_owned()))
        .map_err(|_| {
            let hint = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()))
                .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            format!("unknown time zone; {hint}{ACCEPTED}")
        })
}

/// What holds without the key: what is declared, but the same everywhere.
fn default(key: &Key) -> Value {
    let Default::Is(text) = key.default else {
        unreachable!("every key of a protocol has a default");
    };
    let text = if key.accepts == Accepts::TimeZone {
        "UTC"
    } else {
        text
    };
    check(&key.accepts, Given::Untyped(text), None)
        .unwrap_or_else(|refusal| panic!("a declared default is accepted: {refusal:?}"))
}

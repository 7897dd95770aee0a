//! The addresses of listeners: how they are written, and which two cannot both
//! be had.

use super::value::describe;
use crate::api::settings::Accepts;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `address`, unless it is a kind that the kernel binds and cannot answer from,
/// or refuses without a word that helps.
fn one_to_answer_from(address: SocketAddr) -> Result<SocketAddr, String> {
    let (ip, port) = (address.ip(), address.port());
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_multicast() || is_broadcast {
        return Err("nobody can answer from a multicast or broadcast address".to_owned());
    }
    match ip.to_canonical() {
        IpAddr::V4(v4) if ip.is_ipv6() => Err(format!("an IPv4 address: write {v4}:{port}")),
        _ => Ok(address),
    }
}

/// The address and port that `text` says.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn parse_socket_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return one_to_answer_from(address);
    }
    let accepts = describe(&Accepts::SocketAddress);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(match address {
            IpAddr::V4(address) => format!("the port is missing: {address}:PORT"),
            IpAddr::V6(address) => format!("the port is missing: [{address}]:PORT"),
        });
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("not an address; accepted: {accepts}"));
    };
    match port.parse::<i128>() {
        Ok(number) if u16::try_from(number).is_err() => {
            return Err(format!("port {number} is outside 0..=65535"));
        }
        Err(_) if port.is_empty() => {
            return Err(format!("the port is missing; accepted: {accepts}"));
        }
        Err(_) => return Err(format!("port {port:?} is not a number in 0..=65535")),
        Ok(_) => {}
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let (ip, scope) = bare.unwrap_or(host).split_once('%').unzip();
    if let (Some(Ok(ip)), Some(scope)) = (ip.map(str::parse::<Ipv6Addr>), scope)
        && scope.parse::<u32>().is_err()
    {
        return Err(format!(
            "a scope is the number of an interface, such as [{ip}%1]:{port} (`ip link` shows \
             it); or leave it out, write [{ip}]:{port}, and set `interface` to its name"
        ));
    }
    Err(match host {
        "" | "*" => {
            format!("write 0.0.0.0:{port} (IPv4) or [::]:{port} (IPv6 and IPv4) for every address")
        }
        "localhost" => format!("a name is not accepted: write 127.0.0.1:{port} or [::1]:{port}"),
        _ if bare.is_none() && ip.unwrap_or(host).parse::<Ipv6Addr>().is_ok() => {
            format!("an IPv6 address stands in brackets: [{host}]:{port}")
        }
        _ => format!("not an IP address; accepted: {accepts}"),
    })
}

/// Where a listener wants to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The address and port.
    pub(crate) address: SocketAddr,
    /// The only interface, if there is one.
    pub(crate) interface: Option<&'a str>,
}

/// Whether the kernel refuses one of the two because of the other.
///
/// `[::]` takes IPv4 as well, so it stands in the way of every other address
/// of its port; `0.0.0.0` in that of every IPv4 address and of `[::]`. Port 0
/// is a different free port each time. Sockets bound to different interfaces
/// never meet.
pub(crate) fn conflict(a: Place<'_>, b: Place<'_>) -> bool {
    if a.address.port() != b.address.port() || a.address.port() == 0 {
        return false;
    }
    if let (Some(a), Some(b)) = (a.interface, b.interface)
        && a != b
    {
        return false;
    }
    let (ip_a, ip_b) = (a.address.ip().to_canonical(), b.address.ip().to_canonical());
    if ip_a == ip_b {
        return scope(a.address) == scope(b.address);
    }
    let takes_both = |ip: IpAddr| ip.is_ipv6() && ip.is_unspecified();
    let same_family = ip_a.is_ipv4() == ip_b.is_ipv4();
    takes_both(ip_a)
        || takes_both(ip_b)
        || same_family && (ip_a.is_unspecified() || ip_b.is_unspecified())
}

fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(address: &str, interface: Option<&'a str>) -> Place<'a> {
        Place {
            address: address.parse().unwrap(),
            interface,
        }
    }

    #[test]
    fn an_address_that_is_none_is_told_what_it_lacks() {
        let cases = [
            ("localhost:123", "write 127.0.0.1:123 or [::1]:123"),
            ("127.0.0.1", "the port is missing: 127.0.0.1:PORT"),
            ("::1", "the port is missing: [::1]:PORT"),
            ("127.0.0.1:", "the port is missing"),
            ("127.0.0.1:70000", "port 70000 is outside 0..=65535"),
            ("127.0.0.1:-1", "port -1 is outside 0..=65535"),
            ("127.0.0.1:ntp", "port \"ntp\" is not a number"),
            (":123", "write 0.0.0.0:123"),
            ("*:123", "write 0.0.0.0:123"),
            ("fe80::1%1:123", "stands in brackets: [fe80::1%1]:123"),
            ("fe80::1%lo:123", "such as [fe80::1%1]:123"),
            ("[fe80::1%lo]:123", "such as [fe80::1%1]:123"),
            (
                "[fe80::1%lo]:123",
                "write [fe80::1]:123, and set `interface`",
            ),
            ("[fe80::1%]:123", "a scope is the number of an interface"),
            ("[fe80::x%lo]:123", "not an IP address"),
            ("[::ffff:127.0.0.1]:123", "write 127.0.0.1:123"),
            ("224.0.1.1:123", "multicast"),
            ("[ff02::101]:123", "multicast"),
            ("255.255.255.255:123", "broadcast"),
            ("300.0.0.1:123", "not an IP address"),
            ("", "not an address"),
        ];
        for (text, part) in cases {
            let problem = parse_socket_address(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn wildcards_take_the_port_of_what_they_cover() {
        let cases = [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:0", "[::]:0", false),
            ("0.0.0.0:1", "[::]:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "[::1]:1", true),
            ("[::1]:1", "127.0.0.1:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("[fe80::1%1]:1", "[fe80::1%2]:1", false),
            ("[fe80::1%1]:1", "[fe80::1%1]:1", true),
        ];
        for (a, b, expected) in cases {
            assert_eq!(conflict(at(a, None), at(b, None)), expected, "{a} and {b}");
            assert_eq!(conflict(at(b, None), at(a, None)), expected, "{b} and {a}");
        }
    }

    #[test]
    fn different_interfaces_never_meet() {
        let wildcard = "0.0.0.0:1";
        assert!(!conflict(
            at(wildcard, Some("lo")),
            at(wildcard, Some("eth0"))
        ));
        assert!(conflict(at(wildcard, Some("lo")), at(wildcard, Some("lo"))));
        assert!(conflict(at(wildcard, Some("lo")), at(wildcard, None)));
    }
}

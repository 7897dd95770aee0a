//! Which two listeners cannot both have their address.

use std::net::SocketAddr;

/// Where a listener wants to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The address and port.
    pub(super) address: SocketAddr,
    /// The only interface, if there is one.
    pub(super) interface: Option<&'a str>,
}

/// Whether the kernel refuses one of the two because of the other.
///
/// `[::]` takes IPv4 as well, so it stands in the way of every other address
/// of its port; `0.0.0.0` in that of every IPv4 address and of `[::]`. Port 0
/// is a different free port each time. Sockets bound to different interfaces
/// never meet.
pub(super) fn conflict(a: Place<'_>, b: Place<'_>) -> bool {
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
    let takes_both = |ip: std::net::IpAddr| ip.is_ipv6() && ip.is_unspecified();
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

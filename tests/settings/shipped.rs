//! What is shipped: the default file, the reference, and that both keep step
//! with the declarations.

use super::{SMALL, accepted, load};
use std::collections::BTreeSet;
use timeball::admission::OnDeny;
use timeball::api::Delta;
use timeball::api::settings::{Default, Key};
use timeball::protocol::ntp::{Ntp, Symmetric, WhenUnsynchronised};
use timeball::settings::schema::{
    ADMISSION, CONTROL, HTTP, LISTENER, LOG, PROTOCOLS, RATE_LIMIT, SANDBOX, TOP, XDP,
};
use timeball::settings::{
    DEFAULT_FILE, LogFormat, LogSettings, LogTarget, ProtocolSettings, Settings, XdpMode, reference,
};
use timeball::sources::KINDS;

/// Every key that can be set, with what it belongs to.
fn every_key() -> Vec<(&'static str, &'static Key)> {
    let top = TOP.iter().map(|key| ("the top level", key));
    let listener = LISTENER.iter().map(|key| ("listeners", key));
    let protocols = PROTOCOLS
        .iter()
        .flat_map(|protocol| protocol.keys.iter().map(|key| (protocol.name, key)));
    let kinds = KINDS
        .iter()
        .flat_map(|kind| kind.keys.iter().map(|key| (kind.name, key)));
    let log = LOG.iter().map(|key| ("log", key));
    let control = CONTROL.iter().map(|key| ("control", key));
    let http = HTTP.iter().map(|key| ("http", key));
    let xdp = XDP.iter().map(|key| ("xdp", key));
    let sandbox = SANDBOX.iter().map(|key| ("sandbox", key));
    let admission = ADMISSION.iter().map(|key| ("admission", key));
    let rate_limit = RATE_LIMIT.iter().map(|key| ("admission.rate_limit", key));
    top.chain(log)
        .chain(admission)
        .chain(rate_limit)
        .chain(control)
        .chain(http)
        .chain(sandbox)
        .chain(xdp)
        .chain(listener)
        .chain(protocols)
        .chain(kinds)
        .collect()
}

/// The default file with the settings that are commented out put in.
fn with_comments_put_in() -> String {
    DEFAULT_FILE
        .lines()
        .map(|line| {
            let setting = line.strip_prefix("# ").filter(|rest| {
                let is_key = rest.split_once(" = ").is_some_and(|(key, _)| {
                    key.bytes().all(|octet| {
                        octet.is_ascii_lowercase() || matches!(octet, b'_' | b'0'..=b'9')
                    })
                });
                is_key
                    || rest.starts_with("[sources.")
                    || matches!(*rest, "[admission.rate_limit]" | "[control]" | "[xdp]")
            });
            format!("{}\n", setting.unwrap_or(line))
        })
        .collect()
}

#[test]
fn the_default_file_serves_four_protocols_from_the_system_clock() {
    let settings = accepted(DEFAULT_FILE);
    let served: Vec<(String, &str, &str)> = settings
        .listeners
        .iter()
        .map(|one| {
            (
                one.address.to_string(),
                one.protocol.name(),
                one.source.as_str(),
            )
        })
        .collect();
    let expected = [
        ("127.0.0.1:8089", "text"),
        ("127.0.0.1:8013", "daytime"),
        ("127.0.0.1:8037", "time"),
        ("127.0.0.1:8123", "ntp"),
    ];
    assert_eq!(
        served,
        expected.map(|(address, protocol)| (address.to_owned(), protocol, "wall"))
    );
    assert_eq!(settings.sources["wall"].kind.name, "system");
}

#[test]
fn the_default_file_has_nothing_but_defaults() {
    let mut bare = String::from("[http]\n[sources.wall]\nkind = \"system\"\n");
    for (protocol, port) in [
        ("text", 8089),
        ("daytime", 8013),
        ("time", 8037),
        ("ntp", 8123),
    ] {
        bare += &format!(
            "[[listeners]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\nsource = \"wall\"\n"
        );
    }
    assert_eq!(accepted(DEFAULT_FILE), accepted(&bare));
}

#[test]
fn the_settings_that_the_default_file_comments_out_are_accepted() {
    let settings = accepted(&with_comments_put_in());
    let shown: BTreeSet<&str> = settings
        .sources
        .values()
        .map(|source| source.kind.name)
        .collect();
    assert_eq!(shown, KINDS.iter().map(|kind| kind.name).collect());
}

#[test]
fn the_default_file_shows_every_key_with_its_default() {
    let text = with_comments_put_in();
    let table: toml::Table = text.parse().unwrap();
    let in_kind = |kind: &str, key: &str| {
        let sources = table["sources"].as_table().unwrap();
        let source = sources
            .values()
            .find(|source| source["kind"].as_str() == Some(kind));
        source.and_then(|source| source.get(key)).cloned()
    };
    let in_listener = |protocol: Option<&str>, key: &str| {
        let listeners = table["listeners"].as_array().unwrap();
        let mut right = listeners
            .iter()
            .filter(|one| protocol.is_none() || one["protocol"].as_str() == protocol);
        right.find_map(|one| one.get(key)).cloned()
    };
    for (owner, key) in every_key() {
        let shown = match owner {
            "the top level" => table.get(key.name).cloned(),
            "log" => table["log"].get(key.name).cloned(),
            "admission" => table["admission"].get(key.name).cloned(),
            "admission.rate_limit" => table["admission"]["rate_limit"].get(key.name).cloned(),
            "control" => table["control"].get(key.name).cloned(),
            "http" => table["http"].get(key.name).cloned(),
            "sandbox" => table["sandbox"].get(key.name).cloned(),
            "xdp" => table["xdp"].get(key.name).cloned(),
            "listeners" => in_listener(None, key.name),
            owner if PROTOCOLS.iter().any(|protocol| protocol.name == owner) => {
                in_listener(Some(owner), key.name)
            }
            kind => in_kind(kind, key.name),
        };
        let shown = shown.unwrap_or_else(|| panic!("`{}` of {owner} is not shown", key.name));
        let shown = match &shown {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(list) => {
                let list: Vec<_> = list.iter().filter_map(toml::Value::as_str).collect();
                list.join(", ")
            }
            other => other.to_string(),
        };
        if let Default::Is(default) = key.default {
            // A duration may be written in more than one way.
            let same = timeball::settings::parse_duration(&shown)
                .is_ok_and(|span| timeball::settings::parse_duration(default) == Ok(span));
            assert!(
                shown == default || same,
                "`{}` of {owner}: {shown}, default {default}",
                key.name
            );
        }
    }
}

#[test]
fn every_declared_default_is_accepted() {
    for kind in KINDS {
        accepted(&format!(
            "{SMALL}[sources.other]\nkind = \"{}\"\n",
            kind.name
        ));
    }
}

#[test]
fn every_key_says_what_it_does() {
    for (owner, key) in every_key() {
        assert!(!key.help.is_empty(), "`{}` of {owner}", key.name);
    }
}

#[test]
fn the_reference_is_in_step_with_the_declarations() {
    let shipped = include_str!("../../docs/settings.md");
    assert!(
        shipped == reference::markdown(),
        "run `cargo run -- settings --reference > docs/settings.md`"
    );
}

#[test]
fn the_list_of_kinds_names_every_setting_and_default() {
    let list = reference::kinds();
    for kind in KINDS {
        assert!(list.contains(&format!("kind = \"{}\"", kind.name)));
        for key in kind.keys {
            assert!(
                list.contains(&format!("    {} (", key.name)),
                "{}",
                key.name
            );
            if let Default::Is(default) = key.default {
                assert!(
                    list.contains(&format!("default {default})")),
                    "{}",
                    key.name
                );
            }
        }
    }
}

/// Settings in which nothing is as it is by default.
const UNUSUAL: &str = r#"
threads = 7
batch = 8
max_queue_delay = 0

[log]
level = "warn,timeball::served=debug"
format = "json"
lines_per_second = 7
burst = 9

[admission]
allow = ["192.0.2.0/24", "2001:db8::7"]
deny = "192.0.2.8/29, 198.51.100.1"
on_deny = "kod"
clients = 1024
amplified_replies = 1

[admission.rate_limit]
rate = 0.125
burst = 5
kod_share = 0.000001
leak = 0
ipv4_prefix = 24
ipv6_prefix = 48

[control]
address = "[2001:db8::1]:0"
token_file = "a \"file\""

[http]
address = "192.0.2.1:0"
token_file = "another"

[sandbox]
enabled = true
required = true
user = "65534"
reload_low_ports = true

[xdp]
interface = "eth0.7"
mode = "generic"

[sources.wall]
kind = "system"
stratum = 3
reference_id = "GPS"
leap_indicator = "insert"
root_dispersion = 1e-6
require_synchronised = true

[sources.steady-2]
kind = "monotonic-offset"
start = 2036-02-07T06:28:15.123456789+01:00
offset = "-1.5us"
drift_ppm = -0.000001

[sources.scripted]
kind = "mock"
start = "1970-01-01T00:00:00Z"
advance = "per-request"
step = "-2ms"
stratum = 2
leap_indicator = "unsynchronised"
reference_id = "10.0.0.1"
root_delay = 0.25
root_dispersion = "3s"

[[listeners]]
protocol = "text"
address = "[fe80::1%3]:9001"
source = "steady-2"
responders = 3
responder_threads = 4
receive_buffer = 4096
freebind = true
interface = "eth0.100"
allow = []
deny = ["::/0"]
on_deny = "silent"
rate_limit = false
format = "%H:%M \"\\\t\u00e9\u0001 %z"
timezone = "America/New_York"

[[listeners]]
protocol = "daytime"
address = "0.0.0.0:9002"
source = "scripted"
format = "%Y \"%H\" \\"
timezone = "UTC"

[[listeners]]
protocol = "daytime"
address = "0.0.0.0:9003"
source = "wall"
format = "smtp"

[[listeners]]
protocol = "ntp"
address = "0.0.0.0:0"
source = "wall"
symmetric = "reply"
unsynchronised = "silent"
crypto_nak = true
"#;

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    for text in [DEFAULT_FILE, SMALL, UNUSUAL, &with_comments_put_in()] {
        let settings = accepted(text);
        let printed = settings.to_toml();
        // Nothing of the environment is needed any more, not even TZ.
        assert_eq!(
            Settings::from_toml(&printed).as_ref(),
            Ok(&settings),
            "{printed}"
        );
        assert_eq!(accepted(&printed).to_toml(), printed);
    }
}

#[test]
fn every_value_arrives_as_its_type() {
    let settings = accepted(UNUSUAL);
    assert_eq!((settings.threads, settings.batch), (7, 8));
    assert_eq!(settings.max_queue_delay, None);
    assert_eq!(
        settings.log,
        LogSettings {
            level: "warn,timeball::served=debug".to_owned(),
            format: LogFormat::Json,
            to: LogTarget::Stderr,
            lines_per_second: 7,
            burst: 9,
        }
    );
    let admission = settings.admission.unwrap();
    let shown = |networks: &[ipnet::IpNet]| -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    };
    assert_eq!(shown(&admission.allow), ["192.0.2.0/24", "2001:db8::7/128"]);
    assert_eq!(shown(&admission.deny), ["192.0.2.8/29", "198.51.100.1/32"]);
    assert_eq!(admission.on_deny, OnDeny::Kiss);
    assert_eq!((admission.clients, admission.amplified_replies), (1_024, 1));
    let limit = &admission.rate_limit;
    assert_eq!((limit.rate, limit.burst), (125_000, 5));
    assert_eq!((limit.kod_share, limit.leak), (1, 0));
    assert_eq!((limit.ipv4_prefix, limit.ipv6_prefix), (24, 48));
    assert!(admission.limits_loopback);
    let own = &settings.listeners[0].admission;
    assert_eq!(own.allow.as_deref(), Some(&[][..]));
    assert_eq!(
        own.deny.as_deref().map(shown),
        Some(vec!["::/0".to_owned()])
    );
    assert_eq!((own.on_deny, own.rate_limit), (Some(OnDeny::Silent), false));
    let control = settings.control.unwrap();
    assert_eq!(control.address.to_string(), "[2001:db8::1]:0");
    assert_eq!(control.token_file.as_deref(), Some("a \"file\""));
    let http = settings.http.unwrap();
    assert_eq!(http.address.to_string(), "192.0.2.1:0");
    assert_eq!(http.token_file.as_deref(), Some("another"));
    let xdp = settings.xdp.unwrap();
    assert_eq!(
        (xdp.interface.as_str(), xdp.mode),
        ("eth0.7", XdpMode::Generic)
    );
    let sandbox = settings.sandbox;
    assert!(sandbox.enabled && sandbox.required && sandbox.reload_low_ports);
    assert_eq!(sandbox.user.as_deref(), Some("65534"));
    let steady = &settings.sources["steady-2"].values;
    assert_eq!(
        steady.instant("start").as_nanos(),
        2_085_974_895_123_456_789
    );
    assert_eq!(steady.duration("offset"), Delta::from_nanos(-1_500));
    assert_eq!(steady.parts_per_trillion("drift_ppm"), -1);
    let text = &settings.listeners[0];
    assert_eq!(
        (text.responders, text.responder_threads, text.receive_buffer),
        (3, 4, 4096)
    );
    assert_eq!(text.interface.as_deref(), Some("eth0.100"));
    assert_eq!(
        settings.listeners[3].protocol,
        ProtocolSettings::Ntp(Ntp {
            symmetric: Symmetric::Reply,
            unsynchronised: WhenUnsynchronised::Silent,
            crypto_nak: true,
        })
    );
    assert_eq!(settings.listeners[1].responders, 1);
}

#[test]
fn a_source_that_no_listener_serves_is_noticed() {
    let text = format!("{SMALL}[sources.spare]\nkind = \"system\"\n");
    let settings = load(&text, &[]).unwrap();
    assert_eq!(settings.unused_sources().collect::<Vec<_>>(), ["spare"]);
}

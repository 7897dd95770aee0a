//! The settings there are: the top level, the log, admission, control, HTTP, the sandbox,
//! listeners and protocols, declared with the same [`Key`] as the kinds of time source.
//!
//! The declarations are all there is: the walk over the file, the defaults,
//! the errors, `timeball check`, `timeball sources` and `docs/settings.md`
//! come from them.

use crate::admission::networks::PRIVATE;
use crate::api::Delta;
use crate::api::settings::{Accepts, Default, Key};
use crate::protocol::text::DEFAULT_FORMAT;

/// The keys above all tables.
pub const TOP: &[Key] = &[
    Key {
        name: "threads",
        accepts: Accepts::Integer { min: 0, max: 1024 },
        default: Default::Is("0"),
        help: "threads that serve (shards); 0 is one for each CPU the process may use",
    },
    Key {
        name: "batch",
        accepts: Accepts::Integer { min: 1, max: 64 },
        default: Default::Is("64"),
        help: "datagrams taken from a socket, and replies sent, in one system call at most",
    },
    Key {
        name: "max_queue_delay",
        accepts: Accepts::Duration {
            min: Delta::ZERO,
            max: Delta::MAX,
        },
        default: Default::Is("50ms"),
        help: "a request that waited longer is dropped, because a late answer is a wrong answer; 0 never drops",
    },
];

/// The keys of `[log]`.
pub const LOG: &[Key] = &[
    Key {
        name: "level",
        accepts: Accepts::Text,
        default: Default::Is("info"),
        help: "what is told: `error`, `warn`, `info`, `debug`, `trace` or `off`, and with commas more for one part of the program (`info,timeball::served=debug`); `-v` says more over it, and the variable RUST_LOG overrides both",
    },
    Key {
        name: "format",
        accepts: Accepts::OneOf(&[TEXT, JSON]),
        default: Default::Is(TEXT),
        help: "how a line on stderr is written: for people, or as a JSON object with `timestamp`, `level`, `target`, `message` and what else the line says (of counters and reloads, `message` is the whole line)",
    },
    Key {
        name: "to",
        accepts: Accepts::OneOf(&[STDERR, JOURNALD]),
        default: Default::Is(STDERR),
        help: "where it goes; journald is given the fields as its own (`F_ADDRESS`), and is an error at start where it does not run",
    },
    Key {
        name: "lines_per_second",
        accepts: Accepts::Integer {
            min: 1,
            max: 1_000_000,
        },
        default: Default::Is("100"),
        help: "lines in the long run, over all parts of the program but `timeball::served` (the line for each request under `-v`, which has a cap of its own); once a second a line says how many were left out",
    },
    Key {
        name: "burst",
        accepts: Accepts::Integer {
            min: 1,
            max: 1_000_000,
        },
        default: Default::Is("1000"),
        help: "lines at once, for a start with many listeners",
    },
];

/// The word for lines for people.
pub(super) const TEXT: &str = "text";
/// The word for lines of JSON.
pub(super) const JSON: &str = "json";
/// The word for the standard error stream.
pub(super) const STDERR: &str = "stderr";
/// The word for the journal of systemd.
pub(super) const JOURNALD: &str = "journald";

/// The keys of `[admission]`.
pub const ADMISSION: &[Key] = &[
    Key {
        name: "allow",
        accepts: Accepts::Networks,
        default: Default::Is(PRIVATE),
        help: "whose clients are served; unless told, those on loopback, private and link-local networks. Of the networks in `allow` and `deny` that hold an address the smallest decides; an address in none is not served",
    },
    Key {
        name: "deny",
        accepts: Accepts::Networks,
        default: Default::Is(""),
        help: "whose clients are not served",
    },
    ON_DENY,
    Key {
        name: "clients",
        accepts: Accepts::Integer {
            min: 1_024,
            max: 524_288,
        },
        default: Default::Is("65536"),
        help: "how many clients the rate limit can tell apart at a time, in a table of 8 octets each (4 MiB at most) that never grows; when there are more, the one that has asked least lately is forgotten",
    },
    Key {
        name: "amplified_replies",
        accepts: Accepts::Integer {
            min: 1,
            max: 1_000_000_000,
        },
        default: Default::Is("10000"),
        help: "replies a second, to everybody but loopback together, that `text`, `daytime` and `time` give at most: theirs are longer than their requests",
    },
];

/// The keys of `[admission.rate_limit]`.
pub const RATE_LIMIT: &[Key] = &[
    Key {
        name: "rate",
        accepts: Accepts::Decimal {
            min: 1_000,
            max: 100_000_000_000,
        },
        default: Default::Is("2"),
        help: "requests a second of one client that are answered in the long run",
    },
    Key {
        name: "burst",
        accepts: Accepts::Integer {
            min: 1,
            max: 100_000,
        },
        default: Default::Is("32"),
        help: "requests at once that are answered; no more than come in 65,536 s",
    },
    Key {
        name: "kod_share",
        accepts: SHARE,
        default: Default::Is("0.25"),
        help: "which share of what is too much gets a kiss-o'-death with code RATE, of `ntp`",
    },
    Key {
        name: "leak",
        accepts: SHARE,
        default: Default::Is("0.25"),
        help: "which share of what is too much is answered all the same, by chance, of `ntp`: whoever asks in the name of a victim cannot cut it off",
    },
    Key {
        name: "ipv4_prefix",
        accepts: Accepts::Integer { min: 8, max: 32 },
        default: Default::Is("32"),
        help: "bits of an IPv4 address that make a client",
    },
    Key {
        name: "ipv6_prefix",
        accepts: Accepts::Integer { min: 16, max: 128 },
        default: Default::Is("64"),
        help: "bits of an IPv6 address that make a client",
    },
];

const SHARE: Accepts = Accepts::Decimal {
    min: 0,
    max: 1_000_000,
};

const ON_DENY: Key = Key {
    name: "on_deny",
    accepts: Accepts::OneOf(&[SILENT, KOD]),
    default: Default::Is(SILENT),
    help: "what clients get that are not served: nothing, or (`ntp`) a kiss-o'-death with code DENY, as often as others the time",
};

/// The word for no answer.
pub(super) const SILENT: &str = "silent";
/// The word for a kiss-o'-death.
pub(super) const KOD: &str = "kod";

/// The keys of `[control]`.
pub const CONTROL: &[Key] = &[
    Key {
        name: "address",
        accepts: Accepts::SocketAddress,
        default: Default::Is("127.0.0.1:8090"),
        help: "where control is asked over HTTP (docs/control.md); port 0 takes any free port; beyond loopback a token is needed",
    },
    Key {
        name: "token_file",
        accepts: Accepts::Text,
        default: Default::Absent("no token"),
        help: "the file with the token that whoever controls has to show: 16 to 512 letters, digits and any of `-._~+/=`; the variable TIMEBALL_CONTROL_TOKEN comes before it",
    },
];

/// The keys of `[http]`.
pub const HTTP: &[Key] = &[
    Key {
        name: "address",
        accepts: Accepts::SocketAddress,
        default: Default::Is("127.0.0.1:8088"),
        help: "where metrics, health and status are asked over HTTP (docs/monitoring.md); port 0 takes any free port; beyond loopback all but `/metrics`, `/healthz` and `/readyz` needs a token",
    },
    Key {
        name: "token_file",
        accepts: Accepts::Text,
        default: Default::Absent("no token"),
        help: "the file with the token that whoever asks for more than `/metrics`, `/healthz` and `/readyz` has to show: 16 to 512 letters, digits and any of `-._~+/=`; the variable TIMEBALL_HTTP_TOKEN comes before it",
    },
];

/// The keys of `[sandbox]`.
pub const SANDBOX: &[Key] = &[
    Key {
        name: "enabled",
        accepts: Accepts::Flag,
        default: Default::Is("true"),
        help: "whether `serve` gives up, once everything is bound, what it does not need: user, capabilities, files, system calls (docs/sandbox.md); `--no-sandbox` leaves it out once",
    },
    Key {
        name: "required",
        accepts: Accepts::Flag,
        default: Default::Is("false"),
        help: "whether it is an error that this kernel or container does not let the sandbox be whole; false says in the log what is missing, and serves",
    },
    Key {
        name: "user",
        accepts: Accepts::Text,
        default: Default::Absent("`timeball` if there is such a user, else `nobody`"),
        help: "the user, by name or number, that a server started as root becomes; not root",
    },
    Key {
        name: "reload_low_ports",
        accepts: Accepts::Flag,
        default: Default::Is("false"),
        help: "whether CAP_NET_BIND_SERVICE is kept, so that a reload can add a port below 1024; false refuses such a change with its reason",
    },
];

/// The keys of `[xdp]`.
pub const XDP: &[Key] = &[
    Key {
        name: "interface",
        accepts: Accepts::Interface,
        default: Default::Required,
        help: "the network interface in whose driver plain NTP requests are answered (docs/xdp.md)",
    },
    Key {
        name: "mode",
        accepts: Accepts::OneOf(&["auto", "native", "generic"]),
        default: Default::Is("auto"),
        help: "where: `native` in the driver itself, `generic` behind it, with any driver and a third of the gain; `auto` is native on a device whose driver has it, and generic on all else (veth, bond, VLAN)",
    },
];

/// The key of a listener that says what else there is.
pub const PROTOCOL: &str = "protocol";

/// The keys of every `[[listeners]]`.
pub const LISTENER: &[Key] = &[
    Key {
        name: PROTOCOL,
        accepts: Accepts::OneOf(&["text", "daytime", "time", "ntp"]),
        default: Default::Required,
        help: "what is spoken here",
    },
    Key {
        name: "address",
        accepts: Accepts::SocketAddress,
        default: Default::Required,
        help: "where to listen; port 0 takes any free port, [::] takes IPv4 too",
    },
    Key {
        name: "source",
        accepts: Accepts::SourceName,
        default: Default::Required,
        help: "the time source to serve",
    },
    Key {
        name: "responders",
        accepts: Accepts::Integer { min: 1, max: 64 },
        default: Default::Is("1"),
        help: "responder actors on each thread; on a mock source always 1",
    },
    Key {
        name: "responder_threads",
        accepts: Accepts::Integer { min: 0, max: 64 },
        default: Default::Is("0"),
        help: "threads of their own for the responders, for a source that may block; 0 keeps them with the listener; on a mock source always 0",
    },
    Key {
        name: "receive_buffer",
        accepts: Accepts::Integer {
            min: 4096,
            max: 1 << 30,
        },
        default: Default::Is("1048576"),
        help: "the socket's receive buffer in octets; the kernel's own default holds about 190 requests, a burst of 500 clients needs more; a larger one turns overload into late answers, which max_queue_delay drops",
    },
    Key {
        name: "freebind",
        accepts: Accepts::Flag,
        default: Default::Is("false"),
        help: "whether to bind an address that is not up yet",
    },
    Key {
        name: "interface",
        accepts: Accepts::Interface,
        default: Default::Absent("every interface"),
        help: "the only network interface to listen on",
    },
    Key {
        name: "allow",
        accepts: Accepts::Networks,
        default: AS_ADMISSION,
        help: "whose clients are served here",
    },
    Key {
        name: "deny",
        accepts: Accepts::Networks,
        default: AS_ADMISSION,
        help: "whose clients are not served here",
    },
    Key {
        default: AS_ADMISSION,
        ..ON_DENY
    },
    Key {
        name: "rate_limit",
        accepts: Accepts::Flag,
        default: Default::Is("true"),
        help: "whether each client is limited here as `[admission]` says; kisses for those who are not served, and replies that are longer than their requests, are limited all the same; on a mock source nothing is",
    },
];

const AS_ADMISSION: Default = Default::Absent("as in `[admission]`");

/// The key of a source that says what else there is.
pub const KIND: Key = Key {
    name: "kind",
    accepts: Accepts::Text,
    default: Default::Required,
    help: "what kind of time source it is",
};

const TIMEZONE: Key = Key {
    name: "timezone",
    accepts: Accepts::TimeZone,
    default: Default::Is("local"),
    help: "the zone of the time given; local is that of the variable TZ, else of the host",
};

/// A protocol and the keys that its listeners have beside those of
/// [`LISTENER`].
#[derive(Debug, Clone, Copy)]
pub struct ProtocolSchema {
    /// What stands in the settings as `protocol`.
    pub name: &'static str,
    /// One line: what it is.
    pub summary: &'static str,
    /// Its own keys.
    pub keys: &'static [Key],
}

/// Every protocol.
pub const PROTOCOLS: &[ProtocolSchema] = &[
    ProtocolSchema {
        name: "text",
        summary: "`Send time` is answered with the time as text",
        keys: &[
            Key {
                name: "format",
                accepts: Accepts::Strftime { words: &[] },
                default: Default::Is(DEFAULT_FORMAT),
                help: "how the time is written",
            },
            TIMEZONE,
        ],
    },
    ProtocolSchema {
        name: "daytime",
        summary: "any datagram is answered with one line of ASCII (RFC 867)",
        keys: &[
            Key {
                name: "format",
                accepts: Accepts::Strftime {
                    words: &[RFC867, SMTP],
                },
                default: Default::Is(RFC867),
                help: "how the line is written; rfc867 and smtp are the two that RFC 867 suggests",
            },
            TIMEZONE,
        ],
    },
    ProtocolSchema {
        name: "time",
        summary: "any datagram is answered with the seconds since 1900, four octets (RFC 868)",
        keys: &[],
    },
    ProtocolSchema {
        name: "ntp",
        summary: "NTP versions 1 to 4 (RFC 5905)",
        keys: &[
            Key {
                name: "symmetric",
                accepts: Accepts::OneOf(&["drop", "reply"]),
                default: Default::Is("drop"),
                help: "what a symmetric-active request (mode 1) gets",
            },
            Key {
                name: "unsynchronised",
                accepts: Accepts::OneOf(&["alarm", "zero", "silent"]),
                default: Default::Is("alarm"),
                help: "what a client gets while the source is not synchronised: the time with the alarm, the alarm without a time, or nothing",
            },
            Key {
                name: "crypto_nak",
                accepts: Accepts::Flag,
                default: Default::Is("false"),
                help: "whether a request with an unknown key gets a crypto-NAK; false drops it",
            },
        ],
    },
];

/// The word for the first format of RFC 867.
pub(super) const RFC867: &str = "rfc867";
/// The word for the second format of RFC 867.
pub(super) const SMTP: &str = "smtp";

/// The protocol of this name.
#[must_use]
pub fn protocol(name: &str) -> Option<&'static ProtocolSchema> {
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}

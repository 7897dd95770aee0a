//! Settings: read once, checked whole, turned into types.
//!
//! A settings file (`settings.toml`) lists time sources and listeners. The
//! environment (`TIMEBALL__…`) and flags are put over it, and the result is
//! checked against one set of declarations ([`schema`], and those that each
//! kind of time source brings). Whatever is wrong is collected, not only the
//! first error: see [`SettingsErrors`].
//!
//! | module | what it does |
//! |---|---|
//! | `loader` | which file, environment and flags are read: [`Loader`] |
//! | `tree`, `variables` | the layers merged by the `config` crate, each value with its place |
//! | [`schema`] | the declared keys of the top level, listeners and protocols |
//! | `check`, `strays` | the walk that collects every error, and what an unknown key may have been |
//! | `value`, `duration`, `zone`, `addresses` | what one value may be |
//! | `print`, [`mod@reference`] | settings as TOML, and the reference of all keys |

mod addresses;
mod admission;
mod check;
mod duration;
mod errors;
mod loader;
mod log;
mod print;
pub mod reference;
mod sandbox;
pub mod schema;
mod strays;
mod tree;
mod value;
mod variables;
mod xdp;
mod zone;

pub use addresses::parse_socket_address;
pub use admission::{AdmissionSettings, ListenerAdmission, RateLimitSettings};
pub use duration::{DurationError, format_duration, parse_duration};
pub use errors::{Origin, SettingsError, SettingsErrors};
pub use loader::{Environment, Loader};
pub use log::{LogFormat, LogSettings, LogTarget, filter};
pub use sandbox::SandboxSettings;
pub use value::describe;
pub use xdp::{XdpMode, XdpSettings};

// A scenario is read in the same words.
pub(crate) use addresses::{Place, conflict};
pub(crate) use check::join;
pub(crate) use errors::{alternatives, hint, nearest};
pub(crate) use loader::read_text;
pub(crate) use strays::{Stray, of_protocol};
pub(crate) use tree::{Lines, parse};
pub(crate) use value::{Given, Refusal, check, is_source_name};

use crate::api::settings::{Kind, Values};
use crate::api::{Delta, Host, Protocol};
use crate::protocol::ProtocolName;
use crate::protocol::calendar::{CalendarFormat, FormatError};
use crate::protocol::daytime::{Daytime, DaytimeFormat};
use crate::protocol::ntp::{Ntp, Symmetric, WhenUnsynchronised};
use crate::protocol::text::Text;
use crate::protocol::time::Time;
use crate::sandbox::Sandbox;
use crate::sources::{self, BuiltSource};
use crate::web::{Token, TokenError};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The default settings file, as it stands in the root of the project.
pub const DEFAULT_FILE: &str = include_str!("../../settings.toml");

/// Everything that can be set, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads that serve; 0 is one for each CPU of the affinity mask. At most
    /// 1024.
    pub threads: usize,
    /// Datagrams in one system call at most, 1 to 64.
    pub batch: usize,
    /// A request that waited longer is dropped; `None` never drops.
    pub max_queue_delay: Option<Delta>,
    /// What is told, how and where; a server that a program of one's own starts
    /// logs to whatever `tracing` subscriber that program has.
    pub log: LogSettings,
    /// Who is served, and how often; `None` is everybody, as often as they like,
    /// and comes of no file.
    pub admission: Option<AdmissionSettings>,
    /// Control over HTTP; `None` has none.
    pub control: Option<WebSettings>,
    /// Metrics and status over HTTP; `None` has none.
    pub http: Option<WebSettings>,
    /// What `serve` gives up once everything is bound; for whoever starts a
    /// [`Server`](crate::Server) otherwise it says nothing.
    pub sandbox: SandboxSettings,
    /// Answers from the network driver; `None` has none.
    pub xdp: Option<XdpSettings>,
    /// What to serve where; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// The time sources, by their names.
    pub sources: BTreeMap<String, SourceSettings>,
}

/// `[control]` and `[http]`: where something is asked over HTTP, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSettings {
    /// Where; port 0 is any free one.
    pub address: SocketAddr,
    /// The file that has the token.
    pub token_file: Option<String>,
    /// The token of the variable ([`Token::CONTROL_VARIABLE`],
    /// [`Token::HTTP_VARIABLE`]), which comes before the file's.
    pub token: Option<Token>,
}

impl WebSettings {
    /// The token that whoever asks has to show, if any. Reads the file.
    ///
    /// # Errors
    /// [`TokenError`] when the file cannot be read or holds none.
    pub fn token(&self) -> Result<Option<Token>, TokenError> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => Ok(Some(token.clone())),
            (None, Some(file)) => Token::read(Path::new(file)).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// One `[[listeners]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// What is spoken here.
    pub protocol: ProtocolSettings,
    /// Where; port 0 is any free one.
    pub address: SocketAddr,
    /// The name of the time source: one of [`Settings::sources`].
    pub source: String,
    /// Responders on each shard, 1 to 64.
    pub responders: usize,
    /// Threads of their own for the responders, 0 to 64; 0 keeps them on the
    /// shard's.
    pub responder_threads: usize,
    /// The socket's receive buffer in octets, 4096 to 1 GiB.
    pub receive_buffer: usize,
    /// Whether to bind an address that is not up yet.
    pub freebind: bool,
    /// The only interface to listen on.
    pub interface: Option<String>,
    /// Who is served here, where that is not as everywhere.
    pub admission: ListenerAdmission,
}

/// A protocol with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolSettings {
    /// The time as text.
    Text {
        /// chrono's strftime.
        format: String,
        /// The zone of the time given.
        timezone: Tz,
    },
    /// RFC 867.
    Daytime {
        /// How the line is written.
        format: DaytimeFormat,
        /// The zone of the time given.
        timezone: Tz,
    },
    /// RFC 868.
    Time,
    /// RFC 5905.
    Ntp(Ntp),
}

/// One `[sources.NAME]`.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// What kind of source it is.
    pub kind: &'static Kind,
    /// Its values, checked against the kind's declaration.
    pub values: Values,
}

impl PartialEq for SourceSettings {
    /// Kinds are the same when their names are.
    fn eq(&self, other: &Self) -> bool {
        self.kind.name == other.kind.name && self.values == other.values
    }
}

impl Eq for SourceSettings {}

impl Settings {
    /// The settings of `file` with `environment` over it; without a file those
    /// of `settings.toml` in the current folder, or the built-in ones.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(file: Option<&Path>, environment: Environment) -> Result<Self, SettingsErrors> {
        Loader::file(file).environment(environment).load()
    }

    /// The settings that `text` says, without any environment; errors call it
    /// `<text>`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_toml(text: &str) -> Result<Self, SettingsErrors> {
        Loader::text("", text).load()
    }

    /// The sources that no listener serves.
    pub fn unused_sources(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str).filter(|name| {
            !self
                .listeners
                .iter()
                .any(|listener| listener.source == *name)
        })
    }

    /// The settings as TOML, with every default filled in; reads back as the
    /// same settings.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::settings(self)
    }

    /// Reads the tokens of `[control]` and `[http]`, where they have one. `file` is
    /// how errors call the settings: [`Loader::name`].
    ///
    /// # Errors
    /// The file of a token cannot be read, or holds none.
    pub fn read_tokens(&self, file: &str) -> Result<(), SettingsErrors> {
        let mut errors = Vec::new();
        for (table, web) in [("control", &self.control), ("http", &self.http)] {
            let Some(web) = web else {
                continue;
            };
            if let Err(error) = web.token() {
                let token_file = web.token_file.clone().unwrap_or_default();
                errors.push(SettingsError::Rejected {
                    origin: Origin::File {
                        name: file.to_owned(),
                        line: None,
                    },
                    key: format!("{table}.token_file"),
                    value: value::toml(&crate::api::settings::Value::Text(token_file)),
                    problem: error.to_string(),
                });
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(SettingsErrors::of(errors))
        }
    }

    /// What is to be given up once everything is bound, if the settings say that
    /// anything is. `file` is how errors call the settings: [`Loader::name`].
    ///
    /// # Errors
    /// There is no such user as `sandbox.user`.
    pub fn sandbox(&self, file: &str) -> Result<Option<Sandbox>, SettingsErrors> {
        Sandbox::of(&self.sandbox).map_err(|error| {
            let user = self.sandbox.user.clone().unwrap_or_default();
            let rejected = SettingsError::Rejected {
                origin: Origin::File {
                    name: file.to_owned(),
                    line: None,
                },
                key: "sandbox.user".to_owned(),
                value: value::toml(&crate::api::settings::Value::Text(user)),
                problem: error.to_string(),
            };
            rejected.into()
        })
    }

    /// Builds every source on `host`. `file` is how errors call the settings:
    /// [`Loader::name`].
    ///
    /// # Errors
    /// The values that are each accepted but cannot stand together.
    pub fn build_sources(
        &self,
        host: &Host,
        file: &str,
    ) -> Result<BTreeMap<String, BuiltSource>, SettingsErrors> {
        let mut built = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, source) in &self.sources {
            match sources::build(source.kind, &source.values, host) {
                Ok(source) => {
                    built.insert(name.clone(), source);
                }
                Err(problem) => errors.push(SettingsError::Rejected {
                    origin: Origin::File {
                        name: file.to_owned(),
                        line: None,
                    },
                    key: format!("sources.{name}.{}", problem.key),
                    value: source
                        .values
                        .get(problem.key)
                        .map_or_else(|| "(absent)".to_owned(), value::toml),
                    problem: problem.text,
                }),
            }
        }
        if errors.is_empty() {
            Ok(built)
        } else {
            Err(SettingsErrors::of(errors))
        }
    }
}

impl ListenerSettings {
    fn from_values(values: &Values) -> Self {
        Self {
            protocol: ProtocolSettings::from_values(&values.text(schema::PROTOCOL), values),
            address: values.socket_address("address"),
            source: values.text("source"),
            responders: count(values, "responders"),
            responder_threads: count(values, "responder_threads"),
            receive_buffer: count(values, "receive_buffer"),
            freebind: values.flag("freebind"),
            interface: values.find_text("interface"),
            admission: ListenerAdmission::from_values(values),
        }
    }
}

impl ProtocolSettings {
    /// What stands in the settings as `protocol`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.protocol().as_str()
    }

    /// Which protocol this is.
    #[must_use]
    pub const fn protocol(&self) -> ProtocolName {
        match self {
            Self::Text { .. } => ProtocolName::Text,
            Self::Daytime { .. } => ProtocolName::Daytime,
            Self::Time => ProtocolName::Time,
            Self::Ntp(_) => ProtocolName::Ntp,
        }
    }

    /// The protocol itself, ready to respond.
    ///
    /// # Errors
    /// [`FormatError`] for a format that cannot be used. Settings that were
    /// read have been through this.
    pub fn build(&self) -> Result<Arc<dyn Protocol>, FormatError> {
        Ok(match self {
            Self::Text { format, timezone } => {
                Arc::new(Text::new(CalendarFormat::new(format, *timezone)?))
            }
            Self::Daytime { format, timezone } => {
                Arc::new(Daytime::new(format.clone(), *timezone)?)
            }
            Self::Time => Arc::new(Time),
            Self::Ntp(ntp) => Arc::new(*ntp),
        })
    }

    /// The settings of the protocol `name`, whose keys are all there.
    pub(crate) fn from_values(name: &str, values: &Values) -> Self {
        match name {
            "text" => Self::Text {
                format: values.text("format"),
                timezone: zone_of(values),
            },
            "daytime" => Self::Daytime {
                format: match values.text("format").as_str() {
                    schema::RFC867 => DaytimeFormat::Rfc867,
                    schema::SMTP => DaytimeFormat::Smtp,
                    format => DaytimeFormat::Strftime(format.to_owned()),
                },
                timezone: zone_of(values),
            },
            "time" => Self::Time,
            _ => Self::Ntp(Ntp {
                symmetric: match values.text("symmetric").as_str() {
                    "reply" => Symmetric::Reply,
                    _ => Symmetric::Drop,
                },
                unsynchronised: match values.text("unsynchronised").as_str() {
                    "zero" => WhenUnsynchronised::Zero,
                    "silent" => WhenUnsynchronised::Silent,
                    _ => WhenUnsynchronised::Alarm,
                },
                crypto_nak: values.flag("crypto_nak"),
            }),
        }
    }
}

/// A whole number that counts things.
fn count(values: &Values, key: &str) -> usize {
    usize::try_from(values.integer(key)).expect("the declared range begins at 0 or above")
}

fn zone_of(values: &Values) -> Tz {
    values
        .text("timezone")
        .parse()
        .expect("the value of a time zone is the name of one")
}

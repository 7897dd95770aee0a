//! Settings as TOML that reads back as the same settings.

use super::admission::pairs;
use super::schema::{
    self, ADMISSION, CONTROL, HTTP, KIND, KOD, LISTENER, LOG, RATE_LIMIT, SANDBOX, SILENT, TOP, XDP,
};
use super::value::toml;
use super::{
    AdmissionSettings, ListenerSettings, LogSettings, ProtocolSettings, SandboxSettings, Settings,
    WebSettings, XdpSettings,
};
use crate::admission::OnDeny;
use crate::api::Delta;
use crate::api::settings::{Default, Key, Value};
use crate::protocol::daytime::DaytimeFormat;
use crate::protocol::ntp::{Symmetric, WhenUnsynchronised};
use std::fmt::Write;

/// The whole file.
pub(super) fn settings(settings: &Settings) -> String {
    let mut out = String::new();
    for key in TOP {
        line(&mut out, key, top_value(settings, key.name).as_ref());
    }
    heading(&mut out, "[log]");
    for key in LOG {
        line(&mut out, key, log_value(&settings.log, key.name).as_ref());
    }
    if let Some(admission) = &settings.admission {
        heading(&mut out, "[admission]");
        for key in ADMISSION {
            line(&mut out, key, admission_value(admission, key.name).as_ref());
        }
        // Written, the limits hold for loopback too.
        if admission.limits_loopback {
            heading(&mut out, "[admission.rate_limit]");
            for key in RATE_LIMIT {
                line(&mut out, key, limit_value(admission, key.name).as_ref());
            }
        }
    }
    for (table, web, keys) in [
        ("[control]", &settings.control, CONTROL),
        ("[http]", &settings.http, HTTP),
    ] {
        let Some(web) = web else {
            continue;
        };
        heading(&mut out, table);
        for key in keys {
            line(&mut out, key, web_value(web, key.name).as_ref());
        }
    }
    heading(&mut out, "[sandbox]");
    for key in SANDBOX {
        let value = sandbox_value(&settings.sandbox, key.name);
        line(&mut out, key, value.as_ref());
    }
    if let Some(xdp) = &settings.xdp {
        heading(&mut out, "[xdp]");
        for key in XDP {
            line(&mut out, key, xdp_value(xdp, key.name).as_ref());
        }
    }
    for (name, source) in &settings.sources {
        heading(&mut out, &format!("[sources.{name}]"));
        line(&mut out, &KIND, Some(&text(source.kind.name)));
        for key in source.kind.keys {
            line(&mut out, key, source.values.get(key.name));
        }
    }
    for listener in &settings.listeners {
        heading(&mut out, "[[listeners]]");
        let own = schema::protocol(listener.protocol.name()).map_or(&[][..], |own| own.keys);
        for key in LISTENER.iter().chain(own) {
            line(&mut out, key, listener_value(listener, key.name).as_ref());
        }
    }
    out
}

fn heading(out: &mut String, heading: &str) {
    push(out, format_args!("\n{heading}\n"));
}

/// The key with its value, or a comment that says what its absence means.
fn line(out: &mut String, key: &Key, value: Option<&Value>) {
    match (value, key.default) {
        (Some(value), _) => push(out, format_args!("{} = {}\n", key.name, toml(value))),
        (None, Default::Absent(meaning)) => {
            push(out, format_args!("# {} is absent: {meaning}\n", key.name));
        }
        (None, _) => {}
    }
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("a String takes all that is written");
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn top_value(settings: &Settings, key: &str) -> Option<Value> {
    Some(match key {
        "threads" => number(settings.threads),
        "batch" => number(settings.batch),
        "max_queue_delay" => Value::Duration(settings.max_queue_delay.unwrap_or(Delta::ZERO)),
        _ => return None,
    })
}

fn log_value(log: &LogSettings, key: &str) -> Option<Value> {
    Some(match key {
        "level" => text(&log.level),
        "format" => text(log.format.as_str()),
        "to" => text(log.to.as_str()),
        "lines_per_second" => Value::Integer(log.lines_per_second.into()),
        "burst" => Value::Integer(log.burst.into()),
        _ => return None,
    })
}

fn admission_value(admission: &AdmissionSettings, key: &str) -> Option<Value> {
    Some(match key {
        "allow" => Value::Networks(pairs(&admission.allow)),
        "deny" => Value::Networks(pairs(&admission.deny)),
        "on_deny" => on_deny(admission.on_deny),
        "clients" => number(admission.clients),
        "amplified_replies" => Value::Integer(admission.amplified_replies.into()),
        _ => return None,
    })
}

fn limit_value(admission: &AdmissionSettings, key: &str) -> Option<Value> {
    let limit = &admission.rate_limit;
    Some(match key {
        "rate" => Value::Millionths(limit.rate),
        "burst" => Value::Integer(limit.burst.into()),
        "kod_share" => Value::Millionths(limit.kod_share.into()),
        "leak" => Value::Millionths(limit.leak.into()),
        "ipv4_prefix" => Value::Integer(limit.ipv4_prefix.into()),
        "ipv6_prefix" => Value::Integer(limit.ipv6_prefix.into()),
        _ => return None,
    })
}

fn on_deny(on_deny: OnDeny) -> Value {
    text(match on_deny {
        OnDeny::Silent => SILENT,
        OnDeny::Kiss => KOD,
    })
}

fn web_value(web: &WebSettings, key: &str) -> Option<Value> {
    Some(match key {
        "address" => Value::SocketAddress(web.address),
        "token_file" => text(web.token_file.as_deref()?),
        _ => return None,
    })
}

fn xdp_value(xdp: &XdpSettings, key: &str) -> Option<Value> {
    Some(match key {
        "interface" => text(&xdp.interface),
        "mode" => text(xdp.mode.as_str()),
        _ => return None,
    })
}

fn sandbox_value(sandbox: &SandboxSettings, key: &str) -> Option<Value> {
    Some(match key {
        "enabled" => Value::Flag(sandbox.enabled),
        "required" => Value::Flag(sandbox.required),
        "user" => text(sandbox.user.as_deref()?),
        "reload_low_ports" => Value::Flag(sandbox.reload_low_ports),
        _ => return None,
    })
}

fn listener_value(listener: &ListenerSettings, key: &str) -> Option<Value> {
    Some(match key {
        "protocol" => text(listener.protocol.name()),
        "address" => Value::SocketAddress(listener.address),
        "source" => text(&listener.source),
        "responders" => number(listener.responders),
        "responder_threads" => number(listener.responder_threads),
        "receive_buffer" => number(listener.receive_buffer),
        "freebind" => Value::Flag(listener.freebind),
        "interface" => text(listener.interface.as_deref()?),
        "allow" => Value::Networks(pairs(listener.admission.allow.as_deref()?)),
        "deny" => Value::Networks(pairs(listener.admission.deny.as_deref()?)),
        "on_deny" => on_deny(listener.admission.on_deny?),
        "rate_limit" => Value::Flag(listener.admission.rate_limit),
        _ => return protocol_value(&listener.protocol, key),
    })
}

fn protocol_value(protocol: &ProtocolSettings, key: &str) -> Option<Value> {
    Some(match (protocol, key) {
        (ProtocolSettings::Text { format, .. }, "format") => text(format),
        (ProtocolSettings::Daytime { format, .. }, "format") => text(match format {
            DaytimeFormat::Rfc867 => schema::RFC867,
            DaytimeFormat::Smtp => schema::SMTP,
            DaytimeFormat::Strftime(format) => format,
        }),
        (
            ProtocolSettings::Text { timezone, .. } | ProtocolSettings::Daytime { timezone, .. },
            "timezone",
        ) => text(timezone.name()),
        (ProtocolSettings::Ntp(ntp), "symmetric") => text(match ntp.symmetric {
            Symmetric::Drop => "drop",
            Symmetric::Reply => "reply",
        }),
        (ProtocolSettings::Ntp(ntp), "unsynchronised") => text(match ntp.unsynchronised {
            WhenUnsynchronised::Alarm => "alarm",
            WhenUnsynchronised::Zero => "zero",
            WhenUnsynchronised::Silent => "silent",
        }),
        (ProtocolSettings::Ntp(ntp), "crypto_nak") => Value::Flag(ntp.crypto_nak),
        _ => return None,
    })
}

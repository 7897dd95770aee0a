//! Who is served at each listener: the lists, and the limits that all of them
//! share.

use crate::admission::ceiling::Ceiling;
use crate::admission::limiter::{Limiter, Rate, SharedWords, WAYS};
use crate::admission::networks::Networks;
use crate::admission::{Gate, Limits, OnDeny, OnRate, Share};
use crate::settings::{AdmissionSettings, ListenerAdmission};
use std::sync::Arc;

/// The gates of a server's listeners.
#[derive(Clone)]
pub(super) struct Gates {
    settings: AdmissionSettings,
    limits: Arc<Limits>,
}

impl Gates {
    /// Allocates the table of clients, with a key of its own; or has that of the
    /// gates `before`, where the limits are the same.
    ///
    /// The table lies in `shared` if it fits there.
    pub(super) fn new(
        settings: &AdmissionSettings,
        before: Option<&Self>,
        shared: Option<Arc<dyn SharedWords>>,
    ) -> Self {
        let limits = before
            .filter(|before| limits_of(&before.settings) == limits_of(settings))
            .map_or_else(
                || Arc::new(limits(settings, shared)),
                |before| before.limits.clone(),
            );
        Self {
            settings: settings.clone(),
            limits,
        }
    }

    /// What all listeners share.
    pub(super) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// The gate of a listener; where the time is made up nothing is limited.
    pub(super) fn gate(&self, listener: &ListenerAdmission, is_test_time: bool) -> Gate {
        let allow = listener.allow.as_ref().unwrap_or(&self.settings.allow);
        let deny = listener.deny.as_ref().unwrap_or(&self.settings.deny);
        Gate {
            networks: Arc::new(Networks::new(allow, deny)),
            on_deny: listener.on_deny.unwrap_or(self.settings.on_deny),
            limits: (!is_test_time).then(|| Arc::clone(&self.limits)),
            limits_clients: listener.rate_limit,
        }
    }
}

/// The settings without those that are no limits.
fn limits_of(settings: &AdmissionSettings) -> AdmissionSettings {
    AdmissionSettings {
        allow: Vec::new(),
        deny: Vec::new(),
        on_deny: OnDeny::Silent,
        ..settings.clone()
    }
}

fn limits(settings: &AdmissionSettings, shared: Option<Arc<dyn SharedWords>>) -> Limits {
    let limit = &settings.rate_limit;
    let rate = Rate {
        per_second: limit.rate as f64 / 1e6,
        burst: limit.burst,
        ipv4_prefix: limit.ipv4_prefix,
        ipv6_prefix: limit.ipv6_prefix,
    };
    let on_rate = OnRate {
        leak: Share::of_millionths(limit.leak),
        kiss: Share::of_millionths(limit.kod_share),
        poll: rate.poll_log2_s(),
        spares_loopback: !settings.limits_loopback,
    };
    // As many as there are in whole cache lines.
    let clients = settings.clients.next_multiple_of(WAYS);
    Limits {
        limiter: match shared.filter(|it| it.words().len() == clients) {
            Some(shared) => Limiter::on(rate, shared, rand::random()),
            None => Limiter::new(rate, settings.clients, rand::random()),
        },
        on_rate,
        ceiling: Ceiling::new(settings.amplified_replies),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn each_start_has_a_key_of_its_own() {
        let settings = Settings::from_toml(crate::settings::DEFAULT_FILE).unwrap();
        let admission = settings.admission.expect("a server has it");
        let key = || {
            Gates::new(&admission, None, None)
                .limits()
                .limiter
                .numbers()
                .key
        };
        assert_ne!(key(), key());
    }
}

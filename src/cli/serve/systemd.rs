//! What systemd is told, and what it gives: `sd_notify(3)`, `sd_listen_fds(3)`.
//! Each does nothing where the program was not started by it.

use crate::cli::output::tell;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use timeball::transport::inherited::{BoundSocket, Role};
use tracing::warn;

/// The sockets that systemd opened, or kept from an earlier start of the service.
///
/// To be called before there is another thread: the variables that tell of them
/// are removed, so that no child takes them for its own.
#[must_use]
pub fn sockets() -> Vec<BoundSocket> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::new();
    for number in 0..given.len() {
        let udp = given
            .take_udp_socket(number)
            .map(|it| it.map(OwnedFd::from));
        let socket = match udp {
            Ok(udp) => Ok(udp),
            Err(_) => given
                .take_tcp_listener(number)
                .map(|it| it.map(OwnedFd::from)),
        };
        match socket.and_then(|it| it.map(BoundSocket::of).transpose()) {
            Ok(socket) => sockets.extend(socket),
            // There is no log yet.
            Err(error) => tell(&format!(
                "warning: socket {number} of systemd's is of no use here: {error}"
            )),
        }
    }
    sockets
}

/// Says that the server serves.
pub fn ready() {
    say(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// Says that the settings are read anew; [`ready`] is to follow. As systemd wants
/// it of `Type=notify-reload`, and 252 takes it with `Type=notify`.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// Says that the server is ending.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// Says that the server is alive.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be said at least, if at all: half of what systemd
/// waits.
#[must_use]
pub fn pulse() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Has systemd keep the sockets of the listeners while the service is restarted,
/// if `FileDescriptorStoreMax` of the unit lets it. Whether they were sent.
#[must_use]
pub fn keep(sockets: &[BoundSocket]) -> bool {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return false;
    }
    let listeners = sockets.iter().filter(|it| it.role == Role::Listener);
    let descriptors: Vec<_> = listeners.map(|it| it.socket.as_fd()).collect();
    // What it has from an earlier time is a double, or is gone by now.
    say(&[NotifyState::FdStoreRemove, NotifyState::FdName(NAME)]);
    // As many as one message may carry.
    descriptors.chunks(MOST).all(|descriptors| {
        let state = [NotifyState::FdStore, NotifyState::FdName(NAME)];
        let sent = sd_notify::notify_with_fds(&state, descriptors);
        if let Err(error) = &sent {
            warn!(%error, "systemd does not keep the sockets; a restart may lose requests");
        }
        sent.is_ok()
    })
}

/// What the sockets are called that systemd keeps.
const NAME: &str = "timeball";
/// Descriptors in one message at most (`SCM_MAX_FD` is 253).
const MOST: usize = 128;

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told");
    }
}

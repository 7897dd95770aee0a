//! `--ports-file`: where the listeners are bound, for programs that let the
//! kernel choose a port.

use serde::Serialize;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use timeball::server::{BoundAddresses, BoundListener};

/// Removes what an earlier run has left, since whoever waits for the file must
/// not find old ports in it, and sees to it that it can be written.
///
/// # Errors
/// The operating system's, where it cannot.
pub fn make_way(file: &Path) -> io::Result<()> {
    if file.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    match std::fs::symlink_metadata(file) {
        Ok(found) if !found.is_file() => return Ok(()),
        Ok(_) => std::fs::remove_file(file)?,
        Err(_) => {}
    }
    let beside = beside(file);
    std::fs::write(&beside, "")?;
    std::fs::remove_file(&beside)
}

/// Where the file is written before it is moved to its place.
fn beside(file: &Path) -> PathBuf {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    beside.into()
}

/// What `--ports-file` holds.
#[derive(Serialize)]
struct Ports<'a> {
    listeners: &'a [BoundListener],
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<WebPort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<WebPort>,
}

/// Where something is asked over HTTP.
#[derive(Serialize)]
struct WebPort {
    /// Where it is bound.
    address: SocketAddr,
    /// What a client on this host begins its requests with.
    url: String,
}

impl From<SocketAddr> for WebPort {
    fn from(address: SocketAddr) -> Self {
        let mut here = address;
        if address.ip().is_unspecified() {
            here.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let url = format!("http://{here}");
        Self { address, url }
    }
}

/// Writes the file beside its place and moves it there, so that whoever waits
/// for it never sees half of it. What is there and no regular file (/dev/stdout,
/// a FIFO, a symbolic link) is written to and never replaced.
pub fn write_ports(file: &Path, bound: &BoundAddresses) -> io::Result<()> {
    let ports = Ports {
        listeners: &bound.listeners,
        control: bound.control.map(WebPort::from),
        http: bound.http.map(WebPort::from),
    };
    let mut text = serde_json::to_string(&ports)?;
    text.push('\n');
    if std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        return std::fs::write(file, text);
    }
    let beside = beside(file);
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file).inspect_err(|_| {
        // What is left behind is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
    })
}

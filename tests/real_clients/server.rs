//! A running `timeball serve`, ended with the test.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::sandbox::{self, Network};

/// How often, every 10 ms, the test looks whether all listeners are bound: for 30 s.
const LOOKS: u32 = 3_000;

/// The program, serving one settings file.
pub struct Server {
    child: Child,
    network: Network,
    listeners: Vec<Listener>,
    folder: TempDir,
}

/// What `--ports-file` writes.
#[derive(Deserialize)]
struct Ports {
    listeners: Vec<Listener>,
}

#[derive(Deserialize)]
struct Listener {
    protocol: String,
    address: SocketAddr,
}

impl Server {
    /// Starts on the host's network and waits until every listener is bound.
    pub fn start(settings: &str) -> Self {
        Self::launch(settings, false)
    }

    /// The same in a network of its own, where the standard ports are free.
    pub fn start_alone(settings: &str) -> Self {
        Self::launch(settings, true)
    }

    fn launch(settings: &str, alone: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings_file = folder.path().join("settings.toml");
        let ports_file = folder.path().join("ports.json");
        fs::write(&settings_file, settings).expect("a temporary file");
        let log = File::create(folder.path().join("log")).expect("a temporary file");

        let program = Path::new(env!("CARGO_BIN_EXE_timeball"));
        let mut command = if alone {
            sandbox::server_alone(program)
        } else {
            sandbox::server(program)
        };
        // The settings are the ones above and nobody's environment.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIMEBALL__") {
                command.env_remove(name);
            }
        }
        let child = command
            .arg("serve")
            .arg("--settings")
            .arg(&settings_file)
            .arg("--ports-file")
            .arg(&ports_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program was built for this test");
        let network = if alone {
            Network::Of(child.id())
        } else {
            Network::Host
        };
        let mut server = Self {
            child,
            network,
            listeners: Vec::new(),
            folder,
        };
        server.listeners = server.wait(&ports_file).listeners;
        server
    }

    /// The file of ports is written in one piece, once all are bound.
    fn wait(&mut self, ports_file: &Path) -> Ports {
        for _ in 0..LOOKS {
            if let Ok(ports) = fs::read(ports_file) {
                return serde_json::from_slice(&ports).expect("the ports file is JSON");
            }
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                panic!("timeball serve ended with {status} (these tests need root)");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("timeball serve bound no port in 30 s");
    }

    /// Where the server listens for `protocol` on the address `ip`.
    pub fn address(&self, protocol: &str, ip: IpAddr) -> SocketAddr {
        self.listeners
            .iter()
            .find(|listener| listener.protocol == protocol && listener.address.ip() == ip)
            .unwrap_or_else(|| panic!("no listener for {protocol} on {ip}"))
            .address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where a client must run to reach it.
    pub fn network(&self) -> Network {
        self.network
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("what the server logged:\n{log}");
        }
    }
}

//! What is left of root in a server that root started.

use crate::server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

/// The lines of `status` of a server, once it is confined.
fn confined(server: &Server) -> BTreeMap<String, String> {
    let file = format!("/proc/{}/status", server.id());
    for _ in 0..3_000 {
        let text = fs::read_to_string(&file).expect("the server runs");
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let lines: BTreeMap<_, _> = lines
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        if lines["Seccomp"] == "2" {
            return lines;
        }
        // The ports are told before: nothing can be written later.
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the server is not confined after 30 s");
}

fn start(sandbox: &str) -> Server {
    Server::start(&format!(
        "[sandbox]\nrequired = true\n{sandbox}\n[sources.wall]\nkind = 'system'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'wall'\n"
    ))
}

fn capabilities(status: &BTreeMap<String, String>) -> [u64; 5] {
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .map(|set| u64::from_str_radix(&status[set], 16).expect("a set is hexadecimal"))
}

fn all_four(number: &str) -> String {
    [number; 4].join("\t")
}

#[test]
fn a_server_started_as_root_becomes_somebody_else_and_keeps_no_capability() {
    let status = confined(&start("user = '65533'"));
    assert_eq!(status["Uid"], all_four("65533"));
    assert_eq!(status["Gid"], all_four("65533"));
    assert_eq!(status["Groups"], "");
    assert_eq!(capabilities(&status), [0; 5]);
    assert_eq!(status["NoNewPrivs"], "1");
}

#[test]
fn a_server_started_as_root_is_not_root_though_nobody_is_named() {
    let status = confined(&start(""));
    for ids in ["Uid", "Gid"] {
        let is_root = status[ids].split_whitespace().any(|id| id == "0");
        assert!(!is_root, "{ids} {}", status[ids]);
    }
}

#[test]
fn for_low_ports_at_a_reload_one_capability_is_kept_and_no_other() {
    let status = confined(&start("reload_low_ports = true"));
    let kept = CAP_NET_BIND_SERVICE;
    assert_eq!(capabilities(&status), [0, kept, kept, kept, 0]);
}

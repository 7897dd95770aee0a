//! Who may ask at which path.

use super::{HONEST, http};
use crate::support::serve;
use crate::support::web::{Reply, get, request, send};
use std::net::SocketAddr;

const PATHS: [&str; 6] = ["/", "/metrics", "/healthz", "/readyz", "/status", "/events"];
const OPEN: [&str; 3] = ["/metrics", "/healthz", "/readyz"];
const TOKEN: &str = "0123456789-abcdef~";

/// What comes of a request without a body; of events only the header, as they
/// never end.
fn ask(server: SocketAddr, method: &str, path: &str, lines: &[&str]) -> Reply {
    let method = if path == "/events" && method == "GET" {
        "HEAD"
    } else {
        method
    };
    send(server, &request(method, path, lines, ""))
}

#[test]
fn every_path_is_answered_on_loopback() {
    let server = serve(HONEST);
    for path in PATHS {
        for host in [
            "localhost",
            "127.0.0.1:9",
            "[::1]",
            &http(&server).to_string(),
        ] {
            let reply = ask(http(&server), "GET", path, &[&format!("Host: {host}")]);
            assert_eq!(reply.status, 200, "{path} {host}: {reply:?}");
        }
    }
}

#[test]
fn a_foreign_host_is_forbidden_at_every_path_on_loopback() {
    let server = serve(HONEST);
    for path in PATHS.into_iter().chain(["/nosuch"]) {
        for host in ["example.com", "127.0.0.1.example.com", "10.0.0.1", ""] {
            for method in ["GET", "HEAD", "POST"] {
                let line = format!("Host: {host}");
                let reply = ask(http(&server), method, path, &[&line]);
                assert_eq!(reply.status, 403, "{method} {path} {host}: {reply:?}");
            }
        }
    }
}

#[test]
fn a_page_from_elsewhere_can_read_nothing_and_send_nothing() {
    let server = serve(HONEST);
    for path in PATHS {
        for origin in ["http://example.com", "null", "http://localhost"] {
            let lines = ["Host: localhost", &format!("Origin: {origin}")];
            let reply = ask(http(&server), "GET", path, &lines);
            assert_eq!(reply.status, 200, "{path} {origin}");
            assert!(!reply.header.contains("access-control"), "{reply:?}");
            let policy = "cross-origin-resource-policy: same-origin";
            assert!(reply.header.contains(policy), "{path}: {reply:?}");
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                let reply = ask(http(&server), method, path, &lines);
                assert_eq!(reply.status, 403, "{method} {path} {origin}");
                assert!(!reply.header.contains("access-control"), "{reply:?}");
            }
        }
    }
}

#[test]
fn paths_and_methods_are_told_apart() {
    let server = serve(HONEST);
    let lines = ["Host: localhost"];
    for path in ["/statos", "/status/", "//status", "/metrics/x", "/%73tatus"] {
        let reply = ask(http(&server), "GET", path, &lines);
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["accepted"].is_string(), "{reply:?}");
    }
    let meant = ask(http(&server), "GET", "/statos", &lines).json();
    assert!(
        meant["error"]
            .as_str()
            .unwrap()
            .ends_with("did you mean `/status`?")
    );
    for path in PATHS {
        for method in ["POST", "PUT", "DELETE", "BREW"] {
            let reply = ask(http(&server), method, path, &lines);
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(reply.header.contains("allow: get, head"), "{reply:?}");
        }
        // What is asked behind the path changes nothing.
        let asked = format!("{path}?x=y");
        assert_eq!(ask(http(&server), "HEAD", &asked, &lines).status, 200);
    }
}

#[test]
fn head_has_the_header_of_get_and_no_body() {
    let server = serve(HONEST);
    // Those that say the same each time.
    for path in ["/", "/healthz", "/readyz"] {
        let [head, get] = ["HEAD", "GET"].map(|method| {
            let reply = ask(http(&server), method, path, &["Host: localhost"]);
            let lines = reply
                .header
                .lines()
                .filter(|line| !line.starts_with("date"));
            let mut lines: Vec<_> = lines.map(str::to_owned).collect();
            lines.sort();
            (reply.body, lines)
        });
        assert_eq!(head.1, get.1, "{path}");
        assert_eq!((head.0.len(), get.0.is_empty()), (0, false), "{path}");
    }
    assert_eq!(
        ask(http(&server), "HEAD", "/status", &["Host: localhost"]).body,
        ""
    );
}

#[test]
fn every_answer_says_what_it_is_and_that_it_is_not_to_be_kept() {
    let server = serve(HONEST);
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", "application/json"),
        ("/readyz", "application/json"),
        ("/status", "application/json"),
        ("/events", "text/event-stream"),
    ] {
        let header = ask(http(&server), "GET", path, &["Host: localhost"]).header;
        for line in [
            &format!("content-type: {content_type}"),
            "cache-control: no-store",
            "x-content-type-options: nosniff",
        ] {
            assert!(header.contains(line), "{path}: {header}");
        }
    }
    let page = get(http(&server), "/").header;
    let (_, policy) = page.split_once("content-security-policy: ").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{page}");
    assert!(policy.contains("connect-src 'self';"), "{page}");
}

#[test]
fn with_a_token_only_what_is_for_machines_is_told_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let settings = HONEST.replacen("127.0.0.1:0", address, 1);
        let server = serve(&format!("http.token_file = {file:?}{settings}"));
        let bound = http(&server);
        let asked = SocketAddr::from(([127, 0, 0, 1], bound.port()));
        for path in PATHS.into_iter().chain(["/nosuch"]) {
            let right = format!("Authorization: Bearer {TOKEN}");
            let wrong = format!("{right}~");
            let without = ask(asked, "GET", path, &["Host: localhost"]);
            let other = ask(asked, "GET", path, &["Host: localhost", &wrong]);
            let with = ask(asked, "GET", path, &["Host: localhost", &right]);
            let post = ask(asked, "POST", path, &["Host: localhost"]);
            let statuses = [without.status, other.status, with.status, post.status];
            let expected = match path {
                "/nosuch" => [401, 401, 404, 401],
                path if OPEN.contains(&path) => [200, 200, 200, 401],
                _ => [401, 401, 200, 401],
            };
            assert_eq!(statuses, expected, "{address} {path}");
            assert!(post.header.contains("www-authenticate: bearer"), "{post:?}");
        }
    }
}

#[test]
fn beyond_loopback_machines_ask_by_any_name_and_people_by_address() {
    let settings = HONEST.replacen("127.0.0.1:0", "0.0.0.0:0", 1);
    let server = serve(&settings);
    let asked = SocketAddr::from(([127, 0, 0, 1], http(&server).port()));
    for path in PATHS {
        for (host, is_name) in [("ntp1.example.net:8088", true), ("192.0.2.1:8088", false)] {
            let reply = ask(asked, "GET", path, &[&format!("Host: {host}")]);
            let is_told = !is_name || OPEN.contains(&path);
            let expected = if is_told { 200 } else { 403 };
            assert_eq!(reply.status, expected, "{path} {host}: {reply:?}");
        }
    }
}

//! Who is let in, and what a request has to look like.

use super::{LAB, get, post, request, send};
use crate::support::serve;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use timeball::RunningServer;

const JSON: &str = "Content-Type: application/json";
const TOKEN: &str = "0123456789-abcdef~";

/// Whether the clock of the lab still stands where it stood at first.
fn is_unmoved(server: &RunningServer) -> bool {
    server.mock("lab").unwrap().elapsed() == timeball::api::Delta::ZERO
}

/// What comes of an `/advance` with these lines in its header.
fn advance(server: SocketAddr, lines: &[&str]) -> super::Reply {
    send(server, &request("POST", "/advance", lines, r#"{"by": 1}"#))
}

#[test]
fn a_foreign_host_is_forbidden_before_anything_else() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    for host in [
        "example.com",
        "example.com:80",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "",
    ] {
        let line = format!("Host: {host}");
        let error = advance(control, &[&line, JSON]).refused(403);
        assert!(
            error["error"].as_str().unwrap().contains("`Host`"),
            "{error}"
        );
        // No path and no body is looked at.
        let reply = send(control, &request("BREW", "/coffee", &[&line], ""));
        assert_eq!(reply.status, 403, "{host}");
    }
    let two = advance(control, &["Host: localhost", "Host: localhost", JSON]);
    assert_eq!(two.status, 400);
    assert!(is_unmoved(&server));
    for host in ["localhost", "127.0.0.1", &control.to_string(), "[::1]:1"] {
        advance(control, &[&format!("Host: {host}"), JSON]).done();
    }
}

#[test]
fn any_origin_is_forbidden() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    for origin in ["http://example.com", "null", "http://localhost", ""] {
        let line = format!("Origin: {origin}");
        let error = advance(control, &["Host: localhost", &line, JSON]).refused(403);
        assert!(
            error["error"].as_str().unwrap().contains("`Origin`"),
            "{error}"
        );
        let lines = ["Host: localhost", &line];
        send(control, &request("GET", "/status", &lines, "")).refused(403);
        // What a browser asks before it sends JSON from a page.
        let preflight = send(control, &request("OPTIONS", "/advance", &lines, ""));
        assert_eq!(preflight.status, 403);
        assert!(!preflight.header.contains("access-control"));
    }
    assert!(is_unmoved(&server));
}

#[test]
fn a_body_that_is_not_declared_as_json_is_not_read() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    let error = advance(control, &["Host: localhost"]).refused(415);
    assert_eq!(error["accepted"], "application/json");
    for declared in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
        "",
    ] {
        let line = format!("Content-Type: {declared}");
        advance(control, &["Host: localhost", &line]).refused(415);
    }
    assert!(is_unmoved(&server));
    for declared in ["application/json; charset=utf-8", "Application/JSON"] {
        let line = format!("Content-Type: {declared}");
        advance(control, &["Host: localhost", &line]).done();
    }
}

#[test]
fn a_body_is_a_json_object() {
    let server = serve(LAB);
    for body in [
        "[]",
        "1",
        "null",
        "{",
        "{\"by\": 1}x",
        "by=1",
        "{'by': 1}",
        "\u{0}",
    ] {
        let error = post(server.control().unwrap(), "/advance", body).refused(400);
        assert_eq!(error["accepted"], "a JSON object", "{body}");
    }
    assert!(is_unmoved(&server));
}

#[test]
fn a_body_is_bounded() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    // White space is good JSON, so nothing but the length can be wrong.
    let padded = |body: &str, len: usize| body.to_owned() + &" ".repeat(len - body.len());
    let advance = |len| post(control, "/advance", &padded(r#"{"by": 1}"#, len));
    advance(65_536).done();
    for len in [65_537, 300_000, 8 << 20] {
        let error = advance(len).refused(413);
        assert_eq!(error["accepted"], "at most 65536 octets");
    }
    // A scenario may be longer; this server plays none, and says so.
    let load = |len| post(control, "/load", &padded(r#"{"name": "x"}"#, len));
    load(1 << 20).refused(409);
    load((1 << 20) + 1).refused(413);
    assert_eq!(
        server.mock("lab").unwrap().elapsed().as_nanos(),
        1_000_000_000
    );
}

#[test]
fn a_body_that_ends_early_changes_nothing() {
    let server = serve(LAB);
    let mut stream = TcpStream::connect(server.control().unwrap()).unwrap();
    let whole = request(
        "POST",
        "/advance",
        &["Host: localhost", JSON],
        r#"{"by": 1} "#,
    );
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    // Whether there is an answer is nothing that anybody could count on.
    let _ = stream.read_to_end(&mut reply);
    assert!(is_unmoved(&server));
}

#[test]
fn paths_and_methods_are_told_apart() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    let error = get(control, "/statos").refused(404);
    assert_eq!(
        error["error"],
        "path = \"/statos\": there is no such path; did you mean `/status`?"
    );
    for path in ["/", "/status/", "//status", "/fault"] {
        get(control, path).refused(404);
    }
    for (method, path, allowed) in [
        ("GET", "/advance", "post"),
        ("PUT", "/advance", "post"),
        ("POST", "/status", "get"),
        ("DELETE", "/status", "get"),
    ] {
        let lines = ["Host: localhost", JSON];
        let reply = send(control, &request(method, path, &lines, r#"{"by": 1}"#));
        assert!(
            reply.header.contains(&format!("allow: {allowed}")),
            "{method} {path}: {reply:?}"
        );
        reply.refused(405);
    }
    assert!(is_unmoved(&server));
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let server = serve(&format!("{LAB}control.token_file = {file:?}\n"));
    let control = server.control().unwrap();
    let refused = advance(control, &["Host: localhost", JSON]);
    assert!(refused.header.contains("www-authenticate: bearer"));
    assert_eq!(refused.refused(401)["error"], "a token is needed");
    for authorization in [
        "Bearer 0123456789-abcdef",
        "Bearer 0123456789-abcdef~~",
        "Basic 0123456789-abcdef~",
        "0123456789-abcdef~",
    ] {
        let line = format!("Authorization: {authorization}");
        advance(control, &["Host: localhost", &line, JSON]).refused(401);
    }
    get(control, "/status").refused(401);
    assert!(is_unmoved(&server));
    let right = format!("Authorization: Bearer {TOKEN}");
    advance(control, &["Host: localhost", &right, JSON]).done();
    // The token makes no page and no name welcome.
    advance(control, &["Host: example.com", &right, JSON]).refused(403);
    advance(control, &["Host: localhost", "Origin: null", &right, JSON]).refused(403);
}

#[test]
fn beyond_loopback_every_request_shows_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let settings = LAB.replace("'127.0.0.1:0'\nsources", "'0.0.0.0:0'\nsources");
    let server = serve(&format!("{settings}control.token_file = {file:?}\n"));
    let bound = server.control().unwrap();
    assert!(bound.ip().is_unspecified());
    let control = SocketAddr::from(([127, 0, 0, 1], bound.port()));
    get(control, "/status").refused(401);
    let right = format!("Authorization: Bearer {TOKEN}");
    // By whatever address this host is reached, and by no name.
    for (host, status) in [("192.0.2.1", 200), ("lab.example", 403)] {
        let host = format!("Host: {host}");
        let reply = send(control, &request("GET", "/status", &[&host, &right], ""));
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn rubbish_is_answered_or_cut_off_and_the_next_request_is_served() {
    let server = serve(LAB);
    let control = server.control().unwrap();
    for rubbish in [
        &b"\r\n\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /status HTTP/9.9\r\n\r\n",
        b"GET /status\r\n\r\n",
        &[0; 70_000],
    ] {
        let mut stream = TcpStream::connect(control).unwrap();
        let _ = stream.write_all(rubbish);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert!(!reply.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(get(control, "/status").done()["mode"], json!("test"));
}

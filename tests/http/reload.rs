//! Settings read anew, asked for over HTTP.

use crate::support::web::{get, request, send};
use crate::support::{ask, ntp_header, ntp_request};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use timeball::settings::Loader;
use timeball::{RunningServer, Server};

/// A server whose settings are what `file` says at the time.
fn serve(file: &Arc<Mutex<String>>) -> RunningServer {
    let given = Arc::clone(file);
    let read = move || Loader::text("it.toml", &given.lock().unwrap()).load();
    let settings = read().unwrap_or_else(|errors| panic!("{errors}"));
    let server = Server::new(settings).with_reread(Arc::new(read));
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

fn file(more: &str, stratum: u8) -> String {
    format!(
        "max_queue_delay = 0\nhttp.address = '127.0.0.1:0'\n{more}\n[sources.it]\nkind = \
         'monotonic-offset'\nstratum = {stratum}\n[[listeners]]\nprotocol = 'ntp'\naddress = \
         '127.0.0.1:0'\nsource = 'it'\n"
    )
}

fn stratum(server: &RunningServer) -> u8 {
    ntp_header(&ask(server.address(0), &ntp_request(1))).stratum
}

const LOCAL: &str = "Host: localhost";
const JSON: &str = "Content-Type: application/json";

fn post(http: SocketAddr, lines: &[&str]) -> crate::support::web::Reply {
    send(http, &request("POST", "/reload", lines, ""))
}

#[test]
fn what_changed_is_the_answer_and_what_is_wrong_changes_nothing() {
    let settings = Arc::new(Mutex::new(file("", 4)));
    let server = serve(&settings);
    let http = server.http().unwrap();
    *settings.lock().unwrap() = file("", 5);
    let reply = post(http, &[LOCAL, JSON]);
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = reply.json();
    assert_eq!(told["changed"][0]["address"], server.address(0).to_string());
    assert_eq!(told["sources"]["changed"][0], "it");
    assert_eq!(stratum(&server), 5);

    *settings.lock().unwrap() = file("batch = 65", 6);
    let reply = post(http, &[LOCAL, JSON]);
    assert_eq!(reply.status, 422, "{reply:?}");
    let told = reply.json();
    let why = told["error"].as_str().unwrap();
    assert!(
        why.contains("it.toml:3: batch = 65: outside 1..=64"),
        "{why}"
    );
    assert_eq!(stratum(&server), 5);

    *settings.lock().unwrap() = file("http.token_file = 'no such file'", 7);
    let told = post(http, &[LOCAL, JSON]).json();
    assert_eq!(told["needs_restart"][0], "http", "{told}");
    assert_eq!(stratum(&server), 7);
}

#[test]
fn no_page_in_a_browser_can_have_the_settings_read() {
    let settings = Arc::new(Mutex::new(file("", 4)));
    let server = serve(&settings);
    let http = server.http().unwrap();
    *settings.lock().unwrap() = file("", 5);
    for (lines, status) in [
        (&[LOCAL][..], 415),
        (&[LOCAL, "Content-Type: text/plain"], 415),
        (
            &[LOCAL, "Content-Type: application/x-www-form-urlencoded"],
            415,
        ),
        (&[LOCAL, JSON, "Origin: http://localhost"], 403),
        (&[LOCAL, JSON, "Origin: null"], 403),
        (&["Host: evil.example", JSON], 403),
    ] {
        assert_eq!(post(http, lines).status, status, "{lines:?}");
    }
    let reply = get(http, "/reload");
    assert_eq!(reply.status, 405);
    assert!(reply.header.contains("allow: post"), "{reply:?}");
    assert_eq!(stratum(&server), 4, "nothing was read");
}

#[test]
fn where_there_is_a_token_it_has_to_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    let more = format!("http.token_file = '{}'", token.display());
    let server = serve(&Arc::new(Mutex::new(file(&more, 4))));
    let http = server.http().unwrap();
    assert_eq!(post(http, &[LOCAL, JSON]).status, 401);
    let wrong = "Authorization: Bearer 0123456789abcdeX";
    assert_eq!(post(http, &[LOCAL, JSON, wrong]).status, 401);
    let right = "Authorization: Bearer 0123456789abcdef";
    let told = post(http, &[LOCAL, JSON, right]).json();
    assert_eq!(told["untouched"], 1);
}

#[test]
fn a_server_without_a_file_says_so() {
    let settings = crate::support::settings(&file("", 4));
    let server = Server::new(settings).start().unwrap();
    let reply = post(server.http().unwrap(), &[LOCAL, JSON]);
    assert_eq!(reply.status, 409);
    assert!(reply.body.contains("in no file"), "{reply:?}");
}

//! `timeball top`, where stdout is no terminal.

use crate::support::process::{Serve, timeball};
use crate::support::running::run;
use crate::support::{ask, wait_for};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::thread;

const LAB: &str = "http.address = '127.0.0.1:0'
[sources.wall]
kind = 'system'
[sources.lab]
kind = 'mock'
start = '2036-02-07T06:28:13Z'
advance = 'manual'
[[listeners]]
protocol = 'text'
address = '127.0.0.1:0'
source = 'wall'
[[listeners]]
protocol = 'time'
address = '127.0.0.1:0'
source = 'lab'
";

const TOKEN: &str = "0123456789abcdef0123";

fn top(arguments: &[&str]) -> Output {
    run(timeball().arg("top").args(arguments))
}

#[track_caller]
fn told(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(output.stdout, b"", "{said}");
    assert!(said.starts_with("error: "), "{said}");
    said
}

/// The words of each line.
fn words(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_whitespace().collect());
    lines.collect()
}

#[test]
fn one_look_has_sources_listeners_and_outcomes() {
    let server = Serve::start(LAB, &[]);
    let listeners = server.listeners();
    let text_address = listeners[0].address;
    for _ in 0..3 {
        ask(text_address, b"Send time");
    }
    ask(listeners[1].address, b"");
    let url = server.http().url;
    // A reply is counted after it was sent.
    let text = wait_for("the count of four replies", || {
        let text = told(&top(&[&url]));
        let is_counted = words(&text).contains(&vec!["replied", "4"]);
        is_counted.then_some(text)
    });
    let head = text.lines().next().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        head.starts_with(&format!("timeball {version} at {url}  process ")),
        "{head}"
    );
    assert!(head.ends_with("  TEST TIME  ready"), "{head}");
    let words = words(&text);
    let address = text_address.to_string();
    for line in [
        vec!["text", &address, "wall", "3", "3", "0", "0"],
        vec!["received", "4"],
    ] {
        assert!(words.contains(&line), "no {line:?} in\n{text}");
    }
    let lab = words.iter().find(|line| line.starts_with(&["lab", "mock"]));
    assert_eq!(lab.unwrap()[2..5], ["2036-02-07", "06:28:13.000", "none"]);
    assert!(
        words
            .iter()
            .any(|line| line.starts_with(&["wall", "system"]))
    );
    assert!(text.contains("\nlatency  mean "), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_server_with_a_token_tells_whoever_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap();
    let server = Serve::start_as(timeball().env("TIMEBALL_HTTP_TOKEN", TOKEN), LAB);
    server.listeners();
    let url = server.http().url;
    let refused = failed(&top(&[&url]), 1);
    assert!(refused.starts_with(&format!("error: {url}: ")), "{refused}");
    assert!(refused.contains("token"), "{refused}");
    assert!(told(&top(&[&url, "--token-file", file])).contains("  ready\n"));
    let mut by_variable = timeball();
    by_variable
        .args(["top", &url])
        .env("TIMEBALL_HTTP_TOKEN", TOKEN);
    assert!(told(&run(&mut by_variable)).contains("  ready\n"));
}

#[test]
fn what_is_wrong_is_told_and_exits_by_whose_fault_it_is() {
    for (arguments, said) in [
        (&["https://127.0.0.1:1"][..], "accepted: http://HOST:PORT"),
        (&["127.0.0.1:8088"], "accepted: http://HOST:PORT"),
        (&["http://"], "accepted: http://HOST:PORT"),
        (&["http://127.0.0.1:1/status"], "accepted: http://HOST:PORT"),
        (
            &["--token-file", "/dev/null"],
            "--token-file /dev/null: no token",
        ),
        (&["--interval", "1ms"], "accepted: 100ms to 1h"),
        (&["--interval", "2h"], "accepted: 100ms to 1h"),
        (&["--interval", "soon"], "soon"),
    ] {
        let told = failed(&top(arguments), 2);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let told = failed(&top(&[&url]), 1);
    assert!(told.starts_with(&format!("error: {url}: ")), "{told}");
}

#[test]
fn a_server_of_somebody_else_is_told_apart() {
    for (answer, said) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "no status of timeball's",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "no status of timeball's",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "no server of timeball's",
        ),
    ] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", other.local_addr().unwrap());
        let answering = thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let told = failed(&top(&[&url]), 1);
        assert!(told.contains(said), "{told}");
        answering.join().unwrap();
    }
}

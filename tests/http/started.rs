//! `[http]` in the settings, and a server that starts with it.

use crate::support::process::{Serve, timeball};
use crate::support::running::run;
use crate::support::serve;
use crate::support::web::{connect, get, request};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpListener;
use timeball::settings::{DEFAULT_FILE, Environment, Loader, Settings, SettingsErrors};

/// One honest source, and `http` in the settings.
fn honest(http: &str) -> String {
    format!(
        "{http}\nsources.wall.kind = 'system'\n\
         listeners = [{{ protocol = 'ntp', address = '127.0.0.1:0', source = 'wall' }}]\n"
    )
}

const ANY_PORT: &str = "http.address = '127.0.0.1:0'";

fn load(http: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    let environment: Environment = variables.iter().copied().collect();
    Loader::text("it.toml", &honest(http))
        .environment(environment)
        .load()
}

#[test]
fn without_the_table_there_is_no_http_and_the_shipped_settings_have_it() {
    let server = serve(&honest(""));
    assert_eq!(server.http(), None);
    let settings = load("http = {}", &[]).unwrap();
    let usual = settings.http.clone().unwrap();
    assert_eq!(usual.address.to_string(), "127.0.0.1:8088");
    assert_eq!((&usual.token_file, &usual.token), (&None, &None));
    let shipped = Loader::text("", DEFAULT_FILE).load().unwrap();
    assert_eq!(shipped.http, Some(usual));
}

#[test]
fn what_is_wrong_with_http_is_told_with_its_place() {
    for (http, variables, told) in [
        (
            "http = 3",
            &[][..],
            "it.toml:1: http = 3: not a table; write [http]",
        ),
        (
            "http.adress = '127.0.0.1:0'",
            &[],
            "it.toml:1: http.adress: unknown key; did you mean `address`?",
        ),
        (
            "htpp = {}",
            &[],
            "it.toml:1: htpp: unknown key; did you mean `http`?",
        ),
        (
            "http = {}",
            &[("TIMEBALL_HTTP_TOKEN", "short")],
            "environment variable TIMEBALL_HTTP_TOKEN: no token; accepted: 16 to 512 letters, \
             digits and any of `-._~+/=` (`openssl rand -hex 32` prints one)",
        ),
        (
            "http = 3",
            &[("TIMEBALL__HTTP__ADDRESS", "127.0.0.1:0")],
            "it.toml:1: http = 3: not a table; write [http]",
        ),
        (
            "http.address = '0.0.0.0:8090'\ncontrol.address = '127.0.0.1:8090'",
            &[],
            "it.toml:1: http.address = \"0.0.0.0:8090\": control.address = \"127.0.0.1:8090\" \
             takes this port already; another port is needed",
        ),
    ] {
        let errors = load(http, variables).expect_err(http);
        assert_eq!(errors.to_string(), told);
    }
}

#[test]
fn the_environment_can_be_all_there_is_of_http() {
    let token = "0123456789abcdef";
    let variables = [
        ("TIMEBALL__HTTP__ADDRESS", "[::]:0"),
        ("TIMEBALL__HTTP__TOKEN_FILE", "/nosuch/token"),
        ("TIMEBALL_HTTP_TOKEN", token),
    ];
    let settings = load("", &variables).unwrap();
    let http = settings.http.as_ref().unwrap();
    assert_eq!(http.address.to_string(), "[::]:0");
    assert_eq!(http.token_file.as_deref(), Some("/nosuch/token"));
    assert_eq!(http.token().unwrap().unwrap().reveal(), token);
    let shown = format!("{settings:?}{}", settings.to_toml());
    assert!(!shown.contains(token), "{shown}");
    // Beyond loopback no token has to be there.
    load("http.address = '0.0.0.0:8088'", &[]).unwrap();
}

#[test]
fn the_log_and_the_ports_file_tell_where_http_is() {
    let mut server = Serve::start(&honest(ANY_PORT), &[]);
    let http = server.http();
    assert_ne!(http.address.port(), 0);
    assert_eq!(http.url, format!("http://{}", http.address));
    let line = server.wait_for_log("INFO http ");
    assert!(
        line.ends_with(&format!("address={} token=false", http.address)),
        "{line}"
    );
    let status = get(http.address, "/status").json();
    assert_eq!(status["pid"], server.id());
    let (status, stdout, _) = server.end(Signal::TERM);
    assert!(status.success());
    assert_eq!(stdout, "");
}

#[test]
fn a_server_whose_http_cannot_be_had_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.toml");
    let fails_to = |subcommand: &str, http: &str| {
        std::fs::write(&file, honest(http)).unwrap();
        let output = run(timeball().arg(subcommand).arg("--settings").arg(&file));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("listening"), "{said}");
        (output.status.code(), said)
    };
    for subcommand in ["serve", "check"] {
        let (code, said) = fails_to(subcommand, "http.token_file = '/nosuch/token'");
        assert_eq!(code, Some(2), "{said}");
        let told = "http.token_file = \"/nosuch/token\": cannot be read";
        assert!(said.contains(told), "{said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, said) = fails_to("serve", &format!("http.address = '{address}'"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("http on {address}: ")), "{said}");
}

#[test]
fn neither_a_silent_connection_nor_one_who_listens_holds_up_the_end() {
    let server = Serve::start(&honest(ANY_PORT), &[]);
    let http = server.http().address;
    let silent = connect(http);
    let mut listening = connect(http);
    let asked = request("GET", "/events", &["Host: localhost"], "");
    listening.write_all(&asked).unwrap();
    listening.read_exact(&mut [0; 64]).expect("it is answered");
    let (status, ..) = server.end(Signal::TERM);
    assert!(status.success());
    let mut rest = Vec::new();
    listening.read_to_end(&mut rest).expect("the stream ends");
    // Not cut off: the last chunk is there.
    assert!(rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    drop(silent);
}

//! Settings that are read anew while the server serves: what changes, what does
//! not, and that no request is lost on the way.

use crate::support::process::{Serve, listeners_of, timeball};
use crate::support::running::Running;
use crate::support::{
    self, PATIENCE, ask, client_of, mark_of, ntp_header, ntp_request, settings, wait_for,
};
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use timeball::api::{HostInstant, Quality, Reading, Source, TimeSource, Timestamp, Unavailable};
use timeball::host::OsClock;
use timeball::server::{ReloadError, Reloaded};
use timeball::{RunningServer, Server};

/// One listener of NTP on `source`, at any port.
fn ntp_on(source: &str) -> String {
    format!("[[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = '{source}'\n")
}

const LAB: &str = "[sources.lab]\nkind = 'mock'\nstart = '2030-01-01T00:00:00Z'\n";
const STEADY: &str =
    "[sources.steady]\nkind = 'monotonic-offset'\nstart = '2030-01-01T00:00:00Z'\n";

/// However busy the machine is, nothing is dropped for having waited.
fn patient(toml: &str) -> String {
    format!("max_queue_delay = 0\n{toml}")
}

fn serve(toml: &str) -> RunningServer {
    support::serve(&patient(toml))
}

fn reload(server: &RunningServer, toml: &str) -> Reloaded {
    let reloaded = server.reload(settings(&patient(toml)));
    reloaded.unwrap_or_else(|error| panic!("{error}"))
}

fn stratum(server: SocketAddr) -> u8 {
    ntp_header(&ask(server, &ntp_request(1))).stratum
}

#[test]
fn settings_that_are_the_same_change_nothing() {
    let toml = format!("{LAB}{STEADY}{}{}", ntp_on("lab"), ntp_on("steady"));
    let server = serve(&toml);
    let before = server.listeners();
    let clock = server.mock("lab").unwrap();
    clock.advance(timeball::api::Delta::from_seconds(7));
    let reloaded = reload(&server, &toml);
    assert_eq!(
        reloaded,
        Reloaded {
            untouched: 2,
            ..Reloaded::default()
        }
    );
    assert_eq!(server.listeners(), before);
    let start = Timestamp::from_unix_seconds(1_893_456_000);
    let elapsed = server.mock("lab").unwrap().now() - start;
    assert_eq!(elapsed.as_nanos(), 7_000_000_000, "its clock goes on");
}

#[test]
fn listeners_come_and_go_and_those_that_stay_keep_their_ports_and_counts() {
    let one = format!("{STEADY}{}", ntp_on("steady"));
    let server = serve(&one);
    let first = server.address(0);
    ask(first, &ntp_request(1));

    let two = format!(
        "{one}[[listeners]]\nprotocol = 'time'\naddress = '127.0.0.1:0'\nsource = 'steady'"
    );
    let reloaded = reload(&server, &two);
    assert_eq!((reloaded.added.len(), reloaded.untouched), (1, 1));
    assert_eq!(server.address(0), first);
    let second = server.address(1);
    assert_eq!(reloaded.added[0].address, second);
    assert_eq!(ask(second, b"").len(), 4);
    ask(first, &ntp_request(1));

    let reloaded = reload(&server, &one);
    assert_eq!((reloaded.removed.len(), reloaded.untouched), (1, 1));
    assert_eq!(reloaded.removed[0].address, second);
    // Its socket is closed: the address is free again.
    crate::support::wait_for("the port is free", || UdpSocket::bind(second).ok());
    ask(first, &ntp_request(1));
    let totals = server.stop();
    assert_eq!(
        (totals.received, totals.replied),
        (4, 4),
        "none is forgotten"
    );
}

#[test]
fn a_listener_moves_onto_the_wildcard_of_its_own_port_and_back() {
    let at = |address: &str| {
        format!("{STEADY}[[listeners]]\nprotocol = 'ntp'\naddress = '{address}'\nsource = 'steady'")
    };
    let server = serve(&at("127.0.0.1:0"));
    let port = server.address(0).port();
    let narrow: SocketAddr = ([127, 0, 0, 1], port).into();
    // Now it is known where it is.
    reload(&server, &at(&format!("127.0.0.1:{port}")));
    let reloaded = reload(&server, &at(&format!("0.0.0.0:{port}")));
    assert_eq!((reloaded.added.len(), reloaded.removed.len()), (1, 1));
    ask(narrow, &ntp_request(1));
    ask(([127, 0, 0, 2], port).into(), &ntp_request(1));
    let reloaded = reload(&server, &at(&narrow.to_string()));
    assert_eq!((reloaded.added.len(), reloaded.removed.len()), (1, 1));
    ask(narrow, &ntp_request(1));
    let elsewhere = client_of(narrow);
    elsewhere
        .connect((std::net::Ipv4Addr::new(127, 0, 0, 2), port))
        .unwrap();
    elsewhere.set_read_timeout(Some(PATIENCE / 1_000)).unwrap();
    // The wildcard's socket is closed once the last of its actors is gone.
    support::wait_for("a refusal", || {
        let asked = elsewhere.send(b"x");
        let refused = asked.and_then(|_| elsewhere.recv(&mut [0; 64]));
        (refused.unwrap_err().kind() == ErrorKind::ConnectionRefused).then_some(())
    });
}

#[test]
fn a_source_protocol_and_lists_are_others_from_then_on() {
    let with = |source: &str, more: &str| {
        format!(
            "{more}{STEADY}[sources.far]\nkind = 'monotonic-offset'\nstratum = 7\n{}",
            ntp_on(source)
        )
    };
    let server = serve(&with("steady", ""));
    let address = server.address(0);
    let told = |reloaded: &Reloaded| (reloaded.changed.len(), reloaded.untouched);
    assert_eq!(told(&reload(&server, &with("far", ""))), (1, 0));
    assert_eq!(stratum(address), 7);
    let nearer = with("far", "").replace("stratum = 7", "stratum = 3");
    let reloaded = reload(&server, &nearer);
    assert_eq!(reloaded.sources.changed, ["far"]);
    assert_eq!((told(&reloaded), stratum(address)), ((1, 0), 3));
    assert_eq!(
        told(&reload(
            &server,
            &with("far", "admission.deny = ['127.0.0.1']\n")
        )),
        (1, 0)
    );
    let denied = client_of(address);
    denied.send_to(&ntp_request(1), address).unwrap();
    crate::support::wait_for("the request is counted", || {
        (server.totals().dropped.iter().sum::<u64>() == 1).then_some(())
    });
    let text = "[[listeners]]\nprotocol = 'text'\naddress = '127.0.0.1:0'\nsource = 'steady'";
    assert_eq!(told(&reload(&server, &format!("{STEADY}{text}"))), (1, 0));
    assert_eq!(server.address(0), address);
    assert!(ask(address, b"Send time").starts_with(b"2030-01-01"));
}

#[test]
fn a_test_clock_takes_the_place_of_a_real_one_and_the_other_way_round() {
    let toml = |source: &str| format!("threads = 2\n{LAB}{STEADY}{}", ntp_on(source));
    let server = serve(&toml("steady"));
    let address = server.address(0);
    for source in ["lab", "steady", "lab"] {
        reload(&server, &toml(source));
        assert_eq!(server.address(0), address);
        // From many ports, so that each shard is asked.
        for mark in 0..32 {
            assert_eq!(mark_of(&ask(address, &ntp_request(mark))), mark);
        }
        assert_eq!(server.listeners()[0].test_time, source == "lab");
    }
    assert_eq!(server.stop().replied, 96);
}

#[test]
fn what_cannot_be_had_leaves_everything_as_it_was() {
    let toml = format!("{STEADY}{}", ntp_on("steady"));
    let server = serve(&toml);
    let address = server.address(0);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let bad = format!(
        "[sources.steady]\nkind = 'monotonic-offset'\nstratum = 9\n{}[[listeners]]\nprotocol = \
         'ntp'\naddress = '{taken}'\nsource = 'steady'",
        ntp_on("steady")
    );
    let socket = UdpSocket::bind(taken).ok();
    let error = server.reload(settings(&patient(&bad)));
    drop(socket);
    let Err(ReloadError::Start(error)) = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert_eq!(server.listeners().len(), 1);
    assert_eq!(stratum(address), 10, "the source is the one before");
    assert_eq!(reload(&server, &toml).untouched, 1);
}

#[test]
fn what_is_fixed_for_as_long_as_it_runs_is_told() {
    let toml = format!("{STEADY}{}", ntp_on("steady"));
    let server = serve(&format!("threads = 1\n{toml}"));
    let other = format!("threads = 2\nlog.level = 'warn'\ncontrol.address = '127.0.0.1:0'\n{toml}");
    for _ in 0..2 {
        let reloaded = reload(&server, &other);
        assert_eq!(reloaded.needs_restart, ["threads", "log", "control"]);
        assert_eq!(reloaded.untouched, 1);
    }
}

/// Asks the whole time, one request after the other, each of which must be
/// answered; gives back how many there were.
pub fn asks_on(address: SocketAddr, marks: &AtomicU64, is_over: &AtomicBool) -> u64 {
    let client = client_of(address);
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mark = marks.fetch_add(1, Ordering::Relaxed);
        client.send_to(&ntp_request(mark), address).unwrap();
        asked += 1;
        let mut reply = [0; 64];
        let (len, _) = client.recv_from(&mut reply).expect("no request is lost");
        assert_eq!(mark_of(&reply[..len]), mark);
    }
    asked
}

#[test]
fn no_request_is_lost_while_a_listener_becomes_another_again_and_again() {
    let toml = |stratum: usize| {
        format!(
            "threads = 2\n[sources.it]\nkind = 'monotonic-offset'\nstratum = {stratum}\n{}{}",
            ntp_on("it"),
            ntp_on("it").replace("source", "responder_threads = 1\nsource")
        )
    };
    let server = serve(&toml(1));
    let addresses = [server.address(0), server.address(1)];
    let (is_over, marks) = (&AtomicBool::new(false), &AtomicU64::new(1));
    let asked: u64 = thread::scope(|scope| {
        let clients: Vec<_> = addresses
            .iter()
            .flat_map(|&address| [address; 3])
            .map(|address| scope.spawn(move || asks_on(address, marks, is_over)))
            .collect();
        for round in 0..60 {
            let reloaded = reload(&server, &toml(1 + round % 15));
            let changed = if round == 0 { 0 } else { 2 };
            assert_eq!(reloaded.changed.len(), changed, "{round}");
        }
        is_over.store(true, Ordering::Relaxed);
        let asked = clients.into_iter().map(|client| client.join().unwrap());
        asked.sum()
    });
    let totals = server.stop();
    assert_eq!(
        (totals.received, totals.replied),
        (asked, asked),
        "{totals}"
    );
}

/// A source that answers when it is let.
struct Held(Arc<(Mutex<bool>, Condvar)>);

impl TimeSource for Held {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        let (is_free, changed) = &*self.0;
        let free = is_free.lock().unwrap();
        drop(changed.wait_while(free, |is_free| !*is_free).unwrap());
        Ok(Reading {
            time: at.realtime,
            quality: Quality::default(),
        })
    }
}

#[test]
fn requests_that_came_before_are_answered_by_the_listener_that_received_them() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let source = Source {
        may_block: true,
        ..Source::new(Held(Arc::clone(&gate)), Arc::new(OsClock))
    };
    let toml = format!("{STEADY}{}", ntp_on("slow"));
    let toml = toml.replace("[sources", "[sources.slow]\nkind = 'system'\n[sources");
    let server = Server::new(settings(&patient(&toml)))
        .with_source("slow", source)
        .start()
        .unwrap();
    let address = server.address(0);
    let client = client_of(address);
    client.send_to(&ntp_request(1), address).unwrap();
    // It is with the responder, which waits for its source, or still on its way;
    // let it go on once the reload waits for it.
    let opener = thread::spawn(move || {
        let (is_free, changed) = &*gate;
        *is_free.lock().unwrap() = true;
        changed.notify_all();
    });
    let other = toml.replace("source = 'slow'", "source = 'steady'");
    assert_eq!(reload(&server, &other).changed.len(), 1);
    opener.join().unwrap();
    let mut reply = [0; 64];
    client.recv_from(&mut reply).expect("it is answered");
    assert_eq!(server.stop().replied, 1);
}

fn rewrite(server: &Serve, toml: &str) {
    server.rewrite(&patient(toml));
}

#[test]
fn a_hangup_has_the_file_read_anew_and_a_bad_file_changes_nothing_and_says_why() {
    let toml = |stratum: &str| {
        format!(
            "[sources.it]\nkind = 'monotonic-offset'\nstratum = {stratum}\n{}",
            ntp_on("it")
        )
    };
    let mut server = Serve::start(&patient(&toml("4")), &[]);
    let address = server.listeners()[0].address;
    assert_eq!(stratum(address), 4);

    rewrite(&server, &toml("5"));
    server.signal(Signal::HUP);
    let line = server.wait_for_log("reloaded");
    assert!(line.contains("listeners_changed=1"), "{line}");
    assert_eq!(stratum(address), 5);

    rewrite(&server, &toml("55"));
    server.signal(Signal::HUP);
    let line = server.wait_for_log("not reloaded, and nothing has changed");
    assert!(
        line.contains("sources.it.stratum = 55: outside 1..=15"),
        "{line}"
    );
    assert_eq!(stratum(address), 5);

    server.signal(Signal::USR1);
    let line = server.wait_for_log("counted");
    assert!(line.contains("received=3"), "{line}");
    let (status, _, _) = server.end(Signal::TERM);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn own_ports_are_those_of_the_listeners_there_are_now() {
    let time = "[[listeners]]\nprotocol = 'time'\naddress = '127.0.0.1:0'\nsource = 'steady'\n";
    let toml = format!("{STEADY}{time}");
    let server = serve(&toml);
    let client = client_of(server.address(0));
    let free = client.local_addr().unwrap();
    let answered = |socket: &UdpSocket| {
        socket.send_to(b"", server.address(0)).unwrap();
        socket.recv_from(&mut [0; 8]).is_ok()
    };
    assert!(answered(&client));
    // A listener takes the port that the client asked from, at another address.
    let there = format!("127.0.0.9:{}", free.port());
    let two = format!("{toml}{}", time.replace("127.0.0.1:0", &there));
    assert_eq!(reload(&server, &two).untouched, 1);
    client.send_to(b"", server.address(0)).unwrap();
    let reason = timeball::api::DropReason::ReflectionPort { port: 0 };
    crate::support::wait_for("the request is dropped", || {
        (server.totals_of(0).dropped_for(reason) == 1).then_some(())
    });
    reload(&server, &toml);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(answered(&client));
    assert_eq!(server.stop().replied, 2);
}

#[test]
fn a_file_that_is_gone_does_not_make_way_for_the_settings_that_are_built_in() {
    let folder = tempfile::tempdir().unwrap();
    // It is read as somebody else, who has to come to it.
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let [file, ports, log] =
        ["settings.toml", "ports.json", "log"].map(|name| folder.path().join(name));
    let toml = patient(&format!("{STEADY}{}", ntp_on("steady")));
    fs::write(&file, toml).unwrap();
    let server = Running::start(
        timeball()
            .current_dir(folder.path())
            .args(["serve", "--ports-file", "ports.json"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap()),
    );
    let address = listeners_of(&ports)[0].address;
    ask(address, &ntp_request(1));

    fs::rename(&file, folder.path().join("elsewhere")).unwrap();
    server.signal(Signal::HUP);
    let refused = wait_for("a word on the reload", || {
        let said = fs::read_to_string(&log).unwrap();
        let mut lines = said.lines().map(str::to_owned);
        lines.find(|line| line.contains("reloaded"))
    });
    assert!(
        refused.contains("not reloaded, and nothing has changed"),
        "{refused}"
    );
    assert!(refused.contains("settings.toml"), "{refused}");
    ask(address, &ntp_request(2));
    server.signal(Signal::TERM);
    assert_eq!(server.end().status.code(), Some(0));
}

//! Faults between a client and a real server: endpoints with an upstream.

use super::command::Folder;
use super::{ask, play, scenario};
use crate::support::process::timeball;
use crate::support::running::run;
use crate::support::{client_of, mark_of, ntp_header, ntp_request, receive};
use crate::support::{serve, wait_for};
use std::net::{SocketAddr, UdpSocket};
use timeball::RunningServer;
use timeball::api::{Delta, NtpTimestamp};
use timeball::expect::Outcome;
use timeball::play::replay::{ReplayError, replay};
use timeball::play::{LoadError, Play, Stage};
use timeball::simulate::{SimulateError, Simulation};
use timeball::transcript::{Direction, Record};

/// A real server, on stratum 1, whose time is not the scenario's.
fn server(protocol: &str) -> RunningServer {
    serve(&format!(
        "[sources.far]\nkind = 'mock'\nstart = '2001-02-03T04:05:06Z'\n\
         advance = 'per-request'\nstep = '1s'\n\
         [[listeners]]\nprotocol = '{protocol}'\naddress = '127.0.0.1:0'\nsource = 'far'\n"
    ))
}

/// A scenario whose first endpoint asks `upstream`.
fn asking(upstream: SocketAddr, rest: &str) -> String {
    format!("[[endpoints]]\nname = 'far'\nupstream = '{upstream}'\n{rest}")
}

/// A server of the test's own hand.
fn by_hand() -> UdpSocket {
    client_of("127.0.0.1:0".parse().unwrap())
}

/// The records that went this way.
fn of(records: &[Record], direction: Direction) -> Vec<&Record> {
    let these = records.iter().filter(|it| it.direction == direction);
    these.collect()
}

/// Waits for the end of a run that has a number of requests.
fn until_over(stage: &Stage) {
    wait_for("the end of the run", || {
        stage.handle().is_over().then_some(())
    });
}

#[test]
fn a_request_goes_to_the_upstream_server_and_its_reply_comes_back() {
    let server = server("ntp");
    let stage = play(&asking(server.address(0), ""));
    let client = client_of(stage.address(0));
    for n in 0..3 {
        let (reply, from) = ask(&stage, &client, &ntp_request(n));
        assert_eq!(from, stage.address(0));
        let header = ntp_header(&reply);
        let time = NtpTimestamp::from(timeball::api::Timestamp::from_unix_seconds(
            981_173_106 + n as i64,
        ));
        assert_eq!(header.transmit_timestamp, time, "the time is the server's");
        assert_eq!(mark_of(&reply), n);
    }
    let handle = stage.handle();
    assert_eq!(
        handle.status().endpoints[0].upstream,
        Some(server.address(0))
    );
    let finished = stage.finish();
    assert_eq!(server.stop().replied, 3);
    assert_eq!(finished.totals.received, 0, "its own server is not asked");
    let way: Vec<_> = finished
        .records
        .iter()
        .map(|it| (it.direction, it.number))
        .collect();
    let expected: Vec<_> = (1..=3)
        .flat_map(|n| [Direction::In, Direction::Upstream, Direction::Out].map(|it| (it, n)))
        .collect();
    assert_eq!(way, expected);
    let asked_from: Vec<_> = of(&finished.records, Direction::Upstream)
        .iter()
        .map(|it| it.local.port())
        .collect();
    for (record, out) in of(&finished.records, Direction::Upstream)
        .into_iter()
        .zip(of(&finished.records, Direction::Out))
    {
        assert_eq!(record.octets, out.octets);
        assert_eq!(record.local.ip().to_string(), "127.0.0.1");
    }
    assert!(
        asked_from.windows(2).any(|two| two[0] != two[1]),
        "each question has a port of its own: {asked_from:?}"
    );
}

#[test]
fn faults_work_on_what_the_upstream_server_answers() {
    let server = server("ntp");
    let stage = play(&asking(
        server.address(0),
        "[[rules]]\nname = 'late and forged'\ndelay = { request = '15ms', reply = '30ms' }\n\
         set = { origin_timestamp = 'zero', stratum = 9 }\n",
    ));
    let client = client_of(stage.address(0));
    let (reply, _) = ask(&stage, &client, &ntp_request(0x0123_4567_89ab_cdef));
    let records = stage.finish().records;
    let [came, answered, left] = &records[..] else {
        panic!("{records:#?}")
    };
    let mut expected = answered.octets.clone();
    assert_eq!(mark_of(&expected), 0x0123_4567_89ab_cdef);
    expected[1] = 9;
    expected[24..32].fill(0);
    assert_eq!(reply, expected, "only what the rule names is another");
    assert_eq!(*left.rules[0], *"late and forged");
    assert!(answered.at - came.at >= Delta::from_millis(15));
    assert_eq!(left.at - answered.at, Delta::from_millis(30));
}

#[test]
fn a_request_that_a_rule_loses_is_not_asked_and_one_that_it_doubles_is_asked_twice() {
    let server = server("time");
    let stage = play(&format!(
        "[[endpoints]]\nprotocol = 'time'\nupstream = '{}'\n\
         [[rules]]\nrequest = 1\nlose = {{ request = {{ every = 1 }} }}\n\
         [[rules]]\nrequest = 2\nduplicate = {{ request = 1 }}\n",
        server.address(0)
    ));
    let client = client_of(stage.address(0));
    client.send_to(b"", stage.address(0)).unwrap();
    let (first, _) = ask(&stage, &client, b"");
    let (second, _) = receive(&client);
    let seconds = |octets: Vec<u8>| u32::from_be_bytes(octets.try_into().expect("RFC 868"));
    let start = 981_173_106 + 2_208_988_800_u32;
    let mut told = [seconds(first), seconds(second)];
    // Two questions at a time: whichever comes first.
    told.sort_unstable();
    assert_eq!(told, [start, start + 1]);
    assert_eq!(server.stop().received, 2);
}

#[test]
fn an_answer_belongs_to_its_question_whatever_it_says_and_whenever_it_comes() {
    let server = by_hand();
    let stage = play(&asking(server.local_addr().unwrap(), ""));
    let clients = [(); 3].map(|()| client_of(stage.address(0)));
    // The same octets from each.
    let questions: Vec<_> = clients
        .iter()
        .map(|client| {
            client.send_to(&ntp_request(7), stage.address(0)).unwrap();
            receive(&server)
        })
        .collect();
    let stranger = by_hand();
    for (number, (request, from)) in questions.iter().enumerate().rev() {
        assert_eq!(*request, ntp_request(7));
        stranger.send_to(b"not yours", from).unwrap();
        server.send_to(&[number as u8; 5], from).unwrap();
    }
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(receive(client).0, [number as u8; 5]);
    }
    assert_eq!(stage.finish().records.len(), 9);
}

#[test]
fn an_answer_may_be_empty_and_as_long_as_a_datagram_can() {
    let server = by_hand();
    let stage = play(&asking(server.local_addr().unwrap(), ""));
    let client = client_of(stage.address(0));
    let long: Vec<u8> = (0..65_507_u32).map(|n| n as u8).collect();
    for answer in [&b""[..], &long] {
        client.send_to(&ntp_request(1), stage.address(0)).unwrap();
        let (_, from) = receive(&server);
        server.send_to(answer, from).unwrap();
        let mut room = vec![1; 65_536];
        let len = client.recv(&mut room).expect("a reply comes");
        assert!(room[..len] == *answer, "{len} octets");
    }
}

#[test]
fn a_server_over_ipv6_is_asked_from_an_endpoint_on_ipv4() {
    let server = client_of("[::1]:0".parse().unwrap());
    let stage = play(&asking(server.local_addr().unwrap(), ""));
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let (_, from) = receive(&server);
    server.send_to(b"six", from).unwrap();
    assert_eq!(receive(&client).0, b"six");
}

#[test]
fn a_silent_server_holds_up_no_other_endpoint_and_is_given_up() {
    let silent = by_hand();
    let toml = asking(
        silent.local_addr().unwrap(),
        "[[endpoints]]\nname = 'near'\nclock = { stratum = 5 }\n",
    );
    let stage = Play::new(scenario(&toml)).requests(2).start().unwrap();
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    receive(&silent);
    client.send_to(&ntp_request(2), stage.address(1)).unwrap();
    let (reply, from) = receive(&client);
    assert_eq!((mark_of(&reply), from), (2, stage.address(1)));
    let handle = stage.handle();
    assert!(!handle.is_over(), "the first may still be answered");
    until_over(&stage);
    assert_eq!(handle.status().unanswered, 1);
    let finished = stage.finish();
    assert_eq!(of(&finished.records, Direction::In).len(), 2);
    assert_eq!(of(&finished.records, Direction::Out).len(), 1);
    assert_eq!(of(&finished.records, Direction::Upstream).len(), 0);
}

#[test]
fn a_server_that_is_not_there_is_no_reply_and_not_waited_for() {
    // Connected to another, it takes nothing from here, and the kernel says so.
    let closed = by_hand();
    closed.connect("127.0.0.1:9").unwrap();
    let toml = asking(closed.local_addr().unwrap(), "");
    let stage = Play::new(scenario(&toml)).requests(1).start().unwrap();
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    until_over(&stage);
    assert!(
        stage.handle().status().at < Delta::from_seconds(3),
        "sooner than a silent one"
    );
    assert_eq!(stage.handle().status().unanswered, 1);
    assert_eq!(stage.finish().records.len(), 1);
}

#[test]
fn so_many_questions_are_under_way_and_no_more() {
    let silent = by_hand();
    let stage = play(&asking(silent.local_addr().unwrap(), ""));
    let client = client_of(stage.address(0));
    let mut asked = Vec::new();
    for n in 0..256 {
        client.send_to(&ntp_request(n), stage.address(0)).unwrap();
        asked.push(receive(&silent));
    }
    client.send_to(&ntp_request(256), stage.address(0)).unwrap();
    wait_for("the one too many", || {
        (stage.handle().status().unanswered > 0).then_some(())
    });
    silent.send_to(b"late", asked[255].1).unwrap();
    assert_eq!(receive(&client).0, b"late");
    client.send_to(&ntp_request(257), stage.address(0)).unwrap();
    assert_eq!(receive(&silent).0, ntp_request(257), "there is room again");
}

#[test]
fn what_is_no_request_for_the_time_is_not_handed_on() {
    let server = by_hand();
    let stage = play(&asking(server.local_addr().unwrap(), ""));
    let client = client_of(stage.address(0));
    // Replies, broadcasts, and the queries that some servers answer at length.
    for mode in [2, 4, 5, 6, 7] {
        let mut request = ntp_request(1);
        request[0] = 0x20 | mode;
        client.send_to(&request, stage.address(0)).unwrap();
    }
    client.send_to(b"", stage.address(0)).unwrap();
    client.send_to(&ntp_request(2), stage.address(0)).unwrap();
    assert_eq!(receive(&server).0, ntp_request(2));
    assert_eq!(stage.finish().records.len(), 7, "they came all the same");
}

#[test]
fn for_the_clock_of_the_scenario_an_answer_is_a_reply() {
    let server = server("ntp");
    let stage = play(&asking(
        server.address(0),
        "[time]\nbase = 'per-request'\nstep = '10s'\n\
         [[rules]]\nduring = { from = '20s' }\nset = { stratum = 13 }\n",
    ));
    let client = client_of(stage.address(0));
    let strata: Vec<u8> = (0..4)
        .map(|n| ask(&stage, &client, &ntp_request(n)).0[1])
        .collect();
    assert_eq!(strata, [1, 1, 13, 13]);
    assert_eq!(stage.clock(0).served(), 4);
    let elapsed: Vec<_> = of(&stage.finish().records, Direction::Upstream)
        .iter()
        .map(|it| it.elapsed.as_seconds_f64())
        .collect();
    assert_eq!(elapsed, [0.0, 10.0, 20.0, 30.0]);
}

#[test]
fn what_upstream_says_is_no_deed_of_the_client() {
    let server = server("ntp");
    let stage = play(&asking(
        server.address(0),
        "[[rules]]\nname = 'bad'\nset = { stratum = 17 }\nduplicate = { request = 1 }\n\
         [[expect]]\nrules = ['bad']\nrejection = {}\n",
    ));
    let client = client_of(stage.address(0));
    ask(&stage, &client, &ntp_request(1));
    // Of the second copy: upstream has spoken after the first bad reply left.
    receive(&client);
    let verdict = stage.finish().verdict;
    let outcome = verdict.expectations[0].outcome;
    assert_eq!(outcome, Outcome::NotTested, "{verdict}");
}

/// With delays, chance, copies, and replies that wait for others.
const LIVELY: &str = "
[[endpoints]]
name = 'near'
clock = { stratum = 2 }
[[rules]]
probability = 0.3
also = true
delay = { request = { exponential = { mean = '1ms' } }, reply = '500us' }
[[rules]]
request = { from = 3, every = 7 }
hold = 'next-reply'
[[rules]]
probability = 0.2
duplicate = { request = 1, reply = 1 }
[[rules]]
probability = 0.2
flip_bits = { count = 2 }
[[rules]]
request = { from = 5, every = 9 }
set = { origin_timestamp = 'previous' }
";

#[test]
fn a_run_is_made_again_with_what_upstream_answered_then() {
    let server = server("ntp");
    for time in ["", "time.base = 'per-request'\n"] {
        let toml = format!("{time}{}", asking(server.address(0), LIVELY));
        let stage = Play::new(scenario(&toml)).requests(120).start().unwrap();
        let client = client_of(stage.address(0));
        for n in 0..120 {
            let endpoint = n as usize % 3 / 2;
            client
                .send_to(&ntp_request(n), stage.address(endpoint))
                .unwrap();
        }
        until_over(&stage);
        let mut records = stage.finish().records;
        let replies = of(&records, Direction::Out).len() as u64;
        assert!(of(&records, Direction::Upstream).len() >= 80);
        let compared = replay(&scenario(&toml), &records).unwrap();
        assert_eq!(
            compared.difference,
            None,
            "{}",
            compared.difference.as_ref().unwrap()
        );
        assert_eq!((compared.requests, compared.replies), (120, replies));

        // Another answer would have been another reply.
        let place = records
            .iter()
            .position(|it| it.direction == Direction::Upstream && it.number > 20);
        let place = place.expect("upstream was asked");
        records[place].octets[3] ^= 1;
        let compared = replay(&scenario(&toml), &records).unwrap();
        assert!(compared.difference.is_some());
        // Without it there is nothing to make one of.
        let number = records[place].number;
        records.retain(|it| it.direction != Direction::Upstream || it.number != number);
        assert!(matches!(
            replay(&scenario(&toml), &records),
            Err(ReplayError::NoAnswer { number: of, .. }) if of == number
        ));
    }
}

#[test]
fn where_there_is_no_network_it_is_refused() {
    let far = scenario(&asking("192.0.2.1:123".parse().unwrap(), ""));
    let error = Simulation::new(far.clone()).run(Delta::ZERO).unwrap_err();
    assert!(matches!(error, SimulateError::HasUpstream(_)));
    assert!(error.to_string().contains("192.0.2.1:123"), "{error}");

    let stage = play("");
    let error = stage.handle().load(far).unwrap_err();
    assert!(matches!(error, LoadError::Endpoint { .. }), "{error}");
    let client = client_of(stage.address(0));
    assert_eq!(mark_of(&ask(&stage, &client, &ntp_request(3)).0), 3);
}

#[test]
fn a_scenario_without_an_upstream_takes_the_place_of_one_that_has_one() {
    let silent = by_hand();
    let stage = play(&asking(silent.local_addr().unwrap(), ""));
    let client = client_of(stage.address(0));
    client.send_to(&ntp_request(1), stage.address(0)).unwrap();
    let (_, from) = receive(&silent);
    stage.handle().load(scenario("clock.stratum = 6")).unwrap();
    silent.send_to(b"too late", from).unwrap();
    let (reply, _) = ask(&stage, &client, &ntp_request(2));
    assert_eq!((mark_of(&reply), reply[1]), (2, 6));
    assert_eq!(stage.handle().status().endpoints[0].upstream, None);
}

#[test]
fn a_server_that_cannot_be_found_is_told_and_so_is_one_that_is_the_endpoint() {
    // No name has an empty label, so that nobody has to be asked.
    let far = scenario("endpoints = [{ name = 'far', upstream = 'no..such.invalid:99' }]");
    let error = Play::new(far).start().err().expect("it is refused");
    assert!(!error.is_about_usage());
    let error = error.to_string();
    assert!(
        error.starts_with("endpoint `far`: upstream = \"no..such.invalid:99\": cannot be found"),
        "{error}"
    );
    // Never bound, so nobody's.
    let itself = "address = '0.0.0.0:4711', upstream = '127.0.0.1:4711'";
    let itself = scenario(&format!("endpoints = [{{ {itself} }}]"));
    let error = Play::new(itself).serve_test_time().start();
    let error = error.err().expect("it is refused");
    assert!(error.is_about_usage(), "{error}");
}

#[test]
fn the_program_says_whom_it_asks_and_its_transcript_replays() {
    let server = server("ntp");
    let upstream = server.address(0);
    let folder = Folder::with(&format!(
        "name = 'between'\ndescription = 'A test'\n{}",
        asking(upstream, "[[rules]]\nset = { stratum = 11 }\n")
    ));
    let file = folder.file("out.jsonl");
    let (path, pcap) = (file.to_str().unwrap(), folder.file("out.pcapng"));
    let pcap = pcap.to_str().unwrap();
    let arguments = ["--transcript", path, "--pcap", pcap, "--requests", "3"];
    let playing = folder.start(&arguments);
    playing.ask(3);
    let output = playing.end();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(
        log.contains(&format!(", asks {upstream} at {upstream}")),
        "{log}"
    );

    let replay = || run(timeball().arg("replay").arg(&file));
    let output = replay();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.ends_with("the same: requests 3, replies 3\n"),
        "{told}"
    );

    let whole = std::fs::read_to_string(&file).unwrap();
    let lines = whole.lines();
    let without = lines.filter(|line| !line.starts_with("{\"direction\":\"upstream\""));
    let without: Vec<&str> = without.collect();
    assert_eq!(without.len(), 7);
    std::fs::write(&file, without.join("\n") + "\n").unwrap();
    let output = replay();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("request 1") && told.contains("upstream"),
        "{told}"
    );
}

#[test]
fn the_program_binds_nothing_where_upstream_is_wrong_and_draws_nothing() {
    let folder = Folder::with(
        "name = 'far'\ndescription = 'A test'\nendpoints = [{ upstream = 'no..such.invalid' }]",
    );
    let ports = folder.file("ports.json");
    let output = folder.run(&["--ports-file", ports.to_str().unwrap()]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("no..such.invalid:123"), "{log}");
    assert!(!ports.exists() && !log.contains("TEST TIME"), "{log}");

    let picture = folder.file("it.svg");
    let output = folder.run(&["--plot", picture.to_str().unwrap()]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("upstream") && !picture.exists(), "{log}");
}

//! Who is served, and how often: over a network in memory, from any address.

use crate::support::{PATIENCE, client_of, mark_of, ntp_request, settings};
use std::net::SocketAddr;
use std::sync::Arc;
use timeball::api::DropReason;
use timeball::metrics::Totals;
use timeball::protocol::ntp::Header;
use timeball::transport::memory::MemoryNetwork;
use timeball::{RunningServer, Server};

/// A server of one protocol; `admission` stands above its tables, `more` in its
/// listener.
struct Served {
    server: RunningServer,
    network: MemoryNetwork,
}

impl Served {
    fn new(protocol: &str, admission: &str, more: &str) -> Self {
        let network = MemoryNetwork::new();
        let given = network.clone();
        let settings = settings(&format!(
            "max_queue_delay = 0\nthreads = 1\n{admission}\n[sources.it]\nkind = \
             'monotonic-offset'\n[[listeners]]\nprotocol = '{protocol}'\naddress = \
             '127.0.0.1:0'\nsource = 'it'\n{more}\n"
        ));
        let server = Server::new(settings)
            .with_transport(Arc::new(move |_, _| Box::new(given.clone())))
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Self { server, network }
    }

    fn asks(&self, peer: &str, request: &[u8]) {
        let peer: SocketAddr = format!("{peer}:40000")
            .parse()
            .or_else(|_| format!("[{peer}]:40000").parse())
            .unwrap();
        self.network.ask(peer, request, None);
    }

    /// Every reply, up to that to a last client, who is served for certain.
    fn replies(&self, request: &[u8]) -> Vec<(String, Vec<u8>)> {
        self.asks("127.0.0.99", request);
        let mut replies = Vec::new();
        loop {
            let reply = self.network.reply(PATIENCE).expect("the last is served");
            let peer = reply.peer.ip().to_string();
            if peer == "127.0.0.99" {
                return replies;
            }
            replies.push((peer, reply.payload));
        }
    }

    fn stop(self) -> Totals {
        self.server.stop()
    }
}

fn whom(replies: &[(String, Vec<u8>)]) -> Vec<&str> {
    replies.iter().map(|(peer, _)| peer.as_str()).collect()
}

/// The reference id of a kiss; `None` of a reply with the time.
fn kiss(reply: &[u8]) -> Option<[u8; 4]> {
    let header = Header::decode(reply.first_chunk().expect("a whole header"));
    (header.stratum == 0).then_some(header.reference_id.0)
}

#[test]
fn without_a_word_only_private_networks_are_served() {
    let served = Served::new("ntp", "", "");
    let own = [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "fd00::1",
        "fe80::1",
    ];
    let foreign = ["192.0.2.1", "8.8.8.8", "2001:db8::1", "::ffff:192.0.2.1"];
    for peer in own.into_iter().chain(foreign) {
        served.asks(peer, &ntp_request(1));
    }
    assert_eq!(whom(&served.replies(&ntp_request(2))), own);
    let totals = served.stop();
    assert_eq!(totals.dropped_for(DropReason::Denied), 4, "{totals}");
    assert_eq!((totals.received, totals.replied), (10, 6), "{totals}");
}

#[test]
fn a_listener_has_lists_of_its_own() {
    let admission = "admission = { allow = ['192.0.2.0/24', '127.0.0.1/32'], deny = '192.0.2.7' }";
    let all = Served::new("ntp", admission, "");
    let own = Served::new("ntp", admission, "allow = ['127.0.0.0/8', '192.0.2.0/28']");
    for served in [&all, &own] {
        for peer in ["192.0.2.1", "192.0.2.7", "192.0.2.99", "10.0.0.1"] {
            served.asks(peer, &ntp_request(1));
        }
    }
    assert_eq!(whom(&own.replies(&ntp_request(2))), ["192.0.2.1"]);
    all.asks("127.0.0.1", &ntp_request(3));
    let mut replies = Vec::new();
    while replies.last() != Some(&"127.0.0.1".to_owned()) {
        let reply = all.network.reply(PATIENCE).expect("a reply to each");
        replies.push(reply.peer.ip().to_string());
    }
    assert_eq!(replies, ["192.0.2.1", "192.0.2.99", "127.0.0.1"]);
}

#[test]
fn who_is_not_served_gets_a_kiss_if_the_settings_say_so_and_not_without_end() {
    let served = Served::new(
        "ntp",
        "admission = { on_deny = 'kod', rate_limit = { rate = 0.001, burst = 3 } }",
        "",
    );
    for mark in 1..=10 {
        served.asks("192.0.2.1", &ntp_request(mark));
    }
    let mut not_a_request = ntp_request(11);
    not_a_request[0] = 0x24;
    served.asks("192.0.2.2", &not_a_request);
    let replies = served.replies(&ntp_request(12));
    assert_eq!(whom(&replies), ["192.0.2.1"; 3]);
    for ((_, reply), mark) in replies.iter().zip(1..) {
        assert_eq!((reply.len(), mark_of(reply)), (48, mark));
        assert_eq!(kiss(reply), Some(*b"DENY"));
    }
    let totals = served.stop();
    assert_eq!(totals.kissed_deny, 3, "{totals}");
    assert_eq!(totals.dropped_for(DropReason::Denied), 8, "{totals}");

    let text = Served::new("text", "admission.on_deny = 'kod'", "");
    text.asks("192.0.2.1", b"Send time");
    assert_eq!(whom(&text.replies(b"Send time")), [""; 0], "it has no kiss");
}

#[test]
fn what_is_too_much_is_answered_kissed_and_dropped_in_shares() {
    const MORE: u32 = 8_000;
    let served = Served::new(
        "ntp",
        "[admission.rate_limit]\nrate = 0.001\nburst = 40",
        "",
    );
    for mark in 0..40 + u64::from(MORE) {
        served.asks("192.168.0.1", &ntp_request(mark));
    }
    let replies = served.replies(&ntp_request(1));
    let (first, more) = replies.split_at(40);
    assert!(first.iter().all(|(_, reply)| kiss(reply).is_none()));
    let kissed = more.iter().filter_map(|(_, reply)| kiss(reply));
    let kissed = kissed.inspect(|code| assert_eq!(code, b"RATE")).count() as f64;
    let answered = more.len() as f64 - kissed;
    // A quarter each; five standard deviations are 0.024.
    for share in [kissed / f64::from(MORE), answered / f64::from(MORE)] {
        assert!((share - 0.25).abs() < 0.024, "{share}");
    }
    // A kiss asks for a pace that is no kiss again: 2^10 s at 0.001 a second.
    let asked = more.iter().filter(|(_, reply)| kiss(reply).is_some());
    assert!(asked.clone().all(|(_, reply)| reply[2] == 10));
    let totals = served.stop();
    assert_eq!(totals.kissed_rate, kissed as u64, "{totals}");
    let dropped = totals.dropped_for(DropReason::RateLimited);
    assert_eq!(dropped + more.len() as u64, u64::from(MORE), "{totals}");
}

#[test]
fn text_daytime_and_time_are_silent_beyond_the_limits() {
    for protocol in ["text", "daytime", "time"] {
        let limits = "[admission]\namplified_replies = 10\n\
                      [admission.rate_limit]\nrate = 0.001\nburst = 3";
        let served = Served::new(protocol, limits, "");
        for _ in 0..50 {
            served.asks("192.168.0.1", b"Send time");
        }
        // The ceiling of ten a second lets one leave at once.
        served.asks("192.168.0.2", b"Send time");
        let reply = served.network.reply(PATIENCE).expect("the first");
        assert_eq!(reply.peer.ip().to_string(), "192.168.0.1", "{protocol}");
        crate::support::wait_for("all are decided upon", || {
            (served.server.totals().received == 51).then_some(())
        });
        let totals = served.stop();
        let limited = totals.dropped_for(DropReason::RateLimited);
        let over = totals.dropped_for(DropReason::OverCeiling);
        assert_eq!(limited, 47, "{protocol}: {totals}");
        assert_eq!(totals.replied + over, 4, "{protocol}: {totals}");
        assert!(over >= 1, "{protocol}: {totals}");
    }
}

#[test]
fn what_could_be_turned_on_others_is_limited_though_no_client_is() {
    let limits = "[admission]\namplified_replies = 10\non_deny = 'kod'\n\
                  [admission.rate_limit]\nrate = 0.001\nburst = 3";
    for protocol in ["text", "daytime", "time"] {
        let served = Served::new(protocol, limits, "rate_limit = false");
        for _ in 0..50 {
            served.asks("192.168.0.1", b"Send time");
        }
        crate::support::wait_for("all are decided upon", || {
            (served.server.totals().received == 50).then_some(())
        });
        let totals = served.stop();
        let over = totals.dropped_for(DropReason::OverCeiling);
        assert_eq!(totals.dropped_for(DropReason::RateLimited), 0, "{totals}");
        assert_eq!(totals.replied + over, 50, "{protocol}: {totals}");
        assert!(over >= 1, "{protocol}: {totals}");
    }
    let served = Served::new("ntp", limits, "rate_limit = false");
    for mark in 1..=10 {
        served.asks("192.0.2.1", &ntp_request(mark));
        served.asks("192.168.0.1", &ntp_request(mark));
    }
    served.replies(&ntp_request(12));
    let totals = served.stop();
    assert_eq!(totals.kissed_deny, 3, "{totals}");
    assert_eq!(totals.dropped_for(DropReason::Denied), 7, "{totals}");
    assert_eq!(totals.kissed_rate, 0, "{totals}");
}

#[test]
fn a_reload_changes_how_often_a_client_is_answered() {
    let text = |burst: u32| {
        format!(
            "max_queue_delay = 0\n[admission.rate_limit]\nrate = 0.001\nburst = {burst}\n\
             leak = 0\nkod_share = 0\n[sources.it]\nkind = 'monotonic-offset'\n[[listeners]]\n\
             protocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n"
        )
    };
    let server = Server::new(settings(&text(1))).start().unwrap();
    let client = client_of(server.address(0));
    let asks = |count: u64| {
        let before = server.totals();
        for mark in 1..=count {
            client
                .send_to(&ntp_request(mark), server.address(0))
                .unwrap();
        }
        let all = || server.totals().received == before.received + count;
        crate::support::wait_for("all are decided upon", || all().then_some(()));
        server.totals().dropped_for(DropReason::RateLimited)
            - before.dropped_for(DropReason::RateLimited)
    };
    assert_eq!(asks(10), 9);
    server.reload(settings(&text(5))).unwrap();
    assert_eq!(asks(10), 5);
}

#[test]
fn loopback_is_limited_only_by_what_is_written() {
    let ask = |served: &Served| {
        for mark in 0..100 {
            served.asks("127.0.0.1", &ntp_request(mark));
        }
        served.replies(&ntp_request(1)).len()
    };
    assert_eq!(ask(&Served::new("ntp", "", "")), 100);
    let strict = "[admission.rate_limit]\nrate = 0.001\nburst = 32\nleak = 0\nkod_share = 0";
    assert_eq!(ask(&Served::new("ntp", strict, "")), 32);
    assert_eq!(ask(&Served::new("ntp", strict, "rate_limit = false")), 100);
}

#[test]
fn test_time_is_never_limited() {
    let server = Server::new(settings(
        "[admission.rate_limit]\nrate = 0.001\nburst = 1\n[sources.lab]\nkind = 'mock'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'lab'\n",
    ))
    .start()
    .unwrap();
    for mark in 1..=50 {
        let reply = crate::support::ask(server.address(0), &ntp_request(mark));
        assert_eq!(mark_of(&reply), mark);
    }
}

#[test]
fn shards_share_one_table() {
    let server = Server::new(settings(
        "threads = 2\n[admission.rate_limit]\nrate = 0.001\nburst = 50\nleak = 0\nkod_share = 0\n\
         [sources.it]\nkind = 'monotonic-offset'\n\
         [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n",
    ))
    .start()
    .unwrap();
    // Each from a port of its own, so that they come to both shards.
    let clients: Vec<_> = (0..200)
        .map(|_| crate::support::client_of(server.address(0)))
        .collect();
    for client in &clients {
        client.send_to(&ntp_request(1), server.address(0)).unwrap();
    }
    crate::support::wait_for("all are decided upon", || {
        (server.totals().received == 200).then_some(())
    });
    let totals = server.stop();
    assert_eq!(totals.replied, 50, "{totals}");
}

//! Nothing is allocated per datagram: counted in a running server, over real
//! sockets, after its first 10,000 datagrams.
//!
//! A test target of its own, as the counting allocator is the whole process's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use timeball::admission::limiter::{Limiter, Rate};
use timeball::api::{Delta, Monotonic};
use timeball::client::Question;
use timeball::load::{Pace, Plan, Watch, run};
use timeball::{Server, Settings};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one only counts"
)]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The four protocols, and one whose responder has a thread of its own.
const SETTINGS: &str = "
max_queue_delay = '10s'
[sources.wall]
kind = 'monotonic-offset'

[[listeners]]
protocol = 'text'
address = '127.0.0.1:0'
source = 'wall'
timezone = 'Europe/Paris'

[[listeners]]
protocol = 'daytime'
address = '127.0.0.1:0'
source = 'wall'
timezone = 'America/New_York'

[[listeners]]
protocol = 'time'
address = '[::1]:0'
source = 'wall'

[[listeners]]
protocol = 'ntp'
address = '0.0.0.0:0'
source = 'wall'

[[listeners]]
protocol = 'ntp'
address = '127.0.0.1:0'
source = 'wall'
responder_threads = 1
";

/// Asks `count` times, `window` requests at a time, and allocates nothing.
fn ask(socket: &UdpSocket, request: &[u8], count: usize, window: usize) {
    let mut reply = [0; 2048];
    for _ in 0..count / window {
        for _ in 0..window {
            socket.send(request).unwrap();
        }
        for _ in 0..window {
            socket.recv(&mut reply).unwrap();
        }
    }
}

/// How many more allocations the load generator makes for 40,000 requests than
/// for 20,000.
fn the_load_generator(target: SocketAddr) -> u64 {
    let allocated = |requests| {
        let plan = Plan {
            requests: Some(requests),
            duration: Delta::from_seconds(20),
            timeout: Delta::from_seconds(20),
            pace: Pace::Window(64),
            ..Plan::new(target, Question::NTP)
        };
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let report = run(&plan, &Watch::new()).unwrap_or_else(|error| panic!("{error}"));
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!((report.valid, report.lost), (requests, 0));
        allocated
    };
    // The first one sets up what the process needs once.
    allocated(1_000);
    let few = allocated(20_000);
    allocated(40_000).abs_diff(few)
}

/// How many allocations ten million clients cause in the table of clients, most
/// of whom it has no room for.
fn a_flood_of_clients() -> u64 {
    let limiter = Limiter::new(Rate::default(), 65_536, (1, 2));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let resident = resident_pages();
    for client in 0..10_000_000_u32 {
        let now = Monotonic::from_nanos(i64::from(client) * 100);
        let spoofed = Ipv4Addr::from_bits(client.wrapping_mul(2_654_435_761));
        assert!(limiter.take(spoofed.into(), now), "each asks once");
    }
    // The table was written to when it was made; a few pages are the reading's.
    let grown = resident_pages() - resident;
    assert!(grown <= 16, "resident memory grew by {grown} pages");
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// How much of this process is in memory.
fn resident_pages() -> i64 {
    let mut statm = [0; 128];
    let file = std::fs::File::open("/proc/self/statm");
    let len = file.and_then(|mut file| file.read(&mut statm));
    let statm = std::str::from_utf8(&statm[..len.expect("procfs")]).expect("text");
    let resident = statm.split(' ').nth(1).expect("the second is the resident");
    resident.parse().expect("a number")
}

#[test]
fn nothing_is_allocated_per_datagram() {
    let settings = Settings::from_toml(SETTINGS).unwrap_or_else(|errors| panic!("{errors}"));
    let server = Server::new(settings)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let mut ntp = [0; 48];
    ntp[0] = 0x23;
    let questions: [&[u8]; 5] = [b"Send time", b"", b"", &ntp, &ntp];
    for (listener, question) in questions.into_iter().enumerate() {
        let mut address = server.address(listener);
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        let socket = UdpSocket::bind(if address.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        })
        .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket.connect(address).unwrap();
        // One at a time, and in batches.
        ask(&socket, question, 5_000, 1);
        ask(&socket, question, 6_000, 30);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        ask(&socket, question, 5_000, 1);
        ask(&socket, question, 15_000, 30);
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(
            allocated, 0,
            "allocations in 20,000 datagrams of listener {listener}"
        );
    }
    assert_eq!(a_flood_of_clients(), 0);
    assert_eq!(the_load_generator(server.address(4)), 0);
    assert_eq!(server.stop().replied, 5 * 31_000 + 61_000);
}

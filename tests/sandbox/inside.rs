//! What a running server cannot do: tried by a time source of its own, on the thread
//! that serves, in a process that is confined as `timeball serve` is.

use super::{again, told};
use crate::support::running::Running;
use crate::support::{ask, client_of, mark_of, ntp_request, receive, wait_for};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, Timespec, clock_settime};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timeball::api::{HostInstant, KernelClock, Quality, Reading, Source, TimeSource, Unavailable};
use timeball::host::{OsClock, OsKernelClock};
use timeball::sandbox::{Sandbox, may_bind};
use timeball::settings::SandboxSettings;
use timeball::{RunningServer, Server, Settings};

/// What came of each attempt: 0, or the number of the error.
type Outcomes = BTreeMap<&'static str, i32>;

/// Calls a function at the first reading that it is asked for, and at each that the
/// mark says.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync> TimeSource for Calls<F> {
    fn read(&self, at: HostInstant) -> Result<Reading, Unavailable> {
        (self.0)();
        Ok(Reading {
            time: at.realtime,
            quality: Quality::default(),
        })
    }
}

/// A server whose source calls `inside`, confined as the program is, that may read
/// what is in `folder`.
fn confined(folder: &Path, inside: impl Fn() + Send + Sync + 'static) -> RunningServer {
    let sandbox = SandboxSettings {
        required: true,
        ..SandboxSettings::default()
    };
    let sandbox = Sandbox::of(&sandbox).unwrap().unwrap().readable(folder);
    let settings = "max_queue_delay = 0\nthreads = 1\ncontrol.address = '127.0.0.1:0'\n\
                    [sources.it]\nkind = 'monotonic-offset'\n\
                    [[listeners]]\nprotocol = 'ntp'\naddress = '127.0.0.1:0'\nsource = 'it'\n";
    Server::new(Settings::from_toml(settings).unwrap())
        .with_source("it", Source::new(Calls(inside), Arc::new(OsClock)))
        .before_serving(move |_| Ok(sandbox.apply()?))
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the test of this name again in a process that it confines; it must end well.
fn confine_in_a_process_of_its_own(test: &str, folder: &Path) {
    let folder = folder.to_str().unwrap();
    let output = Running::start(&mut again(module_path!(), test, folder)).end();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{}\n{stdout}{stderr}",
        output.status
    );
}

fn number<T>(outcome: io::Result<T>) -> i32 {
    match outcome {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().expect("the kernel refused it"),
    }
}

/// Asks adjtimex(2), by which the server reads the kernel's clock state, for a tick of zero
/// microseconds. There is none such: whoever may set the clock is told EINVAL.
#[expect(unsafe_code, reason = "no library sets what this is not to set")]
fn set_a_tick_that_cannot_be() -> io::Result<()> {
    // SAFETY: all zeros are numbers.
    let mut wish: libc::timex = unsafe { std::mem::zeroed() };
    wish.modes = libc::ADJ_TICK;
    // SAFETY: it points to a `timex` that lives.
    match unsafe { libc::adjtimex(&raw mut wish) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Everything that a server has no need of, and what it needs.
fn attempts(folder: &Path, listening: SocketAddr) -> Outcomes {
    let raw = |kind: Type| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
    // No clock is set by this, whoever asks: there is no such moment.
    let no_moment = Timespec {
        tv_sec: 0,
        tv_nsec: -1,
    };
    let nix = |outcome: nix::Result<()>| number(outcome.map_err(io::Error::from));
    let nothing = None::<&str>;
    // No process has so high a number: were it not refused, nobody would be traced.
    let nobody = Pid::from_raw(i32::MAX);
    [
        (
            "set the clock",
            number(clock_settime(ClockId::Realtime, no_moment).map_err(io::Error::from)),
        ),
        ("set the clock's tick", number(set_a_tick_that_cannot_be())),
        (
            "read the kernel's clock state",
            number(OsKernelClock.state()),
        ),
        ("start a program", number(Command::new("/bin/true").spawn())),
        // It would end this process, without the success that is looked for.
        (
            "become a program",
            number(Err::<(), _>(Command::new("/bin/false").exec())),
        ),
        ("trace", nix(ptrace::attach(nobody))),
        (
            "mount",
            nix(mount(nothing, "/", nothing, MsFlags::MS_NOEXEC, nothing)),
        ),
        ("namespace", nix(unshare(CloneFlags::CLONE_NEWUSER))),
        (
            "signal the parent",
            number(
                rustix::process::test_kill_process(rustix::process::getppid().unwrap())
                    .map_err(io::Error::from),
            ),
        ),
        (
            "raise a limit",
            number(
                setrlimit(Resource::Nofile, getrlimit(Resource::Nofile)).map_err(io::Error::from),
            ),
        ),
        ("make a file", number(File::create(folder.join("new")))),
        (
            "write to a file",
            number(
                fs::OpenOptions::new()
                    .append(true)
                    .open(folder.join("readable")),
            ),
        ),
        (
            "remove a file",
            number(fs::remove_file(folder.join("readable"))),
        ),
        (
            "move a file",
            number(fs::rename(folder.join("readable"), folder.join("moved"))),
        ),
        (
            "change a file's mode",
            number(fs::set_permissions(
                folder.join("readable"),
                std::os::unix::fs::PermissionsExt::from_mode(0o777),
            )),
        ),
        (
            "make a folder",
            number(fs::create_dir(folder.join("folder"))),
        ),
        ("read another file", number(File::open("/etc/passwd"))),
        ("read another folder", number(fs::read_dir("/etc"))),
        (
            "read a file of the settings' folder",
            number(fs::read(folder.join("readable"))),
        ),
        ("read its own status", number(fs::read("/proc/self/status"))),
        ("read the host's sockets", number(fs::read("/proc/net/udp"))),
        (
            "socket for packets",
            number(Socket::new(Domain::PACKET, Type::DGRAM, None)),
        ),
        ("raw socket", number(raw(Type::RAW))),
        ("ping socket", number(raw(Type::DGRAM))),
        (
            "netlink socket",
            number(Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, None)),
        ),
        ("connect over TCP", number(TcpStream::connect(listening))),
        ("UDP socket", number(UdpSocket::bind("127.0.0.1:0"))),
        ("TCP listener", number(TcpListener::bind("127.0.0.1:0"))),
        ("Unix socket", number(UnixDatagram::unbound())),
        ("thread", number(std::thread::Builder::new().spawn(|| ()))),
    ]
    .into()
}

#[test]
fn a_call_that_a_running_server_has_no_need_of_is_refused_in_it() {
    let Some(folder) = told() else {
        let folder = tempfile::tempdir().unwrap();
        let readable = folder.path().join("readable");
        fs::write(&readable, "as before").unwrap();
        // It is somebody else's rights that are tried, whoever runs the tests.
        for (path, mode) in [(folder.path(), 0o777), (&readable, 0o666)] {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        confine_in_a_process_of_its_own(
            "a_call_that_a_running_server_has_no_need_of_is_refused_in_it",
            folder.path(),
        );
        let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(fs::read_to_string(&readable).unwrap(), "as before");
        return;
    };
    let folder = PathBuf::from(folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = listener.local_addr().unwrap();
    let outcomes = Arc::<Mutex<Option<Outcomes>>>::default();
    let shared = Arc::clone(&outcomes);
    let inside = folder.clone();
    let server = confined(&folder, move || {
        shared
            .lock()
            .unwrap()
            .get_or_insert_with(|| attempts(&inside, listening));
    });
    assert_eq!(mark_of(&ask(server.address(0), &ntp_request(7))), 7);
    let outcomes = outcomes
        .lock()
        .unwrap()
        .take()
        .expect("the source was read");
    let expected: Outcomes = [
        ("set the clock", libc::EPERM),
        ("set the clock's tick", libc::EPERM),
        ("read the kernel's clock state", 0),
        ("start a program", libc::EPERM),
        ("become a program", libc::EPERM),
        ("trace", libc::EPERM),
        ("mount", libc::EPERM),
        ("namespace", libc::EPERM),
        ("signal the parent", libc::EPERM),
        ("raise a limit", libc::EPERM),
        ("make a file", libc::EPERM),
        ("write to a file", libc::EPERM),
        ("remove a file", libc::EPERM),
        ("move a file", libc::EPERM),
        ("change a file's mode", libc::EPERM),
        ("make a folder", libc::EPERM),
        ("read another file", libc::EACCES),
        ("read another folder", libc::EACCES),
        ("read a file of the settings' folder", 0),
        ("read its own status", 0),
        ("read the host's sockets", 0),
        ("socket for packets", libc::EPERM),
        ("raw socket", libc::EPERM),
        ("ping socket", libc::EPERM),
        ("netlink socket", libc::EPERM),
        ("connect over TCP", libc::EACCES),
        ("UDP socket", 0),
        ("TCP listener", 0),
        ("Unix socket", 0),
        ("thread", 0),
    ]
    .into();
    assert_eq!(outcomes, expected);
    assert_eq!(server.stop().replied, 1);
}

/// What `GET /status` of control is answered with.
fn control_answers(address: SocketAddr) -> io::Result<String> {
    let mut control = TcpStream::connect(address)?;
    control.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(control, "GET /status HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    control.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_confined_server_outlives_a_panic_of_its_source_and_a_lack_of_descriptors() {
    let Some(folder) = told() else {
        let folder = tempfile::tempdir().unwrap();
        return confine_in_a_process_of_its_own(
            "a_confined_server_outlives_a_panic_of_its_source_and_a_lack_of_descriptors",
            folder.path(),
        );
    };
    let few = Rlimit {
        current: Some(100),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let panics = Arc::<Mutex<bool>>::default();
    let shared = Arc::clone(&panics);
    let server = confined(Path::new(&folder), move || {
        let panics = std::mem::take(&mut *shared.lock().unwrap());
        assert!(!panics, "this panic is part of the test");
    });
    let (address, control) = (server.address(0), server.control().unwrap());
    let client = client_of(address);
    let ask = |mark| {
        client.send_to(&ntp_request(mark), address).unwrap();
        mark_of(&receive(&client).0)
    };
    assert_eq!(ask(1), 1);

    *panics.lock().unwrap() = true;
    client.send_to(&ntp_request(2), address).unwrap();
    assert_eq!(ask(3), 3, "the one that panicked has no reply");

    let mut all = Vec::new();
    let none_left = loop {
        match UdpSocket::bind("127.0.0.1:0") {
            Ok(socket) => all.push(socket),
            Err(error) => break error,
        }
    };
    assert_eq!(none_left.raw_os_error(), Some(libc::EMFILE));
    assert_eq!(ask(4), 4);
    // With one descriptor free to ask with, control has none to answer with.
    all.pop();
    let waiting = TcpStream::connect(control).unwrap();
    assert_eq!(ask(5), 5);
    drop((waiting, all));
    // It takes a while before it looks for connections again.
    wait_for("an answer of control", || {
        let answer = control_answers(control).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
    let totals = server.stop();
    assert_eq!((totals.received, totals.replied), (5, 4), "{totals}");
}

#[test]
fn a_confined_server_may_bind_no_port_that_is_reserved() {
    let Some(folder) = told() else {
        let folder = tempfile::tempdir().unwrap();
        return confine_in_a_process_of_its_own(
            "a_confined_server_may_bind_no_port_that_is_reserved",
            folder.path(),
        );
    };
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let first_free: u16 = first_free.trim().parse().unwrap();
    let outcomes = Arc::<Mutex<Vec<_>>>::default();
    let shared = Arc::clone(&outcomes);
    let server = confined(Path::new(&folder), move || {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        for port in [0, first_free.saturating_sub(1), first_free, u16::MAX] {
            let address = SocketAddr::new(any.ip(), port);
            shared.lock().unwrap().push((port, may_bind(address)));
        }
    });
    ask(server.address(0), &ntp_request(1));
    drop(server);
    for (port, outcome) in outcomes.lock().unwrap().iter().copied() {
        let is_reserved = port > 0 && port < first_free;
        assert_eq!(outcome.is_err(), is_reserved, "{port}: {outcome:?}");
        if let Err(refused) = outcome {
            assert_eq!(refused.first_free, first_free);
            let told = refused.to_string();
            assert!(told.contains("sandbox.reload_low_ports = true"), "{told}");
            // The reason is true.
            let bound = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], port)));
            assert_eq!(bound.unwrap_err().raw_os_error(), Some(libc::EACCES));
        }
    }
}

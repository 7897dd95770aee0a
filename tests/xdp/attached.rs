//! The program at an interface: what it takes, and real frames.
//!
//! Interfaces are made in namespaces of the test's own, and go with it.

use crate::differential::{Chance, source, stretch};
use crate::frames::Frame;
use caps::{CapSet, Capability, CapsHashSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;
use timeball::admission::Admission;
use timeball::api::{Forecast, HostClock, Source};
use timeball::host::OsClock;
use timeball::protocol::ntp::Ntp;
use timeball::transport::bpf::{AttachMode, BpfError, XdpProgram};
use timeball::xdp::{Accelerator, Clients, Interface, Listener, Mode, NotAccelerated, XdpError};
use timeball_ebpf::Assembler;
use timeball_ebpf::register::R0;

/// Runs `test` in a network namespace of its own, which is gone behind it.
fn in_a_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may");
            ip("link set lo up");
            test()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// `ip`, in the namespace of this thread.
fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status();
    assert!(done.expect("there is ip").success(), "ip {arguments}");
}

/// Has the program answer at `address`, with a made-up clock.
fn serve(accelerator: &mut Accelerator, address: SocketAddr, source: &Source) {
    let admission = Admission::for_checked_requests();
    let listener = Listener {
        address,
        ntp: Ntp::default(),
        source,
        admission: &admission,
    };
    let mut chance = Chance(3);
    let served = accelerator.serve(&[Some(listener)], OsClock.now(), || chance.next());
    assert_eq!(served, [Some(Ok(()))]);
}

fn made_up() -> Source {
    let now = stretch(OsClock.now());
    source(Forecast { now, next: None })
}

/// What is answered on this socket to a plain request; fed until it is.
fn ask(accelerator: &Accelerator, socket: &UdpSocket) -> Vec<u8> {
    let mut request = [0x55; 48];
    request[0] = 0x23;
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    for _ in 0..200 {
        accelerator.feed(OsClock.now());
        // Nobody listens but the program: what it passes is refused.
        let mut reply = [0; 100];
        if socket.send(&request).is_ok()
            && let Ok(len) = socket.recv(&mut reply)
        {
            assert_eq!(reply[24..32], [0x55; 8]);
            return reply[..len].to_vec();
        }
    }
    panic!("no reply in 200 tries");
}

#[test]
fn a_client_on_loopback_is_answered_by_both_families() {
    in_a_namespace(|| {
        let interface = Interface::look("lo").unwrap();
        assert!(interface.is_loopback);
        let mut accelerator = Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap();
        let native = accelerator.attach(Mode::Native);
        assert!(
            matches!(native, Err(BpfError::NoDriverSupport { .. })),
            "{native:?}"
        );
        assert_eq!(accelerator.attach(Mode::Auto).unwrap(), AttachMode::Generic);
        let source = made_up();
        for (address, local) in [("[::]:123", "[::1]:0"), ("0.0.0.0:123", "127.0.0.1:0")] {
            serve(&mut accelerator, address.parse().unwrap(), &source);
            let socket = UdpSocket::bind(local).unwrap();
            let server: IpAddr = socket.local_addr().unwrap().ip();
            socket.connect((server, 123)).unwrap();
            assert_eq!(ask(&accelerator, &socket).len(), 48);
        }
        assert!(accelerator.counts(0).replies >= 2);
    });
}

#[test]
fn a_client_across_a_wire_is_answered_by_the_driver() {
    in_a_namespace(|| {
        let there = format!("timeball-xdp-{}", std::process::id());
        ip("link add server type veth peer name client");
        ip(&format!("netns add {there}"));
        let result = std::panic::catch_unwind(|| {
            ip(&format!("link set client netns {there}"));
            ip("address add 192.0.2.1/24 dev server");
            ip("link set server up");
            ip(&format!("-n {there} address add 192.0.2.9/24 dev client"));
            ip(&format!("-n {there} link set client up"));
            let interface = Interface::look("server").unwrap();
            assert!(interface.addresses.contains(&"192.0.2.1".parse().unwrap()));
            let mut accelerator = Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap();
            assert_eq!(
                accelerator.attach(Mode::Native).unwrap(),
                AttachMode::Native
            );
            serve(&mut accelerator, "0.0.0.0:123".parse().unwrap(), &made_up());
            thread::scope(|scope| {
                let client = scope.spawn(|| {
                    let namespace = std::fs::File::open(format!("/run/netns/{there}")).unwrap();
                    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                    // A reply from XDP gets through a veth to a program only.
                    let mut pass = Assembler::new();
                    pass.set(R0, 2);
                    pass.exit();
                    let pass =
                        XdpProgram::load("pass", &pass.assemble().unwrap(), &[], c"MIT").unwrap();
                    let own = Interface::look("client").unwrap();
                    let _link = pass.attach(own.index, AttachMode::Native).unwrap();
                    let socket = UdpSocket::bind("192.0.2.9:0").unwrap();
                    socket.connect("192.0.2.1:123").unwrap();
                    ask(&accelerator, &socket)
                });
                assert_eq!(client.join().unwrap().len(), 48);
            });
            assert!(accelerator.counts(0).replies >= 1);
        });
        ip(&format!("netns delete {there}"));
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_program_of_somebody_else_is_left_alone_and_the_end_of_ours_detaches_it() {
    in_a_namespace(|| {
        let accelerator = || {
            let interface = Interface::look("lo").unwrap();
            Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap()
        };
        let mut first = accelerator();
        first.attach(Mode::Generic).unwrap();
        let mut second = accelerator();
        for mode in [Mode::Generic, Mode::Auto] {
            let refused = second.attach(mode);
            assert!(matches!(refused, Err(BpfError::Occupied)), "{refused:?}");
        }
        drop(first);
        // A process that another test has just forked holds it too, until it
        // becomes another program.
        let attached = (0..100_000).find_map(|_| second.attach(Mode::Generic).ok());
        assert_eq!(attached, Some(AttachMode::Generic));
    });
}

#[test]
fn auto_is_native_where_there_is_a_device_and_its_driver_can_and_else_generic() {
    in_a_namespace(|| {
        ip("link add server type veth peer name client");
        for (name, is_device, expected) in [
            ("lo", true, AttachMode::Generic),
            ("lo", false, AttachMode::Generic),
            ("server", true, AttachMode::Native),
            ("server", false, AttachMode::Generic),
        ] {
            let interface = Interface {
                is_device,
                ..Interface::look(name).unwrap()
            };
            let mut accelerator = Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap();
            // Another test may have just forked a process that holds the one before.
            let attached = (0..100_000).find_map(|_| accelerator.attach(Mode::Auto).ok());
            assert_eq!(attached, Some(expected), "{name}, a device: {is_device}");
        }
    });
}

#[test]
fn the_next_program_takes_the_place_of_the_one_before_at_its_own_interface_alone() {
    in_a_namespace(|| {
        ip("link add other type veth peer name end");
        let at = |name: &str| {
            let interface = Interface::look(name).unwrap();
            Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap()
        };
        let mut first = at("lo");
        assert!(first.link().unwrap().is_none());
        first.attach(Mode::Generic).unwrap();
        let (link, mode) = first.link().unwrap().unwrap();
        assert_eq!(mode, AttachMode::Generic);
        let refused = at("other").replace(link, mode);
        assert!(
            matches!(refused, Err(BpfError::NoSuchInterface)),
            "{refused:?}"
        );
        let no_link = std::fs::File::open("/dev/null").unwrap();
        let refused = at("lo").replace(no_link.into(), mode);
        assert!(
            matches!(refused, Err(BpfError::Other { .. })),
            "{refused:?}"
        );

        let mut second = at("lo");
        let (link, mode) = first.link().unwrap().unwrap();
        second.replace(link, mode).unwrap();
        drop(first);
        serve(&mut second, "0.0.0.0:123".parse().unwrap(), &made_up());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect("127.0.0.1:123").unwrap();
        assert_eq!(ask(&second, &socket).len(), 48);
        assert!(second.counts(0).replies >= 1);
    });
}

#[test]
fn interfaces_that_are_not_there_are_named() {
    let missing = Interface::look("none-such").unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    assert!(missing.to_string().contains("none-such"));
    let interface = Interface {
        index: 1_000_000,
        ..crate::differential::interface()
    };
    let mut nowhere = Accelerator::load(interface, &Clients::new(8).unwrap()).unwrap();
    assert!(nowhere.attach(Mode::Auto).is_err());
}

/// What loading comes to with these capabilities, and no others.
fn load_with(capabilities: &[Capability]) -> Result<(), XdpError> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let these: CapsHashSet = capabilities.iter().copied().collect();
            caps::set(None, CapSet::Effective, &these).expect("root may");
            let clients = Clients::new(8)?;
            Accelerator::load(crate::differential::interface(), &clients).map(|_| ())
        });
        thread.join().expect("it does not panic")
    })
}

#[test]
fn two_capabilities_suffice_and_without_either_it_is_said() {
    let (bpf, network) = (Capability::CAP_BPF, Capability::CAP_NET_ADMIN);
    load_with(&[bpf, network]).unwrap_or_else(|error| panic!("{error}"));
    for capabilities in [&[][..], &[bpf], &[network]] {
        let refused = load_with(capabilities)
            .expect_err("not permitted")
            .to_string();
        assert!(refused.contains("CAP_BPF and CAP_NET_ADMIN"), "{refused}");
    }
}

#[test]
fn listeners_that_stay_on_sockets_are_told_why() {
    let mut accelerator =
        Accelerator::load(crate::differential::interface(), &Clients::new(8).unwrap()).unwrap();
    let source = made_up();
    let test_time = Source {
        test_time: true,
        ..made_up()
    };
    let admission = Admission::for_checked_requests();
    let other = Admission::for_any_datagram(Default::default());
    let listener = |address: &str| Listener {
        address: address.parse().unwrap(),
        ntp: Ntp::default(),
        source: &source,
        admission: &admission,
    };
    let mut listeners = vec![
        listener("127.0.0.1:123"),
        Listener {
            source: &test_time,
            ..listener("192.0.2.1:1")
        },
        Listener {
            admission: &other,
            ..listener("192.0.2.1:2")
        },
        // One that is bound to the address itself comes first, wherever it stands.
        listener("[::]:123"),
        listener("192.0.2.1:123"),
    ];
    listeners.extend((0..12).map(|port| listener(&format!("192.0.2.1:{}", 5_000 + port))));
    let mut listeners: Vec<_> = listeners.into_iter().map(Some).collect();
    // One that is gone, whose place nobody has.
    listeners[10] = None;
    let mut chance = Chance(5);
    let outcomes = accelerator.serve(&listeners, OsClock.now(), || chance.next());
    assert_eq!(outcomes[0], Some(Err(NotAccelerated::OtherInterface)));
    assert_eq!(outcomes[1], Some(Err(NotAccelerated::TestTime)));
    assert_eq!(outcomes[2], Some(Err(NotAccelerated::OtherProtocol)));
    for (place, outcome) in outcomes.iter().enumerate().take(16).skip(3) {
        assert_eq!(*outcome, (place != 10).then_some(Ok(())), "{place}");
    }
    assert_eq!(outcomes[16], Some(Err(NotAccelerated::TooManyListeners)));
    let mut payload = [0; 48];
    payload[0] = 0x23;
    for (to, place) in [
        ("192.0.2.1:123", Some(4)),
        ("[2001:db8::1]:123", Some(3)),
        ("192.0.2.1:2", None),
    ] {
        let to: SocketAddr = to.parse().unwrap();
        let from = if to.is_ipv4() {
            "192.0.2.9:999"
        } else {
            "[2001:db8::9]:999"
        };
        let frame = Frame::new(from.parse().unwrap(), to, &payload).octets();
        let before: Vec<u64> = (0..16)
            .map(|place| accelerator.counts(place).replies)
            .collect();
        accelerator.feed(OsClock.now());
        accelerator.test_run(&frame, 1, &mut [0; 200]).unwrap();
        let counted = (0..16).find(|&it| accelerator.counts(it).replies > before[it]);
        assert_eq!(counted, place, "{to}");
    }
}

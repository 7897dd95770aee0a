//! What the kernel says of when a server's replies left.
//!
//! The server's own socket is borrowed from its process (`pidfd_getfd(2)`) and
//! told to stamp what it sends (`SO_TIMESTAMPING`, software). The kernel then puts
//! each reply that left, octets and timestamp, into the socket's error queue, so
//! that the two times of a reply come together and nothing has to be matched. The
//! server does nothing for it and need not know how.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, Timestamping};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, TimestampingFlag, Timestamps, getsockopt, recvmsg, setsockopt,
};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{Socket, Type};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use timeball::api::{Delta, NtpTimestamp, Timestamp};
use timeball::protocol::ntp::header::{Header, LEN, mode};

/// Octets of the error queue that a stamped reply takes, generously.
const OCTETS_EACH: usize = 2048;
/// `SOF_TIMESTAMPING_OPT_RX_FILTER`, of Linux 6.12: leave what is received as it
/// is. Without it each request brings 64 octets more of control messages.
const OPT_RX_FILTER: u32 = 1 << 17;

/// The sockets at which a server is asked, stamping what they send until this is
/// dropped.
pub struct Tap {
    sockets: Vec<Tapped>,
}

/// One socket, and what it was before.
struct Tapped {
    socket: Socket,
    flags: TimestampingFlag,
    receive_buffer: usize,
}

impl Tap {
    /// Finds the sockets of `processes` that are bound to `address`, and makes
    /// room in each for `room` stamped replies.
    ///
    /// # Errors
    /// The operating system's, with what was tried; there is no such socket.
    pub fn on(processes: &[u32], address: SocketAddr, room: usize) -> io::Result<Self> {
        // By their inodes: several processes may have the same one.
        let mut found = BTreeMap::new();
        for &process in processes {
            let about = |error| told(error, &format!("--pid {process}"));
            found.extend(sockets_of(process).map_err(about)?);
        }
        let sockets: Vec<Tapped> = found
            .into_values()
            .filter(|socket| is_asked_at(socket, address))
            .map(|socket| Tapped::new(socket, room))
            .collect::<io::Result<_>>()?;
        if sockets.is_empty() {
            let what = format!("--pid: no UDP socket there is bound to {address}");
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        Ok(Self { sockets })
    }

    /// Takes what was stamped since the last time: by how much the transmit
    /// timestamp of each NTP reply lies after the moment at which it left.
    ///
    /// # Errors
    /// The operating system's.
    pub fn take(&self) -> io::Result<Vec<Delta>> {
        let mut errors = Vec::new();
        for tapped in &self.sockets {
            while let Some(stamped) = next_stamped(&tapped.socket)? {
                errors.extend(stamped.error());
            }
        }
        Ok(errors)
    }
}

/// The sockets of `process`, by inode.
fn sockets_of(process: u32) -> io::Result<BTreeMap<u64, Socket>> {
    let number = i32::try_from(process).ok().and_then(Pid::from_raw);
    let handle = number
        .map(|number| pidfd_open(number, PidfdFlags::empty()))
        .and_then(Result::ok)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such process"))?;
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        // It may have been closed since it was listed.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let (Ok(descriptor), Some(inode)) = (name.parse(), socket_inode(&target.to_string_lossy()))
        else {
            continue;
        };
        let borrowed: OwnedFd = pidfd_getfd(&handle, descriptor, PidfdGetfdFlags::empty())?;
        found.insert(inode, Socket::from(borrowed));
    }
    Ok(found)
}

/// The inode in what `/proc/PID/fd` says of a socket.
fn socket_inode(target: &str) -> Option<u64> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Whether a datagram to `address` may come to `socket`.
fn is_asked_at(socket: &Socket, address: SocketAddr) -> bool {
    let local = socket.local_addr().ok().and_then(|local| local.as_socket());
    let is_udp = socket.r#type().is_ok_and(|kind| kind == Type::DGRAM);
    is_udp
        && local.is_some_and(|local| {
            let ip = local.ip().to_canonical();
            local.port() == address.port()
                && (ip.is_unspecified() || ip == address.ip().to_canonical())
        })
}

impl Tapped {
    fn new(socket: Socket, room: usize) -> io::Result<Self> {
        let flags = getsockopt(&socket, Timestamping)?;
        // The kernel says the double of what was asked for.
        let receive_buffer = socket.recv_buffer_size()? / 2;
        let tapped = Self {
            socket,
            flags,
            receive_buffer,
        };
        if room > 0 {
            // What waits in the error queue counts as received, and would leave no
            // room for requests.
            let buffer = receive_buffer + room * OCTETS_EACH;
            setsockopt(&tapped.socket, RcvBufForce, &buffer)
                .map_err(|error| told(error.into(), "a larger receive buffer"))?;
        }
        let wanted = (flags - TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY)
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        let filtered = wanted | TimestampingFlag::from_bits_retain(OPT_RX_FILTER);
        setsockopt(&tapped.socket, Timestamping, &filtered)
            .or_else(|_before_6_12| setsockopt(&tapped.socket, Timestamping, &wanted))
            .map_err(|error| told(error.into(), "SO_TIMESTAMPING"))?;
        Ok(tapped)
    }
}

impl Drop for Tapped {
    /// Leaves the socket as it was, and room in it.
    fn drop(&mut self) {
        // There is nobody to be told, and a socket that is gone needs nothing.
        let _ = setsockopt(&self.socket, Timestamping, &self.flags);
        while let Ok(Some(_)) = next_stamped(&self.socket) {}
        let _ = setsockopt(&self.socket, RcvBufForce, &self.receive_buffer);
    }
}

/// Something that the kernel says of what was sent.
struct Stamped {
    /// The end of the packet, as long as an NTP header, if it is that long.
    tail: Option<[u8; LEN]>,
    /// When it left, if it is that.
    left: Option<Timestamp>,
}

impl Stamped {
    /// By how much the transmit timestamp lies after the moment at which the
    /// reply left; none if this is not of an NTP reply.
    fn error(&self) -> Option<Delta> {
        let header = Header::decode(&self.tail?);
        let left = NtpTimestamp::from(self.left?);
        (header.mode == mode::SERVER).then(|| header.transmit_timestamp.since(left))
    }
}

/// The oldest entry of the socket's error queue; none if that is empty.
fn next_stamped(socket: &Socket) -> io::Result<Option<Stamped>> {
    // The reply behind its headers, those of Ethernet, IP and UDP: 110 octets at most.
    let mut packet = [0; 256];
    let mut parts = [IoSliceMut::new(&mut packet)];
    let mut control = cmsg_space!(Timestamps, libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
    let (len, left) = match received {
        Ok(message) => {
            let left = message.cmsgs()?.find_map(|each| match each {
                ControlMessageOwned::ScmTimestampsns(stamps) => Some(stamps.system),
                _ => None,
            });
            (message.bytes, left)
        }
        Err(Errno::EAGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Stamped {
        tail: packet.get(..len).and_then(|all| all.last_chunk().copied()),
        left: left.map(|left| {
            Timestamp::from_unix_seconds(left.tv_sec()) + Delta::from_nanos(left.tv_nsec())
        }),
    }))
}

/// `error`, with what it is about and what may help.
fn told(error: io::Error, what: &str) -> io::Error {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => " (run this as root)",
        _ => "",
    };
    io::Error::new(error.kind(), format!("{what}: {error}{help}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use timeball::api::HostClock;
    use timeball::host::OsClock;

    fn packet(mode: u8, transmit_timestamp: NtpTimestamp) -> [u8; LEN] {
        let header = Header {
            mode,
            transmit_timestamp,
            ..Header::default()
        };
        header.encode()
    }

    #[test]
    fn a_socket_is_known_by_its_inode() {
        assert_eq!(socket_inode("socket:[4711]"), Some(4_711));
        for other in ["pipe:[4711]", "/dev/null", "socket:[]", "socket:[4711"] {
            assert_eq!(socket_inode(other), None, "{other}");
        }
    }

    #[test]
    fn a_socket_is_asked_at_its_own_address_or_at_any_if_it_has_none() {
        let bound = |address: &str| Socket::from(UdpSocket::bind(address).unwrap());
        for (local, asked_at, is_asked) in [
            ("127.0.0.1:0", "127.0.0.1", true),
            ("127.0.0.1:0", "127.0.0.2", false),
            ("0.0.0.0:0", "127.0.0.2", true),
        ] {
            let socket = bound(local);
            let port = socket.local_addr().unwrap().as_socket().unwrap().port();
            let address = SocketAddr::new(asked_at.parse().unwrap(), port);
            assert_eq!(is_asked_at(&socket, address), is_asked, "{local} {address}");
            let other = SocketAddr::new(address.ip(), port ^ 1);
            assert!(!is_asked_at(&socket, other), "{local} {other}");
        }
    }

    #[test]
    fn early_is_below_zero_and_only_replies_count() {
        let left = Timestamp::from_unix_seconds(1_800_000_000);
        let early = NtpTimestamp::from(left - Delta::from_micros(3));
        let stamped = |tail, left| Stamped { tail, left }.error();
        let reply = Some(packet(mode::SERVER, early));
        assert_eq!(stamped(reply, Some(left)), Some(Delta::from_micros(-3)));
        let request = Some(packet(mode::CLIENT, early));
        for (tail, left) in [(request, Some(left)), (None, Some(left)), (reply, None)] {
            assert_eq!(stamped(tail, left), None);
        }
    }

    #[test]
    fn the_kernel_says_when_each_reply_left_while_it_is_asked_to() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = client.local_addr().unwrap();
        let before = OsClock.now().realtime;
        let reply = packet(mode::SERVER, before.into());
        let request = packet(mode::CLIENT, before.into());

        let tap = Tap {
            sockets: vec![Tapped::new(server.try_clone().unwrap().into(), 0).unwrap()],
        };
        for packet in [reply, request, reply] {
            server.send_to(&packet, to).unwrap();
        }
        let after = OsClock.now().realtime;
        let errors = tap.take().unwrap();
        assert_eq!(errors.len(), 2);
        for error in errors {
            assert!(
                -(after - before) <= error && error <= Delta::ZERO,
                "{error:?}"
            );
        }

        drop(tap);
        let untold = Socket::from(server);
        assert_eq!(
            getsockopt(&untold, Timestamping).unwrap(),
            TimestampingFlag::empty()
        );
        untold.send_to(&reply, &to.into()).unwrap();
        assert!(next_stamped(&untold).unwrap().is_none());
    }
}

//! The floor: the least that a UDP server on sockets can do, to measure
//! timeball against. No actors, no protocol, no checks, no counters.
//!
//!     floor batch ADDRESS:PORT     recvmmsg, sendmmsg, kernel timestamps
//!     floor single ADDRESS:PORT    recvfrom, sendto, one at a time
//!
//! It echoes each datagram as an NTP reply that a load generator can check:
//! mode 4, the request's transmit timestamp as origin, and the host's time. On
//! an IPv4 wildcard address `batch` answers from the address that was asked, as
//! timeball does. It ends by a signal.

#![expect(
    unsafe_code,
    reason = "a bare loop over system calls; nothing builds on it"
)]

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

const BATCH: usize = 64;
const OCTETS: usize = 2048;
/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, address] = arguments.as_slice() else {
        eprintln!("usage: floor batch|single ADDRESS:PORT");
        std::process::exit(2);
    };
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let socket = UdpSocket::bind(address)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20)?;
    match mode.as_str() {
        "batch" => batch(&socket, address),
        "single" => single(&socket),
        _ => Err(io::Error::other("batch or single")),
    }
}

/// `time` as NTP writes it.
fn ntp(time: libc::timespec) -> [u8; 8] {
    let fraction = ((time.tv_nsec as u64) << 32) / 1_000_000_000;
    (((time.tv_sec as u64 + NTP_EPOCH) << 32) | fraction).to_be_bytes()
}

/// The host's time.
fn now() -> [u8; 8] {
    // SAFETY: a C structure of integers, and a pointer to it.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &mut time);
        time
    };
    ntp(time)
}

/// Turns a request of 48 octets or more into its reply.
fn answer(packet: &mut [u8], receive: [u8; 8]) {
    if packet.len() >= 48 {
        packet[0] = (packet[0] & 0o70) | 4;
        packet[1] = 10;
        packet.copy_within(40..48, 24);
        packet[32..40].copy_from_slice(&receive);
        packet[40..48].copy_from_slice(&now());
    }
}

fn single(socket: &UdpSocket) -> io::Result<()> {
    let mut packet = [0; OCTETS];
    loop {
        let (len, peer) = socket.recv_from(&mut packet)?;
        answer(&mut packet[..len], now());
        socket.send_to(&packet[..len], peer)?;
    }
}

fn set(socket: &UdpSocket, level: i32, name: i32) -> io::Result<()> {
    let on = 1_i32;
    // SAFETY: the option is an int, and lives through the call.
    let result = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value,
            size_of_val(&on) as u32,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The kernel's receive timestamp in the control messages of `header`.
fn stamp(header: &libc::msghdr) -> [u8; 8] {
    // SAFETY: the header is one that recvmmsg filled.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_type == libc::SCM_TIMESTAMPNS {
                return ntp(libc::CMSG_DATA(message)
                    .cast::<libc::timespec>()
                    .read_unaligned());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    now()
}

/// Leaves nothing but the address in the control messages of `header`.
fn keep_address(header: &mut libc::msghdr) {
    // SAFETY: the header is one that recvmmsg filled.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::IPPROTO_IP {
                let len = size_of::<libc::in_pktinfo>() as u32;
                header.msg_control = message.cast();
                header.msg_controllen = libc::CMSG_SPACE(len) as usize;
                // Any interface will do.
                libc::CMSG_DATA(message).cast::<i32>().write_unaligned(0);
                return;
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    header.msg_control = null_mut();
    header.msg_controllen = 0;
}

fn batch(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL)?;
    let wildcard = address.ip().is_unspecified() && address.is_ipv4();
    if wildcard {
        set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
    }
    let mut packets = vec![[0_u8; OCTETS]; BATCH];
    let mut controls = vec![[0_u64; 16]; BATCH];
    // SAFETY: C structures of integers and pointers: all zero bits are values.
    let (name, part, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut names: Vec<libc::sockaddr_in6> = vec![name; BATCH];
    let mut parts: Vec<libc::iovec> = vec![part; BATCH];
    let mut headers: Vec<libc::mmsghdr> = vec![header; BATCH];
    let mut used = BATCH;
    loop {
        for index in 0..used {
            parts[index].iov_base = packets[index].as_mut_ptr().cast();
            parts[index].iov_len = OCTETS;
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
            header.msg_iov = &raw mut parts[index];
            header.msg_iovlen = 1;
            header.msg_control = controls[index].as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&controls[index]);
        }
        // SAFETY: every header points at buffers of the lengths it states.
        let count = unsafe {
            let (first, flags) = (headers.as_mut_ptr(), libc::MSG_WAITFORONE);
            libc::recvmmsg(socket.as_raw_fd(), first, BATCH as u32, flags, null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        used = count;
        for index in 0..count {
            let len = headers[index].msg_len as usize;
            let received = stamp(&headers[index].msg_hdr);
            answer(&mut packets[index][..len], received);
            parts[index].iov_len = len;
            let header = &mut headers[index].msg_hdr;
            if wildcard {
                keep_address(header);
            } else {
                header.msg_control = null_mut();
                header.msg_controllen = 0;
            }
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: the headers are those that were just filled.
            let more = unsafe {
                let rest = headers.as_mut_ptr().add(sent);
                libc::sendmmsg(socket.as_raw_fd(), rest, (count - sent) as u32, 0)
            };
            sent += usize::try_from(more).map_err(|_| io::Error::last_os_error())?;
        }
    }
}

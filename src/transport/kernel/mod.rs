//! The one module with `unsafe` in it: calls into the kernel that no safe
//! library offers, behind interfaces that are safe.
//!
//! | what | why no library |
//! |---|---|
//! | [`Batch`] | `recvmmsg`/`sendmmsg` on headers that are built once and live as long as the batch |
//! | [`Volley`] | the same for a client's requests |
//! | `Watch` | tokio's registration asks for a promise about the descriptor |
//! | `set_option`, `dropped_by_kernel` | socket options that socket2 does not know |
//! | `adjtimex` | the kernel's clock state |
//! | [`bpf`] | programs for the network driver, and the memory they share with this process |
//! | `process_cpu_time` | the clock of another process has no safe name |

#![expect(
    unsafe_code,
    reason = "calls into the kernel; every block says what keeps it sound"
)]

mod batch;
pub mod bpf;
mod control;
mod name;
mod shared;
mod volley;
mod watch;

pub use batch::{Batch, Room, SendReport, WaitingReply};
pub use volley::Volley;
pub(in crate::transport) use watch::Watch;

use crate::api::Delta;
use socket2::Socket;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;
use std::ptr;

/// A socket option whose value is a number.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) enum SocketOption {
    /// `SO_TIMESTAMPNS`: say when each datagram arrived.
    Timestamps,
    /// `SO_RXQ_OVFL`: say how many were dropped.
    Drops,
    /// `IP_PKTINFO`: say which address each datagram was sent to.
    DestinationV4,
    /// `IPV6_RECVPKTINFO`: the same for IPv6.
    DestinationV6,
    /// `SO_RCVBUFFORCE`: a receive buffer above the host's limit, for those
    /// who may (CAP_NET_ADMIN).
    ReceiveBufferForced,
    /// `IP_RECVERR`: say when nobody is at the port that was sent to, which a
    /// socket that is not connected does not hear of otherwise.
    ErrorsV4,
    /// `IPV6_RECVERR`: the same for IPv6.
    ErrorsV6,
}

/// Sets `option` of `socket` to `value`.
///
/// # Errors
/// The operating system's.
pub(in crate::transport) fn set_option(
    socket: &Socket,
    option: SocketOption,
    value: i32,
) -> io::Result<()> {
    let (level, name) = match option {
        SocketOption::Timestamps => (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
        SocketOption::Drops => (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
        SocketOption::DestinationV4 => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketOption::DestinationV6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        SocketOption::ReceiveBufferForced => (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE),
        SocketOption::ErrorsV4 => (libc::IPPROTO_IP, libc::IP_RECVERR),
        SocketOption::ErrorsV6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    // SAFETY: the option's value is an int, and the pointer and the length are
    // those of one that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How many datagrams the kernel has dropped on `socket` since it was made,
/// modulo 2^32 (`SO_MEMINFO`).
///
/// # Errors
/// The operating system's.
pub(in crate::transport) fn dropped_by_kernel(socket: &Socket) -> io::Result<u32> {
    /// The place of the count in the kernel's answer (linux/sock_diag.h).
    const SK_MEMINFO_DROPS: usize = 8;
    let mut answer = [0_u32; SK_MEMINFO_DROPS + 1];
    let mut len = size_of_val(&answer) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` octets into the array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            answer.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if result == 0 {
        Ok(answer[SK_MEMINFO_DROPS])
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The kernel's clock state: what `adjtimex(2)` returned (`TIME_OK` to
/// `TIME_ERROR`) and its answer. Nothing is changed (`modes` is 0).
///
/// # Errors
/// The operating system's, when a sandbox refuses the call.
pub(crate) fn adjtimex() -> io::Result<(i32, libc::timex)> {
    // SAFETY: a C structure of integers: all zero bits are a value.
    let mut state: libc::timex = unsafe { zeroed() };
    // SAFETY: the pointer is to a `timex` that lives through the call.
    let result = unsafe { libc::adjtimex(&mut state) };
    if result >= 0 {
        Ok((result, state))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The CPU time that a process has used so far: all of its threads, those that
/// have ended too, in user code and in the kernel. Exact to what the scheduler
/// counts, nanoseconds.
///
/// # Errors
/// The operating system's: `ESRCH` when there is no process of this number.
pub(crate) fn process_cpu_time(process: u32) -> io::Result<Delta> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    // Zero would mean this process.
    let process = libc::pid_t::try_from(process)
        .ok()
        .filter(|&process| process > 0)
        .ok_or_else(gone)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a number that lives through the call.
    let error = unsafe { libc::clock_getcpuclockid(process, &mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a `timespec` that lives through the call.
    if unsafe { libc::clock_gettime(clock, &mut time) } == 0 {
        Ok(Delta::from_seconds(time.tv_sec) + Delta::from_nanos(time.tv_nsec))
    } else {
        // The process may have ended between the two calls (`EINVAL`).
        Err(gone())
    }
}

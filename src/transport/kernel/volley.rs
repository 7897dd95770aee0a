//! Volleys: many requests with one `sendmmsg(2)`, on headers that are built
//! once.

use super::control::{ControlOut, encode_source};
use super::name::{Name, encode_name};
use super::shared::Shared;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Requests to one address, in the form in which the kernel takes them.
///
/// The other end of a [`Batch`](super::Batch): that answers whoever asked, this
/// asks one address, maybe from many. Everything is allocated once, and of a
/// request only its octets and the address it leaves from are written anew.
pub struct Volley {
    /// Octets of room for a request.
    room: usize,
    capacity: usize,
    octets: Shared<u8>,
    controls: Shared<ControlOut>,
    parts: Shared<libc::iovec>,
    headers: Shared<libc::mmsghdr>,
    /// The address that all of it goes to: the headers point here.
    _to: Shared<Name>,
    /// Requests that wait to be sent.
    count: usize,
}

impl Volley {
    /// An empty volley of up to `capacity` requests of up to `room` octets to
    /// the address `to`, or to the one that the socket is connected to.
    #[must_use]
    pub fn new(capacity: usize, room: usize, to: Option<SocketAddr>) -> Self {
        let mut name = Shared::<Name>::zeroed(1);
        let name_len = to.map_or(0, |to| {
            let (address, len) = encode_name(to);
            *name.get_mut(0) = address;
            len
        });
        let octets = Shared::<u8>::zeroed(capacity * room.max(1));
        let mut parts = Shared::<libc::iovec>::zeroed(capacity);
        let mut headers = Shared::<libc::mmsghdr>::zeroed(capacity);
        for index in 0..capacity {
            parts.get_mut(index).iov_base = octets.pointer(index * room.max(1)).cast();
            let header = &mut headers.get_mut(index).msg_hdr;
            if name_len > 0 {
                header.msg_name = name.pointer(0).cast();
                header.msg_namelen = name_len;
            }
            header.msg_iov = parts.pointer(index);
            header.msg_iovlen = 1;
        }
        Self {
            room,
            capacity,
            octets,
            controls: Shared::zeroed(capacity),
            parts,
            headers,
            _to: name,
            count: 0,
        }
    }

    /// How many requests there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many requests wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no request waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a request, which leaves from the address `from` of this host or
    /// from whichever the kernel chooses. Returns whether there was room for
    /// one more, and for all of its octets.
    pub fn push(&mut self, request: &[u8], from: Option<IpAddr>) -> bool {
        if self.count == self.capacity || request.len() > self.room {
            return false;
        }
        let index = self.count;
        self.octets
            .range_mut(index * self.room.max(1), request.len())
            .copy_from_slice(request);
        self.parts.get_mut(index).iov_len = request.len();
        let control_len = from.map_or(0, |from| {
            encode_source(self.controls.get_mut(index), from, 0)
        });
        let control = self.controls.pointer(index).cast();
        let header = &mut self.headers.get_mut(index).msg_hdr;
        header.msg_control = match control_len {
            0 => ptr::null_mut(),
            _ => control,
        };
        header.msg_controllen = control_len;
        self.count += 1;
        true
    }

    /// Hands the requests to the kernel without waiting, and empties the
    /// volley. Returns how many it took, which are the first ones.
    ///
    /// # Errors
    /// The kernel's, when it did not even take the first: `WouldBlock` when
    /// there is no room to send, or what ICMP said of an earlier request.
    pub(in crate::transport) fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return Ok(0);
        }
        loop {
            // SAFETY: the first `count` headers were filled by `new` and
            // `push`; they point into allocations of this volley, which is
            // borrowed mutably for the call.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers.pointer(0),
                    count as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) => return Ok(sent),
                Err(_negative) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
            }
        }
    }
}

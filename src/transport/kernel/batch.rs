//! Batches: `recvmmsg(2)` and `sendmmsg(2)` on headers that are built once.

use super::control::{
    Control, ControlIn, ControlMessages, ControlOut, encode_control, encode_source,
};
use super::name::{Name, decode_name, encode_name};
use super::shared::Shared;
use crate::api::Datagram;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// How many octets of one request are kept, and how many a reply may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Octets of a request; a longer one is cut off and marked as truncated.
    pub request: usize,
    /// Octets of a reply.
    pub reply: usize,
}

/// What became of the replies of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendReport {
    /// Replies that the kernel took.
    pub sent: usize,
    /// Replies that it did not: no room in the send buffer, no route, not
    /// permitted. They are not tried again: a late answer is a wrong answer.
    pub failed: usize,
}

/// A reply that waits to be sent.
#[derive(Debug, Clone, Copy)]
pub struct WaitingReply<'a> {
    /// What it answers: the reply goes to its peer, from the address it came to.
    pub request: Datagram<'a>,
    /// What the request was marked with by [`Batch::push_marked`].
    pub mark: u64,
    /// Its octets.
    pub payload: &'a [u8],
}

/// A handful of datagrams and their replies, in the form in which the kernel
/// takes and gives them.
///
/// Everything is allocated once. The headers point into the batch's own
/// allocations from the start; a receive resets only what the one before it
/// changed, so a batch of one costs no more than a datagram.
pub struct Batch {
    room: Room,
    capacity: usize,
    requests: Shared<u8>,
    replies: Shared<u8>,
    names: Shared<Name>,
    controls_in: Shared<ControlIn>,
    controls_out: Shared<ControlOut>,
    receive_parts: Shared<libc::iovec>,
    receive_headers: Shared<libc::mmsghdr>,
    send_parts: Shared<libc::iovec>,
    send_headers: Shared<libc::mmsghdr>,
    /// What a transport has marked each datagram with.
    marks: Box<[u64]>,
    /// Datagrams in the batch.
    received: usize,
    /// Headers that have to be reset before the next receive.
    used: usize,
    /// Replies to send.
    replied: usize,
}

// SAFETY: the raw pointers point into allocations that the batch owns alone and
// that do not move with it; nothing in it is tied to a thread.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch for up to `capacity` datagrams.
    #[must_use]
    pub fn new(capacity: usize, room: Room) -> Self {
        let batch = Self {
            room,
            capacity,
            requests: Shared::zeroed(capacity * room.request),
            replies: Shared::zeroed(capacity * room.reply),
            names: Shared::zeroed(capacity),
            controls_in: Shared::zeroed(capacity),
            controls_out: Shared::zeroed(capacity),
            receive_parts: Shared::zeroed(capacity),
            receive_headers: Shared::zeroed(capacity),
            send_parts: Shared::zeroed(capacity),
            send_headers: Shared::zeroed(capacity),
            marks: vec![0; capacity].into(),
            received: 0,
            used: 0,
            replied: 0,
        };
        batch.connect()
    }

    /// Points every receive header at its part of the batch.
    fn connect(mut self) -> Self {
        for index in 0..self.capacity {
            *self.receive_parts.get_mut(index) = libc::iovec {
                iov_base: self.requests.pointer(index * self.room.request).cast(),
                iov_len: self.room.request,
            };
            let name = self.names.pointer(index).cast();
            let parts = self.receive_parts.pointer(index);
            let control = self.controls_in.pointer(index).cast();
            let header = &mut self.receive_headers.get_mut(index).msg_hdr;
            header.msg_name = name;
            header.msg_iov = parts;
            header.msg_iovlen = 1;
            header.msg_control = control;
        }
        self.used = self.capacity;
        self.clear();
        self
    }

    /// How many datagrams there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many datagrams are in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.received
    }

    /// Whether there is no datagram in the batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// How many replies wait to be sent.
    #[must_use]
    pub fn replies(&self) -> usize {
        self.replied
    }

    /// Forgets datagrams and replies.
    pub fn clear(&mut self) {
        for index in 0..self.used {
            let header = &mut self.receive_headers.get_mut(index).msg_hdr;
            header.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_controllen = size_of::<ControlIn>();
            header.msg_flags = 0;
        }
        self.used = 0;
        self.received = 0;
        self.replied = 0;
    }

    /// Fills the batch with what waits in `socket`, without waiting for more.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits, or the kernel's error.
    pub(in crate::transport) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.clear();
        // SAFETY: `capacity` headers, each pointing at a name, a part and a
        // control buffer of the lengths it states, all owned by this batch and
        // borrowed mutably for the call; the timeout may be null.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.receive_headers.pointer(0),
                self.capacity as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_negative| io::Error::last_os_error())?;
        self.received = count;
        self.used = count;
        Ok(())
    }

    /// Puts in a datagram that did not come from a socket.
    ///
    /// Returns whether there was room for one more. A payload longer than the
    /// room for it is cut off and marked, as the kernel does it.
    pub fn push(&mut self, datagram: &Datagram<'_>) -> bool {
        if self.received == self.capacity {
            return false;
        }
        let index = self.received;
        let len = datagram.payload.len().min(self.room.request);
        self.requests
            .range_mut(index * self.room.request, len)
            .copy_from_slice(&datagram.payload[..len]);
        let (name, name_len) = encode_name(datagram.peer);
        *self.names.get_mut(index) = name;
        let control_len = encode_control(self.controls_in.get_mut(index), datagram);
        let header = self.receive_headers.get_mut(index);
        header.msg_len = len as libc::c_uint;
        header.msg_hdr.msg_namelen = name_len;
        header.msg_hdr.msg_controllen = control_len;
        let is_cut = datagram.is_truncated || datagram.payload.len() > len;
        header.msg_hdr.msg_flags = if is_cut { libc::MSG_TRUNC } else { 0 };
        self.received += 1;
        self.used = self.used.max(self.received);
        true
    }

    /// Puts in a datagram as [`push`](Self::push) does, with a number by which
    /// a transport knows it again when its reply is sent.
    pub fn push_marked(&mut self, datagram: &Datagram<'_>, mark: u64) -> bool {
        let index = self.received;
        let has_room = self.push(datagram);
        if has_room {
            self.marks[index] = mark;
        }
        has_room
    }

    /// What each datagram was marked with by [`push_marked`](Self::push_marked),
    /// answered or not; meaningless for one that was not.
    #[must_use]
    pub fn marks(&self) -> &[u64] {
        &self.marks[..self.received]
    }

    /// The datagram at `index` (below [`len`](Self::len)) and the room for its
    /// reply.
    pub fn exchange(&mut self, index: usize) -> (Datagram<'_>, &mut [u8]) {
        assert!(
            index < self.received,
            "datagram {index} of {}",
            self.received
        );
        let reply = ptr::from_mut(
            self.replies
                .range_mut(index * self.room.reply, self.room.reply),
        );
        let datagram = self.datagram(index);
        // SAFETY: the replies are an allocation of their own, which nothing
        // behind `datagram` reaches; `self` stays mutably borrowed for both.
        (datagram, unsafe { &mut *reply })
    }

    fn datagram(&self, index: usize) -> Datagram<'_> {
        let header = self.receive_headers.get(index);
        let len = (header.msg_len as usize).min(self.room.request);
        let mut datagram = Datagram {
            payload: self.requests.range(index * self.room.request, len),
            is_truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            peer: decode_name(self.names.get(index)),
            local: None,
            arrived: None,
        };
        for message in self.control_messages(index) {
            match message {
                Control::Arrived(at) => datagram.arrived = Some(at),
                Control::SentTo(address, _interface) => {
                    datagram.local = Some(address.to_canonical())
                }
                Control::Dropped(_) => {}
            }
        }
        datagram
    }

    /// How many datagrams the kernel has dropped on the socket since it was
    /// made, as far as the newest datagram of the batch knows (`SO_RXQ_OVFL`,
    /// modulo 2^32). `None` while it has dropped none.
    #[must_use]
    pub fn kernel_drops(&self) -> Option<u32> {
        let newest = self.received.checked_sub(1)?;
        self.control_messages(newest)
            .find_map(|message| match message {
                Control::Dropped(count) => Some(count),
                _ => None,
            })
    }

    /// Makes the first `len` octets of the room for the reply of the datagram
    /// at `index` a reply: to its sender, from the address it was sent to.
    pub fn reply(&mut self, index: usize, len: usize) {
        assert!(index < self.received && len <= self.room.reply && self.replied < self.capacity);
        let source = self
            .control_messages(index)
            .find_map(|message| match message {
                Control::SentTo(address, interface) => Some((address, interface)),
                _ => None,
            });
        let slot = self.replied;
        let control_len = source.map_or(0, |(address, interface)| {
            encode_source(self.controls_out.get_mut(slot), address, interface)
        });
        *self.send_parts.get_mut(slot) = libc::iovec {
            iov_base: self.replies.pointer(index * self.room.reply).cast(),
            iov_len: len,
        };
        let name = self.names.pointer(index).cast();
        let name_len = self.receive_headers.get(index).msg_hdr.msg_namelen;
        let parts = self.send_parts.pointer(slot);
        let control = self.controls_out.pointer(slot).cast();
        let header = &mut self.send_headers.get_mut(slot).msg_hdr;
        header.msg_name = name;
        header.msg_namelen = name_len;
        header.msg_iov = parts;
        header.msg_iovlen = 1;
        header.msg_control = if control_len == 0 {
            ptr::null_mut()
        } else {
            control
        };
        header.msg_controllen = control_len;
        self.replied += 1;
    }

    /// The replies that wait: for a transport that has no socket, or that does
    /// something to them first.
    pub fn each_reply(&self) -> impl Iterator<Item = WaitingReply<'_>> {
        (0..self.replied).map(|slot| {
            let part = self.send_parts.get(slot);
            let offset = part.iov_base.addr() - self.replies.pointer(0).addr();
            let index = offset / self.room.reply;
            let request = self.datagram(index);
            WaitingReply {
                request,
                mark: self.marks[index],
                payload: self.replies.range(offset, part.iov_len),
            }
        })
    }

    /// Hands every reply to the kernel, without waiting.
    pub(in crate::transport) fn send(&mut self, socket: BorrowedFd<'_>) -> SendReport {
        let mut report = SendReport::default();
        while report.sent + report.failed < self.replied {
            let done = report.sent + report.failed;
            match usize::try_from(self.send_from(done, socket)) {
                Ok(count) => report.sent += count,
                Err(_negative) => match io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => {}
                    // The buffer is full: what is left would be late.
                    Some(libc::EAGAIN | libc::ENOBUFS) => {
                        report.failed = self.replied - report.sent
                    }
                    // This one cannot be sent; the next one may.
                    _ => report.failed += 1,
                },
            }
        }
        self.replied = 0;
        report
    }

    /// Hands the replies from `first` on to the kernel, which says how many it
    /// took, or -1.
    fn send_from(&mut self, first: usize, socket: BorrowedFd<'_>) -> libc::c_int {
        let count = self.replied - first;
        let header = &self.send_headers.get(first).msg_hdr;
        if count == 1 && header.msg_controllen == 0 {
            // Cheaper than a list of one, where every datagram is a batch.
            let part = self.send_parts.get(first);
            // SAFETY: `reply` pointed the name and the part at initialised
            // octets of this batch, which is borrowed.
            let octets = unsafe {
                libc::sendto(
                    socket.as_raw_fd(),
                    part.iov_base,
                    part.iov_len,
                    libc::MSG_DONTWAIT,
                    header.msg_name.cast(),
                    header.msg_namelen,
                )
            };
            return if octets < 0 { -1 } else { 1 };
        }
        // SAFETY: the headers from `first` to `replied` were filled by `reply`
        // and point into this batch, which is borrowed.
        unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.send_headers.pointer(first),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        }
    }

    fn control_messages(&self, index: usize) -> ControlMessages<'_> {
        let len = self.receive_headers.get(index).msg_hdr.msg_controllen;
        let words = self.controls_in.get(index);
        // SAFETY: 16 initialised words are 128 initialised octets.
        let octets =
            unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of::<ControlIn>()) };
        ControlMessages {
            octets: &octets[..len.min(octets.len())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_by_the_mark_of_its_request() {
        let room = Room {
            request: 16,
            reply: 8,
        };
        let mut batch = Batch::new(4, room);
        let asked = |payload| Datagram {
            payload,
            is_truncated: false,
            peer: ([192, 0, 2, 7], 40_000).into(),
            local: Some([192, 0, 2, 1].into()),
            arrived: None,
        };
        for (mark, payload) in [(7, &b"one"[..]), (8, b"two"), (9, b"three")] {
            assert!(batch.push_marked(&asked(payload), mark));
        }
        assert_eq!(batch.marks(), [7, 8, 9]);
        for index in [2, 0] {
            let (_, reply) = batch.exchange(index);
            reply[0] = b'0' + index as u8;
            batch.reply(index, 1);
        }
        let replies: Vec<_> = batch
            .each_reply()
            .map(|reply| (reply.mark, reply.request, reply.payload))
            .collect();
        assert_eq!(
            replies,
            [(9, asked(b"three"), &b"2"[..]), (7, asked(b"one"), b"0")]
        );
    }
}

//! How a reply leaves: from the socket that was asked, or from another port or
//! address.

use crate::api::Datagram;
use crate::faults::Via;
use crate::transport::{Batch, Outbox, Room};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// The octets that a UDP datagram over IPv4 can carry: 65,535 less the headers
/// of IP and UDP (RFC 768, RFC 791).
pub(crate) const MAX_LEN: usize = 65_507;

/// How many sockets of its own a run may have beside those it listens on.
const MAX_SOCKETS: usize = 64;

/// The ways out of a server.
pub(super) struct Exits {
    /// Where the replies of each endpoint go.
    outboxes: Vec<Option<Arc<dyn Outbox>>>,
    /// One datagram on its way. Here alone is there room for a reply that is
    /// longer than any of its protocol's own.
    scratch: Batch,
    /// Bound when they are first wanted, by endpoint, address and way.
    others: BTreeMap<(usize, IpAddr, bool), Exit>,
}

struct Exit {
    socket: UdpSocket,
    address: SocketAddr,
}

/// One datagram that is to leave now.
pub(super) struct Outgoing<'a> {
    /// The endpoint that it belongs to.
    pub endpoint: usize,
    /// Where it leaves from.
    pub via: Via,
    /// The address of the endpoint that was asked.
    pub local: SocketAddr,
    /// The same as the kernel told it, where the endpoint has several.
    pub told: Option<IpAddr>,
    /// Where it goes.
    pub peer: SocketAddr,
    /// Its octets, [`MAX_LEN`] at most.
    pub octets: &'a [u8],
}

impl Exits {
    pub(super) fn new(endpoints: usize) -> Self {
        let room = Room {
            request: 1,
            reply: MAX_LEN,
        };
        Self {
            outboxes: (0..endpoints).map(|_| None).collect(),
            scratch: Batch::new(1, room),
            others: BTreeMap::new(),
        }
    }

    /// From now on the replies of this endpoint go to `outbox`.
    pub(super) fn open(&mut self, endpoint: usize, outbox: Arc<dyn Outbox>) {
        if let Some(place) = self.outboxes.get_mut(endpoint) {
            *place = Some(outbox);
        }
    }

    /// Gives up every socket of this endpoint.
    pub(super) fn close(&mut self, endpoint: usize) {
        if let Some(place) = self.outboxes.get_mut(endpoint) {
            *place = None;
        }
        self.others.retain(|&(of, ..), _| of != endpoint);
    }

    /// Sends one datagram without waiting; returns the address that it left
    /// from.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::InvalidInput`] for one that is
    /// longer than UDP carries.
    pub(super) fn send(&mut self, outgoing: &Outgoing<'_>) -> io::Result<SocketAddr> {
        if outgoing.octets.len() > MAX_LEN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let exit = match outgoing.via {
            Via::Same => {
                self.send_from_endpoint(outgoing)?;
                return Ok(outgoing.local);
            }
            Via::OtherPort => self.other(outgoing, outgoing.local.ip(), true)?,
            Via::OtherAddress(address) => self.other(outgoing, address, false)?,
        };
        exit.socket.send_to(outgoing.octets, outgoing.peer)?;
        Ok(exit.address)
    }

    fn send_from_endpoint(&mut self, outgoing: &Outgoing<'_>) -> io::Result<()> {
        let outbox = self
            .outboxes
            .get(outgoing.endpoint)
            .and_then(Option::as_ref);
        let outbox = outbox.ok_or(io::ErrorKind::NotConnected)?;
        let answered = Datagram {
            payload: b"",
            is_truncated: false,
            peer: outgoing.peer,
            local: outgoing.told,
            arrived: None,
        };
        self.scratch.clear();
        self.scratch.push(&answered);
        let (_, room) = self.scratch.exchange(0);
        room[..outgoing.octets.len()].copy_from_slice(outgoing.octets);
        self.scratch.reply(0, outgoing.octets.len());
        match outbox.send(&mut self.scratch).sent {
            0 => Err(io::Error::other("the kernel did not take it")),
            _ => Ok(()),
        }
    }

    /// The socket at `address`: at another port, or at the endpoint's own where
    /// that is free there.
    fn other(
        &mut self,
        outgoing: &Outgoing<'_>,
        address: IpAddr,
        is_other_port: bool,
    ) -> io::Result<&Exit> {
        let key = (outgoing.endpoint, address, is_other_port);
        if !self.others.contains_key(&key) {
            if self.others.len() == MAX_SOCKETS {
                return Err(io::Error::other(format!(
                    "a run has {MAX_SOCKETS} sockets of its own at most"
                )));
            }
            let any = SocketAddr::new(address, 0);
            let socket = if is_other_port {
                UdpSocket::bind(any)?
            } else {
                let same_port = SocketAddr::new(address, outgoing.local.port());
                UdpSocket::bind(same_port).or_else(|_taken| UdpSocket::bind(any))?
            };
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            self.others.insert(key, Exit { socket, address });
        }
        self.others
            .get(&key)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

//! A reply on its way through the faults of its octets.

use super::ask::Ticket;
use super::clients::Told;
use super::octets::LONGEST;
use crate::protocol::ntp::{Header, header};
use std::net::IpAddr;

/// The octets of a reply, and what faults look at to change them.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) octets: Vec<u8>,
    /// The header that the server wrote, if it is NTP: whoever looks at it is a
    /// rule that matches no other protocol.
    pub(super) honest: Option<Header>,
    /// That of the request.
    pub(super) request: Option<Header>,
    /// The reply to the request before.
    pub(super) previous: Option<&'a Told>,
    /// Who asks, as an IPv4 address where it can be.
    pub(super) client: IpAddr,
}

impl Content<'_> {
    /// Changes the header; `false` where there are no longer octets for one.
    pub(super) fn edit_header(&mut self, edit: impl FnOnce(&mut Header)) -> bool {
        let Some(octets) = self.octets.first_chunk_mut() else {
            return false;
        };
        let mut header = Header::decode(octets);
        edit(&mut header);
        *octets = header.encode();
        true
    }

    /// The headers of the previous reply, as the server wrote it and as it was
    /// sent.
    pub(super) fn previous_headers(&self) -> Option<(Header, Header)> {
        self.previous.and_then(|told| told.headers)
    }

    /// The octets of the previous reply, as they were sent.
    pub(super) fn previous_octets(&self) -> Option<&[u8]> {
        let octets = self.previous.map(|told| &*told.octets);
        octets.filter(|octets| !octets.is_empty())
    }

    /// The reply as it is now, to be remembered.
    pub(super) fn told(&self, ticket: Ticket) -> Told {
        let sent = header_of(&self.octets);
        let is_kept = self.octets.len() <= Told::LONGEST;
        Told {
            ticket,
            headers: self.honest.zip(sent),
            octets: if is_kept {
                self.octets.clone()
            } else {
                Vec::new()
            },
        }
    }

    /// How many octets there is room for.
    pub(super) fn room(&self) -> usize {
        LONGEST.saturating_sub(self.octets.len())
    }
}

/// The header at the front of `octets`, if they are long enough.
pub(super) fn header_of(octets: &[u8]) -> Option<Header> {
    octets.first_chunk::<{ header::LEN }>().map(Header::decode)
}

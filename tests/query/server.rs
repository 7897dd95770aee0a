//! A UDP server on loopback that does what a test tells it to.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use timeball::api::{LeapIndicator, NtpTimestamp, ReferenceId, Timestamp};
use timeball::protocol::ntp::Header;

/// What to do about a request.
pub enum Act {
    /// Send this back.
    Reply(Vec<u8>),
    /// Send this back from another port.
    ReplyFromAnotherPort(Vec<u8>),
    /// Send this back from another address.
    ReplyFromAnotherAddress(Vec<u8>),
}

/// Starts a server on 127.0.0.1 that answers the `n`th request (from 0) with
/// what `script` says, until the test ends.
pub fn serve(script: impl FnMut(&[u8], usize) -> Vec<Act> + Send + 'static) -> SocketAddr {
    serve_at("127.0.0.1:0", script).expect("loopback has a free port")
}

/// The same at another address; `None` where it cannot be bound.
pub fn serve_at(
    address: &str,
    mut script: impl FnMut(&[u8], usize) -> Vec<Act> + Send + 'static,
) -> Option<SocketAddr> {
    let socket = UdpSocket::bind(address).ok()?;
    let bound = socket.local_addr().unwrap();
    thread::spawn(move || {
        let other_port = UdpSocket::bind((bound.ip(), 0)).unwrap();
        let other_address = UdpSocket::bind(("127.0.0.9", bound.port()));
        let mut room = [0; 2048];
        for n in 0.. {
            let (len, peer) = socket.recv_from(&mut room).unwrap();
            for act in script(&room[..len], n) {
                let (from, payload) = match &act {
                    Act::Reply(payload) => (&socket, payload),
                    Act::ReplyFromAnotherPort(payload) => (&other_port, payload),
                    Act::ReplyFromAnotherAddress(payload) => {
                        (other_address.as_ref().unwrap(), payload)
                    }
                };
                // The client may have gone.
                let _ = from.send_to(payload, peer);
            }
        }
    });
    Some(bound)
}

/// A server that sends the same whatever it is asked.
pub fn serve_always(payload: &[u8]) -> SocketAddr {
    let payload = payload.to_vec();
    serve(move |_, _| vec![Act::Reply(payload.clone())])
}

/// A server that answers each NTP request with `change` made to a good reply.
pub fn serve_ntp(change: impl Fn(&mut Header) + Send + 'static) -> SocketAddr {
    serve(move |request, _| vec![Act::Reply(reply_to(request, &change))])
}

/// When the good replies are received and sent: 2026-11-22 12:00:00 UTC.
pub const NOON: Timestamp = Timestamp::from_unix_seconds(1_795_348_800);

/// A good reply to `request`, with `change` made to it.
pub fn reply_to(request: &[u8], change: impl Fn(&mut Header)) -> Vec<u8> {
    let request = Header::decode(
        request
            .first_chunk()
            .expect("the client sends whole headers"),
    );
    let mut header = Header {
        leap_indicator: LeapIndicator::None,
        version: request.version,
        mode: 4,
        stratum: 2,
        poll_log2_s: request.poll_log2_s,
        precision_log2_s: -20,
        reference_id: ReferenceId([192, 0, 2, 1]),
        reference_timestamp: NOON.into(),
        origin_timestamp: request.transmit_timestamp,
        receive_timestamp: NOON.into(),
        transmit_timestamp: NOON.into(),
        ..Header::default()
    };
    change(&mut header);
    header.encode().to_vec()
}

/// Makes a header an alarm.
pub fn unsynchronised(header: &mut Header) {
    header.leap_indicator = LeapIndicator::Unsynchronised;
    header.stratum = 0;
    header.reference_id = ReferenceId::NONE;
}

/// Makes a header a kiss-o'-death.
pub fn kiss(header: &mut Header, code: &[u8; 4]) {
    unsynchronised(header);
    header.reference_id = ReferenceId(*code);
}

/// Makes a header the reply to another request.
pub fn wrong_origin(header: &mut Header) {
    header.origin_timestamp = NtpTimestamp::from_bits(header.origin_timestamp.to_bits() ^ 1);
}

//! One question, asked of one address after the other until one answers.

use super::failure::{Failure, Fault, Silence};
use super::question::{Request, Said};
use super::{Ignored, Local, Outcome, Query, Sample};
use crate::api::HostInstant;
use crate::protocol::ntp::reply;
use crate::transport::asking::AskingSocket;
use std::io;
use std::net::SocketAddr;
use tracing::debug;

/// Asks the addresses of a host, each for as long as the query says, until one
/// answers.
pub(super) async fn ask(query: &Query, addresses: &[SocketAddr], local: &Local) -> Outcome {
    let mut failure = Failure::NoAnswer {
        attempts: Vec::new(),
    };
    for &address in addresses {
        match ask_one(query, address, local).await {
            Ok(sample) => return Ok(sample),
            Err(next) => {
                let is_final = next.speaker().is_some();
                failure = if is_final { next } else { failure.and(next) };
                if is_final {
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// Asks one address and waits for its reply; whatever else comes is counted.
async fn ask_one(query: &Query, address: SocketAddr, local: &Local) -> Outcome {
    let mut exchange = Exchange {
        address,
        local,
        ignored: Ignored::default(),
    };
    let request = query.question.request(entropy());
    let timeout = query.timeout.to_std();
    let silence = match tokio::time::timeout(timeout, exchange.reply_to(&request)).await {
        Ok(Ok(Said::Answer(answer))) => {
            return Ok(Sample {
                address,
                answer,
                ignored: exchange.ignored,
            });
        }
        Ok(Ok(Said::Unsynchronised(header))) => {
            return Err(Failure::Unsynchronised { address, header });
        }
        Ok(Ok(Said::KissOfDeath(header))) => {
            let code = reply::kiss_code(&header).unwrap_or_default();
            return Err(Failure::KissOfDeath {
                address,
                code,
                header,
            });
        }
        Ok(Err(error)) => Silence::Error(describe(&error)),
        Err(_elapsed) => Silence::TimedOut(query.timeout),
    };
    Err(Failure::of(address, exchange.ignored, silence))
}

/// A question under way.
struct Exchange<'a> {
    address: SocketAddr,
    local: &'a Local,
    ignored: Ignored,
}

impl Exchange<'_> {
    /// Sends the request and waits, for ever, for the reply to it.
    async fn reply_to(&mut self, request: &Request) -> io::Result<Said> {
        let clock = &*self.local.clock;
        let mut socket = AskingSocket::open(self.address)?;
        let left = socket.send(request.octets(), clock).await?;
        loop {
            let datagram = socket.recv().await?;
            let now = clock.now();
            let arrived = datagram
                .arrived
                .map_or(now, |stamp| clock.arrival(stamp, now));
            match self.judge(request, datagram.payload, datagram.peer, left, arrived) {
                Ok(said) => return Ok(said),
                Err(fault) => {
                    debug!(asked = %self.address, from = %datagram.peer, %fault, "not the reply");
                    self.ignored.add(fault);
                }
            }
        }
    }

    fn judge(
        &self,
        request: &Request,
        payload: &[u8],
        from: SocketAddr,
        left: HostInstant,
        arrived: HostInstant,
    ) -> Result<Said, Fault> {
        let asked = self.address;
        // The interface and the flow of an IPv6 address are the host's own
        // business and may differ between the two directions.
        if (from.ip(), from.port()) != (asked.ip(), asked.port()) {
            return Err(Fault::Source {
                received: from,
                asked,
            });
        }
        request.read(payload, left, arrived, self.local.precision_log2_s)
    }
}

/// 64 bits that nobody can foresee.
fn entropy() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the client's one draw of randomness"
    )]
    let mut generator = rand::rng();
    rand::Rng::next_u64(&mut generator)
}

/// The operating system's error in plain words.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody answers at that port".to_owned(),
        io::ErrorKind::HostUnreachable => "the host cannot be reached".to_owned(),
        io::ErrorKind::NetworkUnreachable => "there is no route to it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Delta;
    use crate::client::{Question, Target};
    use crate::host::OsClock;
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::time::Duration;

    /// How long a test waits for what must come.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Asks a closed port or a server that says nothing, then `last`.
    fn ask_two(first: SocketAddr, last: SocketAddr, timeout: Delta) -> Outcome {
        let local = Local {
            clock: Arc::new(OsClock),
            precision_log2_s: -20,
        };
        let query = Query {
            timeout,
            ..Query::new(Question::Text, Target::new("both", 1))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let addresses = [first, last];
        let asked = async { tokio::time::timeout(PATIENCE, ask(&query, &addresses, &local)).await };
        runtime.block_on(asked).expect("nobody waits for ever")
    }

    /// A server that answers one question, and its address.
    fn answer_once(payload: &'static [u8]) -> SocketAddr {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            let (_, peer) = server.recv_from(&mut [0; 64]).unwrap();
            server.send_to(payload, peer).unwrap();
        });
        address
    }

    #[test]
    fn an_address_at_which_nobody_is_falls_through_to_the_next() {
        let live = answer_once(b"noon");
        let closed = SocketAddr::from(([127, 0, 0, 78], live.port()));
        let sample = ask_two(closed, live, Delta::from_seconds(600)).unwrap();
        assert_eq!(sample.address, live);
    }

    #[test]
    fn an_address_that_says_nothing_falls_through_to_the_next() {
        let live = answer_once(b"noon");
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent_at = silent.local_addr().unwrap();
        let sample = ask_two(silent_at, live, Delta::from_seconds(2)).unwrap();
        assert_eq!(sample.address, live);
        assert_eq!(silent.recv(&mut [0; 64]).unwrap(), 9, "it was asked");
    }

    #[test]
    fn when_no_address_answers_each_is_told_with_its_reason() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent_at = silent.local_addr().unwrap();
        let closed = SocketAddr::from(([127, 0, 0, 79], silent_at.port()));
        let failure = ask_two(closed, silent_at, Delta::from_millis(50)).unwrap_err();
        let told = failure.to_string();
        assert!(
            told.contains(&format!("{closed}: nobody answers at that port")),
            "{told}"
        );
        assert!(
            told.contains(&format!("{silent_at}: nothing within 0.05 s")),
            "{told}"
        );
    }

    #[test]
    fn a_bad_reply_is_told_rather_than_the_silence_of_the_next_address() {
        let bad = answer_once(b"\x1b[2J");
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent_at = silent.local_addr().unwrap();
        let failure = ask_two(bad, silent_at, Delta::from_seconds(2)).unwrap_err();
        assert_eq!(failure.rule(), "text");
    }
}

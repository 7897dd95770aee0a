//! The status once a second, to whoever listens: server-sent events.

use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Who may listen at once.
pub(super) const STREAMS: usize = 16;

/// Those who listen, and what they are told.
pub(super) struct Events {
    /// The latest event; `None` ends every stream.
    latest: watch::Sender<Option<Bytes>>,
    places: Arc<Semaphore>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            latest: watch::Sender::new(Some(Bytes::new())),
            places: Arc::new(Semaphore::new(STREAMS)),
        }
    }
}

impl Events {
    /// Whether anybody listens.
    pub fn has_listeners(&self) -> bool {
        self.latest.receiver_count() > 0
    }

    /// Tells `json` to everybody who listens. Who has not taken the one before
    /// gets only this; and behind the end there is nothing more.
    pub fn tell(&self, json: &str) {
        self.latest.send_if_modified(|latest| match latest {
            Some(latest) => {
                *latest = event(json);
                true
            }
            None => false,
        });
    }

    /// Ends every stream.
    pub fn end(&self) {
        self.latest.send_replace(None);
    }

    /// A place to listen from; `None` when all are taken.
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            latest: self.latest.subscribe(),
        })
    }
}

/// A place to listen from, free again when this is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    latest: watch::Receiver<Option<Bytes>>,
}

impl Place {
    /// `json` at once, and from then on what is told.
    pub fn listen(self, json: &str) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        unfold((self, Some(event(json))), async |(mut place, first)| {
            let event = match first {
                Some(first) => first,
                None => {
                    place.latest.changed().await.ok()?;
                    place.latest.borrow_and_update().clone()?
                }
            };
            Some((Ok(event), (place, None)))
        })
    }
}

/// An event of the HTML standard, section "Server-sent events". `json` is one
/// line.
fn event(json: &str) -> Bytes {
    format!("event: status\ndata: {json}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[actix_rt::test]
    async fn what_is_told_behind_the_end_keeps_no_stream_open() {
        let events = Events::default();
        let place = events.place().expect("there is one");
        let mut stream = Box::pin(place.listen("1"));
        assert!(stream.next().await.is_some());
        events.tell("2");
        assert!(stream.next().await.is_some());
        events.end();
        events.tell("3");
        assert!(stream.next().await.is_none());
    }
}

//! The paths, and who may ask at which.
//!
//! # Who may ask
//! `/metrics`, `/healthz` and `/readyz` are for machines that have no token and ask
//! by whatever name they know: they are open to whoever reaches the address. The
//! rest names clients and is for people: it is told to whoever shows the token,
//! and where there is none only to this host. Where the address is loopback a
//! request that names another host is refused at every path: a page in a browser
//! here may have sent it.

use super::events::{Events, STREAMS};
use super::exposition;
use super::observed::Observed;
use super::readings::Readings;
use super::recent::Recent;
use super::seen::Seen;
use super::status::{Readiness, Status};
use crate::server::ReloadError;
use crate::transport::inherited::BoundSocket;
use crate::web::access::{Access, Caller, check_declared_json, check_origin};
use crate::web::server::{Bound, Connection, JSON, Running};
use crate::web::{Refusal, RefusalKind, Token, is_loopback};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, to};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

/// The page for people.
const PAGE: &str = include_str!("page.html");
const HTML: &str = "text/html; charset=utf-8";
/// What the page may do: show itself, and ask here.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How often those who listen are told the status, and losses are noted.
const BEAT: Duration = Duration::from_secs(1);

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Page,
    Metrics,
    Health,
    Readiness,
    Status,
    Events,
    Reload,
}

impl Path {
    const ALL: [(&'static str, Self); 7] = [
        ("/", Self::Page),
        ("/metrics", Self::Metrics),
        ("/healthz", Self::Health),
        ("/readyz", Self::Readiness),
        ("/status", Self::Status),
        ("/events", Self::Events),
        ("/reload", Self::Reload),
    ];

    /// # Errors
    /// There is no such path.
    fn find(path: &str) -> Result<Self, Refusal> {
        if let Some((_, found)) = Self::ALL.iter().find(|(name, _)| *name == path) {
            return Ok(*found);
        }
        let names = Self::ALL.map(|(name, _)| name);
        Err(Refusal::no_such("path", "path", path, &names))
    }

    /// # Errors
    /// It is not asked in this method.
    fn check_method(self, method: &Method) -> Result<(), Refusal> {
        let (is_right, right) = match self {
            Self::Reload => (*method == Method::POST, "POST"),
            _ => (is_reading(method), "GET, HEAD"),
        };
        if is_right {
            return Ok(());
        }
        let error = format!("this path is not asked by {method}");
        Err(Refusal::new(RefusalKind::MethodNotAllowed, error).accepting(right))
    }

    /// Whether it is told to whoever reaches the address.
    const fn is_open(self) -> bool {
        matches!(self, Self::Metrics | Self::Health | Self::Readiness)
    }
}

/// The address could not be bound.
#[derive(Debug, Error)]
#[error("http on {address}: {error}; another address, or port 0 for any free one, may do")]
pub struct HttpError {
    /// The address.
    pub address: SocketAddr,
    /// The operating system's error.
    pub error: io::Error,
}

/// A socket that nobody answers on yet.
pub struct BoundHttp {
    bound: Bound,
    access: Access,
}

impl BoundHttp {
    /// Binds `address`, where port 0 is any free one; or takes the socket that was
    /// `inherited` in its place. With a `token`, whoever asks for more than machines
    /// need has to show it.
    ///
    /// # Errors
    /// [`HttpError`] when the address cannot be had.
    pub fn bind(
        address: SocketAddr,
        token: Option<Token>,
        inherited: Option<TcpListener>,
    ) -> Result<Self, HttpError> {
        let bound =
            Bound::bind(address, inherited).map_err(|error| HttpError { address, error })?;
        let access = Access {
            address: bound.address(),
            token,
        };
        Ok(Self { bound, access })
    }

    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.access.address
    }

    /// Answers from now on; runs on the present actix system.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub fn serve(self, observed: Arc<dyn Observed>) -> io::Result<Http> {
        let address = self.address();
        let is_token_asked = self.access.token.is_some();
        let desk = Arc::new(Desk {
            access: self.access,
            observed,
            readings: Readings::default(),
            recent: Mutex::default(),
            events: Events::default(),
        });
        let given = Arc::clone(&desk);
        let running = self.bound.serve("http", move |routes| {
            actix_rt::spawn(beat(Arc::downgrade(&given)));
            routes
                .app_data(Data::from(Arc::clone(&given)))
                .default_service(to(answer));
        })?;
        info!(%address, token = is_token_asked, "http");
        Ok(Http {
            address,
            running,
            desk,
        })
    }
}

/// A server that tells how it does.
pub struct Http {
    address: SocketAddr,
    running: Running,
    desk: Arc<Desk>,
}

impl Http {
    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its socket, for a server in its place.
    pub(crate) fn socket(&self) -> io::Result<BoundSocket> {
        self.running.socket()
    }

    /// Sends the answers that are due, and ends.
    pub async fn stop(self) {
        self.desk.events.end();
        self.running.stop().await;
    }
}

/// Where requests are decided on.
struct Desk {
    access: Access,
    observed: Arc<dyn Observed>,
    readings: Readings,
    recent: Mutex<Recent>,
    events: Events,
}

impl Desk {
    async fn look(&self) -> Seen {
        Seen::of(&*self.observed, &self.readings, &self.recent).await
    }

    fn note_losses(&self) {
        let listeners = self.observed.listeners();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.note(&listeners);
    }

    async fn status(&self) -> String {
        json(&Status::of(&self.look().await))
    }

    /// # Errors
    /// Why the caller is not let in.
    fn check(&self, path: &Result<Path, Refusal>, request: &HttpRequest) -> Result<(), Refusal> {
        let caller = Caller::of(request.headers());
        let is_open = path.as_ref().is_ok_and(|path| path.is_open());
        if !is_open || is_loopback(self.access.address) {
            self.access.check_host(caller)?;
        }
        if !is_reading(request.method()) {
            check_origin(caller)?;
        }
        if is_open && is_reading(request.method()) {
            return Ok(());
        }
        if self.access.token.is_none() && !request.peer_addr().is_some_and(is_loopback) {
            let error = "this is told to clients that ask over loopback only, unless there is a \
                         token (`http.token_file`)";
            return Err(Refusal::new(RefusalKind::Forbidden, error));
        }
        self.access.check_token(caller)
    }
}

/// Whether nothing can change by it. RFC 9110 section 9.2.1.
fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

async fn answer(request: HttpRequest, desk: Data<Desk>) -> Result<HttpResponse, Refusal> {
    let path = Path::find(request.path());
    desk.check(&path, &request)?;
    let path = path?;
    path.check_method(request.method())?;
    Ok(match path {
        Path::Page => response(StatusCode::OK, HTML)
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .body(PAGE),
        Path::Metrics => {
            let page = exposition::page(&desk.look().await);
            response(StatusCode::OK, exposition::TEXT).body(page)
        }
        Path::Health => health(desk.observed.is_tended()),
        Path::Readiness => {
            let readiness = Readiness::of(&desk.look().await);
            response(ok_if(readiness.ready), JSON).body(json(&readiness))
        }
        Path::Status => response(StatusCode::OK, JSON).body(desk.status().await),
        Path::Events => listen(&request, &desk).await?,
        Path::Reload => {
            check_declared_json(request.content_type())?;
            let reloaded = desk.observed.reload().await.map_err(not_reloaded)?;
            response(StatusCode::OK, JSON).body(json(&reloaded))
        }
    })
}

/// Why nothing has changed.
fn not_reloaded(error: ReloadError) -> Refusal {
    let kind = match error {
        ReloadError::Settings(_) => RefusalKind::NotAccepted,
        _ => RefusalKind::Conflict,
    };
    Refusal::new(kind, error.to_string())
}

/// # Errors
/// As many listen as may.
async fn listen(request: &HttpRequest, desk: &Desk) -> Result<HttpResponse, Refusal> {
    let mut response = response(StatusCode::OK, "text/event-stream");
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let place = desk.events.place().ok_or_else(|| {
        let error = format!("{STREAMS} clients listen already, as many as may at once");
        Refusal::new(RefusalKind::Busy, error)
    })?;
    Connection::lasts(request);
    let status = desk.status().await;
    Ok(response.streaming(place.listen(&status)))
}

/// Whether the server is alive.
#[derive(Serialize)]
struct Health {
    healthy: bool,
    reasons: &'static [&'static str],
}

fn health(is_tended: bool) -> HttpResponse {
    let reasons: &[&str] = if is_tended {
        &[]
    } else {
        &["nobody has tended the sources for 30 s"]
    };
    let health = Health {
        healthy: is_tended,
        reasons,
    };
    response(ok_if(is_tended), JSON).body(json(&health))
}

const fn ok_if(is_well: bool) -> StatusCode {
    if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// What every answer says: what it is, and that no other page may have it.
fn response(status: StatusCode, content_type: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("cross-origin-resource-policy", "same-origin"));
    response
}

/// One line of JSON.
fn json(told: &impl Serialize) -> String {
    serde_json::to_string(told).expect("only text, numbers and lists of them are told")
}

/// Once a second, while the server is there: notes losses, and tells those who
/// listen. On the thread that answers requests.
async fn beat(desk: Weak<Desk>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let Some(desk) = desk.upgrade() else {
            return;
        };
        desk.note_losses();
        if desk.events.has_listeners() {
            let status = desk.status().await;
            desk.events.tell(&status);
        }
    }
}

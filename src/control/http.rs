//! Control over HTTP: actix-web's server, with one worker.
//!
//! # Why
//! A thread of its own, that no shard shares, answers one request after the
//! other: a verb that takes long holds up no datagram, and two verbs are never
//! carried out at once.

use super::access::{Access, Caller, Token};
use super::arguments::object;
use super::controllable::Controllable;
use super::refusal::{Refusal, RefusalKind};
use super::verbs::{Method, find};
use actix_web::dev::ServerHandle;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HOST, HeaderMap, ORIGIN, WWW_AUTHENTICATE};
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::web::{Bytes, Data, Payload, to};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, HttpServer, ResponseError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;
use tracing::info;

/// The media type of every body. RFC 8259 section 11.
const JSON: &str = "application/json";
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time; what comes then waits in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long, in seconds, a stop waits for an answer that is being sent.
const FAREWELL_S: u64 = 1;

/// Why there is no control.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Whoever reaches the address could control.
    #[error(
        "control on {address}, which is not loopback, needs a token: name its file \
         (`control.token_file`, `--control-token-file`), or set the variable {}",
        Token::VARIABLE
    )]
    NeedsToken {
        /// The address.
        address: SocketAddr,
    },
    /// The address could not be bound.
    #[error("control on {address}: {error}; another address, or port 0 for any free one, may do")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
}

/// A socket for control, which nobody answers on yet.
pub struct BoundControl {
    listener: TcpListener,
    access: Access,
}

impl BoundControl {
    /// Binds `address`; port 0 is any free one.
    ///
    /// # Errors
    /// [`ControlError::NeedsToken`] unless the address is loopback or there is a
    /// token; [`ControlError::Bind`] when it cannot be had.
    pub fn bind(address: SocketAddr, token: Option<Token>) -> Result<Self, ControlError> {
        if token.is_none() && !is_loopback(address) {
            return Err(ControlError::NeedsToken { address });
        }
        let bind = || {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            listener.set_nonblocking(true)?;
            let access = Access { address, token };
            Ok(Self { listener, access })
        };
        bind().map_err(|error| ControlError::Bind { address, error })
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
    pub fn serve(self, controlled: Arc<dyn Controllable>) -> io::Result<Control> {
        let address = self.address();
        let is_token_asked = self.access.token.is_some();
        let desk = Arc::new(Desk {
            access: self.access,
            controlled,
        });
        let app = move || {
            App::new()
                .app_data(Data::from(Arc::clone(&desk)))
                .default_service(to(answer))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS)
            .keep_alive(KeepAlive::Disabled)
            .shutdown_timeout(FAREWELL_S)
            .disable_signals()
            .listen(self.listener)?
            .run();
        let handle = server.handle();
        actix_rt::spawn(server);
        info!(%address, token = is_token_asked, "control");
        Ok(Control { address, handle })
    }
}

/// Whether only this machine can ask there.
#[must_use]
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Control that answers.
pub struct Control {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Control {
    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends the answers that are due, and ends.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// Where requests are decided on.
struct Desk {
    access: Access,
    controlled: Arc<dyn Controllable>,
}

async fn answer(
    request: HttpRequest,
    body: Payload,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    desk.access.check(caller(request.headers()))?;
    let verb = find(request.path(), request.method().as_str())?;
    let body = match verb.method {
        Method::Get => Bytes::new(),
        Method::Post => {
            declared_json(request.content_type())?;
            read(body, verb.longest_body).await?
        }
    };
    let answer = (verb.run)(&*desk.controlled, object(&body)?)?;
    Ok(HttpResponse::Ok().content_type(JSON).body(answer))
}

/// What of the header decides whether the request is let in.
fn caller(headers: &HeaderMap) -> Caller<'_> {
    let mut hosts = headers.get_all(HOST);
    let host = hosts.next().filter(|_| hosts.next().is_none());
    Caller {
        host: host.and_then(|host| host.to_str().ok()),
        has_origin: headers.contains_key(ORIGIN),
        authorization: headers.get(AUTHORIZATION).map(|value| value.as_bytes()),
    }
}

/// A form on a web page can send text, and cannot declare it as this.
fn declared_json(content_type: &str) -> Result<(), Refusal> {
    if content_type.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let error = format!("the header `Content-Type` is not {JSON}");
    Err(Refusal::new(RefusalKind::NotDeclaredJson, error).accepting(JSON))
}

/// The whole body, of at most `longest` octets.
async fn read(body: Payload, longest: usize) -> Result<Bytes, Refusal> {
    match timeout(PATIENCE, body.to_bytes_limited(longest)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(error))) => Err(Refusal::new(
            RefusalKind::NotJson,
            format!("the body did not come whole: {error}"),
        )),
        Ok(Err(_)) => {
            let error = format!("the body is longer than {longest} octets");
            let refusal = Refusal::new(RefusalKind::TooLarge, error);
            Err(refusal.accepting(format!("at most {longest} octets")))
        }
        Err(_) => {
            let error = format!("the body did not come within {} s", PATIENCE.as_secs());
            Err(Refusal::new(RefusalKind::TooSlow, error))
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.kind() {
            RefusalKind::Unauthorized => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            RefusalKind::MethodNotAllowed => {
                response.insert_header((ALLOW, self.accepted().unwrap_or_default()));
            }
            _ => {}
        }
        response.json(self)
    }
}

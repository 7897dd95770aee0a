//! The server: one socket, one worker, and bounds on what connections may cost.

use super::refusal::{Refusal, RefusalKind};
use crate::transport::inherited::{BoundSocket, Role};
use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::header::{ALLOW, WWW_AUTHENTICATE};
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse, HttpServer, ResponseError};
use socket2::SockRef;
use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// The media type of JSON. RFC 8259 section 11.
pub(crate) const JSON: &str = "application/json";
/// Connections at a time; what comes then waits in the kernel's queue.
const CONNECTIONS: usize = 128;
/// How long the header of a request may take to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what was sent may stay unread before the kernel gives the connection
/// up.
const UNREAD: Duration = Duration::from_secs(10);
/// How long, in seconds, a stop waits for an answer that is being sent.
const FAREWELL_S: u64 = 1;

/// A socket that nobody answers on yet.
pub(crate) struct Bound {
    listener: TcpListener,
    /// The address that the settings say.
    asked: SocketAddr,
    address: SocketAddr,
}

impl Bound {
    /// Binds `address`, where port 0 is any free one; or takes the socket that was
    /// `inherited` in its place.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(address: SocketAddr, inherited: Option<TcpListener>) -> io::Result<Self> {
        let listener = match inherited {
            Some(inherited) => inherited,
            None => TcpListener::bind(address)?,
        };
        let asked = address;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            asked,
            address,
        })
    }

    /// Where it is bound.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on as `routes` says, which is called on the thread of the
    /// worker. Runs on the present actix system.
    ///
    /// One connection has one request: nothing of one can pass for another, and
    /// none is kept for what may come.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub fn serve(
        self,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Running> {
        let app = move || App::new().configure(&routes);
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS)
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(PATIENCE)
            .on_connect(bound_the_unread)
            .shutdown_timeout(FAREWELL_S)
            .disable_signals()
            .listen(self.listener.try_clone()?)?
            .run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Running {
            handle,
            listener: self.listener,
            asked: self.asked,
        })
    }
}

/// Has the kernel end a connection whose client reads nothing.
fn bound_the_unread(connection: &dyn Any, _: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        // Without it the connection is held until the client goes away.
        let _ = SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD));
    }
}

/// A server that answers.
pub(crate) struct Running {
    handle: ServerHandle,
    listener: TcpListener,
    asked: SocketAddr,
}

impl Running {
    /// Its socket, for a server in its place.
    ///
    /// # Errors
    /// The operating system's, when it has no more descriptors.
    pub fn socket(&self) -> io::Result<BoundSocket> {
        Ok(BoundSocket {
            role: Role::Http,
            address: self.asked,
            interface: None,
            socket: self.listener.try_clone()?.into(),
        })
    }

    /// Sends the answers that are due, and ends.
    pub async fn stop(self) {
        self.handle.stop(true).await;
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

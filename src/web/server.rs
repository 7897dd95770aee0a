//! The server: one socket, one worker, and bounds on what connections may cost.

use super::refusal::{Refusal, RefusalKind};
use crate::transport::inherited::{BoundSocket, Role};
use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::header::{ALLOW, WWW_AUTHENTICATE};
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError};
use rustix::thread::set_name;
use socket2::{Domain, SockRef, Socket, Type};
use std::any::Any;
use std::ffi::CString;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// The media type of JSON. RFC 8259 section 11.
pub(crate) const JSON: &str = "application/json";
/// Connections at a time; what comes then waits in the kernel's queue.
const CONNECTIONS: usize = 128;
/// As many wait there; what comes then tries again by itself, a second later.
const WAITING: i32 = 1_024;
/// How long the header of a request may take to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what was sent may stay unread before the kernel gives the connection
/// up.
const UNREAD: Duration = Duration::from_secs(10);
/// How long a connection lasts that does not go on telling something.
const LONGEST: Duration = Duration::from_secs(15);
/// Octets of an answer that the kernel holds until the client reads them.
const SEND_BUFFER: usize = 64 << 10;
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
            None => listen(address)?,
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
    /// worker; that thread is called `name`. Runs on the present actix system.
    ///
    /// No connection is kept for what may come.
    ///
    /// # Errors
    /// The operating system's, when a thread cannot be had.
    ///
    /// # Panics
    /// Outside of an actix system.
    pub fn serve(
        self,
        name: &'static str,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Running> {
        let app = move || {
            if let Ok(name) = CString::new(name) {
                // A nameless thread serves as well.
                let _ = set_name(&name);
            }
            App::new().configure(&routes)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS)
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(PATIENCE)
            .on_connect(bound_connection)
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

/// Listens at `address`, with room for many who wait to be accepted.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // What an earlier run has left in the kernel keeps nobody from the address.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING)?;
    Ok(socket.into())
}

/// Bounds what a connection may cost, on the thread of the worker.
fn bound_connection(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    // Without these a client that does not read costs more.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_tcp_user_timeout(Some(UNREAD));
    match socket.try_clone() {
        Ok(socket) => {
            data.insert(Connection::new(socket));
        }
        // Nothing could end it later. An error means that it has ended.
        Err(_) => drop(socket.shutdown(Shutdown::Both)),
    }
}

/// A connection, which is ended after [`LONGEST`].
///
/// # Why
/// What answers requests waits for the end of a body that it will not read, as
/// long as that takes to come.
pub(crate) struct Connection {
    /// The same connection by another descriptor.
    _socket: Arc<Socket>,
    end: AbortHandle,
}

impl Connection {
    fn new(socket: Socket) -> Self {
        let socket = Arc::new(socket);
        let weak = Arc::downgrade(&socket);
        let end = actix_rt::spawn(async move {
            sleep(LONGEST).await;
            if let Some(socket) = weak.upgrade() {
                // An error means that it has ended.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        Self {
            _socket: socket,
            end: end.abort_handle(),
        }
    }

    /// Lets the connection of `request` last as long as its client reads.
    pub fn lasts(request: &HttpRequest) {
        if let Some(connection) = request.conn_data::<Self>() {
            connection.end.abort();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end.abort();
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

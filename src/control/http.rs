//! Control over HTTP.

use super::arguments::object;
use super::controllable::Controllable;
use super::refusal::{Refusal, RefusalKind};
use super::verbs::{Method, find};
use crate::transport::inherited::BoundSocket;
use crate::web::access::{Access, Caller, check_declared_json};
use crate::web::server::{Bound, JSON, Running};
use crate::web::{Token, is_loopback};
use actix_web::web::{Bytes, Data, Payload, to};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;
use tracing::info;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no control.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Whoever reaches the address could control.
    #[error(
        "control on {address}, which is not loopback, needs a token: name its file \
         (`control.token_file`, `--control-token-file`), or set the variable {}",
        Token::CONTROL_VARIABLE
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
    bound: Bound,
    access: Access,
}

impl BoundControl {
    /// Binds `address`, where port 0 is any free one; or takes the socket that was
    /// `inherited` in its place.
    ///
    /// # Errors
    /// [`ControlError::NeedsToken`] unless the address is loopback or there is a
    /// token; [`ControlError::Bind`] when it cannot be had.
    pub fn bind(
        address: SocketAddr,
        token: Option<Token>,
        inherited: Option<TcpListener>,
    ) -> Result<Self, ControlError> {
        if token.is_none() && !is_loopback(address) {
            return Err(ControlError::NeedsToken { address });
        }
        let bound = Bound::bind(address, inherited);
        let bound = bound.map_err(|error| ControlError::Bind { address, error })?;
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
    pub fn serve(self, controlled: Arc<dyn Controllable>) -> io::Result<Control> {
        let address = self.address();
        let is_token_asked = self.access.token.is_some();
        let desk = Arc::new(Desk {
            access: self.access,
            controlled,
        });
        let running = self.bound.serve("control", move |routes| {
            routes
                .app_data(Data::from(Arc::clone(&desk)))
                .default_service(to(answer));
        })?;
        info!(%address, token = is_token_asked, "control");
        Ok(Control { address, running })
    }
}

/// Control that answers.
pub struct Control {
    address: SocketAddr,
    running: Running,
}

impl Control {
    /// Its socket, for a server in its place.
    pub(crate) fn socket(&self) -> io::Result<BoundSocket> {
        self.running.socket()
    }

    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends the answers that are due, and ends.
    pub async fn stop(self) {
        self.running.stop().await;
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
    desk.access.check(Caller::of(request.headers()))?;
    let verb = find(request.path(), request.method().as_str())?;
    let body = match verb.method {
        Method::Get => Bytes::new(),
        Method::Post => {
            check_declared_json(request.content_type())?;
            read(body, verb.longest_body).await?
        }
    };
    let answer = (verb.run)(&*desk.controlled, object(&body)?)?;
    Ok(HttpResponse::Ok().content_type(JSON).body(answer))
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

//! The client as an actor: message [`Query`], answer [`Report`].

use crate::client::{self, Local, Outcome, Query, Report};
use actix::{Actor, Context, Handler, Message, ResponseFuture};

/// Asks time servers for whoever sends it a [`Query`].
///
/// It does what [`client::query`] does. Queries run side by side: a server
/// that does not answer keeps nobody else waiting.
///
/// ```
/// use actix::Actor;
/// use std::sync::Arc;
/// use timeball::actors::client::Client;
/// use timeball::api::{HostClock, HostInstant};
/// use timeball::client::{Local, Query, Question, Target};
///
/// /// A clock for the example; a program takes the operating system's.
/// struct Stopped;
///
/// impl HostClock for Stopped {
///     fn now(&self) -> HostInstant {
///         HostInstant::default()
///     }
/// }
///
/// actix::System::new().block_on(async {
///     let client = Client::new(Local { clock: Arc::new(Stopped), precision_log2_s: -20 }).start();
///     let query = Query::new(Question::Text, Target::new("127.0.0.1", 8089));
///     let report = client.send(query).await.expect("the client runs as long as the system");
///     for outcome in report.outcomes {
///         match outcome {
///             Ok(sample) => println!("{} says {:?}", sample.address, sample.answer),
///             Err(failure) => eprintln!("{failure}"),
///         }
///     }
/// });
/// ```
pub struct Client {
    local: Local,
}

impl Client {
    /// A client that reads its own time from `local`.
    #[must_use]
    pub const fn new(local: Local) -> Self {
        Self { local }
    }
}

impl Actor for Client {
    type Context = Context<Self>;
}

impl Message for Query {
    type Result = Report;
}

impl Handler<Query> for Client {
    type Result = ResponseFuture<Report>;

    fn handle(&mut self, query: Query, _context: &mut Context<Self>) -> Self::Result {
        let local = self.local.clone();
        Box::pin(async move { client::query(&query, &local).await })
    }
}

/// A [`Query`] of which each sample is told as it comes in.
pub struct Watched {
    /// What to ask, and whom.
    pub query: Query,
    /// Called for each sample, on the actor's thread; it must not block.
    pub each: Box<dyn FnMut(&Outcome) + Send>,
}

impl Message for Watched {
    type Result = Report;
}

impl Handler<Watched> for Client {
    type Result = ResponseFuture<Report>;

    fn handle(&mut self, watched: Watched, _context: &mut Context<Self>) -> Self::Result {
        let local = self.local.clone();
        let Watched { query, each } = watched;
        Box::pin(async move { client::query_each(&query, &local, each).await })
    }
}

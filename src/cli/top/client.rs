//! Asks the server.

use super::Args;
use crate::cli::failed::Failed;
use crate::cli::token::token;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use timeball::http::status::Status;
use timeball::protocol::line::printable;
use timeball::web::Token;
use ureq::Agent;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer, in octets: thousands of listeners.
const LONGEST_ANSWER: u64 = 16 << 20;

/// A server that can be asked.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: Option<Token>,
}

impl Client {
    pub fn new(args: &Args) -> Result<Self, Failed> {
        let url = args.url.trim_end_matches('/');
        let host = url.strip_prefix("http://").unwrap_or_default();
        if host.is_empty() || host.contains(['/', '?', '#']) {
            let problem = format!(
                "{:?} is no URL of a server's status; accepted: http://HOST:PORT",
                args.url
            );
            return Err(Failed::usage(problem));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // What is on this host is not asked by way of another.
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        let file = args.token_file.as_deref();
        Ok(Self {
            agent: config.build().into(),
            url: url.to_owned(),
            token: token("--token-file", file, Token::HTTP_VARIABLE).map_err(Failed::usage)?,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server is like now.
    ///
    /// # Errors
    /// It cannot be reached, refuses, or is no server of timeball's.
    pub fn status(&self) -> Result<Status, Failed> {
        let failed = |error: &dyn std::fmt::Display| {
            let error = error.to_string();
            Failed::other(format!("{}: {}", self.url, printable(&error)))
        };
        let mut request = self.agent.get(format!("{}/status", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {}", token.reveal()));
        }
        let mut answer = request.call().map_err(|error| failed(&error))?;
        let is_done = answer.status().is_success();
        let body = answer.body_mut().with_config().limit(LONGEST_ANSWER);
        let text = body.read_to_string().map_err(|error| failed(&error))?;
        if !is_done {
            return Err(failed(&refusal(&text)));
        }
        read(&text).map_err(|error| failed(&format!("no status of timeball's: {error}")))
    }
}

/// The status in `text`. What steers a terminal is escaped in all of it: a server
/// names sources and clients, and may be another than was meant.
pub(super) fn read(text: &str) -> serde_json::Result<Status> {
    serde_json::from_value(shown(serde_json::from_str(text)?))
}

fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(values) => values.into_iter().map(shown).collect(),
        Value::Object(values) => {
            let values = values.into_iter();
            values
                .map(|(key, value)| (printable(&key), shown(value)))
                .collect()
        }
        other => other,
    }
}

/// Why the server refused.
fn refusal(answer: &str) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    match serde_json::from_str::<Refused>(answer) {
        Ok(refused) => refused.error,
        Err(_) => "this is no server of timeball's".to_owned(),
    }
}

//! Asks the server.

use super::{Args, Question};
use crate::cli::failed::Failed;
use crate::cli::token::token;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
use timeball::control::Token;
use ureq::Agent;

/// Where control is asked unless something else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8090";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer, in octets: the verdict of a large scenario.
const LONGEST_ANSWER: u64 = 16 << 20;

/// A server that can be asked.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: Option<Token>,
}

/// What the server answered: a line of JSON.
pub(super) enum Reply {
    Done(String),
    Refused(String),
}

impl Client {
    pub(super) fn new(args: &Args) -> Result<Self, Failed> {
        let url = match (&args.url, &args.ports_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => url_in(file)?,
            (None, None) => DEFAULT_URL.to_owned(),
        };
        if !url.starts_with("http://") {
            let problem = format!("{url:?} is no URL of control; accepted: http://HOST:PORT");
            return Err(Failed::usage(problem));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // What is on this host is not asked by way of another.
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        Ok(Self {
            agent: config.build().into(),
            url: url.trim_end_matches('/').to_owned(),
            token: token(
                "--token-file",
                args.token_file.as_deref(),
                Token::CONTROL_VARIABLE,
            )
            .map_err(Failed::usage)?,
        })
    }

    pub(super) fn ask(&self, question: &Question) -> Result<Reply, Failed> {
        let url = format!("{}{}", self.url, question.path);
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Bearer {}", token.reveal()));
        let reply = match &question.body {
            None => {
                let mut request = self.agent.get(&url);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(&url);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization);
                }
                let request = request.header("Content-Type", "application/json");
                request.send(body.to_string())
            }
        };
        let unreachable = |error: ureq::Error| Failed::other(format!("{}: {error}", self.url));
        let mut reply = reply.map_err(unreachable)?;
        let is_done = reply.status().is_success();
        let body = reply.body_mut().with_config().limit(LONGEST_ANSWER);
        let text = body.read_to_string().map_err(unreachable)?;
        Ok(match is_done {
            true => Reply::Done(text),
            false => Reply::Refused(text),
        })
    }
}

/// What `--ports-file` holds, as far as control goes.
#[derive(Deserialize)]
struct Ports {
    control: Option<Control>,
}

#[derive(Deserialize)]
struct Control {
    url: String,
}

/// The URL of control in a ports file.
fn url_in(file: &Path) -> Result<String, Failed> {
    let refuse = |problem: String| {
        let file = file.display();
        Failed::usage(format!("--ports-file {file}: {problem}"))
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let ports: Ports = serde_json::from_str(&text)
        .map_err(|error| refuse(format!("not a ports file: {error}")))?;
    let none = || refuse("the server that wrote it has no control".to_owned());
    ports.control.map(|control| control.url).ok_or_else(none)
}

//! `timeball play FILE|NAME`: serves a scenario until it is over, and tells the
//! verdict.

use super::args::ServeArgs;
use super::distinct;
use super::ended::{json, table};
use super::outputs::Outputs;
use super::view::View;
use crate::cli::failed::Failed;
use crate::cli::output::{print, tell};
use crate::cli::ports::{make_way, write_ports};
use crate::cli::token::token;
use futures_util::future::select;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use timeball::api::Delta;
use timeball::control::{BoundControl, ControlError};
use timeball::play::{LaunchedStage, OutOfBounds, Play, PlayError, plot};
use timeball::scenario::Scenario;
use timeball::server::BoundAddresses;
use timeball::settings::format_duration;
use timeball::web::Token;
use timeball_mock::Base;
use tokio::signal::unix::{SignalKind, signal};

/// Serves `scenario`; exits 0 when every expectation holds, 1 when one does not
/// or it could not be served, 2 when something wrong was asked for.
/// `file` is that of the scenario, which no output may take the place of.
pub fn run(args: &ServeArgs, scenario: Scenario, file: Option<&Path>) -> ExitCode {
    let ended = args.changed(scenario).and_then(|scenario| {
        distinct::check(args, file)?;
        if let Some(file) = &args.plot {
            return draw(args, &scenario, file);
        }
        actix_rt::System::new().block_on(play(args, scenario))
    });
    ended.unwrap_or_else(|failed| failed.tell())
}

fn draw(args: &ServeArgs, scenario: &Scenario, file: &Path) -> Result<ExitCode, Failed> {
    scenario
        .without_upstream()
        .map_err(|error| Failed::usage(format!("--plot: {error}")))?;
    let span = args.duration.map(|host| mock_time(scenario, host));
    std::fs::write(file, plot::svg(scenario, span))
        .map_err(|error| Failed::file_asked_for("--plot", file, &error))?;
    Ok(ExitCode::SUCCESS)
}

/// How much mock time passes in this much of the host's.
fn mock_time(scenario: &Scenario, host: Delta) -> Delta {
    match scenario.time.base {
        Base::Wall { rate, .. } => {
            let nanos = i128::from(host.as_nanos()) * i128::from(rate.numerator())
                / i128::from(rate.denominator());
            Delta::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
        }
        Base::Manual | Base::PerRequest(_) => host,
    }
}

/// Serves it until it is over, and tells the verdict.
async fn play(args: &ServeArgs, scenario: Scenario) -> Result<ExitCode, Failed> {
    // Before anything is bound: a signal that comes early is not lost.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::other)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::other)?;
    if let Some(file) = &args.ports_file {
        make_way(file).map_err(|error| Failed::file_asked_for("--ports-file", file, &error))?;
    }
    let mut play = Play::new(scenario.clone());
    if let Some(address) = args.listen {
        play = play.listen(address);
    }
    if args.serve_test_time {
        play = play.serve_test_time();
    }
    play.check().map_err(|error| match error {
        PlayError::OutOfBounds(found) if !is_moved(args, &scenario, &found) => {
            Failed::usage(placed(&scenario, &found))
        }
        error => error.into(),
    })?;
    play.find_upstreams().await?;
    let outputs = Outputs::create(args, &scenario)?;
    let bound = args.control.map(|address| bind_control(args, address));
    let bound = bound.transpose()?;
    let stage = outputs.look_on(play).launch().await?;
    let duration = scenario.duration;
    banner(&scenario, &stage);
    let handle = stage.handle();
    let view = View::new(&handle);
    let address = bound.as_ref().map(BoundControl::address);
    let control = match bound.map(|bound| bound.serve(stage.controlled())) {
        Some(Err(error)) => {
            stage.finish().await;
            return Err(Failed::other(error));
        }
        Some(Ok(control)) => Some(control),
        None => None,
    };
    let bound = BoundAddresses {
        listeners: stage.listeners(),
        control: address,
        http: None,
    };
    if let Some(file) = &args.ports_file
        && let Err(error) = write_ports(file, &bound)
    {
        stage.finish().await;
        return Err(Failed::file("--ports-file", file, &error));
    }
    let told_to_stop = async {
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    };
    let time_is_up = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration.to_std()).await,
            None => std::future::pending().await,
        }
    };
    let end = async {
        let by_itself = async {
            select(pin!(time_is_up), pin!(handle.until_over())).await;
        };
        select(pin!(told_to_stop), pin!(by_itself)).await;
    };
    // The view has no end of its own.
    select(pin!(end), pin!(view.show())).await;
    if let Some(control) = control {
        control.stop().await;
    }
    let (status, verdict) = stage.finish().await;
    let unwritten = outputs.finish(&status, &verdict);
    let code = match verdict.passes() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    let text = match args.json {
        true => json(&status, &verdict)?,
        false => table(&status, &verdict),
    };
    // The verdict comes first, whatever else is lost.
    let code = print(&text, code);
    let told = unwritten.iter().map(Failed::tell);
    Ok(told.fold(code, |_, failed| failed))
}

/// Whether the command line has the address, rather than the scenario.
fn is_moved(args: &ServeArgs, scenario: &Scenario, found: &OutOfBounds) -> bool {
    let first = scenario.endpoints.first();
    args.listen.is_some() && first.is_some_and(|first| first.name == found.endpoint)
}

/// What is out of bounds, after where the scenario says so.
pub fn placed(scenario: &Scenario, found: &OutOfBounds) -> String {
    match scenario.place_of_address(&found.endpoint) {
        Some(place) => format!("{place}: {found}"),
        None => found.to_string(),
    }
}

fn bind_control(args: &ServeArgs, address: SocketAddr) -> Result<BoundControl, Failed> {
    let file = args.control_token_file.as_deref();
    let token = token("--control-token-file", file, Token::CONTROL_VARIABLE);
    let token = token.map_err(Failed::usage)?;
    BoundControl::bind(address, token, None).map_err(|error| match error {
        ControlError::NeedsToken { .. } => Failed::usage(error),
        ControlError::Bind { .. } => Failed::other(error),
    })
}

/// Tells people what is served, and that it is not the time.
fn banner(scenario: &Scenario, stage: &LaunchedStage) {
    tell(&format!(
        "TEST TIME, wrong on purpose: no clock may follow it.\n{}: {}",
        scenario.name, scenario.description
    ));
    let status = stage.handle().status();
    for (endpoint, bound) in scenario.endpoints.iter().zip(&status.endpoints) {
        let asks = match (&endpoint.upstream, bound.upstream) {
            (Some(upstream), Some(address)) => format!(", asks {upstream} at {address}"),
            _ if endpoint.closed => ", closed: port unreachable".to_owned(),
            _ => String::new(),
        };
        let (name, protocol, address) = (&bound.name, bound.protocol, bound.address);
        tell(&format!("{name}: {protocol} on {address}{asks}"));
    }
    for (number, rule) in (1..).zip(&scenario.rules) {
        if rule.delay.is_some()
            && let Some(error) = rule.expected_offset_error()
        {
            tell(&format!(
                "rule {}: a client is expected to be off by {} while it applies, \
                 half the difference of the delays there and back",
                rule.name_at(number),
                signed(error)
            ));
        }
    }
}

fn signed(span: Delta) -> String {
    let sign = if span < Delta::ZERO { "-" } else { "+" };
    format!("{sign}{}", format_duration(span.abs()))
}

//! How a scenario is served, as the command line says.

use crate::cli::failed::Failed;
use std::net::SocketAddr;
use std::path::PathBuf;
use timeball::api::Delta;
use timeball::scenario::Scenario;
use timeball::settings::{parse_duration, parse_socket_address};
use timeball_mock::Ratio;

/// How a scenario is served.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Serve the first endpoint at ADDR; the others get ports that the kernel
    /// chooses
    #[arg(long, value_name = "ADDR", value_parser = parse_socket_address)]
    pub listen: Option<SocketAddr>,

    /// How much mock time passes in a second of the host's, above 0 up to
    /// 1000000: 60, 0.5, 1/3
    /// [overrides `time.rate`]
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    pub rate: Option<Ratio>,

    /// What noise and chance come from [overrides `seed`]
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,

    /// End after this much host time: seconds, or with a unit (5m)
    /// [overrides `duration`]
    #[arg(long, value_name = "SPAN", value_parser = span, allow_hyphen_values = true)]
    pub duration: Option<Delta>,

    /// End after so many requests [overrides `requests`]
    #[arg(long, value_name = "N", value_parser = requests, allow_hyphen_values = true)]
    pub requests: Option<u64>,

    /// Write every datagram to FILE as JSON, one a line: `timeball replay` runs
    /// it again
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,

    /// Write every datagram to FILE as a capture that Wireshark opens
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Write the verdict to FILE as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Write the bound addresses to FILE as JSON once every endpoint is bound
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<PathBuf>,

    /// Answer control over HTTP at ADDR (docs/control.md); port 0 takes any free
    /// port; beyond loopback a token is needed
    #[arg(long, value_name = "ADDR", value_parser = parse_socket_address)]
    pub control: Option<SocketAddr>,

    /// Whoever controls has to show the token in FILE [default: that of the
    /// variable TIMEBALL_CONTROL_TOKEN, if it is set]
    #[arg(long, value_name = "FILE", requires = "control")]
    pub control_token_file: Option<PathBuf>,

    /// Draw the offset of the clocks over time to FILE as SVG, and serve nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "listen", "requests", "transcript", "pcap", "junit", "ports_file", "control", "json",
        "serve_test_time",
    ])]
    pub plot: Option<PathBuf>,

    /// Print the verdict as one JSON object
    #[arg(long)]
    pub json: bool,

    /// Serve on port 123, or where others than this host and its private
    /// networks see it, though whoever asks may take test time for true
    #[arg(long)]
    pub serve_test_time: bool,
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("accepted is a whole number, 0 to {}", u64::MAX))
}

fn requests(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("accepted is a whole number, 1 to {}", u64::MAX)),
        Ok(count) => Ok(count),
    }
}

fn span(text: &str) -> Result<Delta, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    match span > Delta::ZERO {
        true => Ok(span),
        false => Err("accepted is a span above 0".to_owned()),
    }
}

impl ServeArgs {
    /// The scenario with what the command line changes of it.
    pub fn changed(&self, mut scenario: Scenario) -> Result<Scenario, Failed> {
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        if let Some(rate) = self.rate {
            scenario = scenario
                .with_rate(rate)
                .map_err(|error| Failed::usage(format!("--rate {rate}: {error}")))?;
        }
        scenario.requests = self.requests.or(scenario.requests);
        scenario.duration = self.duration.or(scenario.duration);
        Ok(scenario)
    }
}

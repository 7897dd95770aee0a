//! How far a measurement is, on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;
use timeball::load::{Plan, Watch};

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A bar for a measurement, or a spinner for a ramp, whose length nobody knows.
/// It is invisible when stderr is not a terminal.
pub fn bar(plan: &Plan, is_ramp: bool) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (len, style) = if is_ramp {
        (None, "{spinner} {elapsed} {msg}")
    } else {
        (Some(plan.duration.to_std()), "{wide_bar} {elapsed} {msg}")
    };
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(len.map(ticks), target);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn ticks(span: Duration) -> u64 {
    u64::try_from(span.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

/// Draws the bar until it is finished or dropped with its task.
pub async fn show(bar: ProgressBar, watch: Arc<Watch>) {
    if bar.is_hidden() {
        return;
    }
    let mut interval = tokio::time::interval(TICK);
    let mut before = 0;
    while !bar.is_finished() {
        interval.tick().await;
        let valid = watch.valid();
        let per_second = (valid - before) * 1_000 / TICK.as_millis() as u64;
        before = valid;
        bar.set_message(format!(
            "{} sent, {valid} valid, {per_second}/s",
            watch.sent()
        ));
        bar.inc(1);
    }
}

/// Says a line above the bar.
pub fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        // There is nobody to tell if stderr is gone.
        let _ = writeln!(io::stderr(), "{line}");
    } else {
        bar.println(line);
    }
}

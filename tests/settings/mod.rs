//! Settings as a user meets them: a file, an environment, what comes of it
//! and what is said when it is wrong.

mod commands;
mod files;
mod layers;
mod mutations;
mod rejections;
mod sandbox;
mod shipped;
mod xdp;

use timeball::settings::{Environment, Loader, Settings, SettingsErrors};

/// A file with one source and one listener, and room for more.
const SMALL: &str = r#"
[sources.wall]
kind = "system"

[[listeners]]
protocol = "ntp"
address = "127.0.0.1:8123"
source = "wall"
"#;

/// An environment with `TZ=UTC`, so that no test depends on this host's zone,
/// and these variables.
fn environment(variables: &[(&str, &str)]) -> Environment {
    [("TZ", "UTC")].iter().chain(variables).copied().collect()
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    Loader::text("settings.toml", text)
        .environment(environment(variables))
        .load()
}

#[track_caller]
fn accepted(text: &str) -> Settings {
    load(text, &[]).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Every error, as it is shown.
#[track_caller]
fn errors(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load(text, variables) {
        Ok(settings) => panic!("accepted as {settings:?}\n{text}"),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The only error, as it is shown.
#[track_caller]
fn error(text: &str) -> String {
    let errors = errors(text, &[]);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.concat()
}

//! Scenarios as a user meets them: files that are right, files that are wrong,
//! the library, and the clocks that come of them.

mod again;
mod bad;
mod client;
mod clocks;
mod commands;
mod events;
mod golden;
mod judged;
mod library;
mod page;

use std::path::{Path, PathBuf};
use timeball::api::Timestamp;
use timeball::scenario::{Scenario, ScenarioErrors};

/// The least that a scenario has; more goes behind it.
const LEAST: &str = "name = \"least\"\ndescription = \"Nothing happens\"\n";

fn read(more: &str) -> Result<Scenario, ScenarioErrors> {
    Scenario::from_toml(&format!("{LEAST}{more}"), "s.toml")
}

#[track_caller]
fn accepted(more: &str) -> Scenario {
    read(more).unwrap_or_else(|errors| panic!("{errors}\n{more}"))
}

/// Every error of the file that is `text` whole, as it is shown.
#[track_caller]
fn errors(text: &str) -> Vec<String> {
    match Scenario::from_toml(text, "s.toml") {
        Ok(scenario) => panic!("accepted as {scenario:?}\n{text}"),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// A whole second, in RFC 3339.
fn seconds(text: &str) -> Timestamp {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|time| Timestamp::from_unix_seconds(time.timestamp()))
        .unwrap()
}

/// The files of a folder of the project, with their names without `.toml`.
fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<(String, PathBuf)> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            assert_eq!(path.extension().unwrap(), "toml", "{}", path.display());
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, path)
        })
        .collect();
    files.sort();
    files
}

//! What the files on a datagram's path may not use.

use std::fs;
use std::path::{Path, PathBuf};

/// From the socket and back to it: what is there runs for each datagram.
const PATH: [&str; 13] = [
    "src/transport/udp.rs",
    "src/transport/pool.rs",
    "src/transport/kernel",
    "src/actors",
    "src/admission",
    "src/service.rs",
    "src/protocol",
    "src/metrics.rs",
    "src/metrics",
    "src/host.rs",
    "plugins/api/src",
    "plugins/system/src",
    "plugins/monotonic-offset/src",
];
/// What waits for another thread.
const LOCKS: [&str; 3] = ["Mutex", "RwLock", "Condvar"];
/// What grows with what strangers send, if it is kept.
const MAPS: [&str; 4] = ["HashMap", "HashSet", "BTreeMap", "BTreeSet"];
/// Here figures are collected for people, or settings are read: not for a datagram.
const COLLECTED: [&str; 3] = [
    "src/metrics.rs",
    "src/metrics/clients.rs",
    "plugins/api/src/settings.rs",
];

fn files_below(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries =
        fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| files_below(&path)).collect()
}

#[test]
fn nothing_on_the_path_of_a_datagram_takes_a_lock_or_keeps_a_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = PATH
        .iter()
        .flat_map(|place| files_below(&root.join(place)))
        .collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let is_collected = COLLECTED.iter().any(|place| file.ends_with(place));
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let maps = MAPS.iter().filter(|_| !is_collected);
            for word in LOCKS.iter().chain(maps) {
                let place = file.display();
                assert!(!code.contains(word), "{place}:{number}: {word}");
            }
        }
    }
}

//! No file is written that is read too, or written twice: the scenario would be
//! lost, or one output in the other.

use super::args::ServeArgs;
use crate::cli::failed::Failed;
use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use timeball::protocol::line::printable;

/// As many symbolic links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Which file a path leads to.
#[derive(PartialEq, Eq)]
enum File {
    /// One that is there: its device and its number on it.
    There(u64, u64),
    /// One that is not: its folder, whatever that is called, and its name.
    New(PathBuf),
}

/// Checks that the command line names each file once, `scenario` among them.
/// What is no regular file (`/dev/null`, a FIFO) holds nothing to be lost, and
/// may be named more than once.
///
/// # Errors
/// The first two that are the same, exit code 2.
pub fn check(args: &ServeArgs, scenario: Option<&Path>) -> Result<(), Failed> {
    let read = [
        ("the scenario", scenario),
        ("--control-token-file", args.control_token_file.as_deref()),
    ];
    let written = [
        ("--transcript", args.transcript.as_deref()),
        ("--pcap", args.pcap.as_deref()),
        ("--junit", args.junit.as_deref()),
        ("--ports-file", args.ports_file.as_deref()),
        ("--plot", args.plot.as_deref()),
    ];
    let named = |(what, path): (&'static str, Option<&Path>)| Some((what, file_at(path?)?));
    let mut earlier: Vec<(&str, File)> = read.into_iter().filter_map(named).collect();
    for (flag, path) in written {
        let Some((path, file)) = path.and_then(|path| Some((path, file_at(path)?))) else {
            continue;
        };
        if let Some((other, _)) = earlier.iter().find(|(_, other)| *other == file) {
            return Err(Failed::usage(format!(
                "{flag} {}: {other} is the same file; accepted: a file of its own",
                printable(&path.to_string_lossy())
            )));
        }
        earlier.push((flag, file));
    }
    Ok(())
}

/// The file that `path` leads to, or would lead to; `None` where that is no
/// regular file, or there can be none: opening it tells why.
fn file_at(path: &Path) -> Option<File> {
    if let Ok(found) = path.metadata() {
        let file = File::There(found.dev(), found.ino());
        return found.is_file().then_some(file);
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = match path.parent()? {
            here if here.as_os_str().is_empty() => Path::new("."),
            folder => folder,
        };
        if symlink_metadata(&path).is_err() {
            let folder = folder.canonicalize().ok()?;
            return Some(File::New(folder.join(path.file_name()?)));
        }
        // A link to a file that is not there yet.
        path = folder.join(path.read_link().ok()?);
    }
    None
}

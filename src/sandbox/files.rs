//! Files that may still be read, by Landlock. Nothing may be written, made, moved
//! or removed, and nothing connected to over TCP.
//!
//! What is open stays open: the sockets, and a log that goes to a file.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::path::{Path, PathBuf};

/// What the running program itself reads, whatever its settings are.
///
/// `/proc/self` has its memory, its threads, its files and, in `net/`, the
/// host's sockets. `/etc/timezone` names the zone `local` where `/etc/localtime` does
/// not, which a reload asks for.
const OF_THE_PROGRAM: [&str; 3] = [
    "/proc/self",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    "/etc/timezone",
];

/// The newest set of restrictions that this program was tried with. The next one
/// after those of ABI 8 forbids sockets by path, which a log and a service manager
/// are told by.
const TRIED: ABI = ABI::V6;

/// Files and folders.
#[derive(Debug, Default)]
pub(super) struct Readable(Vec<PathBuf>);

impl Readable {
    pub(super) fn add(&mut self, path: &Path) {
        self.0.push(path.to_owned());
    }

    /// Adds `file` and its folder, and those that it leads to if it is a link. The
    /// root of all files is no folder of settings: there the file alone is added.
    pub(super) fn add_with_its_folder(&mut self, file: &Path) {
        self.add(file);
        let real = file.canonicalize().ok();
        let folders = [
            file.parent()
                .map(|folder| match folder.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => folder,
                }),
            real.as_deref().and_then(Path::parent),
        ];
        for folder in folders.into_iter().flatten() {
            let is_root = folder
                .canonicalize()
                .is_ok_and(|folder| folder.parent().is_none());
            if !is_root {
                self.add(folder);
            }
        }
    }

    /// The rules for these, and for what the program itself reads. Paths that are not
    /// there have none.
    ///
    /// # Errors
    /// Why the kernel takes no such rules.
    pub(super) fn rules(&self) -> Result<Rules, String> {
        let mut rules = create().map_err(told)?;
        let mut held = Vec::new();
        let ours = OF_THE_PROGRAM.iter().map(Path::new);
        for path in self.0.iter().map(PathBuf::as_path).chain(ours) {
            let Ok(open) = PathFd::new(path) else {
                continue;
            };
            let rule = PathBeneath::new(&open, access_to(path));
            rules = rules.add_rule(rule).map_err(told)?;
            held.push(open);
        }
        Ok(Rules { rules, held })
    }
}

/// Everything that Landlock knows of is refused, but for what a rule allows.
fn create() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::Signal)?
        .create()
}

fn access_to(path: &Path) -> BitFlags<AccessFs> {
    match path.is_dir() {
        true => AccessFs::ReadFile | AccessFs::ReadDir,
        false => AccessFs::ReadFile.into(),
    }
}

/// What is allowed, ready to be applied.
pub(super) struct Rules {
    rules: RulesetCreated,
    held: Vec<PathFd>,
}

impl Rules {
    /// Refuses everything else to this thread and to those that it starts.
    ///
    /// # Errors
    /// Why the kernel does not.
    pub(super) fn restrict(self) -> Result<(), String> {
        let status = self.rules.restrict_self().map_err(told)?;
        // Open for as long as the process runs. A rule is for an inode, and procfs makes
        // another one for the same path once nobody holds the first.
        std::mem::forget(self.held);
        match (status.ruleset, status.landlock) {
            // An older kernel may know nothing of TCP or of signals; files it does.
            (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced, _) => Ok(()),
            (_, LandlockStatus::NotEnabled) => {
                Err("this kernel was started without it: it is not in `lsm=`".into())
            }
            _ => Err("this kernel has none, or a container forbids it".into()),
        }
    }
}

fn told(error: RulesetError) -> String {
    error.to_string()
}

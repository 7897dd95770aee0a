//! What a server gives up once it has all it needs: docs/sandbox.md.
//!
//! A time server needs its sockets, its memory and the clock, and nothing else of
//! what the program was started with. So that a bug in it is worth nothing to whoever
//! finds it, the rest is given up between binding and serving, for good: the
//! user, every capability, every file but the few that a reload reads, and most
//! of the kernel's calls.
//!
//! | module | what is given up there |
//! |---|---|
//! | `capabilities` | capabilities: the one to set the clock as the program starts, the others later |
//! | `identity` | the user and the groups of root |
//! | `files` | files, and connections over TCP (Landlock) |
//! | [`calls`] | calls into the kernel (seccomp) |
//! | `ports` | what is left: which ports may still be bound |
//!
//! # Why before the threads are started
//! Capabilities and Landlock belong to a thread and to those that it starts later. So
//! [`Sandbox::apply`] has to come before the threads that serve, and whoever has
//! started others before it leaves them outside. (The filter of system calls and the
//! user are for the whole process.)
//!
//! # Why a refused call is an error and no death
//! What is not on the list of calls gets `EPERM`. A bug, or a C library that does a
//! thing in another way, then costs an operation and not the server.

pub mod calls;
mod capabilities;
mod files;
mod identity;
mod ports;

pub use capabilities::{ClockNotGivenUp, give_up_the_clock};
pub use identity::{Identity, NoSuchUser};
pub use ports::{LowPort, may_bind};

use crate::settings::SandboxSettings;
use files::Readable;
use std::path::Path;
use tracing::{info, warn};

/// What is to be given up.
#[derive(Debug)]
pub struct Sandbox {
    identity: Identity,
    is_required: bool,
    keeps_low_ports: bool,
    readable: Readable,
}

/// A part of the sandbox could not be had, and the settings say that it has to be
/// whole.
#[derive(Debug, thiserror::Error)]
#[error(
    "sandbox.required = true, and this is missing: {}; start it where that can be had, or set \
     sandbox.required = false",
    .0.join("; ")
)]
pub struct Incomplete(Vec<String>);

impl Sandbox {
    /// What `settings` say is to be given up; `None` where they say that nothing is.
    ///
    /// # Errors
    /// There is no such user as they name.
    pub fn of(settings: &SandboxSettings) -> Result<Option<Self>, NoSuchUser> {
        if !settings.enabled {
            return Ok(None);
        }
        Ok(Some(Self {
            identity: Identity::find(settings.user.as_deref())?,
            is_required: settings.required,
            keeps_low_ports: settings.reload_low_ports,
            readable: Readable::default(),
        }))
    }

    /// Lets a file be read, or whatever is in a folder; one that is not there is
    /// left out.
    #[must_use]
    pub fn readable(mut self, path: &Path) -> Self {
        self.readable.add(path);
        self
    }

    /// The same for everything in the folder of `file`: an editor, and a
    /// ConfigMap, put a new file in the place of the old one.
    #[must_use]
    pub fn readable_with_its_folder(mut self, file: &Path) -> Self {
        self.readable.add_with_its_folder(file);
        self
    }

    /// Gives it up, for this thread and all that it starts from now on. What cannot be
    /// given up here is told in the log, once, and the rest is all the same.
    ///
    /// # Errors
    /// [`Incomplete`] where the settings want it whole; what was given up stays so.
    pub fn apply(self) -> Result<(), Incomplete> {
        let mut missing = Vec::new();
        let mut note = |part: &str, outcome: Result<(), String>| {
            if let Err(problem) = outcome {
                missing.push(format!("{part} ({problem})"));
            }
        };
        let kept = capabilities::kept(self.keeps_low_ports);
        // While there is still a right to look at every path.
        let rules = self.readable.rules();
        // Of root alone, who has to have CAP_SETPCAP for it.
        note("bounding set", capabilities::narrow_bounding(&kept));
        let user = identity::of_this_process();
        if user.is_root() {
            let became = self.identity.assume(!kept.is_empty());
            note("user", became.map_err(|error| error.to_string()));
        }
        note("capabilities", capabilities::keep_only(&kept));
        let no_new_privs = rustix::thread::set_no_new_privs(true);
        note("no_new_privs", no_new_privs.map_err(|e| e.to_string()));
        note("Landlock", rules.and_then(files::Rules::restrict));
        note("seccomp", calls::restrict());

        if missing.is_empty() {
            info!(user = %identity::of_this_process(), "sandbox");
            return Ok(());
        }
        if self.is_required {
            return Err(Incomplete(missing));
        }
        warn!(
            user = %identity::of_this_process(),
            "sandbox, without what this host does not give: {}; sandbox.required = true makes \
             that an error",
            missing.join("; ")
        );
        Ok(())
    }
}
